/* SPDX-License-Identifier: MIT */
/* hlog.c - log format 1.3, as the Java library writes it. */
#include "loadtest/hlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "loadtest/hist_text.h"
#include "server/base/num.h"

static const char legend[] = "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
                             "\"Interval_Compressed_Histogram\"";

void hlog_begin(FILE *out, const char *title, uint64_t start_wall_ns)
{
    time_t seconds = (time_t)(start_wall_ns / 1000000000);
    unsigned ms = (unsigned)(start_wall_ns / 1000000 % 1000);
    struct tm utc;
    char text[64];
    gmtime_r(&seconds, &utc);
    strftime(text, sizeof text, "%a %b %d %H:%M:%S UTC %Y", &utc);
    /* one reader takes header lines in pieces of 128 bytes: keep them shorter */
    fprintf(out, "#[%.100s]\n#[Histogram log format version 1.3]\n", title);
    fprintf(out, "#[StartTime: %lld.%03u (seconds since epoch), %s]\n",
            (long long)seconds, ms, text);
    fprintf(out, "#[BaseTime: %lld.%03u (seconds since epoch)]\n", (long long)seconds,
            ms);
    fprintf(out, "#UNITS: nanoseconds; Interval_Max in milliseconds\n%s\n", legend);
}

/* Seconds or milliseconds to three places, with a point in every locale. */
static void put_milli(FILE *out, double value)
{
    uint64_t milli = (uint64_t)(value * 1000 + 0.5);
    fprintf(out, "%llu.%03u,", (unsigned long long)(milli / 1000),
            (unsigned)(milli % 1000));
}

int hlog_put(FILE *out, const char *tag, double start_s, double length_s,
             const struct hist *hist)
{
    char *text;
    int err = hist_text_encode(hist, &text);
    if (err < 0)
        return err;
    if (tag != NULL)
        fprintf(out, "Tag=%s,", tag);
    put_milli(out, start_s);
    put_milli(out, length_s);
    put_milli(out, (double)hist->max / 1e6);
    fprintf(out, "%s\n", text);
    free(text);
    return 0;
}

static int parse_tag(struct span *rest, char *ret_tag)
{
    struct span tag;
    ret_tag[0] = '\0';
    if (!span_starts(*rest, SPAN("Tag=")))
        return 0;
    if (!span_cut(span_skip(*rest, 4), ',', &tag, rest) || tag.n == 0)
        return -EBADMSG;
    return span_to_cstr(tag, ret_tag, HLOG_TAG_MAX + 1) < 0 ? -EBADMSG : 0;
}

static int parse_number(struct span *rest, double *ret_value)
{
    struct span field;
    if (!span_cut(*rest, ',', &field, rest) ||
        num_parse_double(field, 0, 1e12, ret_value) < 0)
        return -EBADMSG;
    return 0;
}

int hlog_parse(struct span text, struct hlog_line *ret_line)
{
    struct hlog_line line;
    double max;
    text = span_trim(text);
    while (span_ends(text, SPAN("\n")) || span_ends(text, SPAN("\r")))
        text.n--;
    if (text.n == 0 || text.p[0] == '#' || text.p[0] == '"')
        return 0;
    if (parse_tag(&text, line.tag) < 0 || parse_number(&text, &line.start_s) < 0 ||
        parse_number(&text, &line.length_s) < 0 || parse_number(&text, &max) < 0)
        return -EBADMSG;
    int err = hist_text_decode(text.p, text.n, &line.hist);
    if (err < 0)
        return err;
    *ret_line = line;
    return 1;
}
