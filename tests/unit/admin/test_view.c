/* SPDX-License-Identifier: MIT */
/* test_view.c - the server at one moment, from a region that the test fills. */
#include "server/admin/view.h"

#include <stdlib.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "tests/test.h"

#define S CLOCK_NS_PER_S

static struct region *region;
static struct view *view;

static int make(void **state)
{
    (void)state;
    region = region_new();
    view = calloc(1, sizeof *view);
    return region == NULL || view == NULL;
}

static int destroy(void **state)
{
    (void)state;
    region_free(region);
    free(view);
    return 0;
}

static struct seat *fill(unsigned seat, enum seat_state seat_state, uint32_t generation)
{
    struct seat *s = &region->seats[seat];

    seat_reset(s);
    s->board.state = seat_state;
    s->board.generation = generation;
    s->board.pid = getpid();
    s->board.heartbeat_ns = 100 * S;
    return s;
}

static void totals_are_summed_and_gauges_are_those_of_the_living(void **state)
{
    struct seat *gone = fill(0, SEAT_GONE, 1), *ready = fill(1, SEAT_READY, 2);

    (void)state;
    region->master.slots_wanted = 1;
    count(gone, COUNTER_requests, 5);
    count_set(gone, COUNTER_connections, 7);
    count(ready, COUNTER_requests, 3);
    count_set(ready, COUNTER_connections, 2);
    view_update(view, region, false, 100 * S);
    check_uint(view->count, 1);
    check_uint(view->slots[0].counters[COUNTER_requests], 8);
    check_uint(view->slots[0].counters[COUNTER_connections], 2);
    check_uint(view->slots[0].generation, 2);
    check_uint(view->by_state[SEAT_READY], 1);
    check_uint(view->by_state[SEAT_GONE], 0);
}

static void the_ready_worker_stands_for_its_slot(void **state)
{
    static const struct {
        enum seat_state first, second;
        unsigned seat;
    } cases[] = {
        { SEAT_READY, SEAT_STARTING, 0 }, { SEAT_DRAINING, SEAT_READY, 1 },
        { SEAT_READY, SEAT_READY, 1 },    { SEAT_DRAINING, SEAT_STARTING, 1 },
        { SEAT_FREE, SEAT_GONE, 1 },      { SEAT_GONE, SEAT_DRAINING, 1 },
    };

    (void)state;
    region->master.slots_wanted = 1;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        fill(0, cases[i].first, 1);
        fill(1, cases[i].second, 2);
        view_update(view, region, false, 100 * S);
        check_uint(view->slots[0].seat, cases[i].seat, "case %zu", i);
    }
}

static void a_worker_without_heartbeat_does_not_serve(void **state)
{
    (void)state;
    region->master.slots_wanted = 2;
    fill(0, SEAT_READY, 1);
    fill(2, SEAT_READY, 1);
    region->seats[2].board.heartbeat_ns = 95 * S;
    view_update(view, region, false, 104 * S);
    check_uint(view_ready(view), 2);
    view_update(view, region, false, 106 * S);
    check_uint(view_ready(view), 1);
    view_update(view, region, false, 111 * S);
    check_uint(view_ready(view), 0);
}

static void slots_that_are_not_wanted_but_live_are_shown(void **state)
{
    (void)state;
    region->master.slots_wanted = 2;
    fill(seat_of(5, 0), SEAT_DRAINING, 1);
    view_update(view, region, false, 100 * S);
    check_uint(view->count, 3);
    check_uint(view->slots[2].slot, 5);
    check_int(view->slots[1].pid, 0, "nobody yet");
}

static void proc_is_read_once_per_second(void **state)
{
    (void)state;
    region->master.slots_wanted = 1;
    fill(0, SEAT_READY, 1);
    view_update(view, region, false, 100 * S);
    check_true(view->slots[0].pss > 0);
    view->samples[0].pss = 4711;
    view_update(view, region, false, 101 * S - 1);
    check_uint(view->slots[0].pss, 4711);
    view_update(view, region, false, 101 * S);
    check_true(view->slots[0].pss != 4711);
}

static void threads_of_one_process_share_its_size(void **state)
{
    uint64_t alone;

    (void)state;
    region->master.slots_wanted = 2;
    fill(0, SEAT_READY, 1);
    view_update(view, region, false, 100 * S);
    alone = view->slots[0].pss;
    fill(2, SEAT_READY, 1);
    view_update(view, region, false, 102 * S);
    check_near(view->slots[0].pss, alone / 2, alone / 10);
    check_near(view->slots[1].pss, alone / 2, alone / 10);
}

static void latencies_of_all_seats_are_one_histogram(void **state)
{
    (void)state;
    region->master.slots_wanted = 2;
    seat_record_latency(fill(0, SEAT_GONE, 1), 1000);
    seat_record_latency(fill(1, SEAT_READY, 1), 1000);
    seat_record_latency(fill(2, SEAT_READY, 1), 9000000);
    view_update(view, region, false, 100 * S);
    check_near(view_percentile(view, 1, 2), 1000, 20);
    check_near(view_percentile(view, 1, 1), 9000000, 90000);
    check_uint(view->latency_sum_ns, 9002000);
}

#define fresh(name) test_with(name, make, destroy)
TEST_MAIN(fresh(totals_are_summed_and_gauges_are_those_of_the_living),
          fresh(the_ready_worker_stands_for_its_slot),
          fresh(a_worker_without_heartbeat_does_not_serve),
          fresh(slots_that_are_not_wanted_but_live_are_shown),
          fresh(proc_is_read_once_per_second),
          fresh(threads_of_one_process_share_its_size),
          fresh(latencies_of_all_seats_are_one_histogram))
