/* SPDX-License-Identifier: MIT */
/* test_stats.c - against values that can be worked out by hand. */
#include "loadtest/stats.h"

#include <errno.h>
#include <math.h>

#include "loadtest/verdict.h"
#include "server/base/prng.h"
#include "tests/test.h"

static void sign_flips_of_few_blocks_are_counted_exactly(void **state)
{
    (void)state;
    static const struct {
        double x[5];
        size_t n;
        double p;
    } cases[] = {
        { { 1 }, 1, 1 },                    /* +1, -1 */
        { { 1, 1 }, 2, 0.5 },               /* ++ and -- of four */
        { { 1, 1, 1, 1, 1 }, 5, 2.0 / 32 }, /* all the same sign */
        { { 1, 2, 3, 4, 5 }, 5, 2.0 / 32 },
        { { -1, 2, 3, 4, 5 }, 5, 4.0 / 32 }, /* |15| twice, |13| twice */
        { { 1, -2, 3 }, 3, 6.0 / 8 },        /* sums 6 4 2 0: |s| >= 2 */
        { { 0, 0, 0 }, 3, 1 },
        { { 1, -1 }, 2, 1 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        double p = -1;
        check_int(stats_sign_flip(cases[i].x, cases[i].n, &p), 0);
        check_near(p, cases[i].p, 1e-12, "case %zu", i);
    }
}

static void sampled_sign_flips_agree_with_the_normal_law(void **state)
{
    (void)state;
    enum { N = 40 };
    double x[N], p, sum = 0, squares = 0;
    struct prng prng;
    prng_seed(&prng, 9);
    for (size_t i = 0; i < N; i++) {
        x[i] = prng_normal(&prng) + 0.3;
        sum += x[i];
        squares += x[i] * x[i];
    }
    /* under flipping the sum has mean 0 and variance sum of squares */
    double want = erfc(fabs(sum) / sqrt(2 * squares));
    check_int(stats_sign_flip(x, N, &p), 0);
    check_near(p, want, 0.015);
}

static void holm_steps_down(void **state)
{
    (void)state;
    static const double p[] = { 0.01, 0.04, 0.03, 0.005 };
    static const double want[] = { 0.03, 0.06, 0.06, 0.02 };
    double adjusted[4];
    check_int(stats_holm(p, adjusted, 4), 0);
    for (size_t i = 0; i < 4; i++)
        check_near(adjusted[i], want[i], 1e-12, "p %zu", i);
    double single = 0.2, large[] = { 0.9, 0.8 };
    check_int(stats_holm(&single, &single, 1), 0);
    check_near(single, 0.2, 0, "one comparison needs no correction");
    check_int(stats_holm(large, large, 2), 0);
    check_near(large[0], 1, 0, "at most 1");
    check_int(stats_holm(p, adjusted, 0), 0, "none");
}

static void too_few_blocks_give_no_interval(void **state)
{
    (void)state;
    static const double x[] = { 1, 2, 3, 4, 5, 6 };
    double low, high;
    /* 2^5 = 32 parts of 1/32: 2.5 % is less than one */
    check_int(stats_interval(x, 5, 0.95, &low, &high), -ENODATA);
    check_int(stats_interval(x, 6, 0.95, &low, &high), 0);
    /* one part is cut at each end: from the smallest subset mean to the largest */
    check_near(low, 1, 1e-12);
    check_near(high, 6, 1e-12);
    check_int(stats_interval(x, 6, 0.9, &low, &high), 0);
    /* three parts: 1 | mean(1,2) = 1.5 | then 2 */
    check_near(low, 2, 1e-12);
    check_near(high, 5, 1e-12);
}

/* Coverage: of 2000 samples about 95 % of the intervals hold the true mean. */
static double coverage(size_t n, double scale_tail)
{
    enum { TRIALS = 1000 };
    double x[64], hits = 0, low, high;
    struct prng prng;
    prng_seed(&prng, n);
    for (unsigned t = 0; t < TRIALS; t++) {
        for (size_t i = 0; i < n; i++) {
            double z = prng_normal(&prng);
            x[i] = 0.7 + z * (1 + scale_tail * z * z);
        }
        check_int(stats_interval(x, n, 0.95, &low, &high), 0);
        hits += low <= 0.7 && 0.7 <= high;
    }
    return hits / TRIALS;
}

static void intervals_hold_the_true_mean_as_often_as_they_say(void **state)
{
    (void)state;
    check_near(coverage(8, 0), 0.953, 0.025, "8 blocks, normal");
    check_near(coverage(8, 0.5), 0.953, 0.025, "8 blocks, heavy tails");
}

static void the_bootstrap_of_many_blocks_is_about_right(void **state)
{
    (void)state;
    enum { N = 50 };
    double x[N], low, high;
    struct prng prng;
    prng_seed(&prng, 4);
    for (size_t i = 0; i < N; i++)
        x[i] = prng_normal(&prng);
    double mean = stats_mean(x, N), error = stats_deviation(x, N) / sqrt(N);
    check_int(stats_interval(x, N, 0.95, &low, &high), 0);
    check_near(low, mean - 1.96 * error, 0.15 * error);
    check_near(high, mean + 1.96 * error, 0.15 * error);
}

static void the_normal_quantile_inverts_the_law(void **state)
{
    (void)state;
    check_near(stats_normal_quantile(0.5), 0, 1e-9);
    check_near(stats_normal_quantile(0.975), 1.959963985, 1e-8);
    check_near(stats_normal_quantile(0.8), 0.841621234, 1e-8);
    check_near(stats_normal_quantile(1e-6), -4.753424309, 1e-7);
}

static void more_blocks_are_needed_for_smaller_effects(void **state)
{
    (void)state;
    check_uint(stats_blocks_least(0.05), 6, "2/64 is the first below 5 %%");
    check_uint(stats_blocks_least(0.005), 9);
    /* ((1.96 + 0.8416) * 1 / 0.5)^2 = 31.4 */
    check_uint(stats_blocks_needed(1, 0.5, 0.05), 32);
    check_uint(stats_blocks_needed(0.001, 0.5, 0.05), 6, "never below the least");
    check_uint(stats_blocks_needed(1, 0, 0.05), 9999, "no effect: never");
}

static enum verdict_kind judge(const double *ratios, size_t n, struct verdict *verdict)
{
    struct verdict_pairs pairs = { ratios, n };
    check_int(verdict_judge(&pairs, 1, 1, 0.1, verdict), 0);
    return verdict->kind;
}

static void verdicts_say_no_more_than_the_blocks(void **state)
{
    (void)state;
    static const struct {
        double x[8];
        size_t n;
        enum verdict_kind want;
    } cases[] = {
        { { 0 }, 0, VERDICT_NO_DATA },
        { { -1, -1, -1, -1, -1 }, 5, VERDICT_INCONCLUSIVE }, /* p cannot be below 6 % */
        { { -1, -1.1, -0.9, -1, -1.2, -1 }, 6, VERDICT_FASTER },
        { { 1, 1.1, 0.9, 1, 1.2, 1 }, 6, VERDICT_SLOWER },
        { { 0.01, -0.02, 0, 0.03, -0.01, 0.02 }, 6, VERDICT_EQUIVALENT },
        { { 0.06, 0.05, 0.07, 0.06, 0.05, 0.08 },
          6,
          VERDICT_EQUIVALENT }, /* though p is small */
        { { 1, -1, 0.5, -0.6, 0.2, -0.3 }, 6, VERDICT_INCONCLUSIVE },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct verdict verdict;
        check_int(judge(cases[i].x, cases[i].n, &verdict), cases[i].want, "case %zu",
                  i);
        check_true((verdict.more > 0) == (cases[i].want == VERDICT_INCONCLUSIVE),
                   "case %zu: more blocks", i);
    }
}

/* The same six blocks convince alone, but not among ten comparisons. */
static void a_family_of_comparisons_needs_stronger_evidence(void **state)
{
    (void)state;
    static const double strong[] = { -1, -1.1, -0.9, -1, -1.2, -1 };
    static const double noise[] = { 1, -1, 0.5, -0.6, 0.2, -0.3 };
    struct verdict_pairs pairs[10];
    struct verdict verdicts[10];
    for (size_t i = 0; i < 10; i++)
        pairs[i] = (struct verdict_pairs){ i == 0 ? strong : noise, 6 };
    check_int(verdict_judge(pairs, 10, 1, 0.1, verdicts), 0);
    check_int(verdicts[0].kind, VERDICT_INCONCLUSIVE);
    check_near(verdicts[0].p, 10 * 2.0 / 64, 1e-12);
    check_true(verdicts[0].more >= 3, "nine blocks reach 2/512");
    for (size_t i = 1; i < 10; i++) /* those without data are not of the family */
        pairs[i].n = 0;
    check_int(verdict_judge(pairs, 10, 1, 0.1, verdicts), 0);
    check_int(verdicts[0].kind, VERDICT_FASTER);
    /* nor when it is one family of ten */
    check_int(verdict_judge(pairs, 10, 10, 0.1, verdicts), 0);
    check_int(verdicts[0].kind, VERDICT_INCONCLUSIVE);
    check_near(verdicts[0].p, 10 * 2.0 / 64, 1e-12);
}

/* The noise of a percentile between two starts: mostly calm, now and then far off. */
static double noise(struct prng *prng, double deviation)
{
    double x = deviation * prng_normal(prng);
    return prng_below(prng, 10) == 0 ? 4 * x : x;
}

enum { COMPARISONS = 2000, BLOCKS = 9 };

/* How many of so many comparisons end with each word, when `effect` is the truth. */
static void compare_often(double effect, double deviation, unsigned *ret_words)
{
    struct prng prng;
    prng_seed(&prng, 20);
    memset(ret_words, 0, (VERDICT_NO_DATA + 1) * sizeof *ret_words);
    for (unsigned i = 0; i < COMPARISONS; i++) {
        double x[BLOCKS];
        struct verdict verdict;
        for (unsigned b = 0; b < BLOCKS; b++)
            x[b] = effect + noise(&prng, deviation);
        ret_words[judge(x, BLOCKS, &verdict)]++;
    }
}

/* Five in a hundred are what is admitted; the share of 2000 may be off by 1.5 more. */
static void equal_arms_are_told_apart_no_more_often_than_is_admitted(void **state)
{
    (void)state;
    unsigned words[VERDICT_NO_DATA + 1];
    for (double deviation = 0.02; deviation < 1; deviation *= 2) {
        compare_often(0, deviation, words);
        unsigned claims = words[VERDICT_FASTER] + words[VERDICT_SLOWER];
        check_true(claims <= COMPARISONS * 65 / 1000, "%u claims with noise %.2f",
                   claims, deviation);
    }
    compare_often(0, 0.02, words);
    check_true(words[VERDICT_EQUIVALENT] >= COMPARISONS * 9 / 10,
               "%u are found equivalent", words[VERDICT_EQUIVALENT]);
}

static void a_fifth_more_is_found(void **state)
{
    (void)state;
    unsigned words[VERDICT_NO_DATA + 1];
    compare_often(log(1.2), 0.08, words);
    check_true(words[VERDICT_SLOWER] >= COMPARISONS * 8 / 10, "%u of %u",
               words[VERDICT_SLOWER], (unsigned)COMPARISONS);
    check_uint(words[VERDICT_FASTER], 0);
    check_true(words[VERDICT_EQUIVALENT] <= COMPARISONS / 100, "%u called equal",
               words[VERDICT_EQUIVALENT]);
    compare_often(log(1 / 1.2), 0.08, words);
    check_true(words[VERDICT_FASTER] >= COMPARISONS * 8 / 10);
}

TEST_MAIN(test(sign_flips_of_few_blocks_are_counted_exactly),
          test(sampled_sign_flips_agree_with_the_normal_law), test(holm_steps_down),
          test(too_few_blocks_give_no_interval),
          test(intervals_hold_the_true_mean_as_often_as_they_say),
          test(the_bootstrap_of_many_blocks_is_about_right),
          test(the_normal_quantile_inverts_the_law),
          test(more_blocks_are_needed_for_smaller_effects),
          test(verdicts_say_no_more_than_the_blocks),
          test(a_family_of_comparisons_needs_stronger_evidence),
          test(equal_arms_are_told_apart_no_more_often_than_is_admitted),
          test(a_fifth_more_is_found))
