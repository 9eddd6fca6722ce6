/* SPDX-License-Identifier: MIT */
/* test_blame.c - whose time it was; times are in microseconds here. */
#include "loadtest/blame.h"

#include "tests/test.h"

#define US UINT64_C(1000)

static struct timeline_event event(enum timeline_kind kind, unsigned slot,
                                   uint64_t from_us, uint64_t to_us)
{
    return (struct timeline_event){ .kind = kind,
                                    .slot = (uint16_t)slot,
                                    .generation = 1,
                                    .start_ns = from_us * US,
                                    .end_ns = to_us * US };
}

enum { MASTER = TIMELINE_MASTER };

/* Planned at 1000, sent at 1100, done at 2000 us, in slot 1. */
static struct kept request(void)
{
    return (struct kept){ .times = { 1000 * US, 1100 * US, 2000 * US },
                          .timing = { .known = true, .slot = 1, .generation = 1 } };
}

static struct blame judge(const struct timeline_event *events, size_t n, bool one,
                          const struct kept *kept)
{
    struct timeline timeline = { .events = (struct timeline_event *)(uintptr_t)events,
                                 .n = n };
    for (size_t i = 0; i < n; i++) {
        uint64_t length = events[i].end_ns - events[i].start_ns;
        if (length > timeline.longest_ns)
            timeline.longest_ns = length;
    }
    struct blame_scene scene = { .timeline = &timeline, .one_processor = one };
    return blame_request(&scene, kept);
}

static void one_event_is_charged_to_its_cause(void **state)
{
    (void)state;
    const struct {
        const char *name;
        struct timeline_event event;
        bool one;
        enum cause cause;
        uint64_t us;
    } cases[] = {
        { "inside", event(TIMELINE_GC, 1, 1200, 1900), false, CAUSE_GC, 700 },
        { "over both ends", event(TIMELINE_GC, 1, 1, 5000), false, CAUSE_GC, 1000 },
        { "ends as it is planned", event(TIMELINE_GC, 1, 1, 1000), false, CAUSE_GC, 0 },
        { "begins as it is done", event(TIMELINE_GC, 1, 2000, 3000), false, CAUSE_GC,
          0 },
        { "one microsecond of it", event(TIMELINE_GC, 1, 1999, 3000), false, CAUSE_GC,
          1 },
        { "another slot, before it is sent", event(TIMELINE_GC, 2, 1000, 2000), false,
          CAUSE_GC, 100 },
        { "another slot, elsewhere", event(TIMELINE_STALL, 2, 1200, 1900), false,
          CAUSE_NEIGHBOUR, 0 },
        { "another slot, same processor", event(TIMELINE_STALL, 2, 1200, 1900), true,
          CAUSE_NEIGHBOUR, 700 },
        { "the master, same processor", event(TIMELINE_GC, MASTER, 1200, 1900), true,
          CAUSE_NEIGHBOUR, 700 },
        { "the master, elsewhere", event(TIMELINE_GC, MASTER, 1200, 1900), false,
          CAUSE_NEIGHBOUR, 0 },
        { "a fork", event(TIMELINE_FORK, MASTER, 1200, 1900), true, CAUSE_FORK, 700 },
        { "pretouch", event(TIMELINE_PRETOUCH, 1, 1200, 1900), true, CAUSE_PRETOUCH,
          700 },
        { "faults", event(TIMELINE_FAULTS, 1, 1200, 1900), true, CAUSE_FAULTS, 700 },
        { "a stall", event(TIMELINE_STALL, 1, 1200, 1900), true, CAUSE_STALL, 700 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct kept kept = request();
        struct blame blame = judge(&cases[i].event, 1, cases[i].one, &kept);
        uint64_t sum = 0;
        for (unsigned c = 0; c < CAUSES; c++)
            sum += blame.ns[c];
        check_uint(blame.ns[cases[i].cause], cases[i].us * US, "%s", cases[i].name);
        check_uint(blame.latency_ns, 1000 * US);
        if (cases[i].us >= 500)
            check_int(blame.main, cases[i].cause, "%s", cases[i].name);
        if (cases[i].us == 0)
            check_int(blame.main, CAUSES, "%s", cases[i].name);
        check_true(sum <= blame.latency_ns, "%s", cases[i].name);
    }
}

/* A turn with faults in which the worker collected: the pause comes first. */
static void no_moment_counts_twice(void **state)
{
    (void)state;
    const struct timeline_event events[] = {
        event(TIMELINE_STALL, 1, 1100, 2000),
        event(TIMELINE_FAULTS, 1, 1100, 1900),
        event(TIMELINE_GC, 1, 1200, 1300),
        event(TIMELINE_GC, 1, 1250, 1400),
    };
    struct kept kept = request();
    struct blame blame = judge(events, TEST_COUNT(events), false, &kept);
    check_uint(blame.ns[CAUSE_GC], 200 * US);
    check_uint(blame.ns[CAUSE_FAULTS], 600 * US);
    check_uint(blame.ns[CAUSE_STALL], 100 * US);
    check_int(blame.main, CAUSE_FAULTS);
}

static void less_than_half_explains_nothing(void **state)
{
    (void)state;
    const struct timeline_event half = event(TIMELINE_GC, 1, 1200, 1700);
    const struct timeline_event less = event(TIMELINE_GC, 1, 1200, 1699);
    struct kept kept = request();
    check_int(judge(&half, 1, false, &kept).main, CAUSE_GC);
    check_int(judge(&less, 1, false, &kept).main, CAUSES);
}

static void who_failed_has_no_worker(void **state)
{
    (void)state;
    const struct timeline_event stall = event(TIMELINE_STALL, 7, 1100, 2000);
    struct kept kept = request();
    kept.failed = true;
    kept.timing = (struct server_timing){ 0 };
    check_uint(judge(&stall, 1, false, &kept).ns[CAUSE_STALL], 900 * US);
}

static void a_worker_of_another_generation_is_another_worker(void **state)
{
    (void)state;
    struct timeline_event stall = event(TIMELINE_STALL, 1, 1100, 2000);
    struct kept kept = request();
    stall.generation = 2;
    check_uint(judge(&stall, 1, false, &kept).ns[CAUSE_STALL], 0);
}

static void what_the_response_says_takes_what_is_left(void **state)
{
    (void)state;
    const struct timeline_event pause = event(TIMELINE_GC, 1, 1200, 1900);
    struct kept kept = request();
    kept.timing.miss = true;
    kept.timing.app_ns = 250 * US;
    kept.timing.queue_ns = 400 * US;
    struct blame blame = judge(&pause, 1, false, &kept);
    check_uint(blame.ns[CAUSE_GC], 700 * US);
    check_uint(blame.ns[CAUSE_MISS], 250 * US);
    check_uint(blame.ns[CAUSE_QUEUE], 50 * US, "no more than there is");
    kept.timing.miss = false;
    blame = judge(&pause, 1, false, &kept);
    check_uint(blame.ns[CAUSE_MISS], 0);
    check_uint(blame.ns[CAUSE_QUEUE], 300 * US);
}

static void the_generator_is_charged_first(void **state)
{
    (void)state;
    const struct timeline_event stall = event(TIMELINE_STALL, 1, 1, 3000);
    const struct kept_stall late[] = { { 1 * US, 500 * US }, { 900 * US, 1060 * US } };
    struct timeline timeline = { .events = (struct timeline_event *)(uintptr_t)&stall,
                                 .n = 1,
                                 .longest_ns = 2999 * US };
    struct blame_scene scene = { .timeline = &timeline, .stalls = late, .n_stalls = 2 };
    struct kept kept = request();
    struct blame blame = blame_request(&scene, &kept);
    check_uint(blame.ns[CAUSE_GENERATOR], 60 * US);
    check_uint(blame.ns[CAUSE_STALL], 940 * US);
}

/* More pieces than the line has room for: what is lost is unexplained, not doubled. */
static void many_short_events_are_all_charged_or_given_up(void **state)
{
    (void)state;
    enum { N = 400 };
    struct timeline_event events[N];
    struct kept kept = request();
    for (unsigned i = 0; i < N; i++)
        events[i] = event(TIMELINE_GC, 1, 1100 + 2 * i, 1101 + 2 * i);
    struct blame blame = judge(events, N, false, &kept);
    check_true(blame.ns[CAUSE_GC] <= N * US);
    check_true(blame.ns[CAUSE_GC] >= 100 * US, "%ju", (uintmax_t)blame.ns[CAUSE_GC]);
}

TEST_MAIN(test(one_event_is_charged_to_its_cause), test(no_moment_counts_twice),
          test(less_than_half_explains_nothing), test(who_failed_has_no_worker),
          test(a_worker_of_another_generation_is_another_worker),
          test(what_the_response_says_takes_what_is_left),
          test(the_generator_is_charged_first),
          test(many_short_events_are_all_charged_or_given_up))
