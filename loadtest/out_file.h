/* SPDX-License-Identifier: MIT */
/* out_file.h - a file of results: whole under its name, or not there.
 *
 *   1 open       out_open()    written as NAME.partial; what had the name stays
 *   2 whole      out_commit()  has the name; or failed, then told with the first errno
 *   3 given up   out_abort()   the name is as it was
 *
 * What is no regular file (a pipe, a terminal, /dev/full) is written in place.
 */
#ifndef LOADTEST_OUT_FILE_H
#define LOADTEST_OUT_FILE_H

#include <stdbool.h>
#include <stdio.h>

enum out_how {
    OUT_WHOLE,    /* a partial file is of no use: it goes */
    OUT_LINES,    /* each line of it stands alone: it stays, as NAME.partial */
    OUT_IN_PLACE, /* a log that is looked at while it grows */
};

struct out_file {
    FILE *stream;  /* NULL: not open. Write to it with stdio, and ask for no errors */
    char *path;    /* where the result will be: links are followed */
    char *partial; /* NULL: written in place */
    int fd, err;   /* the first write that failed: a negative errno */
    enum out_how how;
};

/* 0 or a negative errno. The object must not move while it is open. */
int out_open(struct out_file *, const char *path, enum out_how);
static inline bool out_is_open(const struct out_file *out)
{
    return out->stream != NULL;
}

/* Writes what stdio still has. 0 or the first error, and then as out_abort(). */
int out_commit(struct out_file *);
void out_abort(struct out_file *); /* takes one that is not open */
/* Before what takes long: can it be written? What is no regular file is not opened for
 * that. 0 or a negative errno. */
int out_probe(const char *path);
/* Says on standard error that it could not be written, why, and where the rest is. */
void out_complain(const char *path, int err, enum out_how);

#endif
