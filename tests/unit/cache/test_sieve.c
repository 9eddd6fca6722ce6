/* SPDX-License-Identifier: MIT */
/* test_sieve.c - the order of eviction against a second SIEVE that is written for
 * clarity, and the numbers of the side tables. No heap: entries are plain memory. */
#include "server/cache/sieve.h"

#include <stdlib.h>

#include "server/base/prng.h"
#include "server/cache/entry.h"
#include "tests/test.h"
#include "tests/unit/cache/sieve_model.h"

enum { N = 64 };

struct world {
    struct side side;
    struct sieve sieve;
    struct entry *entries[N]; /* by name; NULL: not in */
    struct sieve_model model;
};

static void open_world(struct world *w, bool inside)
{
    memset(w, 0, sizeof *w);
    check_int(side_init(&w->side, N + 2, true), 0);
    sieve_init(&w->sieve, &w->side, inside);
}

static void close_world(struct world *w)
{
    for (size_t i = 0; i < N; i++)
        free(w->entries[i]);
    side_free(&w->side);
}

static void add(struct world *w, unsigned name)
{
    struct entry *e = calloc(1, sizeof *e);

    e->hash = name;
    e->id = side_take(&w->side, 0);
    check_true(e->id != 0);
    w->entries[name] = e;
    sieve_add(&w->sieve, e);
    sieve_model_add(&w->model, name);
}

static void drop(struct world *w, unsigned name)
{
    struct entry *e = w->entries[name];

    sieve_drop(&w->sieve, e);
    side_give(&w->side, e->id);
    free(e);
    w->entries[name] = NULL;
    sieve_model_drop(&w->model, name);
}

static void visit(struct world *w, unsigned name)
{
    struct entry *e = w->entries[name];

    if (w->sieve.inside)
        e->visited = 1;
    else
        side_visit(&w->side, e->id);
    sieve_model_visit(&w->model, name);
}

static void walk_randomly(struct world *w, uint64_t seed, unsigned steps)
{
    struct prng prng;
    unsigned evictions = 0;

    prng_seed(&prng, seed);
    for (unsigned step = 0; step < steps; step++) {
        unsigned name = (unsigned)prng_below(&prng, N);
        unsigned what = (unsigned)prng_below(&prng, 8);

        if (w->entries[name] == NULL) {
            add(w, name);
        } else if (what == 0) {
            drop(w, name);
        } else if (what <= 2) {
            struct entry *victim = sieve_victim(&w->sieve);
            unsigned want = sieve_model_victim(&w->model);

            check_uint(victim->hash, want, "seed %ju step %u", (uintmax_t)seed, step);
            drop(w, want);
            evictions++;
        } else {
            visit(w, name);
        }
        check_str(sieve_fault(&w->sieve), NULL, "seed %ju step %u", (uintmax_t)seed,
                  step);
    }
    check_true(evictions > steps / 20, "%u evictions", evictions);
}

static void eviction_follows_the_reference_with_links_beside(void **state)
{
    struct world w;

    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        open_world(&w, false);
        walk_randomly(&w, seed, 4000);
        close_world(&w);
    }
}

static void eviction_follows_the_reference_with_links_inside(void **state)
{
    struct world w;

    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        open_world(&w, true);
        walk_randomly(&w, seed, 4000);
        close_world(&w);
    }
}

static void an_empty_queue_has_no_victim(void **state)
{
    struct world w;

    (void)state;
    open_world(&w, false);
    check_null(sieve_victim(&w.sieve));
    add(&w, 3);
    check_uint(sieve_victim(&w.sieve)->hash, 3);
    drop(&w, 3);
    check_null(sieve_victim(&w.sieve));
    check_null(sieve_oldest(&w.sieve));
    close_world(&w);
}

/* The paper's example in small: the hand stays where it evicted, newcomers before it.
 */
static void the_hand_goes_on_where_it_stopped(void **state)
{
    static const unsigned want[] = { 1, 3, 4, 0 };
    struct world w;

    (void)state;
    open_world(&w, false);
    for (unsigned name = 0; name < 5; name++)
        add(&w, name);
    visit(&w, 0);
    visit(&w, 2);
    for (size_t i = 0; i < TEST_COUNT(want); i++) {
        struct entry *victim = sieve_victim(&w.sieve);

        check_uint(victim->hash, want[i], "eviction %zu", i);
        drop(&w, (unsigned)victim->hash);
    }
    close_world(&w);
}

static void the_fault_finder_finds_a_cut_link_and_a_lost_hand(void **state)
{
    struct world w;
    uint32_t was;

    (void)state;
    open_world(&w, false);
    for (unsigned name = 0; name < 5; name++)
        add(&w, name);
    was = w.side.links[3].older;
    w.side.links[3].older = 5;
    check_not_null(sieve_fault(&w.sieve));
    w.side.links[3].older = was;
    check_null(sieve_fault(&w.sieve));
    w.sieve.hand = 60;
    check_not_null(sieve_fault(&w.sieve));
    w.sieve.hand = 0;
    w.sieve.count++;
    check_not_null(sieve_fault(&w.sieve));
    w.sieve.count--;
    close_world(&w);
}

static void numbers_are_given_once_until_they_run_out(void **state)
{
    struct side side;
    bool seen[10] = { false };

    (void)state;
    check_int(side_init(&side, 10, true), 0);
    for (unsigned i = 1; i < 10; i++) {
        uint32_t id = side_take(&side, 100 + i);

        check_true(id > 0 && id < 10 && !seen[id], "number %u", id);
        check_uint(side.checked[id], 100 + i);
        seen[id] = true;
    }
    check_uint(side_take(&side, 0), 0);
    side_visit(&side, 4);
    side_give(&side, 4);
    check_uint(side_take(&side, 7), 4);
    check_uint(side.visited[4], 0, "a number given anew is not visited");
    check_uint(side.checked[4], 7);
    check_uint(side_take(&side, 0), 0);
    side_reset(&side);
    check_uint(side_take(&side, 0), 1);
    side_free(&side);
}

static void a_private_table_has_room_for_the_child_too(void **state)
{
    struct side side;

    (void)state;
    check_int(side_init(&side, 10, false), 0);
    for (unsigned i = 1; i < 10; i++)
        check_true(side_take(&side, 0) != 0);
    check_int(side_fork_child(&side), 0); /* no fork is needed for the numbers */
    side_give(&side, 3);
    for (unsigned i = 1; i < 10; i++)
        check_true(side_take(&side, 0) >= 10, "an inherited number is not given again");
    side_reset(&side);
    check_uint(side_take(&side, 0), 10);
    side_free(&side);
}

static void hits_of_a_child_reach_the_master_and_its_hand_does_not(void **state)
{
    struct side side;
    uint32_t id, other, own;

    (void)state;
    check_int(side_init(&side, 10, false), 0);
    id = side_take(&side, 0);
    other = side_take(&side, 0);
    side_visit(&side, other);
    check_int(side_fork_child(&side), 0);
    check_uint(side.visited[other], 1, "what was visited before the fork still is");
    own = side_take(&side, 0);
    side_visit(&side, id);
    side_visit(&side, own);
    check_uint(side.tell[id], 1);
    check_uint(side.visited[id], 1);
    check_uint(side.tell[own], 0, "the master may use the number for something else");
    side.visited[other] = 0; /* as the hand of the child does */
    check_uint(side.tell[other], 1);
    side_free(&side);
}

TEST_MAIN(test(an_empty_queue_has_no_victim), test(the_hand_goes_on_where_it_stopped),
          test(eviction_follows_the_reference_with_links_beside),
          test(eviction_follows_the_reference_with_links_inside),
          test(the_fault_finder_finds_a_cut_link_and_a_lost_hand),
          test(numbers_are_given_once_until_they_run_out),
          test(a_private_table_has_room_for_the_child_too),
          test(hits_of_a_child_reach_the_master_and_its_hand_does_not))
