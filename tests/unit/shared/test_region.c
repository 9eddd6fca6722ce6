/* SPDX-License-Identifier: MIT */
/* test_region.c - the shared region: layout, counters, latency, reset of a seat. */
#include "server/shared/region.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/hist.h"
#include "tests/test.h"

static struct region *region;

static int make(void **state)
{
    (void)state;
    region = region_new();
    return region == NULL;
}

static int destroy(void **state)
{
    (void)state;
    region_free(region);
    return 0;
}

static void a_child_writes_what_the_parent_reads(void **state)
{
    struct seat *seat = &region->seats[seat_of(3, 1)];
    int status;
    pid_t pid;

    (void)state;
    pid = fork();
    if (pid == 0) {
        count(seat, COUNTER_requests, 2);
        count(seat, COUNTER_requests, 3);
        count_set(seat, COUNTER_connections, 9);
        seat_record_latency(seat, 1000);
        seat_record_latency(seat, UINT64_MAX);
        _exit(0);
    }
    check_int(waitpid(pid, &status, 0), pid);
    check_int(status, 0);
    check_uint(seat->counters[COUNTER_requests], 5);
    check_uint(seat->counters[COUNTER_connections], 9);
    check_uint(region->seats[seat_of(3, 0)].counters[COUNTER_requests], 0);
}

static void the_constant_shape_is_the_one_of_the_histogram(void **state)
{
    const uint64_t *counts;
    uint64_t sum;
    struct hist_shape want;
    const struct hist_shape *got;

    (void)state;
    got = seat_latency(&region->seats[0], &counts, &sum);
    check_int(hist_shape_init(&want, HIST_SERVER_LOWEST, HIST_SERVER_HIGHEST,
                              HIST_SERVER_DIGITS),
              0);
    check_true(hist_shape_equal(got, &want));
    check_uint(got->counts_len, want.counts_len);
    check_uint(got->sub_mask, want.sub_mask);
    check_uint(got->unit_magnitude, want.unit_magnitude);
    check_uint(got->half_magnitude, want.half_magnitude);
}

static void latencies_are_counted_and_summed(void **state)
{
    struct seat *seat = &region->seats[SEATS_MAX - 1];
    const uint64_t *counts;
    uint64_t sum;
    const struct hist_shape *shape;

    (void)state;
    for (uint64_t i = 1; i <= 100; i++)
        seat_record_latency(seat, i * 1000);
    seat_record_latency(seat, UINT64_C(1) << 50); /* above the highest: not dropped */
    shape = seat_latency(seat, &counts, &sum);
    check_uint(hist_count_total(shape, counts), 101);
    check_uint(sum, 5050000 + (UINT64_C(1) << 50));
    check_near(hist_count_percentile(shape, counts, 50, 101), 50000, 500);
}

static void a_reset_keeps_totals_and_clears_the_rest(void **state)
{
    struct seat *seat = &region->seats[1];
    struct ring ring;
    int empty;

    (void)state;
    count(seat, COUNTER_hits, 7);
    count_set(seat, COUNTER_pins, 7);
    seat->board.pid = 4711;
    seat->board.state = SEAT_GONE;
    strcpy(seat->board.words, "last words");
    ring_open_writer(&ring, &seat->publish_head, seat->publish, PUBLISH_RING_BYTES);
    check_not_null(ring_reserve(&ring, 100));
    ring_commit(&ring, 100, &empty);
    seat_reset(seat);
    check_uint(seat->counters[COUNTER_hits], 7);
    check_uint(seat->counters[COUNTER_pins], 0);
    check_int(seat->board.pid, 0);
    check_str(seat->board.words, "");
    check_str(seat_state_name((enum seat_state)seat->board.state), "free");
    check_uint(seat->publish_head.tail, 0);
}

static void every_counter_has_a_name_a_unit_and_a_sentence(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNTERS; i++) {
        enum counter c = (enum counter)i;

        check_true(strlen(counter_name(c)) > 2, "counter %u", i);
        check_true(strlen(counter_unit(c)) > 0, "counter %u", i);
        check_true(strlen(counter_sentence(c)) > 10, "counter %u", i);
    }
    check_true(counter_is_gauge(COUNTER_connections));
    check_false(counter_is_gauge(COUNTER_requests));
    check_str(seat_state_name((enum seat_state)99), "unknown");
}

#define fresh(name) test_with(name, make, destroy)
TEST_MAIN(fresh(a_child_writes_what_the_parent_reads),
          fresh(the_constant_shape_is_the_one_of_the_histogram),
          fresh(latencies_are_counted_and_summed),
          fresh(a_reset_keeps_totals_and_clears_the_rest),
          fresh(every_counter_has_a_name_a_unit_and_a_sentence))
