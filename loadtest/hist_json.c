/* SPDX-License-Identifier: MIT */
/* hist_json.c - jansson at the edge. */
#include "loadtest/hist_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "loadtest/hist_text.h"
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
    errno = 0;
    FILE *out = fopen(path, "we");
    int err = out == NULL ? -errno : 0;
    if (err == 0 && json_dumpf(root, out, JSON_INDENT(2)) < 0)
        err = errno != 0 ? -errno : -EIO;
    if (out != NULL && fputc('\n', out) == EOF && err == 0)
        err = -errno;
    if (out != NULL && fclose(out) != 0 && err == 0)
        err = -errno;
    json_decref(root);
    return err;
}
