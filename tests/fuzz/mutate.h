/* SPDX-License-Identifier: MIT */
/* mutate.h - inputs for bounded walks of fuzz targets: seeds, edited with words that
 * matter. */
#ifndef COWSHED_MUTATE_H
#define COWSHED_MUTATE_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/prng.h"
#include "server/base/span.h"

/* A string literal, zeros included. */
#define WORD(text)             \
    {                          \
        text, sizeof(text) - 1 \
    }

struct walk {
    const struct span *seeds, *words;
    size_t seed_count, word_count;
    unsigned parts_max, edits_max; /* seeds in a row; edits of them, one less at most */
};

/* The next input, at most `room` bytes; its length. */
size_t mutate(const struct walk *, struct prng *, char *bytes, size_t room);

typedef int mutate_target(const uint8_t *, size_t); /* 0: what must hold does */

/* So many inputs of at most `room` bytes, each in memory that ends with it, through the
 * target. */
void walk_through(const struct walk *, uint64_t seed, unsigned runs, size_t room,
                  mutate_target *target);

/* Every file of a folder below the top, through the target; how many. A failed check
 * when there is no such folder. */
unsigned replay(const char *folder, mutate_target *target);

#endif
