/* SPDX-License-Identifier: MIT */
/* file.h - the origin that serves a folder.
 *
 * Nothing outside of the folder can be reached: every open goes through openat2() with
 * RESOLVE_BENEATH. Symbolic links that stay inside are followed. Regular files only.
 *
 *   file     200; at most object_max bytes: read into memory, else an open descriptor
 *   folder/  its index file
 *   folder   301 to folder/
 *
 * EACCES is 403; ENOENT, ENOTDIR, ELOOP, EXDEV, ENAMETOOLONG and other kinds are 404;
 * EMFILE, ENFILE, ENOMEM 503; anything else 500.
 */
#ifndef COWSHED_ORIGIN_FILE_H
#define COWSHED_ORIGIN_FILE_H

#include <stddef.h>

#include "server/origin/origin.h"

struct origin_file_config {
    const char *root;  /* borrowed for the call */
    const char *index; /* file name, "index.html"; borrowed for the call */
    size_t object_max; /* larger files are not read into memory and not cacheable */
};

/* 0, or a negative errno and words in *ret_why (static): no such folder, openat2() is
 * missing
 * (-ENOSYS, before Linux 5.6), the index is not a file name (-EINVAL). */
int origin_file_new(const struct origin_file_config *, struct origin **ret_origin,
                    const char **ret_why);

#endif
