/* SPDX-License-Identifier: MIT */
#include "loadtest/tally.h"

#include "loadtest/recorder.h"
#include "server/base/clock.h"
#include "tests/test.h"

#define MS CLOCK_NS_PER_MS

static void the_balance_sheet_holds_only_when_it_adds_up(void **state)
{
    (void)state;
    struct tally_counts good = { .planned = 21,
                                 .sent = 20,
                                 .unsent = 1,
                                 .ok = 10,
                                 .http_errors = 4,
                                 .read_errors = 3,
                                 .write_errors = 1,
                                 .timeouts = 1,
                                 .in_flight = 1 };
    check_true(tally_balanced(&good));
    uint64_t *const parts[] = { &good.planned,      &good.sent,
                                &good.unsent,       &good.ok,
                                &good.http_errors,  &good.read_errors,
                                &good.write_errors, &good.timeouts,
                                &good.in_flight };
    for (size_t i = 0; i < TEST_COUNT(parts); i++) {
        (*parts[i])++;
        check_false(tally_balanced(&good), "part %zu one too many", i);
        (*parts[i])--;
    }
}

static void a_response_counts_from_its_planned_time(void **state)
{
    (void)state;
    struct tally tally;
    struct tally_times times = { .planned_ns = 100 * MS,
                                 .sent_ns = 150 * MS,
                                 .done_ns = 160 * MS };
    check_int(tally_init(&tally), 0);
    tally_response(&tally, &times, 200, 60 * MS);
    check_uint(tally.ok.max, 60 * MS);
    check_uint(tally.service.max, 10 * MS);
    check_uint(tally.counts.late, 0, "exactly at the limit");
    times.done_ns++;
    tally_response(&tally, &times, 304, 60 * MS);
    check_uint(tally.counts.late, 1, "one past the limit");
    check_uint(tally.counts.ok, 2);
    tally_free(&tally);
}

/* A server that sheds load with quick errors must not look fast. */
static void a_failure_is_in_the_tail_however_quick_it_was(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        uint64_t took_ms, want_ms;
    } cases[] = { { 404, 1, 1 }, { 499, 1, 1 }, { 500, 1, 2000 }, { 503, 5000, 5000 } };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct tally tally;
        struct tally_times times = { 0, 0, cases[i].took_ms * MS };
        check_int(tally_init(&tally), 0);
        tally_response(&tally, &times, cases[i].status, 2000 * MS);
        check_uint(tally.counts.http_errors, 1, "status %u", cases[i].status);
        check_uint(tally.ok.total, 0, "status %u", cases[i].status);
        check_uint(tally.bad.max, cases[i].want_ms * MS, "status %u", cases[i].status);
        tally_free(&tally);
    }
}

static void a_request_without_an_outcome_is_at_least_its_age(void **state)
{
    (void)state;
    struct tally tally;
    check_int(tally_init(&tally), 0);
    tally_failed(&tally, 0, 500 * MS, 2000 * MS);
    check_uint(tally.bad.max, 2000 * MS);
    tally_failed(&tally, 0, 30000 * MS, 2000 * MS);
    check_uint(tally.bad.max, 30000 * MS);
    tally_free(&tally);
}

static void the_headline_holds_successes_and_failures(void **state)
{
    (void)state;
    struct tally tally, sum;
    struct hist all;
    struct tally_times times = { 0, 0, MS };
    check_int(tally_init(&tally), 0);
    check_int(tally_init(&sum), 0);
    tally_response(&tally, &times, 200, 2000 * MS);
    tally_response(&tally, &times, 500, 2000 * MS);
    tally_merge(&sum, &tally);
    tally_merge(&sum, &tally);
    check_int(tally_all(&sum, &all), 0);
    check_uint(all.total, 4);
    check_uint(all.max, 2000 * MS);
    check_uint(sum.counts.ok, 2);
    check_uint(sum.counts.http_errors, 2);
    tally_reset(&tally);
    check_uint(tally.ok.total + tally.bad.total + tally.counts.ok, 0, "reset");
    hist_free(&all);
    tally_free(&tally);
    tally_free(&sum);
}

static void a_recorder_never_hands_out_the_tally_in_use(void **state)
{
    (void)state;
    struct recorder recorder;
    check_int(recorder_init(&recorder, 2), 0);
    struct tally *first = recorder_tally(&recorder);
    check_null(recorder_full(&recorder), "nothing swapped");
    first->counts.sent = 5;
    recorder_swap(&recorder, 77);
    check_true(&recorder_full(&recorder)->tally == first);
    check_true(recorder_tally(&recorder) != first);
    recorder_tally(&recorder)->counts.sent = 6;
    recorder_swap(&recorder, 88); /* the collector is slow: the interval grows */
    check_true(&recorder_full(&recorder)->tally == first, "still with the collector");
    check_uint(recorder_full(&recorder)->swapped_ns, 77);
    check_uint(recorder_tally(&recorder)->counts.sent, 6);
    recorder_done(&recorder);
    check_null(recorder_full(&recorder), "given back");
    check_uint(first->counts.sent, 0, "empty");
    recorder_swap(&recorder, 99);
    check_uint(recorder_full(&recorder)->tally.counts.sent, 6);
    recorder_free(&recorder);
}

static void a_recorder_with_room_is_collected_in_order_afterwards(void **state)
{
    (void)state;
    struct recorder recorder;
    check_int(recorder_init(&recorder, 4), 0);
    for (uint64_t i = 1; i <= 6; i++) { /* the ring is full after three swaps */
        recorder_tally(&recorder)->counts.sent += i;
        recorder_swap(&recorder, 10 * i);
    }
    for (uint64_t i = 1; i <= 3; i++) {
        check_uint(recorder_full(&recorder)->tally.counts.sent, i);
        check_uint(recorder_full(&recorder)->swapped_ns, 10 * i);
        recorder_done(&recorder);
    }
    check_null(recorder_full(&recorder), "the fourth is in use");
    check_uint(recorder_tally(&recorder)->counts.sent, 4 + 5 + 6);
    recorder_swap(&recorder, 70);
    check_uint(recorder_full(&recorder)->tally.counts.sent, 4 + 5 + 6);
    recorder_free(&recorder);
}

TEST_MAIN(test(the_balance_sheet_holds_only_when_it_adds_up),
          test(a_response_counts_from_its_planned_time),
          test(a_failure_is_in_the_tail_however_quick_it_was),
          test(a_request_without_an_outcome_is_at_least_its_age),
          test(the_headline_holds_successes_and_failures),
          test(a_recorder_never_hands_out_the_tally_in_use),
          test(a_recorder_with_room_is_collected_in_order_afterwards))
