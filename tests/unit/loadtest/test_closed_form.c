/* SPDX-License-Identifier: MIT */
#include "loadtest/closed_form.h"

#include <math.h>

#include "loadtest/pacer.h"
#include "server/base/hist.h"
#include "tests/test.h"

static void a_freeze_gives_the_figures_that_everybody_quotes(void **state)
{
    (void)state;
    static const struct {
        double freeze, duration, drain, p, want;
    } cases[] = {
        { 5, 10, HUGE_VAL, 0.50, 0 },
        { 5, 10, HUGE_VAL, 0.75, 2.5 },
        { 5, 10, HUGE_VAL, 0.90, 4.0 },
        { 5, 10, HUGE_VAL, 0.99, 4.9 },
        { 5, 10, HUGE_VAL, 0.999, 4.99 },
        { 5, 10, HUGE_VAL, 1.0, 5 },
        { 2, 5, 2, 0.50, 0.75 },
        { 2, 5, 2, 0.99, 1.975 },
        { 2, 5, 2, 0.1, 0 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        check_near(closed_freeze(cases[i].freeze, cases[i].duration, 10000,
                                 cases[i].drain, cases[i].p),
                   cases[i].want, 1e-9, "p %g of %g in %g", cases[i].p, cases[i].freeze,
                   cases[i].duration);
}

static void a_bimodal_server_jumps_at_its_weight(void **state)
{
    (void)state;
    check_near(closed_bimodal(1, 9, 50, 0.979), 1, 0);
    check_near(closed_bimodal(1, 9, 50, 0.981), 9, 0);
    check_near(closed_bimodal(1, 9, 0, 0.9999), 1, 0, "none is slow");
}

/* The plan and the histogram of a run, in virtual time, against a server that answers
 * everything at the end of its freeze and then at twice the rate. */
static void a_run_in_virtual_time_agrees_to_the_digits_of_the_histogram(void **state)
{
    (void)state;
    static const double rates[] = { 100, 1000, 100000 };
    static const double ps[] = { 0.5, 0.75, 0.9, 0.99, 0.999 };
    const double duration = 5e9, freeze = 2e9;
    for (size_t r = 0; r < TEST_COUNT(rates); r++) {
        const struct plan_config plan = {
            .seed = 1, .rate = rates[r], .constant = true, .streams = 1
        };
        struct pacer pacer;
        struct hist hist, lag;
        uint64_t planned;
        double free_at = freeze, gap = 1e9 / (2 * rates[r]);
        check_int(hist_init(&hist, 1, UINT64_C(600000000000), 3), 0);
        check_int(hist_init(&lag, 1, UINT64_C(600000000000), 3), 0);
        pacer_init(&pacer, &plan, 0, (uint64_t)duration);
        pacer_notice(&pacer, (uint64_t)duration, &lag);
        while (pacer_take(&pacer, (uint64_t)duration, &planned)) {
            double done = (double)planned > free_at ? (double)planned : free_at;
            free_at = done + gap;
            hist_record(&hist, (uint64_t)(done - (double)planned) + 1);
        }
        for (size_t i = 0; i < TEST_COUNT(ps); i++) {
            double want = closed_freeze(freeze, duration, rates[r] / 1e9, 2, ps[i]);
            double got = (double)hist_percentile(&hist, (uint64_t)(ps[i] * 1000), 1000);
            check_near(got / want, 1, 0.001, "p %g at %g/s", ps[i], rates[r]);
        }
        hist_free(&hist);
        hist_free(&lag);
    }
}

TEST_MAIN(test(a_freeze_gives_the_figures_that_everybody_quotes),
          test(a_bimodal_server_jumps_at_its_weight),
          test(a_run_in_virtual_time_agrees_to_the_digits_of_the_histogram))
