/* SPDX-License-Identifier: MIT */
/* table.c - open addressing with linear probing, in one object of the heap.
 *
 * This is what an ordinary cache does, and what it costs after a fork is the question:
 * each insertion and removal writes to pages that the other processes still share.
 *
 *   struct table | entries: 1 << bits pointers | tags: 1 << bits words
 *
 * A tag is the upper half of the hash, made odd; 0 is a free place. Probing reads tags,
 * sixteen to a cache line, and looks at an entry when its tag fits. The upper bits of
 * the tag choose the first place to look at. Removal shifts later entries of the run
 * back, so there are no tombstones. At three quarters the table doubles: a new object
 * is filled while it is still unknown to everybody, then becomes the root. Nothing of
 * the old one is written for that, so a collection that runs meanwhile still finds in
 * it what it had at its start.
 *
 * Every store of a pointer into a table that the collector knows goes through
 * gc_store().
 */
#include "server/cache/table.h"

#include <errno.h>
#include <stddef.h>

enum { BITS_MIN = 6, BITS_MAX = 30 };

struct table {
    uint32_t bits;
    uint32_t used;
    const struct entry *entries[];
};

static uint32_t places(const struct table *t)
{
    return (uint32_t)1 << t->bits;
}

static const uint32_t *tags(const struct table *t)
{
    return (const uint32_t *)(const void *)&t->entries[places(t)];
}

static uint32_t *tags_of(struct table *t)
{
    return (uint32_t *)(void *)&t->entries[places(t)];
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32) | 1;
}

static uint32_t home(const struct table *t, uint32_t tag)
{
    return tag >> (32 - t->bits);
}

static size_t bytes_of(unsigned bits)
{
    return sizeof(struct table) + ((sizeof(struct entry *) + sizeof(uint32_t)) << bits);
}

static void trace(const void *obj, struct gc_visitor *v)
{
    const struct table *t = obj;

    gc_visit_array(v, (const void *const *)t->entries, places(t));
}

const struct gc_type table_type = { .name = "table", .trace = trace };

static struct table *make(struct gc_heap *heap, int type, unsigned bits)
{
    struct table *t = gc_alloc(heap, type, bytes_of(bits));

    if (t == NULL)
        return NULL;
    memset(t, 0, bytes_of(bits));
    t->bits = bits;
    return t;
}

/* The place of the key, or the free place where its run ends. */
static uint32_t probe(const struct table *t, uint64_t hash, struct span key)
{
    const uint32_t *tag = tags(t);
    uint32_t want = tag_of(hash);
    uint32_t mask = places(t) - 1;
    uint32_t at = home(t, want);

    while (tag[at] != 0 && !(tag[at] == want && entry_is(t->entries[at], hash, key)))
        at = (at + 1) & mask;
    return at;
}

const struct entry *table_find(const void *root, uint64_t hash, struct span key)
{
    const struct table *t = root;

    return t == NULL ? NULL : t->entries[probe(t, hash, key)];
}

/* All entries of `from` into a table that nobody knows yet. */
static void refill(struct table *to, const struct table *from)
{
    uint32_t mask = places(to) - 1;

    for (uint32_t i = 0; i < places(from); i++) {
        uint32_t tag = tags(from)[i];
        uint32_t at = home(to, tag);

        if (tag == 0)
            continue;
        while (tags(to)[at] != 0)
            at = (at + 1) & mask;
        tags_of(to)[at] = tag;
        to->entries[at] = from->entries[i];
    }
    to->used = from->used;
}

int table_copy(struct gc_heap *heap, int type, const void *root, void **ret)
{
    const struct table *old = root;
    struct table *t = make(heap, type, old->bits);

    if (t == NULL)
        return -ENOSPC;
    refill(t, old);
    *ret = t;
    return 0;
}

int table_put(struct gc_heap *heap, int type, void *root, const struct entry *e,
              void **ret)
{
    struct table *t = root;
    uint32_t at;

    if (t == NULL && (t = make(heap, type, BITS_MIN)) == NULL)
        return -ENOSPC;
    at = probe(t, e->hash, entry_key(e));
    if (tags(t)[at] == 0 && t->used + 1 > places(t) / 4 * 3) {
        struct table *wide = NULL;

        if (t->bits < BITS_MAX)
            wide = make(heap, type, t->bits + 1);
        if (wide == NULL)
            return -ENOSPC;
        refill(wide, t);
        t = wide;
        at = probe(t, e->hash, entry_key(e));
    }
    if (tags(t)[at] == 0) {
        tags_of(t)[at] = tag_of(e->hash);
        t->used++;
    }
    gc_store(heap, t, &t->entries[at], e);
    *ret = t;
    return 0;
}

int table_remove(struct gc_heap *heap, void *root, uint64_t hash, struct span key)
{
    struct table *t = root;
    uint32_t mask, hole, at;

    if (t == NULL)
        return -ENOENT;
    mask = places(t) - 1;
    hole = probe(t, hash, key);
    if (tags(t)[hole] == 0)
        return -ENOENT;
    /* What follows in the run moves back, unless that would put it before its home. */
    for (at = (hole + 1) & mask; tags(t)[at] != 0; at = (at + 1) & mask) {
        uint32_t from_home = (at - home(t, tags(t)[at])) & mask;

        if (from_home < ((at - hole) & mask))
            continue;
        tags_of(t)[hole] = tags(t)[at];
        gc_store(heap, t, &t->entries[hole], t->entries[at]);
        hole = at;
    }
    tags_of(t)[hole] = 0;
    gc_store(heap, t, &t->entries[hole], NULL);
    t->used--;
    return 0;
}

void table_each(const void *root, index_visit_fn *visit, void *arg)
{
    const struct table *t = root;

    for (uint32_t i = 0; t != NULL && i < places(t); i++)
        if (t->entries[i] != NULL)
            visit(arg, t->entries[i]);
}

static const char *place_fault(const struct table *t, uint32_t i)
{
    const struct entry *e = t->entries[i];
    uint32_t tag = tags(t)[i];

    if ((e == NULL) != (tag == 0))
        return "table: tag and entry disagree about a free place";
    if (e == NULL)
        return NULL;
    if (tag != tag_of(e->hash))
        return "table: a tag that is not its entry's";
    if (probe(t, e->hash, entry_key(e)) != i)
        return "table: an entry that probing does not reach";
    return NULL;
}

unsigned table_faults(const void *root, index_tell_fn *tell, void *arg)
{
    const struct table *t = root;
    unsigned count = 0;
    uint32_t used = 0;

    for (uint32_t i = 0; t != NULL && i < places(t); i++) {
        const char *what = place_fault(t, i);

        used += t->entries[i] != NULL;
        if (what != NULL) {
            tell(what, arg);
            count++;
        }
    }
    if (t != NULL && used != t->used) {
        tell("table: more or fewer entries than counted", arg);
        count++;
    }
    return count;
}
