/* SPDX-License-Identifier: MIT */
/* io.h - how bytes come and go on a connection: plain now, TLS behind the same table.
 *
 * Chosen once, at accept. All functions return what the system call would, with a
 * negative errno instead of -1, and repeat after EINTR; -EAGAIN says that the socket
 * has no bytes or no room.
 */
#ifndef COWSHED_WORKER_IO_H
#define COWSHED_WORKER_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct io {
    const char *name;
    /* 0: the peer has ended its side. */
    ssize_t (*read)(int fd, void *to, size_t n);
    /* more: other bytes follow at once, so do not send a short segment. */
    ssize_t (*writev)(int fd, const struct iovec *from, int count, bool more);
    /* From a regular file, at an offset of its own; 0: the file has ended too early. */
    ssize_t (*send_file)(int fd, int file, uint64_t at, size_t n);
    /* We send no more. */
    int (*end)(int fd);
};

extern const struct io io_plain;

#endif
