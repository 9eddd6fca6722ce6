/* SPDX-License-Identifier: MIT */
/* page.c - puts the parts of the page together. The page and Chart.js are in the
 * program since it was built, so that a report needs no other file and no network. */
#include "loadtest/page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loadtest/out_file.h"
#include "server/base/check.h"
#include "server/base/span.h"

/* From the files that the Makefile names. */
#define EMBED(name, path)                             \
    __asm__(".section .rodata\n"                      \
            ".global " #name "\n" #name ":\n"         \
            ".incbin \"" path "\"\n"                  \
            ".global " #name "_end\n" #name "_end:\n" \
            ".byte 0\n"                               \
            ".previous\n");                           \
    extern const char name[], name##_end[]

EMBED(page_chart_js, CHART_JS);
EMBED(page_html, "loadtest/report.html");

/* Everything up to `mark`, which must be there; the rest is what comes behind it. */
static struct span up_to(struct span *rest, struct span mark)
{
    const char *found = memmem(rest->p, rest->n, mark.p, mark.n);
    CHECK(found != NULL);
    struct span part = span_range(rest->p, found);
    *rest = span_range(found + mark.n, rest->p + rest->n);
    return part;
}

static void put(FILE *out, struct span bytes)
{
    fwrite(bytes.p, 1, bytes.n, out);
}

/* No data can end the script that it is in. */
static int put_data(const char *bytes, size_t n, void *arg)
{
    FILE *out = arg;
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '<')
            fputs("\\u003c", out);
        else
            fputc(bytes[i], out);
    }
    return 0;
}

int page_write(json_t *root, const char *path)
{
    struct span rest = span_range(page_html, page_html_end);
    struct out_file out;
    if (root == NULL)
        return -ENOMEM;
    int err = out_open(&out, path, OUT_WHOLE);
    if (err == 0) {
        put(out.stream, up_to(&rest, SPAN("/*CHART_JS*/")));
        put(out.stream, span_range(page_chart_js, page_chart_js_end));
        put(out.stream, up_to(&rest, SPAN("/*DATA*/")));
        bool dumped = json_dump_callback(root, put_data, out.stream, JSON_COMPACT) == 0;
        put(out.stream, rest);
        if (!dumped && out.err == 0) {
            out_abort(&out);
            err = -ENOMEM;
        } else {
            err = out_commit(&out);
        }
    }
    json_decref(root);
    return err;
}
