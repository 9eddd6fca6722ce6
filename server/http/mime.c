/* SPDX-License-Identifier: MIT */
/* mime.c - a sorted table and a binary search. */
#include "server/http/mime.h"

#include <stddef.h>

static const struct mime {
    const char *extension, *type;
} mimes[] = {
#define MIME(extension, type) { extension, type },
#include "server/http/mime.def"
#undef MIME
};

enum { EXTENSION_MAX = 16 };

struct span mime_of(struct span path)
{
    static const char unknown[] = "application/octet-stream";
    char lower[EXTENSION_MAX];
    size_t dot = span_rfind(path, '.');
    struct span extension = span_skip(path, dot + 1);
    size_t low = 0, high = sizeof mimes / sizeof mimes[0];

    if (dot == path.n || extension.n == 0 || extension.n > sizeof lower) {
        return span_of(unknown);
    }
    for (size_t i = 0; i < extension.n; i++) {
        char c = extension.p[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    extension = (struct span){ lower, extension.n };
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = span_cmp(extension, span_of(mimes[middle].extension));
        if (order == 0) {
            return span_of(mimes[middle].type);
        }
        low = order > 0 ? middle + 1 : low;
        high = order < 0 ? middle : high;
    }
    return span_of(unknown);
}
