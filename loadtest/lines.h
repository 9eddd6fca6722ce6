/* SPDX-License-Identifier: MIT */
/* lines.h - a text file, line by line, for those who complain with its place. */
#ifndef LOADTEST_LINES_H
#define LOADTEST_LINES_H

#include "server/base/span.h"

enum { LINES_ERROR_MAX = 256 };

/* Takes a line, without its end. 0, or a negative errno: *ret_wrong, NULL before, may
 * say why in words. */
typedef int lines_take(void *arg, struct span line, const char **ret_wrong);

/* 0, or a negative errno with a message in `error`: "PATH:LINE: why", if a line is it.
 */
int lines_read(const char *path, lines_take *take, void *arg,
               char error[LINES_ERROR_MAX]);

#endif
