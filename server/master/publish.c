/* SPDX-License-Identifier: MIT */
/* publish.c - see publish.h. */
#include "server/master/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "server/base/clock.h"
#include "server/cache/cache.h"
#include "server/master/purge_log.h"
#include "server/shared/region.h"

enum { COPY_BYTES = PUBLISH_RING_BYTES / 2, FIXED_MAX = 4096 };

int publish_open(struct publish *p)
{
    p->copy = malloc(COPY_BYTES);
    return p->copy == NULL ? -ENOMEM : 0;
}

void publish_close(struct publish *p)
{
    free(p->copy);
    p->copy = NULL;
}

/* The bytes do not change any more. 0, -EBADMSG, -ESTALE (a purge came in between), or
 * why the cache did not take it. */
static int store(struct publish *p, const void *bytes, size_t n)
{
    struct cache_record record;
    int rc = record_decode(bytes, n, p->body_max, &record);

    if (rc < 0)
        return rc;
    if (p->cache == NULL)
        return -EPERM;
    if (!purge_log_allows(p->purges, record.purge_seq,
                          cache_hash(p->cache, record.key)))
        return -ESTALE;
    return cache_insert(p->cache, &record, clock_ns());
}

static void tell(struct publish *p, uint64_t start_ns, size_t n, int rc)
{
    if (rc < 0)
        p->region->master.publish_refused++;
    else
        p->region->master.published++;
    event_write(p->events, EVENT_PUBLISH, start_ns, clock_ns() - start_ns, n,
                (uint64_t)-rc);
}

int publish_take(struct publish *p, struct ring *ring, unsigned max)
{
    for (unsigned i = 0; i < max; i++) {
        uint64_t start_ns;
        const void *record;
        size_t n;
        int rc = ring_read(ring, &record, &n);

        if (rc <= 0)
            return rc;
        start_ns = clock_ns();
        memcpy(p->copy, record, n);
        ring_release(ring);
        rc = store(p, p->copy, n);
        tell(p, start_ns, n, rc);
        if (rc == -EBADMSG)
            return rc;
    }
    return 1;
}

/* A file whose bytes can change no more, of a size that makes sense. */
static int check_memfd(const struct publish *p, int fd, size_t *ret_n)
{
    const int needed = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
    int seals = fcntl(fd, F_GET_SEALS);
    size_t largest = p->body_max + RECORD_KEY_MAX + RECORD_HEAD_MAX + FIXED_MAX;
    struct stat st;

    if (seals < 0 || (seals & needed) != needed)
        return -EPERM;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size <= 0 || (uint64_t)st.st_size > largest)
        return -EMSGSIZE;
    *ret_n = (size_t)st.st_size;
    return 0;
}

int publish_take_fd(struct publish *p, int fd)
{
    uint64_t start_ns = clock_ns();
    size_t n = 0;
    void *bytes;
    int rc = check_memfd(p, fd, &n);

    if (rc == 0) {
        bytes = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
        rc = bytes == MAP_FAILED ? -errno : store(p, bytes, n);
        if (bytes != MAP_FAILED)
            munmap(bytes, n);
    }
    tell(p, start_ns, n, rc);
    return rc;
}
