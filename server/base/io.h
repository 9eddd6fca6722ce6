/* SPDX-License-Identifier: MIT */
/* io.h - how bytes come and go on a connection, plain or by TLS, behind one table.
 *
 * Chosen once, at accept. All functions return what the system call would, with a
 * negative errno instead of -1, and repeat after EINTR; -EAGAIN says that there are no
 * bytes or no room now: an event of the descriptor tells when to try again.
 */
#ifndef COWSHED_BASE_IO_H
#define COWSHED_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct io;

/* One end of a connection; owned, with its descriptor, by whoever made it. */
struct wire {
    const struct io *io;
    void *state; /* of io's own */
    int fd;
    bool more;       /* bytes that no event will tell of: read again */
    bool needs_room; /* read() said -EAGAIN, and waits for room in the socket */
    bool broken;     /* nothing can be said on it any more */
};

struct io {
    const char *name;
    /* 0: the peer has ended its side. */
    ssize_t (*read)(struct wire *, void *to, size_t n);
    /* more: other bytes follow at once, so do not send a short segment. After -EAGAIN
     * the next call must begin with the same bytes, and have as many at least. */
    ssize_t (*writev)(struct wire *, const struct iovec *from, int count, bool more);
    /* From a regular file, at an offset of its own; 0: the file has ended too early. */
    ssize_t (*send_file)(struct wire *, int file, uint64_t at, size_t n);
    /* We send no more. */
    int (*end)(struct wire *);
    /* Says so if it was not said, closes the descriptor, gives the state back. */
    void (*close)(struct wire *);
};

extern const struct io io_plain;

static inline struct wire wire_plain(int fd)
{
    return (struct wire){ .io = &io_plain, .fd = fd };
}

#endif
