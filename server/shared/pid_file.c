/* SPDX-License-Identifier: MIT */
/* pid_file.c - see pid_file.h. */
#include "server/shared/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/errno_text.h"
#include "server/base/fd.h"
#include "server/base/num.h"

/* The file may have been removed by its last owner between our open and our lock: then
 * the lock is on a file that nobody will find. */
static bool is_the_file(int fd, const char *path)
{
    struct stat mine, there;

    return fstat(fd, &mine) == 0 && stat(path, &there) == 0 &&
           mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

/* What is locked here will be overwritten, and removed at the end: not a device, and no
 * file that was named by mistake. */
static int may_be_ours(int fd)
{
    char text[NUM_TEXT_MAX];
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -ENXIO;
    ssize_t n = pread(fd, text, sizeof text, 0);
    if (n < 0)
        return -errno;
    for (ssize_t i = 0; i < n; i++) {
        if ((text[i] < '0' || text[i] > '9') && text[i] != '\n')
            return -EEXIST;
    }
    return 0;
}

int pid_file_check(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY), rc;

    if (fd < 0)
        return path[0] == '\0' || errno == ENOENT ? 0 : -errno;
    rc = may_be_ours(fd);
    close(fd);
    return rc;
}

const char *pid_file_words(int err)
{
    return err == -ENXIO    ? "it is no regular file"
           : err == -EEXIST ? "it holds something else than a pid"
                            : errno_text(err);
}

int pid_file_lock(struct pid_file *ret, const char *path)
{
    int fd = -1, rc;

    *ret = (struct pid_file){ .fd = -1 };
    if (path[0] == '\0')
        return 0;
    do {
        fd_close(&fd);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
            return -errno;
        rc = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : may_be_ours(fd);
        if (rc < 0) {
            close(fd);
            return rc;
        }
    } while (!is_the_file(fd, path));
    ret->path = strdup(path);
    if (ret->path == NULL) {
        close(fd);
        return -ENOMEM;
    }
    ret->fd = fd;
    return 0;
}

int pid_file_adopt(struct pid_file *ret, const char *path, int fd)
{
    *ret = (struct pid_file){ .fd = -1 };
    if (path[0] == '\0' || !is_the_file(fd, path))
        return -ESTALE;
    ret->path = strdup(path);
    if (ret->path == NULL)
        return -ENOMEM;
    ret->fd = fd;
    ret->of_another = true;
    return 0;
}

int pid_file_write(struct pid_file *f, pid_t pid)
{
    char text[NUM_TEXT_MAX];
    int n, rc;

    if (f->fd < 0)
        return 0;
    n = snprintf(text, sizeof text, "%d\n", (int)pid);
    if (lseek(f->fd, 0, SEEK_SET) < 0)
        return -errno;
    f->of_another = false;
    rc = fd_write_all(f->fd, text, (size_t)n);
    if (rc == 0 && ftruncate(f->fd, n) < 0) /* last: it is never empty meanwhile */
        rc = -errno;
    return rc;
}

void pid_file_remove(struct pid_file *f)
{
    if (f->fd >= 0 && !f->of_another && is_the_file(f->fd, f->path))
        unlink(f->path);
    fd_close(&f->fd);
    free(f->path);
    f->path = NULL;
}

/* 0 or -EINVAL, or another negative errno. */
static int read_pid(const char *path, pid_t *ret)
{
    char text[NUM_TEXT_MAX];
    uint64_t pid;
    size_t n = 0;
    int rc = fd_read_file(path, text, sizeof text, &n);

    if (rc < 0)
        return rc;
    while (n > 0 && text[n - 1] == '\n')
        n--;
    if (num_parse_u64(span_make(text, n), 1, INT_MAX, &pid) < 0)
        return -EINVAL;
    *ret = (pid_t)pid;
    return 0;
}

void pid_file_hand_over(struct pid_file *f, pid_t mine)
{
    pid_t there;

    if (f->fd >= 0 && (read_pid(f->path, &there) < 0 || there != mine))
        f->of_another = true;
    pid_file_remove(f);
}

int pid_file_read(const char *path, pid_t *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), held;

    if (fd < 0)
        return -errno;
    held = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    close(fd);
    return held ? read_pid(path, ret) : -ESRCH;
}
