/* SPDX-License-Identifier: MIT */
/* hist_json.c - jansson at the edge. */
#include "loadtest/hist_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "loadtest/hist_text.h"
#include "loadtest/out_file.h"
#include "loadtest/quantile.h"

static json_t *percentiles_json(const struct hist *hist)
{
    json_t *object = json_object();
    for (size_t i = 0; i < QUANTILES; i++) {
        const struct quantile *q = &quantiles[i];
        json_t *value =
            quantile_known(q, hist->total)
                ? json_integer((json_int_t)hist_percentile(hist, q->num, q->den))
                : json_null();
        json_object_set_new(object, q->key, value);
    }
    return object;
}

json_t *hist_json(const struct hist *hist)
{
    char *text;
    if (hist_text_encode(hist, &text) < 0)
        return NULL;
    json_t *object =
        json_pack("{s:I, s:I, s:I, s:f, s:I, s:o, s:s}", "samples",
                  (json_int_t)hist->total, "above_range", (json_int_t)hist->above,
                  "min_ns", (json_int_t)(hist->total > 0 ? hist->min : 0), "mean_ns",
                  hist_mean(hist), "max_ns", (json_int_t)hist->max, "percentiles_ns",
                  percentiles_json(hist), "hdr", text);
    free(text);
    return object;
}

int hist_json_write(json_t *root, const char *path)
{
    if (root == NULL)
        return -ENOMEM;
    struct out_file out;
    int err = out_open(&out, path, OUT_WHOLE);
    if (err == 0) {
        bool dumped = json_dumpf(root, out.stream, JSON_INDENT(2)) == 0;
        fputc('\n', out.stream);
        if (!dumped && out.err == 0) { /* not the disk: jansson had no memory */
            out_abort(&out);
            err = -ENOMEM;
        } else {
            err = out_commit(&out);
        }
    }
    json_decref(root);
    return err;
}
