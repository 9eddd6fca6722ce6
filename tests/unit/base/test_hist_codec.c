/* SPDX-License-Identifier: MIT */
/* test_hist_codec.c - bytes that the Java and C libraries write and read. */
#include "server/base/hist_codec.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/test.h"

/* Configuration (1, 3600000000, 3), values 1, 1000, 1000, 2048, 2049, 100000. */
static const uint8_t golden[] = {
    0x1c, 0x84, 0x93, 0x13, 0x00, 0x00, 0x00, 0x0b, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
    0x00, 0x00, 0xd6, 0x93, 0xa4, 0x00, 0x3f, 0xf0, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x02, 0xcb, 0x0f, 0x04, 0xad, 0x10, 0x04, 0xb1, 0x58, 0x02,
};

static struct hist golden_hist(void)
{
    static const uint64_t values[] = { 1, 1000, 1000, 2048, 2049, 100000 };
    struct hist h;
    check_int(hist_init(&h, 1, 3600000000, 3), 0);
    for (size_t i = 0; i < TEST_COUNT(values); i++)
        hist_record(&h, values[i]);
    return h;
}

static void numbers_have_the_bytes_of_the_java_library(void **state)
{
    (void)state;
    static const struct {
        int64_t number;
        const char *bytes;
        size_t len;
    } cases[] = {
        { 0, "\x00", 1 },
        { 1, "\x02", 1 },
        { -1, "\x01", 1 },
        { 63, "\x7e", 1 },
        { 64, "\x80\x01", 2 },
        { -64, "\x7f", 1 },
        { -65, "\x81\x01", 2 },
        { 8192, "\x80\x80\x01", 3 },
        { -8193, "\x81\x80\x01", 3 },
        { INT64_C(1) << 62, "\x80\x80\x80\x80\x80\x80\x80\x80\x80", 9 },
        { -(INT64_C(1) << 62), "\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 9 },
        { INT64_MAX, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff", 9 },
        { INT64_MIN, "\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        uint8_t out[HIST_NUMBER_MAX];
        int64_t back = 42;
        intmax_t n = cases[i].number;
        size_t len = hist_number_put(out, cases[i].number);
        check_mem(out, len, cases[i].bytes, cases[i].len, "number %jd", n);
        check_uint(hist_number_get(out, len, &back), len, "number %jd", n);
        check_int(back, n);
        check_uint(hist_number_get(out, len - 1, &back), 0, "cut: number %jd", n);
    }
}

static void the_golden_histogram_encodes_byte_for_byte(void **state)
{
    (void)state;
    struct hist h = golden_hist();
    size_t size = hist_encode_bound(&h), len = 0;
    uint8_t *out = malloc(size);
    check_not_null(out);
    check_int(hist_encode(&h, out, size - 1, &len), -ENOBUFS);
    check_int(hist_encode(&h, out, size, &len), 0);
    check_mem(out, len, golden, sizeof golden);
    free(out);
    hist_free(&h);
}

static void check_golden(const struct hist *got)
{
    struct hist want = golden_hist();
    check_true(hist_shape_equal(&got->shape, &want.shape));
    check_uint(got->total, 6);
    check_uint(got->min, 1);
    check_uint(got->max, 100031); /* of its slot */
    check_mem(got->counts, got->shape.counts_len * sizeof *got->counts, want.counts,
              want.shape.counts_len * sizeof *want.counts);
    hist_free(&want);
}

static void both_ways_to_write_a_single_empty_slot_are_read(void **state)
{
    (void)state;
    uint8_t bytes[sizeof golden];
    memcpy(bytes, golden, sizeof golden);
    for (uint8_t single = 0; single <= 1; single++) {
        struct hist h;
        bytes[HIST_HEADER_SIZE] = single; /* 00 by Java, 01 by C */
        check_int(hist_decode(bytes, sizeof bytes, &h), 0, "form %d", single);
        check_golden(&h);
        hist_free(&h);
    }
}

static void an_empty_histogram_is_one_slot(void **state)
{
    (void)state;
    struct hist h, back;
    uint8_t out[HIST_HEADER_SIZE + HIST_NUMBER_MAX];
    size_t len = 0;
    check_int(hist_init(&h, 1, 3600000000, 3), 0);
    check_int(hist_encode(&h, out, sizeof out, &len), 0);
    check_uint(len, HIST_HEADER_SIZE + 1);
    check_int(hist_decode(out, len, &back), 0);
    check_uint(back.total, 0);
    check_uint(back.min, UINT64_MAX);
    hist_free(&h);
    hist_free(&back);
}

static void every_cut_of_a_histogram_is_refused(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof golden; n++) {
        struct hist h;
        uint8_t *exact = malloc(n + 1); /* so that reading past the end is seen */
        check_not_null(exact);
        memcpy(exact, golden, n);
        check_int(hist_decode(exact, n, &h), -EBADMSG, "%zu bytes", n);
        free(exact);
    }
}

static void malformed_histograms_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        size_t at;
        uint8_t byte;
        int want;
    } cases[] = {
        { "version 1", 3, 0x01, -ENOTSUP },
        { "the marker nibble is ignored", 3, 0x03, 0 },
        { "a compressed one", 3, 0x14, -ENOTSUP },
        { "negative payload length", 4, 0x80, -EBADMSG },
        { "payload longer than the bytes", 7, 0x0c, -EBADMSG },
        { "payload shorter than the bytes", 7, 0x0a, -EBADMSG },
        { "an index offset", 11, 0x01, -ENOTSUP },
        { "six digits", 15, 6, -EBADMSG },
        { "no digits", 15, 0, -EBADMSG },
        { "lowest zero", 23, 0, -EBADMSG },
        { "negative highest", 24, 0x80, -EBADMSG },
        { "a run past the last slot", 49, 0xff, -EBADMSG },
        { "a number without end", 50, 0x82, -EBADMSG },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct hist h = { .total = 4711 };
        uint8_t bytes[sizeof golden];
        memcpy(bytes, golden, sizeof golden);
        bytes[cases[i].at] = cases[i].byte;
        check_int(hist_decode(bytes, sizeof bytes, &h), cases[i].want, "%s",
                  cases[i].what);
        if (cases[i].want == 0)
            hist_free(&h);
        else
            check_uint(h.total, 4711, "%s: output touched", cases[i].what);
    }
}

static void a_run_of_int64_min_zeros_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[HIST_HEADER_SIZE + HIST_NUMBER_MAX];
    struct hist h;
    memcpy(bytes, golden, HIST_HEADER_SIZE);
    bytes[7] = HIST_NUMBER_MAX;
    hist_number_put(bytes + HIST_HEADER_SIZE, INT64_MIN);
    check_int(hist_decode(bytes, sizeof bytes, &h), -EBADMSG);
}

static void a_total_that_overflows_is_refused(void **state)
{
    (void)state;
    enum { COUNTERS = 3 };
    uint8_t bytes[HIST_HEADER_SIZE + COUNTERS * HIST_NUMBER_MAX];
    struct hist h;
    memcpy(bytes, golden, HIST_HEADER_SIZE);
    bytes[7] = COUNTERS * HIST_NUMBER_MAX;
    for (size_t i = 0; i < COUNTERS; i++)
        hist_number_put(bytes + HIST_HEADER_SIZE + i * HIST_NUMBER_MAX, INT64_MAX);
    check_int(hist_decode(bytes, sizeof bytes, &h), -EBADMSG);
}

static void large_histograms_come_back_whole(void **state)
{
    (void)state;
    struct hist h, back;
    check_int(hist_init(&h, 1, 600000000000, 3), 0);
    for (uint64_t v = 1; v < UINT64_C(600000000000); v += 1 + v / 97)
        hist_record_n(&h, v, v % 1000 + 1);
    size_t size = hist_encode_bound(&h), len = 0;
    uint8_t *out = malloc(size);
    check_not_null(out);
    check_int(hist_encode(&h, out, size, &len), 0);
    check_int(hist_decode(out, len, &back), 0);
    check_uint(back.total, h.total);
    check_mem(back.counts, h.shape.counts_len * 8, h.counts, h.shape.counts_len * 8);
    free(out);
    hist_free(&h);
    hist_free(&back);
}

TEST_MAIN(test(numbers_have_the_bytes_of_the_java_library),
          test(the_golden_histogram_encodes_byte_for_byte),
          test(both_ways_to_write_a_single_empty_slot_are_read),
          test(an_empty_histogram_is_one_slot),
          test(every_cut_of_a_histogram_is_refused),
          test(malformed_histograms_are_refused),
          test(a_run_of_int64_min_zeros_is_refused),
          test(a_total_that_overflows_is_refused),
          test(large_histograms_come_back_whole))
