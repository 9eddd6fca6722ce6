/* SPDX-License-Identifier: MIT */
/* model.h - what a cache should hold, kept in plain arrays, and walks that compare the
 * two.
 *
 * Functions return NULL, or a sentence about the first difference: so a walk can run in
 * a forked child, which must not use the assertions of cmocka.
 */
#ifndef COWSHED_TESTS_MODEL_H
#define COWSHED_TESTS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/prng.h"
#include "server/cache/cache.h"
#include "tests/unit/cache/sieve_model.h"

enum { MODEL_NAMES = 200, MODEL_PINS = 6, MODEL_BODY_MAX = 20000 };

struct model_pin {
    int pin; /* < 0: unused */
    unsigned name;
    uint32_t version;
    const struct entry *entry;
};

struct model {
    struct cache *cache;
    struct cache_reader *reader;
    struct prng prng;
    struct sieve_model queue;
    struct {
        bool in;
        uint32_t version;
        uint64_t cost;
        bool told; /* in a child: hit while it was still the master's entry */
    } names[MODEL_NAMES];
    uint64_t held, limit;
    uint32_t versions; /* given so far */
    uint32_t versions_at_fork;
    struct model_pin pins[MODEL_PINS];
    char why[256];
};

/* A record of that name and version; its bytes lie in a static buffer until the next
 * call. */
struct cache_record model_record(unsigned name, uint32_t version);
/* Whether an entry holds exactly what model_record() says. */
bool model_entry_is(const struct entry *, unsigned name, uint32_t version);
struct span model_key(unsigned name); /* static buffer */

/* The cache must be empty. Opens a reader on `seat`. */
void model_open(struct model *, struct cache *, unsigned seat, size_t limit,
                uint64_t seed);
void model_close(struct model *); /* reader and pins */
/* In a child: the reader of the parent and its pins are not ours. */
void model_reopen(struct model *, unsigned seat);
/* In the master: a child has hit this name. */
void model_told(struct model *, unsigned name);

/* A random operation, compared; each with its consequences for the queue. */
const char *model_step(struct model *);
const char *model_walk(struct model *, unsigned steps, unsigned verify_every);
const char *model_insert(struct model *, unsigned name);
const char *model_find(struct model *, unsigned name);
const char *model_remove(struct model *, unsigned name);
/* Everything: each name looked up (without marking the model's visit), cache_verify().
 */
const char *model_compare(struct model *);

#endif
