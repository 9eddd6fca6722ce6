/* SPDX-License-Identifier: MIT */
#include "server/conf/options.h"

#include <errno.h>
#include <stdlib.h>

#include "server/conf/option_table.h"
#include "tests/test.h"

/* Settings as "name=value name=value". */
static struct options *options_from(const char *settings)
{
    struct options *o = options_new();
    char *text = strdup(settings);
    char *rest = text;
    struct option_error error;

    for (char *one = strsep(&rest, " "); one != NULL; one = strsep(&rest, " ")) {
        char *value = one;
        const char *name = strsep(&value, "=");

        if (name[0] != '\0')
            check_int(options_set(o, name, value, "-o", &error), 0, "%s", error.text);
    }
    free(text);
    return o;
}

static void each_mode_is_the_set_of_knobs_it_stands_for(void **state)
{
    (void)state;
    static const struct {
        const char *mode;
        int slots_as, heap, after_fork, pretouch, marks, recency, index, reuse;
        bool throttled;
    } cases[] = {
        { "mode=naive", SLOTS_PROCESSES, HEAP_PRIVATE, AFTER_FORK_INHERIT, PRETOUCH_OFF,
          MARKS_HEADER, RECENCY_INLINE, INDEX_TABLE, REUSE_ANY, false },
        { "mode=pretouch", SLOTS_PROCESSES, HEAP_PRIVATE, AFTER_FORK_INHERIT,
          PRETOUCH_CHILD, MARKS_HEADER, RECENCY_INLINE, INDEX_TABLE, REUSE_ANY, false },
        { "mode=throttle", SLOTS_PROCESSES, HEAP_PRIVATE, AFTER_FORK_INHERIT,
          PRETOUCH_OFF, MARKS_HEADER, RECENCY_INLINE, INDEX_TABLE, REUSE_ANY, true },
        { "mode=arena", SLOTS_PROCESSES, HEAP_PRIVATE, AFTER_FORK_ARENA, PRETOUCH_OFF,
          MARKS_SIDE, RECENCY_SIDE, INDEX_HAMT, REUSE_NONE, false },
        { "mode=threads", SLOTS_THREADS, HEAP_SHARED, AFTER_FORK_ARENA, PRETOUCH_OFF,
          MARKS_SIDE, RECENCY_SIDE, INDEX_HAMT, REUSE_NONE, false },
        { "mode=shared", SLOTS_PROCESSES, HEAP_SHARED, AFTER_FORK_ARENA, PRETOUCH_MAP,
          MARKS_SIDE, RECENCY_SIDE, INDEX_HAMT, REUSE_NONE, true },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct options *o = options_from(cases[i].mode);
        struct option_error error = { "" };

        check_int(options_resolve(o, &error), 0, "%s: %s", cases[i].mode, error.text);
        check_int(o->slots_as, cases[i].slots_as, "%s", cases[i].mode);
        check_int(o->heap, cases[i].heap, "%s", cases[i].mode);
        check_int(o->after_fork, cases[i].after_fork, "%s", cases[i].mode);
        check_int(o->pretouch, cases[i].pretouch, "%s", cases[i].mode);
        check_int(o->gc_marks, cases[i].marks, "%s", cases[i].mode);
        check_int(o->cache_recency, cases[i].recency, "%s", cases[i].mode);
        check_int(o->cache_index, cases[i].index, "%s", cases[i].mode);
        check_int(o->gc_reuse, cases[i].reuse, "%s", cases[i].mode);
        check_int(o->fork_rate > 0, cases[i].throttled, "%s", cases[i].mode);
        for (size_t k = 0; k < option_count; k++)
            check_true(option_is_set(o, &option_table[k]), "%s in %s",
                       option_table[k].name, cases[i].mode);
        options_free(o);
    }
}

static void a_knob_that_was_set_keeps_its_value_and_its_source(void **state)
{
    (void)state;
    struct options *o = options_from("mode=naive gc.marks=side fork.rate=7");
    struct option_error error;

    check_int(options_resolve(o, &error), 0);
    check_int(o->gc_marks, MARKS_SIDE);
    check_int(o->fork_rate, 7);
    check_int(o->cache_recency, RECENCY_INLINE);
    check_str(o->sources[option_find("gc.marks") - option_table].where, "-o");
    check_str(o->sources[option_find("heap") - option_table].where, "mode naive");
    options_free(o);
}

static void zero_slots_means_one_for_each_cpu(void **state)
{
    (void)state;
    struct options *o = options_from("");
    struct option_error error;

    check_int(options_resolve(o, &error), 0);
    check_true(o->slots >= 1 && o->slots <= 128);
    options_free(o);
    o = options_from("slots=5");
    check_int(options_resolve(o, &error), 0);
    check_int(o->slots, 5);
    options_free(o);
}

static void what_cannot_work_is_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *settings, *want;
    } cases[] = {
        { "mode=threads heap=private", "slots_as = threads (mode threads) does not go "
                                       "with heap = private (-o): a private "
                                       "heap has one owner" },
        { "mode=naive slots_as=threads",
          "slots_as = threads (-o) does not go with heap = private (mode naive): " },
        { "mode=threads fork.fallback=threads",
          "slots_as = threads (mode threads) does not go with fork.fallback = threads "
          "(-o): "
          "slots are threads already" },
        { "mode=shared cache.index=table", "cache.index = table (-o) does not go with "
                                           "heap = shared (mode shared): slots read "
                                           "while the master writes" },
        { "mode=shared cache.recency=inline", "cache.recency = inline (-o) does not go "
                                              "with heap = shared (mode shared): a hit "
                                              "would write" },
        { "mode=shared gc.marks=header", "gc.marks = header (-o) does not go with heap "
                                         "= shared (mode shared): the collector "
                                         "would write" },
        { "mode=shared pretouch=child", "pretouch = child (-o) does not go with heap = "
                                        "shared (mode shared): a child may "
                                        "only read" },
        { "mode=shared pretouch=parent", "pretouch = parent (-o) does not go with heap "
                                         "= shared (mode shared): pages of a "
                                         "shared heap are not copied" },
        { "mode=arena pretouch=map", "pretouch = map (-o) does not go with heap = "
                                     "private (mode arena): a fork copies "
                                     "the page tables" },
        { "mode=arena cache.index=table", "cache.index = table (-o) does not go with "
                                          "after_fork = arena (mode arena): what "
                                          "was inherited" },
        { "mode=arena gc.reuse=any", "gc.reuse = any (-o) does not go with after_fork "
                                     "= arena (mode arena): an arena "
                                     "never" },
        { "mode=shared gc.schedule=snapshot",
          "gc.schedule = snapshot (-o) does not go with heap = shared (mode shared): "
          "the child" },
        { "mode=naive gc.schedule=snapshot", "gc.schedule = snapshot (-o) does not go "
                                             "with gc.marks = header (mode naive): "
                                             "marks" },
        { "mode=arena gc.reuse=page", "gc.reuse = page (-o) does not go with "
                                      "after_fork = arena (mode arena): an arena "
                                      "never" },
        { "origin=synthetic synthetic.preload=on cache_bytes=0",
          "synthetic.preload = on (-o) does not go with cache_bytes = 0 (-o): there is "
          "no" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct options *o = options_from(cases[i].settings);
        struct option_error error = { "" };

        check_int(options_resolve(o, &error), -EINVAL, "%s", cases[i].settings);
        check_mem(error.text, strnlen(error.text, strlen(cases[i].want)), cases[i].want,
                  strlen(cases[i].want), "%s", cases[i].settings);
        options_free(o);
    }
}

static void unusual_combinations_that_work_are_accepted(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "mode=naive pretouch=parent",
        "mode=naive gc.reuse=none gc.marks=side",
        "mode=naive cache.index=hamt cache.recency=side gc.schedule=incremental",
        "mode=naive after_fork=arena cache.index=hamt gc.reuse=none",
        "mode=arena cache.recency=inline",
        "mode=arena gc.marks=header",
        "mode=arena gc.schedule=snapshot",
        "mode=naive gc.schedule=snapshot gc.marks=side",
        "mode=arena pretouch=child",
        "mode=shared gc.reuse=any",
        "mode=shared gc.schedule=stw pretouch=off",
        "mode=threads slots_as=processes",
        "mode=threads pretouch=map",
        "mode=naive fork.fallback=threads",
        "mode=shared fork.fallback=threads cache_bytes=0",
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct options *o = options_from(cases[i]);
        struct option_error error = { "" };

        check_int(options_resolve(o, &error), 0, "%s: %s", cases[i], error.text);
        options_free(o);
    }
}

TEST_MAIN(test(each_mode_is_the_set_of_knobs_it_stands_for),
          test(a_knob_that_was_set_keeps_its_value_and_its_source),
          test(zero_slots_means_one_for_each_cpu),
          test(what_cannot_work_is_refused_with_the_reason),
          test(unusual_combinations_that_work_are_accepted))
