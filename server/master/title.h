/* SPDX-License-Identifier: MIT */
/* title.h - what ps and top show for a process of ours.
 *
 * The arguments and the environment lie in one run of memory, which becomes the title;
 * the environment is copied elsewhere first. Part of the process's own role, hence
 * global.
 */
#ifndef COWSHED_MASTER_TITLE_H
#define COWSHED_MASTER_TITLE_H

/* Once, from main(), before anything keeps a pointer into argv or the environment; argv
 * is copied and the copy returned. NULL when memory is short: titles then stay as they
 * are. */
char **title_init(int argc, char **argv);

/* "cowshed: " and the words; `name` (at most 15 bytes) for the short name of the
 * thread. */
void title_set(const char *name, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
