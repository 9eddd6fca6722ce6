/* SPDX-License-Identifier: MIT */
/* fd.c - flags, inheritance and plain reads and writes of descriptors. */
#include "server/base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int change_flag(int fd, int get, int set, int flag, int on)
{
    int flags = fcntl(fd, get);

    if (flags < 0)
        return -errno;
    int wanted = on ? flags | flag : flags & ~flag;
    if (wanted != flags && fcntl(fd, set, wanted) < 0)
        return -errno;
    return 0;
}

int fd_set_cloexec(int fd)
{
    return change_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, 1);
}

int fd_set_nonblock(int fd)
{
    return change_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, 1);
}

int fd_set_block(int fd)
{
    return change_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, 0);
}

static int by_number(const void *a, const void *b)
{
    int x = *(const int *)a;
    int y = *(const int *)b;

    return (x > y) - (x < y);
}

int fd_close_others(const int *keep, size_t n)
{
    int sorted[FD_KEEP_MAX];
    unsigned from = STDERR_FILENO + 1;

    if (n > FD_KEEP_MAX)
        return -E2BIG;
    if (n > 0) {
        memcpy(sorted, keep, n * sizeof sorted[0]);
        qsort(sorted, n, sizeof sorted[0], by_number);
    }
    for (size_t i = 0; i < n; i++) {
        if (sorted[i] < (int)from)
            continue;
        unsigned fd = (unsigned)sorted[i];
        if (fd > from && close_range(from, fd - 1, 0) < 0)
            return -errno;
        from = fd + 1;
    }
    return close_range(from, ~0u, 0) < 0 ? -errno : 0;
}

int fd_write_all(int fd, const void *p, size_t n)
{
    const char *at = p;

    while (n > 0) {
        ssize_t done = write(fd, at, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        at += done;
        n -= (size_t)done;
    }
    return 0;
}

static int wait_for_bytes(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int rc;

    do {
        rc = poll(&p, 1, FD_WAIT_MS);
    } while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : rc == 0 ? -ETIMEDOUT : 0;
}

/* A pipe that nobody has opened for writing yet looks like an empty file. */
static int wait_for_writer(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) ? wait_for_bytes(fd) : 0;
}

/* Up to `size` bytes; a shorter result means the end of the file. */
static int read_up_to(int fd, char *p, size_t size, size_t *ret_n)
{
    size_t n = 0;

    while (n < size) {
        ssize_t got = read(fd, p + n, size - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN) {
            int rc = wait_for_bytes(fd);

            if (rc < 0)
                return rc;
            continue;
        }
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    *ret_n = n;
    return 0;
}

int fd_read_file(const char *path, void *p, size_t size, size_t *ret_n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    size_t n = 0;
    size_t more = 0;
    char extra;

    if (fd < 0)
        return -errno;
    int err = wait_for_writer(fd);
    if (err == 0)
        err = read_up_to(fd, p, size, &n);
    if (err == 0 && n == size)
        err = read_up_to(fd, &extra, 1, &more);
    if (err == 0 && more > 0)
        err = -EFBIG;
    if (err == 0)
        *ret_n = n;
    fd_close(&fd);
    return err;
}

int fd_count(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    if (dir == NULL)
        return -errno;
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        n += e->d_name[0] != '.';
    closedir(dir);
    return n - 1; /* without the one of opendir() */
}

void fd_close(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        close(*fd); /* Linux frees the number even when it reports EINTR */
    *fd = -1;
    errno = saved;
}
