/* SPDX-License-Identifier: MIT */
/* fd.h - small things about file descriptors.  All return 0 or a negative errno. */
#ifndef COWSHED_FD_H
#define COWSHED_FD_H

#include <stddef.h>
#include <sys/types.h>

int fd_set_cloexec(int fd);
int fd_set_nonblock(int fd);
int fd_set_block(int fd);

/* Closes every descriptor above 2 that is not among keep[0..n-1] (any order, at most
 * FD_KEEP_MAX of them, entries below 0 are ignored).  -E2BIG when there are more. */
enum { FD_KEEP_MAX = 256 };
int fd_close_others(const int *keep, size_t n);

/* All of it, through short writes and EINTR; for descriptors that block. */
int fd_write_all(int fd, const void *p, size_t n);

/* At most `size` bytes of a file from its beginning, through short reads and EINTR;
 * the length is in *ret_n.  -EFBIG when the file has more than that. A pipe is waited
 * for FD_WAIT_MS and no longer: -ETIMEDOUT. */
enum { FD_WAIT_MS = 1000 };
int fd_read_file(const char *path, void *p, size_t size, size_t *ret_n);

/* Open descriptors of this process, without the one used to count; or a negative
 * errno. */
int fd_count(void);

/* Closes and sets *fd to -1; nothing when it is -1 already. Keeps errno. */
void fd_close(int *fd);

#endif
