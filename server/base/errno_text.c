/* SPDX-License-Identifier: MIT */
/* errno_text.c - our words where we have some, glibc's for the rest. */
#include "server/base/errno_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *errno_text(int err)
{
    /* glibc's words, lower case, for what a server meets; the rest as glibc has it. */
    static const struct {
        int err;
        const char *text;
    } words[] = {
        { EACCES, "permission denied" },
        { EADDRINUSE, "address already in use" },
        { EADDRNOTAVAIL, "cannot assign requested address" },
        { EAGAIN, "resource temporarily unavailable" },
        { ECONNREFUSED, "connection refused" },
        { ECONNRESET, "connection reset by peer" },
        { EDQUOT, "disk quota exceeded" },
        { EEXIST, "file exists" },
        { EFBIG, "file too large" },
        { EINVAL, "invalid argument" },
        { EIO, "input/output error" },
        { EISDIR, "is a directory" },
        { ELOOP, "too many symbolic links" },
        { EMFILE, "too many open files" },
        { ENAMETOOLONG, "file name too long" },
        { ENFILE, "too many open files in system" },
        { ENOENT, "no such file or directory" },
        { ENOMEM, "cannot allocate memory" },
        { ENOSPC, "no space left on device" },
        { ENOTDIR, "not a directory" },
        { EPERM, "operation not permitted" },
        { EPIPE, "broken pipe" },
        { ERANGE, "out of range" },
        { EROFS, "read-only file system" },
        { ETIMEDOUT, "timed out" },
    };

    err = abs(err);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (words[i].err == err)
            return words[i].text;
    }
    const char *text = strerrordesc_np(err);
    return text != NULL ? text : "unknown error";
}
