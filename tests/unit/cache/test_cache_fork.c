/* SPDX-License-Identifier: MIT */
/* test_cache_fork.c - private heaps after a fork: master and child go on by themselves,
 * and which settings copy inherited pages is counted in /proc/self/pagemap.
 */
#define CACHE_IMPL
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/cache/cache.h"
#include "server/cache/cache_impl.h"
#include "tests/test.h"
#include "tests/unit/cache/model.h"

enum { LIMIT = 96 << 10, SEATS = 4, CHILD_SECONDS = 60, PAGE = 4096 };

/* What a child tells: nobody else may assert in it. */
struct report {
    char why[256];
    bool told[MODEL_NAMES];
    uint64_t inherited, copied_before, copied_after, cycles, evicted;
};

static struct report *report; /* MAP_SHARED */

static int make_report(void **state)
{
    (void)state;
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return report == MAP_FAILED;
}

static int drop_report(void **state)
{
    (void)state;
    return munmap(report, sizeof *report);
}

struct knobs {
    enum cache_index_kind index;
    enum cache_recency_kind recency;
    enum gc_marks marks;
    enum gc_reuse reuse;
    enum gc_schedule schedule;
    enum gc_after_fork after_fork;
};

static struct cache *open_cache(const struct knobs *k, size_t bytes, bool verify)
{
    struct cache_config config = {
        .index = k->index,
        .recency = k->recency,
        .bytes = bytes,
        .hash_key = "sixteen bytes .",
        .seats = SEATS,
        .heap = { .min_heap_bytes = 64 << 10,
                  .max_pause_ns = 20000,
                  .marks = k->marks,
                  .reuse = k->reuse,
                  .schedule = k->schedule,
                  .after_fork = k->after_fork,
                  .verify = verify,
                  .reserve_bytes = 512 << 20 },
    };
    const char *why = "";
    struct cache *c = cache_new(&config, &why);

    if (c == NULL)
        check_str(why, NULL);
    return c;
}

typedef void child_fn(struct cache *, void *arg);

/* Runs fn in a child that owns its copy; an empty report->why when all was well. */
static void in_child(struct cache *c, child_fn *fn, void *arg)
{
    int status = -1;
    pid_t pid;

    memset(report, 0, sizeof *report);
    cache_fork_prepare(c);
    pid = fork();
    if (pid == 0) {
        int err;

        alarm(CHILD_SECONDS);
        err = cache_fork_child(c);
        if (err != 0)
            snprintf(report->why, sizeof report->why, "cache_fork_child: %d", err);
        else
            fn(c, arg);
        _exit(0);
    }
    cache_fork_parent(c, pid);
    check_true(pid > 0);
    check_int(waitpid(pid, &status, 0), pid);
    check_int(status, 0, "%s", report->why);
    check_str(report->why, "");
}

/* ---- both sides keep their promises ---- */

static void walk_in_child(struct cache *c, void *arg)
{
    struct model *m = arg;
    const char *why;

    (void)c;
    model_reopen(m, 1);
    why = model_walk(m, 1200, 200);
    if (why == NULL)
        why = model_compare(m);
    for (unsigned name = 0; name < MODEL_NAMES; name++)
        report->told[name] = m->names[name].told;
    snprintf(report->why, sizeof report->why, "%s", why == NULL ? "" : why);
}

static void name_knobs(const struct knobs *k, char name[128])
{
    snprintf(name, 128, "%s %s %s-marks %s %s reuse=%d",
             k->index == CACHE_HAMT ? "hamt" : "table",
             k->recency == CACHE_SIDE ? "side" : "inline",
             k->marks == GC_MARKS_SIDE ? "side" : "header",
             k->schedule == GC_STW ? "stw" : "incremental",
             k->after_fork == GC_ARENA ? "arena" : "inherit", (int)k->reuse);
}

static void walk_both(const struct knobs *k, bool *ret_told)
{
    static struct model m;
    bool writes_frozen = k->recency == CACHE_INLINE && k->after_fork == GC_ARENA;
    struct cache *c = open_cache(k, LIMIT, !writes_frozen);
    char name[128];

    name_knobs(k, name);
    model_open(&m, c, 0, LIMIT, 11);
    check_str(model_walk(&m, 600, 200), NULL, "%s, before", name);
    for (unsigned round = 0; round < 2; round++) {
        in_child(c, walk_in_child, &m);
        for (unsigned i = 0; i < MODEL_NAMES; i++)
            if (report->told[i] && k->recency == CACHE_SIDE) {
                model_told(&m, i);
                *ret_told = true;
            }
        check_str(model_walk(&m, 600, 200), NULL, "%s, round %u", name, round);
        check_str(model_compare(&m), NULL, "%s, round %u", name, round);
    }
    model_close(&m);
    cache_free(c);
}

static void master_and_child_agree_with_their_models_after_a_fork(void **state)
{
    static const enum gc_reuse reuses[] = { GC_REUSE_ANY, GC_REUSE_PAGE,
                                            GC_REUSE_NONE };
    bool told = false;

    (void)state;
    for (unsigned n = 0; n < 1u << 5; n++) {
        struct knobs k = {
            .index = n & 1 ? CACHE_HAMT : CACHE_TABLE,
            .recency = n & 2 ? CACHE_SIDE : CACHE_INLINE,
            .marks = n & 4 ? GC_MARKS_SIDE : GC_MARKS_HEADER,
            .schedule = n & 8 ? GC_INCREMENTAL : GC_STW,
            .after_fork = n & 16 ? GC_ARENA : GC_INHERIT,
            .reuse = reuses[n % 3],
        };

        walk_both(&k, &told);
    }
    check_true(told, "hits of children changed the order in the master");
}

static void a_fork_that_failed_leaves_a_working_cache(void **state)
{
    static const struct knobs k = { .index = CACHE_HAMT,
                                    .recency = CACHE_SIDE,
                                    .marks = GC_MARKS_SIDE,
                                    .after_fork = GC_ARENA };
    static struct model m;
    struct cache *c = open_cache(&k, LIMIT, true);

    (void)state;
    model_open(&m, c, 0, LIMIT, 12);
    for (unsigned i = 0; i < 3; i++) {
        check_str(model_walk(&m, 300, 100), NULL);
        cache_fork_prepare(c);
        cache_fork_parent(c, -1);
    }
    check_str(model_walk(&m, 300, 100), NULL);
    model_close(&m);
    cache_free(c);
}

/* ---- which inherited pages were copied ---- */

enum { STORED = 3000, HITS = 60000, WALK_BYTES = 8 << 20 };

static struct cache_record numbered(unsigned i)
{
    static char key[32], body[1000];

    return (struct cache_record){ .key = { key, (size_t)snprintf(key, sizeof key,
                                                                 "/page/%u", i) },
                                  .head = SPAN("HTTP/1.1 200 OK\r\n"),
                                  .body = { body, 200 + i * 7 % 800 },
                                  .status = 200 };
}

/* Pages of the range that this process has mapped, and how many of them it alone. */
static bool count_pages(struct cache *c, uint64_t *ret_present, uint64_t *ret_alone)
{
    const void *start, *end;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

    gc_range(c->heap, &start, &end);
    *ret_present = 0;
    *ret_alone = 0;
    for (uintptr_t at = (uintptr_t)start; fd >= 0 && at < (uintptr_t)end; at += PAGE) {
        uint64_t word;

        if (pread(fd, &word, sizeof word, (off_t)(at / PAGE * sizeof word)) !=
            sizeof word) {
            close(fd);
            return false;
        }
        *ret_present += word >> 63 & 1;
        *ret_alone += (word >> 63 & 1) && (word >> 56 & 1);
    }
    close(fd);
    return fd >= 0;
}

struct load {
    unsigned hits, collections, inserts;
};

static void put_load(struct cache *c, const struct load *load)
{
    struct cache_reader *r = cache_reader_open(c, 2);
    unsigned found = 0;

    if (r == NULL) {
        snprintf(report->why, sizeof report->why, "no reader");
        return;
    }
    for (unsigned i = 0; i < load->hits; i++) {
        struct span key = numbered(i % STORED).key;
        const struct entry *e;

        cache_enter(r);
        e = cache_find(r, cache_hash(c, key), key);
        if (e != NULL) {
            int pin = cache_pin(r, e);

            cache_set_checked_ns(r, e, i);
            found++;
            if (pin >= 0)
                cache_unpin(r, pin);
        }
        cache_leave(r);
        cache_safepoint(c);
    }
    if (load->hits > 0 && found == 0)
        snprintf(report->why, sizeof report->why, "nothing was found");
    for (unsigned i = 0; i < load->inserts; i++) {
        struct cache_record record = numbered(i % 2 == 0 ? STORED + i : i);

        if (cache_insert(c, &record, i) != 0)
            snprintf(report->why, sizeof report->why, "insertion %u", i);
        if (i % 10 == 0)
            cache_remove(c, numbered(i * 3 % STORED).key);
        cache_safepoint(c);
    }
    for (unsigned i = 0; i < load->collections; i++)
        cache_collect(c);
    cache_reader_close(r);
}

static void count_around_load(struct cache *c, void *arg)
{
    struct cache_stats stats;

    if (!count_pages(c, &report->inherited, &report->copied_before))
        snprintf(report->why, sizeof report->why, "no pagemap");
    put_load(c, arg);
    count_pages(c, &report->inherited, &report->copied_after);
    cache_get_stats(c, &stats);
    report->cycles = stats.heap.cycles;
    report->evicted = stats.evicted;
    if (cache_verify(c, NULL, NULL) != 0)
        snprintf(report->why, sizeof report->why, "verify");
}

/* The share of inherited pages that the load makes private, in percent. */
static unsigned copied_percent(const struct knobs *k, struct load load, size_t bytes)
{
    struct cache *c = open_cache(k, bytes, false);

    for (unsigned i = 0; i < STORED; i++) {
        struct cache_record r = numbered(i);

        check_int(cache_insert(c, &r, 1), 0);
        cache_safepoint(c);
    }
    cache_collect(c);
    in_child(c, count_around_load, &load);
    cache_free(c);
    check_uint(report->copied_before, 0, "right after the fork all is shared");
    check_true(report->inherited > 500, "%ju pages", (uintmax_t)report->inherited);
    return (unsigned)((report->copied_after * 100 + report->inherited - 1) /
                      report->inherited); /* rounded up: 0 means none */
}

static const struct knobs remedy = { .index = CACHE_HAMT,
                                     .recency = CACHE_SIDE,
                                     .marks = GC_MARKS_SIDE,
                                     .reuse = GC_REUSE_NONE,
                                     .schedule = GC_INCREMENTAL,
                                     .after_fork = GC_ARENA };

static void hits_and_collections_copy_no_inherited_page(void **state)
{
    struct load load = { HITS, 10, 0 };

    (void)state;
    check_uint(copied_percent(&remedy, load, WALK_BYTES), 0);
    check_true(report->cycles >= 10, "%ju cycles", (uintmax_t)report->cycles);
}

static void insertions_evictions_and_removals_copy_no_inherited_page(void **state)
{
    struct knobs stw = remedy;
    struct load load = { HITS / 4, 5, 6000 };

    (void)state;
    stw.schedule = GC_STW;
    check_uint(copied_percent(&remedy, load, 4 << 20), 0, "incremental");
    check_true(report->evicted > 1000, "%ju evicted", (uintmax_t)report->evicted);
    check_uint(copied_percent(&stw, load, 4 << 20), 0, "stw");
}

static void a_table_in_the_arena_copies_no_inherited_page(void **state)
{
    struct knobs k = remedy;
    struct load load = { HITS / 4, 3, 6000 };

    (void)state;
    k.index = CACHE_TABLE;
    check_uint(copied_percent(&k, load, 4 << 20), 0);
}

/* Counter-tests: each control must break what the remedies keep. */
static void header_marks_copy_most_pages(void **state)
{
    struct knobs k = remedy;
    struct load load = { 0, 1, 0 };
    unsigned percent;

    (void)state;
    k.after_fork = GC_INHERIT;
    k.marks = GC_MARKS_HEADER;
    percent = copied_percent(&k, load, WALK_BYTES);
    check_true(percent > 80, "%u %%", percent);
}

static void inline_recency_copies_the_pages_of_entries_that_were_hit(void **state)
{
    struct knobs k = remedy;
    struct load load = { STORED, 0, 0 };
    unsigned percent;

    (void)state;
    k.recency = CACHE_INLINE;
    percent = copied_percent(&k, load, WALK_BYTES);
    check_true(percent > 10, "%u %%", percent);
}

static void the_inherited_table_is_copied_by_insertions(void **state)
{
    struct knobs k = remedy;
    struct load load = { 0, 0, 50 };

    (void)state;
    k.after_fork = GC_INHERIT;
    k.index = CACHE_TABLE;
    check_true(copied_percent(&k, load, WALK_BYTES) > 0);
    k.index = CACHE_HAMT;
    check_uint(copied_percent(&k, load, WALK_BYTES), 0, "the trie writes none");
}

static void pretouch_child(struct cache *c, void *arg)
{
    uint64_t *pages = arg;

    count_pages(c, &report->inherited, &report->copied_before);
    *pages = cache_pretouch(c, GC_PRETOUCH_WRITE);
    report->cycles = *pages; /* what it says */
    count_pages(c, &report->inherited, &report->copied_after);
}

static void pretouch_in_the_child_copies_everything_at_once(void **state)
{
    struct cache *c = open_cache(&remedy, WALK_BYTES, false);
    uint64_t pages = 0;

    (void)state;
    for (unsigned i = 0; i < STORED; i++) {
        struct cache_record r = numbered(i);

        check_int(cache_insert(c, &r, 1), 0);
    }
    in_child(c, pretouch_child, &pages);
    check_uint(report->copied_before, 0);
    check_uint(report->copied_after, report->inherited);
    check_true(report->cycles >= report->inherited);
    cache_free(c);
}

#define with_report(name) test_with(name, make_report, drop_report)

TEST_MAIN(with_report(master_and_child_agree_with_their_models_after_a_fork),
          with_report(a_fork_that_failed_leaves_a_working_cache),
          with_report(hits_and_collections_copy_no_inherited_page),
          with_report(insertions_evictions_and_removals_copy_no_inherited_page),
          with_report(a_table_in_the_arena_copies_no_inherited_page),
          with_report(header_marks_copy_most_pages),
          with_report(inline_recency_copies_the_pages_of_entries_that_were_hit),
          with_report(the_inherited_table_is_copied_by_insertions),
          with_report(pretouch_in_the_child_copies_everything_at_once))
