/* SPDX-License-Identifier: MIT */
/* page.h - a page of one file: report.html with Chart.js and the data in it. */
#ifndef LOADTEST_PAGE_H
#define LOADTEST_PAGE_H

#include <jansson.h>

/* Takes `root` (json_decref). 0 or a negative errno. */
int page_write(json_t *root, const char *path);

#endif
