/* SPDX-License-Identifier: MIT */
/* test_index.c - trie and table against a plain array, with hashes that collide at
 * will.
 *
 * Entries are objects of the heap under test whose key is their name as a number; their
 * hash is chosen by the test, so that every depth of the trie and every length of a run
 * occurs.
 */
#include "server/cache/index.h"

#include <errno.h>
#include <stdio.h>

#include "server/base/prng.h"
#include "tests/test.h"

enum { NAMES = 700 };

static uint64_t hash_spread(unsigned name)
{
    uint64_t s = name;

    return prng_splitmix64(&s);
}

static uint64_t hash_few_bits(unsigned name)
{
    return hash_spread(name) & 0x7;
}

static uint64_t hash_only_high_bits(unsigned name)
{
    return hash_spread(name) & UINT64_C(0xc000000000000000);
}

static uint64_t hash_same(unsigned name)
{
    (void)name;
    return UINT64_C(0x123456789abcdef0);
}

static uint64_t hash_in_order(unsigned name)
{
    return name;
}

static const struct hashing {
    const char *name;
    uint64_t (*hash)(unsigned name);
    unsigned names; /* lists are slow: fewer */
} hashings[] = {
    { "spread", hash_spread, NAMES },
    { "few bits", hash_few_bits, 100 },
    { "only high bits", hash_only_high_bits, 100 },
    { "all the same", hash_same, 60 },
    { "in order", hash_in_order, NAMES },
};

static void trace_nothing(const void *obj, struct gc_visitor *v)
{
    const struct entry *e = obj;

    gc_visit(v, e->body);
}

static const struct gc_type type = { .name = "test entry", .trace = trace_nothing };

struct world {
    struct gc_heap *heap;
    struct index index;
    int type;
    const struct hashing *hashing;
    struct entry
        *entries[NAMES]; /* what should be found; kept alive by the index alone */
    char keys[NAMES][16];
};

static void open_world(struct world *w, enum cache_index_kind kind,
                       const struct hashing *hashing, enum gc_schedule schedule,
                       size_t limit)
{
    struct gc_config config = { .reserve_bytes = 64 << 20,
                                .limit_bytes = limit,
                                .min_heap_bytes = 64 << 10,
                                .max_pause_ns = 20000,
                                .schedule = schedule,
                                .verify = true };
    const char *why = NULL;

    memset(w, 0, sizeof *w);
    w->hashing = hashing;
    w->heap = gc_new(&config, &why);
    check_str(why, NULL);
    w->type = gc_type_add(w->heap, &type);
    check_int(index_init(&w->index, kind, w->heap), 0);
    for (unsigned i = 0; i < NAMES; i++)
        snprintf(w->keys[i], sizeof w->keys[i], "key %u", i);
}

static struct span key_of(const struct world *w, unsigned name)
{
    return span_of(w->keys[name]);
}

static struct entry *make_entry(struct world *w, unsigned name)
{
    struct span key = key_of(w, name);
    struct entry *e = gc_alloc(w->heap, w->type, sizeof *e + key.n);

    if (e == NULL)
        return NULL;
    *e = (struct entry){ .hash = w->hashing->hash(name), .key_len = (uint32_t)key.n };
    memcpy(e->bytes, key.p, key.n);
    return e;
}

static const struct entry *find(const struct world *w, unsigned name)
{
    return index_find(w->index.kind, gc_root(w->heap), w->hashing->hash(name),
                      key_of(w, name));
}

static void tell(const char *what, void *arg)
{
    (void)arg;
    print_error("%s\n", what);
}

static void count(void *arg, const struct entry *e)
{
    (void)e;
    ++*(unsigned *)arg;
}

static void check_world(const struct world *w, const char *when, unsigned step)
{
    unsigned want = 0, got = 0;

    for (unsigned name = 0; name < w->hashing->names; name++) {
        check_true(find(w, name) == w->entries[name], "%s, %s, step %u, name %u",
                   w->hashing->name, when, step, name);
        want += w->entries[name] != NULL;
    }
    index_each(&w->index, count, &got);
    check_uint(got, want, "%s, %s, step %u", w->hashing->name, when, step);
    check_uint(index_faults(&w->index, tell, NULL), 0, "%s, %s, step %u",
               w->hashing->name, when, step);
}

static void walk(struct world *w, unsigned steps)
{
    struct prng prng;

    prng_seed(&prng, 42 + steps);
    for (unsigned step = 0; step < steps; step++) {
        unsigned name = (unsigned)prng_below(&prng, w->hashing->names);
        /* phases that grow and phases that shrink */
        bool grow = prng_below(&prng, 10) < (step / 500 % 2 == 0 ? 8u : 3u);

        if (grow) {
            struct entry *e = make_entry(w, name);

            check_not_null(e);
            check_int(index_put(&w->index, e), 0);
            w->entries[name] = e;
        } else {
            check_int(index_remove(&w->index, w->hashing->hash(name), key_of(w, name)),
                      w->entries[name] == NULL ? -ENOENT : 0, "step %u", step);
            w->entries[name] = NULL;
        }
        if (step % 3 == 0)
            gc_safepoint(w->heap);
        if (step % 100 == 0)
            check_world(w, "walking", step);
    }
    gc_collect(w->heap, GC_REASON_ASKED);
    check_world(w, "at the end", steps);
}

static void check_walks(enum cache_index_kind kind)
{
    static const enum gc_schedule schedules[] = { GC_STW, GC_INCREMENTAL };
    struct world w;

    for (size_t i = 0; i < TEST_COUNT(hashings); i++)
        for (size_t k = 0; k < TEST_COUNT(schedules); k++) {
            open_world(&w, kind, &hashings[i], schedules[k], 0);
            walk(&w, 3000);
            gc_free(w.heap);
        }
}

static void the_trie_agrees_with_a_plain_array(void **state)
{
    (void)state;
    check_walks(CACHE_HAMT);
}

static void the_table_agrees_with_a_plain_array(void **state)
{
    (void)state;
    check_walks(CACHE_TABLE);
}

static void fill(struct world *w, unsigned from, unsigned to)
{
    for (unsigned name = from; name < to; name++) {
        w->entries[name] = make_entry(w, name);
        check_not_null(w->entries[name]);
        check_int(index_put(&w->index, w->entries[name]), 0);
    }
}

static void remove_all(struct world *w, unsigned from, unsigned to)
{
    for (unsigned name = from; name < to; name++) {
        check_int(index_remove(&w->index, w->hashing->hash(name), key_of(w, name)), 0);
        w->entries[name] = NULL;
    }
}

static void an_old_root_of_the_trie_shows_the_old_state(void **state)
{
    struct world w;

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(hashings); i++) {
        unsigned half = hashings[i].names / 2;
        struct gc_handle *old;

        open_world(&w, CACHE_HAMT, &hashings[i], GC_STW, 0);
        fill(&w, 0, half);
        old = gc_handle_new(w.heap, gc_root(w.heap));
        fill(&w, half, hashings[i].names);
        remove_all(&w, 0, half);
        gc_collect(w.heap, GC_REASON_ASKED);
        for (unsigned name = 0; name < hashings[i].names; name++)
            check_true((index_find(CACHE_HAMT, gc_handle_get(old),
                                   hashings[i].hash(name), key_of(&w, name)) != NULL) ==
                           (name < half),
                       "%s, name %u", hashings[i].name, name);
        check_world(&w, "new root", 0);
        gc_free(w.heap);
    }
}

static void removing_everything_leaves_the_empty_index(void **state)
{
    static const enum cache_index_kind kinds[] = { CACHE_HAMT, CACHE_TABLE };
    struct world w;

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(hashings); i++)
        for (size_t k = 0; k < TEST_COUNT(kinds); k++) {
            open_world(&w, kinds[k], &hashings[i], GC_STW, 0);
            fill(&w, 0, hashings[i].names);
            remove_all(&w, 0, hashings[i].names);
            check_world(&w, "empty", 0);
            if (kinds[k] == CACHE_HAMT)
                check_null(gc_root(w.heap), "%s", hashings[i].name);
            fill(&w, 0, 2);
            index_clear(&w.index);
            w.entries[0] = w.entries[1] = NULL;
            check_world(&w, "cleared", 0);
            gc_free(w.heap);
        }
}

/* CHAMP: the same set has the same tree, whatever came and went. Compared is the size
 * of all nodes, which differs when a chain or a lone entry was left behind. */
static uint64_t live_after(const struct hashing *hashing, bool detour)
{
    struct world w;
    struct gc_stats stats;

    open_world(&w, CACHE_HAMT, hashing, GC_STW, 0);
    if (detour)
        fill(&w, hashing->names / 2, hashing->names);
    fill(&w, 0, hashing->names / 2);
    if (detour)
        remove_all(&w, hashing->names / 2, hashing->names);
    gc_collect(w.heap, GC_REASON_ASKED);
    gc_get_stats(w.heap, &stats);
    gc_free(w.heap);
    return stats.live_bytes;
}

static void the_form_of_the_trie_does_not_depend_on_its_history(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(hashings); i++)
        check_uint(live_after(&hashings[i], true), live_after(&hashings[i], false),
                   "%s", hashings[i].name);
}

/* Takes all memory there is, in the sizes that nodes have too. */
static void exhaust(struct gc_heap *heap)
{
    for (size_t size = 1 << 16; size >= 8; size /= 2)
        for (size_t odd = 0; odd < 4; odd++)
            while (gc_alloc(heap, GC_BYTES, size + size / 4 * odd) != NULL)
                ;
}

/* The same for traced objects, which lie in blocks of their own. */
static void exhaust_nodes(struct gc_heap *heap, int node_type)
{
    for (size_t bytes = 16; bytes <= 8 + 32 * 8; bytes += 8) {
        void *p;

        while ((p = gc_alloc(heap, node_type, bytes)) != NULL)
            memset(p, 0, bytes); /* no pointers */
    }
}

static void without_memory_the_trie_stays_as_it_was(void **state)
{
    struct world w;
    struct entry *spare[20];

    (void)state;
    open_world(&w, CACHE_HAMT, &hashings[0], GC_STW, 4 << 20);
    fill(&w, 0, 300);
    for (unsigned i = 0; i < 20; i++)
        spare[i] = make_entry(&w, 300 + i);
    exhaust(w.heap);
    exhaust_nodes(w.heap, w.index.type);
    for (unsigned i = 0; i < 20; i++)
        check_int(index_put(&w.index, spare[i]), -ENOSPC, "name %u", 300 + i);
    for (unsigned name = 0; name < 300; name += 7)
        check_int(index_remove(&w.index, hash_spread(name), key_of(&w, name)), -ENOSPC,
                  "name %u", name);
    check_world(&w, "exhausted", 0);
    gc_collect(w.heap, GC_REASON_ASKED);
    check_world(&w, "collected", 0);
    fill(&w, 300, 320);
    check_world(&w, "filled again", 0);
    gc_free(w.heap);
}

static void without_memory_the_table_does_not_grow_but_works(void **state)
{
    struct world w;
    struct entry *spare[400];
    unsigned refused = 0;

    (void)state;
    open_world(&w, CACHE_TABLE, &hashings[0], GC_STW, 4 << 20);
    fill(&w, 0, 300);
    for (unsigned i = 0; i < 400; i++)
        spare[i] = make_entry(&w, 300 + i);
    exhaust(w.heap);
    for (unsigned i = 0; i < 400; i++) {
        int err = index_put(&w.index, spare[i]);

        if (err == 0)
            w.entries[300 + i] = spare[i];
        else
            check_int(err, -ENOSPC);
        refused += err != 0;
    }
    check_true(refused > 0 && refused < 400, "%u refused", refused);
    check_world(&w, "exhausted", 0);
    remove_all(&w, 0, 10);
    check_world(&w, "removed", 0);
    gc_free(w.heap);
}

static void a_broken_shape_is_told(void **state)
{
    struct world w;
    struct entry *e;

    (void)state;
    open_world(&w, CACHE_HAMT, &hashings[0], GC_STW, 0);
    fill(&w, 0, 100);
    e = w.entries[5];
    e->hash ^= UINT64_C(1) << 3;
    check_true(index_faults(&w.index, tell, NULL) > 0);
    e->hash ^= UINT64_C(1) << 3;
    check_uint(index_faults(&w.index, tell, NULL), 0);
    gc_free(w.heap);
    open_world(&w, CACHE_TABLE, &hashings[0], GC_STW, 0);
    fill(&w, 0, 100);
    e = w.entries[5];
    e->hash ^= UINT64_C(1) << 60;
    check_true(index_faults(&w.index, tell, NULL) > 0);
    gc_free(w.heap);
}

TEST_MAIN(test(the_trie_agrees_with_a_plain_array),
          test(the_table_agrees_with_a_plain_array),
          test(an_old_root_of_the_trie_shows_the_old_state),
          test(removing_everything_leaves_the_empty_index),
          test(the_form_of_the_trie_does_not_depend_on_its_history),
          test(without_memory_the_trie_stays_as_it_was),
          test(without_memory_the_table_does_not_grow_but_works),
          test(a_broken_shape_is_told))
