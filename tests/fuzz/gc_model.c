/* SPDX-License-Identifier: MIT */
/* gc_model.c - the map in the heap, and what must be true of it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/gc_world.h"

/* Large objects are checked at their ends only: touching each page would be most of
 * the time. */
enum { ENDS = 64, LINKS_DEEP = 4 };

void world_fail(const struct world *w, const char *fmt, ...)
{
    char name[200];
    va_list ap;
    knobs_name(w->number, name, sizeof name);
    fprintf(stderr, "world %s%s\noperation %zu, %s: ", name,
            w->is_child ? " (in a child)" : "", w->ops, w->op);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}

/* ---- bytes --------------------------------------------------------------------- */

static unsigned char byte_of(uint32_t id, uint64_t at)
{
    return (unsigned char)(id * 7 + at);
}

void fill_bytes(unsigned char *p, uint64_t size, uint32_t id)
{
    for (uint64_t i = 0; i < size; i++)
        if (i < ENDS || i + ENDS >= size)
            p[i] = byte_of(id, i);
        else
            i = size - ENDS - 1;
}

bool bytes_are(const unsigned char *p, uint64_t size, uint32_t id)
{
    if (gc_size(p) != size || gc_type_of(p) != GC_BYTES)
        return false;
    for (uint64_t i = 0; i < size; i++)
        if (i >= ENDS && i + ENDS < size)
            i = size - ENDS - 1;
        else if (p[i] != byte_of(id, i))
            return false;
    return true;
}

/* ---- the map -------------------------------------------------------------------- */

void *world_root(struct world *w)
{
    return gc_root(w->heap);
}

struct entry *map_get(const struct world *w, const void *root, unsigned key)
{
    void *const *top = root;
    if (w->is_table)
        return top[key];
    void *const *leaf = top[key / LEAF];
    return leaf ? leaf[key % LEAF] : NULL;
}

/* A new array, filled from an old one if there is one. */
static void **copy_array(struct world *w, void *const *old, size_t n)
{
    void **array = gc_alloc(w->heap, w->array_type, n * sizeof *array);
    if (array && old)
        memcpy(array, old, n * sizeof *array);
    else if (array)
        memset(array, 0, n * sizeof *array);
    return array;
}

void world_store(struct world *w, void *obj, void *field, void *value)
{
    if (w->mistake == FUZZ_GC_PLAIN_STORE)
        *(void **)field = value;
    else
        gc_store(w->heap, obj, field, value);
}

static bool set_in_table(struct world *w, unsigned key, struct entry *e)
{
    void **table = gc_root(w->heap);
    if (table && !gc_frozen(w->heap, table)) {
        world_store(w, table, &table[key], e);
        return true;
    }
    table = copy_array(w, table, KEYS);
    if (!table)
        return false;
    if (key < KEYS)
        table[key] = e;
    gc_publish(w->heap, table);
    w->root_mine = true;
    return true;
}

bool map_set(struct world *w, unsigned key, struct entry *e)
{
    if (w->is_table)
        return set_in_table(w, key, e);
    void *const *old = gc_root(w->heap);
    void **top = copy_array(w, old, LEAF);
    void **leaf = top ? copy_array(w, top[key / LEAF], LEAF) : NULL;
    if (!leaf)
        return false;
    leaf[key % LEAF] = e;
    top[key / LEAF] = leaf;
    gc_publish(w->heap, top);
    w->root_mine = true;
    w->leaf[key / LEAF] = w->leaf_mine[key / LEAF] = true;
    return true;
}

/* ---- agreement ------------------------------------------------------------------ */

void check_entry(const struct world *w, const struct entry *e, uint32_t id)
{
    for (unsigned depth = 0; depth < LINKS_DEEP; depth++) {
        const struct object *o = &w->objects[id];
        if (!id && !e)
            return;
        if (!id || !e)
            world_fail(w, "object %u is at %p", id, (const void *)e);
        if (gc_type_of(e) != w->entry_type || gc_size(e) != sizeof *e)
            world_fail(w, "object %u at %p has type %d, size %zu", id, (const void *)e,
                       gc_type_of(e), gc_size(e));
        if (e->id != id || e->key != o->key || e->size != o->size)
            world_fail(w, "object %u (key %u, %u bytes) is %u (key %u, %ju bytes)", id,
                       o->key, o->size, e->id, e->key, (uintmax_t)e->size);
        if (!bytes_are(e->bytes, e->size, id))
            world_fail(w, "object %u: its %u bytes at %p are not what was written", id,
                       o->size, e->bytes);
        e = e->link;
        id = o->link;
    }
}

static void check_map(const struct world *w, const void *root,
                      const struct version *map)
{
    for (unsigned key = 0; key < KEYS; key++)
        check_entry(w, map_get(w, root, key), map->id[key]);
}

static void check_held(const struct world *w, const struct held *h)
{
    void *obj = gc_handle_get(h->handle);
    if (!h->wide) {
        check_entry(w, obj, h->id);
        return;
    }
    if (gc_size(obj) != h->wide * sizeof(void *))
        world_fail(w, "a wide array of %u pointers has %zu bytes", h->wide,
                   gc_size(obj));
    for (uint32_t i = 0; i < h->wide; i += i < KEYS ? 1 : 97)
        check_entry(w, ((void **)obj)[i], h->of.id[i % KEYS]);
}

void check_all(struct world *w)
{
    check_map(w, gc_root(w->heap), &w->map);
    for (unsigned i = 0; i < HELD; i++)
        check_held(w, &w->held[i]);
    for (unsigned i = 0; i < SLOTS; i++)
        if (w->slot_on[i])
            check_entry(w, w->slots[i], w->slot_id[i]);
    for (unsigned i = 0; i < PINS; i++)
        if (w->pins[i].id)
            check_entry(w, w->pins[i].entry, w->pins[i].id);
    if (w->inside)
        check_map(w, w->inside_root, &w->inside_map);
}

/* ---- what must be left ----------------------------------------------------------- */

struct tally {
    const struct world *w;
    bool seen[OBJECTS];
    uint64_t bytes;
};

static void reach(struct tally *t, uint32_t id)
{
    while (id && !t->seen[id]) {
        t->seen[id] = true;
        if (id > t->w->frozen)
            t->bytes += gc_cost(sizeof(struct entry)) + gc_cost(t->w->objects[id].size);
        id = t->w->objects[id].link;
    }
}

static void reach_version(struct tally *t, const struct version *map)
{
    for (unsigned key = 0; key < KEYS; key++)
        reach(t, map->id[key]);
}

uint64_t model_live(const struct world *w)
{
    struct tally *t = calloc(1, sizeof *t);
    if (!t)
        world_fail(w, "no memory for the model");
    t->w = w;
    reach_version(t, &w->map);
    if (w->root_mine)
        t->bytes += gc_cost((w->is_table ? KEYS : LEAF) * sizeof(void *));
    for (unsigned i = 0; i < LEAF; i++)
        t->bytes += w->leaf_mine[i] ? gc_cost(LEAF * sizeof(void *)) : 0;
    for (unsigned i = 0; i < HELD; i++) {
        const struct held *h = &w->held[i];
        reach(t, h->id);
        if (!h->wide)
            continue;
        t->bytes += h->mine ? gc_cost(h->wide * sizeof(void *)) : 0;
        for (uint32_t at = 0; at < h->wide && at < KEYS; at++)
            reach(t, h->of.id[at]);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        if (w->slot_on[i])
            reach(t, w->slot_id[i]);
    for (unsigned i = 0; i < PINS; i++)
        reach(t, w->pins[i].id);
    uint64_t bytes = t->bytes;
    free(t);
    return bytes;
}
