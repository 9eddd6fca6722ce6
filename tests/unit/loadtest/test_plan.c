/* SPDX-License-Identifier: MIT */
/* test_plan.c - a plan is a function of (seed, index), and has the law that it claims.
 */
#include "loadtest/plan.h"

#include <math.h>
#include <stdlib.h>

#include "tests/test.h"

static struct plan make(uint64_t seed, double rate, bool constant, unsigned stream,
                        unsigned streams)
{
    struct plan plan;
    struct plan_config config = { .seed = seed,
                                  .rate = rate,
                                  .constant = constant,
                                  .stream = stream,
                                  .streams = streams };
    plan_init(&plan, &config);
    return plan;
}

static void the_same_seed_gives_the_same_arrivals(void **state)
{
    (void)state;
    struct plan a = make(7, 1000, false, 0, 1), b = make(7, 1000, false, 0, 1);
    for (unsigned i = 0; i < 10000; i++) {
        check_uint(plan_next_ns(&a), plan_next_ns(&b), "arrival %u", i);
        check_uint(a.index, i, "index");
        plan_advance(&a);
        plan_advance(&b);
    }
}

static void seeds_and_threads_have_plans_of_their_own(void **state)
{
    (void)state;
    struct plan plans[] = { make(7, 1000, false, 0, 2), make(7, 1000, false, 1, 2),
                            make(8, 1000, false, 0, 2), make(8, 1000, false, 1, 2) };
    for (size_t i = 0; i < TEST_COUNT(plans); i++)
        for (size_t k = 0; k < i; k++)
            check_true(plan_next_ns(&plans[i]) != plan_next_ns(&plans[k]), "%zu, %zu",
                       i, k);
}

/* Gaps of a Poisson process are exponential: mean 1/rate, variance 1/rate^2, and a
 * share of 1 - e^-x below x means. Four standard errors are allowed. */
static void the_gaps_of_a_poisson_plan_are_exponential(void **state)
{
    (void)state;
    enum { N = 200000 };
    struct plan plan = make(42, 10000, false, 0, 1);
    double gap = 1e9 / 10000, sum = 0, squares = 0, before = 0, below = 0;
    for (unsigned i = 0; i < N; i++) {
        double this_gap = plan.at_ns - before;
        before = plan.at_ns;
        sum += this_gap;
        squares += this_gap * this_gap;
        below += this_gap < 0.1 * gap;
        plan_advance(&plan);
    }
    double mean = sum / N, variance = squares / N - mean * mean;
    double share = 1 - exp(-0.1);
    check_near(mean / gap, 1, 4 / sqrt(N), "mean");
    check_near(variance / (gap * gap), 1, 4 * sqrt(8.0 / N), "variance");
    check_near(below / N, share, 4 * sqrt(share * (1 - share) / N), "short gaps");
}

static int compare_u64(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The number of arrivals in equal windows has variance equal to its mean, also when the
 * arrivals come from several threads. */
static void threads_together_are_one_poisson_process(void **state)
{
    (void)state;
    enum { STREAMS = 4, WINDOWS = 20000 };
    static double counts[WINDOWS];
    double window = 1e9 / 1000, sum = 0, squares = 0; /* ten arrivals each on average */
    for (unsigned s = 0; s < STREAMS; s++) {
        struct plan plan = make(3, 10000, false, s, STREAMS);
        for (; plan.at_ns < WINDOWS * window; plan_advance(&plan))
            counts[(size_t)(plan.at_ns / window)]++;
    }
    for (unsigned i = 0; i < WINDOWS; i++) {
        sum += counts[i];
        squares += counts[i] * counts[i];
    }
    double mean = sum / WINDOWS, variance = squares / WINDOWS - mean * mean;
    check_near(mean, 10, 4 * sqrt(10.0 / WINDOWS), "mean");
    check_near(variance / mean, 1, 4 * sqrt(2.0 / WINDOWS), "dispersion");
}

static void constant_plans_of_threads_interleave_to_equal_gaps(void **state)
{
    (void)state;
    enum { STREAMS = 3, EACH = 100 };
    uint64_t times[STREAMS * EACH];
    size_t n = 0;
    for (unsigned s = 0; s < STREAMS; s++) {
        struct plan plan = make(1, 3000, true, s, STREAMS);
        for (unsigned i = 0; i < EACH; i++, plan_advance(&plan))
            times[n++] = plan_next_ns(&plan);
    }
    qsort(times, n, sizeof times[0], compare_u64);
    for (size_t i = 0; i < n; i++)
        check_near(times[i], (double)i * 1e9 / 3000, 1, "arrival %zu", i);
}

static void a_constant_plan_does_not_drift(void **state)
{
    (void)state;
    struct plan plan = make(1, 3, true, 0, 1); /* a third of a second is no integer */
    for (unsigned i = 0; i < 3000000; i++)
        plan_advance(&plan);
    check_uint(plan_next_ns(&plan), UINT64_C(1000000000000000), "after 3 million");
}

/* Arrivals of a ramp in each tenth of its length, and after it. */
static void count_tenths(double from, double to, unsigned steps, bool constant,
                         unsigned streams, unsigned *ret_counts)
{
    memset(ret_counts, 0, 12 * sizeof *ret_counts);
    for (unsigned stream = 0; stream < streams; stream++) {
        struct plan plan;
        struct plan_config config = { .seed = 3,
                                      .rate = from,
                                      .rate_to = to,
                                      .length_ns = 1e10,
                                      .steps = steps,
                                      .constant = constant,
                                      .stream = stream,
                                      .streams = streams };
        plan_init(&plan, &config);
        for (double before = 0; plan.at_ns < 1.2e10; plan_advance(&plan)) {
            check_true(plan.at_ns >= before, "time goes on");
            before = plan.at_ns;
            ret_counts[(unsigned)(plan.at_ns / 1e9)]++;
        }
    }
}

static void a_ramp_has_the_rate_of_each_moment(void **state)
{
    (void)state;
    static const struct {
        double from, to;
        unsigned steps;
    } cases[] = { { 1000, 11000, 0 },
                  { 9000, 100, 0 },
                  { 1000, 10000, 10 },
                  { 8000, 2000, 2 },
                  { 500, 500.0000001, 0 } };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        for (unsigned kind = 0; kind < 4; kind++) {
            unsigned counts[12];
            bool constant = kind % 2 == 1;
            double from = cases[i].from, to = cases[i].to;
            count_tenths(from, to, cases[i].steps, constant, kind < 2 ? 1 : 3, counts);
            for (unsigned t = 0; t < 12; t++) {
                double want = from + (to - from) * (t + 0.5) / 10;
                if (cases[i].steps > 0)
                    want = from + (to - from) * (t * cases[i].steps / 10) /
                                      (cases[i].steps - 1);
                want = t < 10 ? want : to;
                check_near(counts[t], want, constant ? 4 : 5 * sqrt(want) + 1,
                           "case %zu, kind %u, second %u", i, kind, t);
            }
        }
    }
}

TEST_MAIN(test(a_ramp_has_the_rate_of_each_moment),
          test(the_same_seed_gives_the_same_arrivals),
          test(seeds_and_threads_have_plans_of_their_own),
          test(the_gaps_of_a_poisson_plan_are_exponential),
          test(threads_together_are_one_poisson_process),
          test(constant_plans_of_threads_interleave_to_equal_gaps),
          test(a_constant_plan_does_not_drift))
