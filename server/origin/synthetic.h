/* SPDX-License-Identifier: MIT */
/* synthetic.h - the origin for tests and benchmarks: objects /o/0 to /o/N-1 made from a
 * seed.
 *
 * The formula, so that a client can check a body (splitmix64 as in base/prng.h: add
 * 0x9e3779b97f4a7c15 to the state, then mix; all arithmetic modulo 2^64):
 *
 *   key    = first splitmix64 output from state  seed ^ (index * 0xd1b54a32d192ed03)
 *   body   = outputs 1, 2, 3 ... of splitmix64 from state `key`, each as 8 bytes, least
 *            significant first, cut at the size
 *   size   = clamp(round(median * exp(sigma * z)), 16, largest)
 *   z      = prng_normal() of a struct prng seeded with ~key
 *   largest = 1 MiB, or 4 * median when that is more
 *
 * ETag, Last-Modified: none but an ETag "s-SEED-INDEX-SIZE" in hex; type
 * application/octet-stream.
 */
#ifndef COWSHED_ORIGIN_SYNTHETIC_H
#define COWSHED_ORIGIN_SYNTHETIC_H

#include <stddef.h>
#include <stdint.h>

#include "server/origin/origin.h"

enum { SYNTHETIC_SIZE_MIN = 16, SYNTHETIC_SIZE_MAX = 1 << 20, SYNTHETIC_PATH_MAX = 32 };

struct synthetic_config {
    uint64_t objects; /* N >= 1 */
    uint64_t median;  /* bytes */
    double sigma;     /* 0: all have the median size */
    uint64_t seed;
    unsigned delay_ms; /* each fetch takes this long; 0: done at once */
    size_t object_max; /* larger ones are not cacheable */
};

/* 0 or -ENOMEM. */
int origin_synthetic_new(const struct synthetic_config *, struct origin **ret_origin);

/* That of such an origin: origin_source(). */
uint32_t synthetic_source(const struct synthetic_config *);
/* Without an origin, for preloading and for clients that check. */
uint64_t synthetic_size(const struct synthetic_config *, uint64_t index);
/* Bytes [from, from + n) of the body. */
void synthetic_body(const struct synthetic_config *, uint64_t index, uint64_t from,
                    void *to, size_t n);
/* The whole object, at once: what a fetch of its path gives. 404 behind the last. */
void synthetic_object(const struct synthetic_config *, uint64_t index,
                      struct origin_result *ret_result);
/* "/o/INDEX"; the path is in `to`. */
struct span synthetic_path(char to[SYNTHETIC_PATH_MAX], uint64_t index);
/* True and the index when `path` is exactly such a path (no leading zeros) below
 * `objects`. */
bool synthetic_index(const struct synthetic_config *, struct span path,
                     uint64_t *ret_index);

#endif
