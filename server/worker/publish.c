/* SPDX-License-Identifier: MIT */
/* publish.c - offers a record to the master; see publish.h. */
#include "server/worker/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/cache/record.h"
#include "server/worker/worker_priv.h"

void publisher_init(struct worker *w)
{
    ring_open_writer(&w->publisher.ring, &w->seat->publish_head, w->seat->publish,
                     PUBLISH_RING_BYTES);
    w->publisher.doorbell = false;
    w->publisher.files_sent = 0;
}

static int by_ring(struct worker *w, const struct cache_record *record, size_t n)
{
    void *room = ring_reserve(&w->publisher.ring, n);
    int was_empty;

    if (room == NULL)
        return -EAGAIN;
    record_encode(record, room);
    ring_commit(&w->publisher.ring, n, &was_empty);
    if (was_empty)
        w->publisher.doorbell = true;
    return 0;
}

/* Sealed, so that nobody can change or shorten what the master has begun to check. */
static int make_memfd(const struct cache_record *record, size_t n)
{
    const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int fd = memfd_create("cowshed-publish", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *at = MAP_FAILED;
    int rc;

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)n) == 0)
        at = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        goto fail;
    record_encode(record, at);
    munmap(at, n);
    if (fcntl(fd, F_ADD_SEALS, seals) < 0)
        goto fail;
    return fd;

fail:
    rc = -errno;
    close(fd);
    return rc;
}

/* The channel would hold hundreds while the master is slow, and they are memory. One
 * always has room, or what is larger than the bound would never be published. */
static bool files_have_room(const struct worker *w, size_t n)
{
    uint64_t under_way =
        w->publisher.files_sent -
        atomic_load_explicit(&w->seat->publish_files_taken, memory_order_relaxed);

    return under_way == 0 || under_way + n <= PUBLISH_FILES_BYTES;
}

static int by_memfd(struct worker *w, const struct cache_record *record, size_t n)
{
    const uint64_t arg[3] = { n };
    int fd, rc;

    if (!files_have_room(w, n))
        return -EAGAIN;
    fd = make_memfd(record, n);
    if (fd < 0)
        return fd;
    rc = control_try(&w->control, MESSAGE_PUBLISH_FD, arg, fd);
    close(fd);
    if (rc == 0)
        w->publisher.files_sent += n;
    return rc;
}

void publish(struct worker *w, const struct cache_record *record)
{
    size_t n = record_encoded_size(record);
    int rc = n < PUBLISH_MEMFD_FROM ? by_ring(w, record, n) : by_memfd(w, record, n);

    count(w->seat, rc == 0 ? COUNTER_published : COUNTER_publish_dropped, 1);
}

void publish_ring_bell(struct worker *w)
{
    const uint64_t none[3] = { 0 };

    if (control_try(&w->control, MESSAGE_PUBLISH, none, -1) != -EAGAIN)
        w->publisher.doorbell = false;
}
