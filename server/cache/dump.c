/* SPDX-License-Identifier: MIT */
/* dump.c - see dump.h. */
#define CACHE_IMPL
#include "server/cache/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/cache/cache.h"
#include "server/cache/cache_impl.h"

/* Everything in the byte order of the machine: it is read on the same one. */
static const char magic[8] = "COWDUMP";
enum { VERSION = 2 };

struct head {
    char magic[8];
    uint64_t version, entries;
};

struct item { /* the record follows, then zeros up to a multiple of 8 */
    uint64_t bytes, checked_ns;
};

/* Memory that has been read is given back in steps of this size. */
static const size_t punch_step = (size_t)16 << 20;

static size_t padded(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

static struct cache_record record_of(const struct entry *e)
{
    return (struct cache_record){ .key = entry_key(e),
                                  .head = entry_head(e),
                                  .body = span_make((const char *)e->body,
                                                    (size_t)e->body_len),
                                  .status = e->status,
                                  .flags = e->flags,
                                  .source = e->source,
                                  .type = entry_type(e),
                                  .etag = entry_etag(e),
                                  .mtime_s = e->mtime_s,
                                  .file_id = e->file_id,
                                  .mtime_ns = e->mtime_ns };
}

/* --- writing -------------------------------------------------------------------------
 */

static size_t size_of(const struct cache *c)
{
    size_t bytes = sizeof(struct head);

    for (const struct entry *e = sieve_oldest(&c->sieve); e != NULL;
         e = sieve_newer(&c->sieve, e)) {
        const struct cache_record r = record_of(e);

        bytes += sizeof(struct item) + padded(record_encoded_size(&r));
    }
    return bytes;
}

static void write_all(const struct cache *c, unsigned char *to)
{
    struct head head = { .version = VERSION, .entries = c->entries };

    memcpy(head.magic, magic, sizeof magic);
    memcpy(to, &head, sizeof head);
    to += sizeof head;
    for (const struct entry *e = sieve_oldest(&c->sieve); e != NULL;
         e = sieve_newer(&c->sieve, e)) {
        const struct cache_record r = record_of(e);
        const struct item item = { record_encoded_size(&r),
                                   atomic_load_explicit(&c->side.checked[e->id],
                                                        memory_order_relaxed) };

        memcpy(to, &item, sizeof item);
        record_encode(&r, to + sizeof item);
        to += sizeof item + padded((size_t)item.bytes);
    }
}

/* The pages are there before the first is written: a store to one that there is no
 * memory for would be a SIGBUS. */
static int fill(const struct cache *c, int fd, size_t bytes)
{
    unsigned char *to;
    int rc = posix_fallocate(fd, 0, (off_t)bytes);

    if (rc != 0)
        return -rc;
    to = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (to == MAP_FAILED)
        return -errno;
    write_all(c, to);
    munmap(to, bytes);
    return 0;
}

int cache_dump(const struct cache *c, int *ret_fd, struct cache_dump *ret)
{
    size_t bytes = size_of(c);
    int fd, rc;

    CHECK(c->owner);
    fd = memfd_create("cowshed-dump", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    rc = fill(c, fd, bytes);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    *ret = (struct cache_dump){ c->entries, bytes };
    return 0;
}

/* --- reading -------------------------------------------------------------------------
 */

struct reader {
    const unsigned char *at;
    size_t bytes, used, punched;
    int fd;
};

static bool take(struct reader *r, void *to, size_t n)
{
    if (r->bytes - r->used < n)
        return false;
    memcpy(to, r->at + r->used, n);
    r->used += n;
    return true;
}

/* So that the old copy goes as the new one grows. That it may fail costs memory only.
 */
static void punch(struct reader *r)
{
    size_t done = r->used / punch_step * punch_step;

    if (done == r->punched)
        return;
    (void)fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    (off_t)r->punched, (off_t)(done - r->punched));
    r->punched = done;
}

static int load_one(struct cache *c, struct reader *r, size_t body_max,
                    struct cache_dump *ret)
{
    struct cache_record record;
    struct item item;
    int rc;

    if (!take(r, &item, sizeof item) || item.bytes > r->bytes - r->used)
        return -EBADMSG;
    rc = record_decode(r->at + r->used, (size_t)item.bytes, SIZE_MAX, &record);
    if (rc < 0)
        return rc;
    if (record.body.n <= body_max && cache_insert(c, &record, item.checked_ns) == 0) {
        ret->entries++;
        ret->bytes += item.bytes;
    }
    cache_safepoint(c);
    r->used += padded((size_t)item.bytes);
    if (r->used > r->bytes)
        return -EBADMSG;
    punch(r);
    return 0;
}

static int load_all(struct cache *c, struct reader *r, size_t body_max,
                    struct cache_dump *ret)
{
    struct head head;
    int rc = 0;

    if (!take(r, &head, sizeof head) || memcmp(head.magic, magic, sizeof magic) != 0)
        return -EBADMSG;
    if (head.version != VERSION)
        return -ESTALE;
    for (uint64_t i = 0; rc == 0 && i < head.entries; i++)
        rc = load_one(c, r, body_max, ret);
    return rc;
}

int cache_load(struct cache *c, int fd, size_t body_max, struct cache_dump *ret)
{
    struct reader r = { .fd = fd };
    struct stat st;
    void *at;
    int rc;

    CHECK(c->owner);
    *ret = (struct cache_dump){ 0 };
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size <= 0)
        return -EBADMSG;
    at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return -errno;
    r.at = at;
    r.bytes = (size_t)st.st_size;
    rc = load_all(c, &r, body_max, ret);
    munmap(at, r.bytes);
    return rc;
}
