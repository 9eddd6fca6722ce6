/* SPDX-License-Identifier: MIT */
#include "server/origin/synthetic.h"

#include <event2/event.h>
#include <math.h>
#include <stdlib.h>

#include "server/base/clock.h"
#include "tests/test.h"

static const struct synthetic_config plain = {
    .objects = 1000, .median = 8192, .sigma = 1.0, .seed = 42, .object_max = 1 << 20
};

/* Written out from the formula in the header, with nothing of ours. */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static unsigned char formula(uint64_t seed, uint64_t index, uint64_t at)
{
    const uint64_t step = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t key = mix((seed ^ (index * UINT64_C(0xd1b54a32d192ed03))) + step);
    return (unsigned char)(mix(key + (at / 8 + 1) * step) >> 8 * (at % 8));
}

static void a_body_follows_the_formula(void **state)
{
    (void)state;
    static const uint64_t indexes[] = { 0, 1, 2, 999 };
    unsigned char body[100];
    for (size_t i = 0; i < TEST_COUNT(indexes); i++) {
        synthetic_body(&plain, indexes[i], 0, body, sizeof body);
        for (size_t at = 0; at < sizeof body; at++) {
            check_uint(body[at], formula(42, indexes[i], at), "object %ju, byte %zu",
                       (uintmax_t)indexes[i], at);
        }
    }
}

static void any_part_of_a_body_can_be_made(void **state)
{
    (void)state;
    unsigned char whole[64], part[64];
    synthetic_body(&plain, 7, 0, whole, sizeof whole);
    for (size_t from = 0; from < sizeof whole; from++) {
        for (size_t n = 0; from + n <= sizeof whole; n++) {
            synthetic_body(&plain, 7, from, part, n);
            check_mem(part, n, whole + from, n, "%zu bytes from %zu", n, from);
        }
    }
}

static void sizes_are_log_normal_and_clamped(void **state)
{
    (void)state;
    enum { N = 20000 };
    double sum = 0, squares = 0;
    unsigned below = 0;
    struct synthetic_config c = plain;
    c.objects = N;
    for (uint64_t i = 0; i < N; i++) {
        uint64_t size = synthetic_size(&c, i);
        double z = log((double)size / (double)c.median);
        sum += z;
        squares += z * z;
        below += size < c.median;
        check_true(size >= SYNTHETIC_SIZE_MIN && size <= SYNTHETIC_SIZE_MAX);
    }
    check_near((double)below / N, 0.5, 0.02, "half are below the median");
    check_near(sum / N, 0, 0.03, "mean of the logarithm");
    check_near(sqrt(squares / N), 1.0, 0.03, "its deviation");

    c.sigma = 0;
    check_uint(synthetic_size(&c, 3), 8192, "no spread");
    c.median = 1;
    check_uint(synthetic_size(&c, 3), SYNTHETIC_SIZE_MIN);
    c.median = 8192;
    c.sigma = 50;
    bool least = false, most = false;
    for (uint64_t i = 0; i < 100; i++) {
        least = least || synthetic_size(&c, i) == SYNTHETIC_SIZE_MIN;
        most = most || synthetic_size(&c, i) == SYNTHETIC_SIZE_MAX;
    }
    check_true(least && most, "both ends are reached with a great spread");
    c.sigma = 0;
    c.median = SYNTHETIC_SIZE_MAX + 1;
    check_uint(synthetic_size(&c, 0), SYNTHETIC_SIZE_MAX + 1, "a median above the cap");
}

static void only_exact_paths_name_objects(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool want;
        uint64_t index;
    } cases[] = {
        { "/o/0", true, 0 },
        { "/o/7", true, 7 },
        { "/o/999", true, 999 },
        { "/o/1000", false, 0 },
        { "/o/00", false, 0 },
        { "/o/07", false, 0 },
        { "/o/", false, 0 },
        { "/o", false, 0 },
        { "/o/-1", false, 0 },
        { "/o/+1", false, 0 },
        { "/o/1 ", false, 0 },
        { "/o/1/", false, 0 },
        { "/o/0x1", false, 0 },
        { "/O/1", false, 0 },
        { "/", false, 0 },
        { "/p/1", false, 0 },
        { "/o/99999999999999999999999", false, 0 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        uint64_t index = 0;
        char back[SYNTHETIC_PATH_MAX];
        check_int(synthetic_index(&plain, span_of(cases[i].path), &index),
                  cases[i].want, "%s", cases[i].path);
        check_uint(index, cases[i].index, "%s", cases[i].path);
        if (cases[i].want) {
            check_span(synthetic_path(back, index), cases[i].path);
        }
    }
    struct synthetic_config all = plain;
    char longest[SYNTHETIC_PATH_MAX];
    uint64_t index;
    all.objects = UINT64_MAX;
    struct span path = synthetic_path(longest, UINT64_MAX - 1);
    check_true(synthetic_index(&all, path, &index));
    check_uint(index, UINT64_MAX - 1);
}

static void an_object_is_what_a_fetch_gives(void **state)
{
    (void)state;
    struct synthetic_config c = plain;
    struct origin *origin = NULL;
    struct origin_result made, got = { 0 };
    struct origin_fetch *pending = NULL;
    c.object_max = synthetic_size(&c, 5);
    check_int(origin_synthetic_new(&c, &origin), 0);
    synthetic_object(&c, 5, &made);
    check_int(origin_fetch(origin, NULL, SPAN("/o/5"), NULL, NULL, &got, &pending),
              ORIGIN_DONE);
    check_uint(got.status, 200);
    check_mem(got.head.p, got.head.n, made.head.p, made.head.n);
    check_mem(got.body, got.length, made.body, made.length);
    check_true(got.cacheable, "exactly at the limit");
    check_false(got.is_file);
    check_true(origin_unchanged(origin, SPAN("/o/5"), &got.stamp));
    origin_result_free(&got);
    origin_result_free(&made);

    check_int(origin_fetch(origin, NULL, SPAN("/o/1000"), NULL, NULL, &got, &pending),
              ORIGIN_DONE);
    check_uint(got.status, 404);
    check_uint(got.head.n, 0);
    origin_result_free(&got);
    origin_free(origin);

    c.object_max--;
    synthetic_object(&c, 5, &made);
    check_false(made.cacheable, "one byte above the limit");
    origin_result_free(&made);
    synthetic_object(&c, 1000, &made);
    check_uint(made.status, 404, "behind the last");
}

struct seen {
    struct event_base *base;
    unsigned calls, status;
    uint64_t length;
};

static void on_done(struct origin_result *result, void *arg)
{
    struct seen *seen = arg;
    seen->calls++;
    seen->status = result->status;
    seen->length = result->length;
    origin_result_free(result);
    event_base_loopbreak(seen->base);
}

static void a_delayed_fetch_comes_from_the_loop(void **state)
{
    (void)state;
    struct synthetic_config c = plain;
    struct origin *origin = NULL;
    struct origin_result r = { 0 };
    struct origin_fetch *kept = NULL, *cancelled = NULL;
    struct seen seen = { .base = event_base_new() }, never = { .base = seen.base };
    c.delay_ms = 100;
    check_int(origin_synthetic_new(&c, &origin), 0);
    uint64_t start = clock_ns();
    check_int(origin_fetch(origin, seen.base, SPAN("/o/5"), on_done, &seen, &r, &kept),
              ORIGIN_PENDING);
    check_int(
        origin_fetch(origin, seen.base, SPAN("/o/6"), on_done, &never, &r, &cancelled),
        ORIGIN_PENDING);
    check_int(origin_fetch(origin, seen.base, SPAN("/x"), on_done, &never, &r, &kept),
              ORIGIN_DONE, "404 at once");
    check_uint(r.status, 404);
    origin_cancel(cancelled);
    origin_cancel(NULL);
    check_uint(seen.calls, 0);
    event_base_dispatch(seen.base);
    check_uint(seen.calls, 1);
    check_uint(never.calls, 0);
    check_uint(seen.status, 200);
    check_uint(seen.length, synthetic_size(&c, 5));
    /* less what a tick of the coarse clock of libevent may take off */
    check_true(clock_ns() - start >= 80 * CLOCK_NS_PER_MS, "it waited");
    check_int(event_base_dispatch(seen.base), 1, "nothing is left in the loop");
    origin_free(origin);
    event_base_free(seen.base);
}

TEST_MAIN(test(a_body_follows_the_formula), test(any_part_of_a_body_can_be_made),
          test(sizes_are_log_normal_and_clamped), test(only_exact_paths_name_objects),
          test(an_object_is_what_a_fetch_gives),
          test(a_delayed_fetch_comes_from_the_loop))
