/* SPDX-License-Identifier: MIT */
/* dump.h - the entries of a cache as one run of bytes, for the master that comes after
 * this one: another program, perhaps a newer one, with options of its own.
 *
 * So what is handed over is what the entries say, not the heap that they lie in: a
 * header, then records (record.h) from the oldest to the newest in the queue, each
 * behind its length and the time when it was last compared with the disk. The reader
 * checks all of it, and puts the entries in as if they were fetched one by one: limits
 * and hash key are its own.
 */
#ifndef COWSHED_CACHE_DUMP_H
#define COWSHED_CACHE_DUMP_H

#include <stddef.h>
#include <stdint.h>

struct cache;

struct cache_dump {
    uint64_t entries, bytes; /* of the file */
};

/* Owner. Into a file in memory of its own, *ret_fd (close-on-exec, at its beginning).
 * Memory that is short shows here and is no signal later. 0 or a negative errno; the
 * cache is as before either way. */
int cache_dump(const struct cache *, int *ret_fd, struct cache_dump *ret);
/* Owner, before anybody reads. Consumes the memory behind the file as it goes.
 * `ret` counts what was stored, also when it ends with an error: -EBADMSG for bytes
 * that no cache_dump() wrote, -ESTALE for another version of them, or a negative errno.
 * What the cache refuses (too large for it) is left out. */
int cache_load(struct cache *, int fd, size_t body_max, struct cache_dump *ret);

#endif
