/* SPDX-License-Identifier: MIT */
/* lines.c - getline(), with the place and the reason of what goes wrong. */
#include "loadtest/lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int lines_read(const char *path, lines_take *take, void *arg,
               char error[LINES_ERROR_MAX])
{
    char *text = NULL;
    size_t size = 0, number = 0;
    ssize_t n;
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        int err = -errno;
        snprintf(error, LINES_ERROR_MAX, "could not open '%.120s': %s", path,
                 strerror(-err));
        return err;
    }
    int err = 0;
    while (err == 0 && (errno = 0, n = getline(&text, &size, in)) >= 0) {
        const char *wrong = NULL;
        struct span line = span_make(text, (size_t)n);
        if (span_ends(line, SPAN("\n")))
            line.n--;
        number++;
        err = take(arg, line, &wrong);
        if (err < 0)
            snprintf(error, LINES_ERROR_MAX, "%.120s:%zu: %s", path, number,
                     wrong != NULL ? wrong : strerror(-err));
    }
    if (err == 0 && ferror(in)) {
        err = errno != 0 ? -errno : -EIO;
        snprintf(error, LINES_ERROR_MAX, "could not read '%.120s': %s", path,
                 strerror(-err));
    }
    free(text);
    fclose(in);
    return err;
}
