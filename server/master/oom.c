/* SPDX-License-Identifier: MIT */
/* oom.c - see oom.h. */
#include "server/master/oom.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/base/fd.h"

static const char path[] = "/proc/self/oom_score_adj";

unsigned oom_score(uint64_t bytes, uint64_t room)
{
    uint64_t part = room / OOM_SCORE_MAX, score;

    if (bytes >= room || part == 0)
        return OOM_SCORE_MAX;
    score = bytes / part + (bytes % part != 0);
    return score < OOM_SCORE_MAX ? (unsigned)score : OOM_SCORE_MAX;
}

int oom_stand_before(unsigned score)
{
    char text[32];
    size_t n;
    int fd, rc = fd_read_file(path, text, sizeof text - 1, &n);

    if (rc < 0)
        return rc;
    text[n] = '\0';
    long now = strtol(text, NULL, 10), wanted = now + (long)score;
    n = (size_t)snprintf(text, sizeof text, "%ld",
                         wanted < OOM_SCORE_MAX ? wanted : OOM_SCORE_MAX);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    rc = fd_write_all(fd, text, n);
    close(fd);
    return rc;
}
