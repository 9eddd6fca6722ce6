/* SPDX-License-Identifier: MIT */
/* hgrm.c - the layout of outputPercentileDistribution(). */
#include "loadtest/hgrm.h"

#include <math.h>

#include "loadtest/out_file.h"

enum { TICKS_PER_HALF = 5 };

static void put_row(FILE *out, const struct hist *hist, double scale, uint32_t slot,
                    uint64_t seen)
{
    double share = (double)seen / (double)hist->total;
    uint64_t value = hist_slot_highest(&hist->shape, slot);
    value = value < hist->max ? value : hist->max;
    fprintf(out, "%12.*f %14.12f %10llu", (int)hist->shape.digits,
            (double)value / scale, share, (unsigned long long)seen);
    if (seen < hist->total)
        fprintf(out, " %14.2f", 1 / (1 - share));
    fputc('\n', out);
}

/* The share from which on the next row is due. */
static double step_from(double percent)
{
    double halvings = floor(log2(100 / (100 - percent))) + 1;
    return percent + 100 / (TICKS_PER_HALF * exp2(halvings));
}

void hgrm_write(FILE *out, const struct hist *hist, double scale)
{
    uint64_t seen = 0;
    double due = 0;
    fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
            "1/(1-Percentile)");
    for (uint32_t i = 0; i < hist->shape.counts_len && seen < hist->total; i++) {
        if (hist->counts[i] == 0)
            continue;
        seen += hist->counts[i];
        double percent = 100.0 * (double)seen / (double)hist->total;
        if (percent < due && seen < hist->total)
            continue;
        put_row(out, hist, scale, i, seen);
        while (due <= percent && percent < 100)
            due = step_from(due);
    }
    fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n",
            hist_mean(hist) / scale, sqrt(hist_variance(hist)) / scale);
    fprintf(out, "#[Max     = %12.3f, Total count    = %12llu]\n",
            (double)hist->max / scale, (unsigned long long)hist->total);
    uint32_t half = UINT32_C(1) << hist->shape.half_magnitude;
    fprintf(out, "#[Buckets = %12u, SubBuckets     = %12u]\n",
            hist->shape.counts_len / half - 1, 2 * half);
}

int hgrm_save(const char *path, const struct hist *hist, double scale)
{
    struct out_file out;
    int err = out_open(&out, path, OUT_WHOLE);
    if (err == 0) {
        hgrm_write(out.stream, hist, scale);
        err = out_commit(&out);
    }
    if (err < 0)
        out_complain(path, err, OUT_WHOLE);
    return err;
}
