/* SPDX-License-Identifier: MIT */
#include "server/base/num.h"

#include <errno.h>

#include "tests/test.h"

static const uint64_t untouched = 0xdeadbeef;

static void whole_numbers_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t min, max;
        int want;
        uint64_t value;
    } cases[] = {
        { "0", 0, 10, 0, 0 },
        { "10", 0, 10, 0, 10 },
        { "11", 0, 10, -ERANGE, 0 },
        { "4", 5, 10, -ERANGE, 0 },
        { "5", 5, 10, 0, 5 },
        { "0007", 0, 10, 0, 7 },
        { "", 0, 10, -EINVAL, 0 },
        { " 4", 0, 10, -EINVAL, 0 },
        { "4 ", 0, 10, -EINVAL, 0 },
        { "-1", 0, 10, -EINVAL, 0 },
        { "+1", 0, 10, -EINVAL, 0 },
        { "0x1", 0, 10, -EINVAL, 0 },
        { "1e3", 0, 10000, -EINVAL, 0 },
        { "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
        { "18446744073709551616", 0, UINT64_MAX, -ERANGE, 0 },
        { "99999999999999999999999999", 0, UINT64_MAX, -ERANGE, 0 },
        { "99999999999999999999999999x", 0, UINT64_MAX, -EINVAL, 0 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        uint64_t value = untouched;
        int err =
            num_parse_u64(span_of(cases[i].text), cases[i].min, cases[i].max, &value);

        check_int(err, cases[i].want, "'%s'", cases[i].text);
        check_uint(value, err == 0 ? cases[i].value : untouched, "'%s'", cases[i].text);
    }
}

static void a_span_need_not_end_in_a_zero(void **state)
{
    (void)state;
    uint64_t value = 0;

    check_int(num_parse_u64(span_make("123456", 3), 0, 1000, &value), 0);
    check_uint(value, 123);
    check_int(num_parse_u64(span_make("1\0", 2), 0, 1000, &value), -EINVAL);
}

static void signed_numbers_reach_both_ends(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int want;
        int64_t value;
    } cases[] = {
        { "9223372036854775807", 0, INT64_MAX },
        { "9223372036854775808", -ERANGE, 0 },
        { "-9223372036854775808", 0, INT64_MIN },
        { "-9223372036854775809", -ERANGE, 0 },
        { "-0", 0, 0 },
        { "-7", 0, -7 },
        { "-", -EINVAL, 0 },
        { "--1", -EINVAL, 0 },
        { "", -EINVAL, 0 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        int64_t value = 77;
        int err = num_parse_i64(span_of(cases[i].text), INT64_MIN, INT64_MAX, &value);

        check_int(err, cases[i].want, "'%s'", cases[i].text);
        check_int(value, err == 0 ? cases[i].value : 77, "'%s'", cases[i].text);
    }
    int64_t value = 77;
    check_int(num_parse_i64(SPAN("-5"), -4, 4, &value), -ERANGE);
    check_int(num_parse_i64(SPAN("5"), -4, 4, &value), -ERANGE);
    check_int(value, 77);
}

static void decimals_have_digits_on_both_sides_of_the_point(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int want;
        double value;
    } cases[] = {
        { "0.99", 0, 0.99 },     { "12", 0, 12 },        { "-1.5", 0, -1.5 },
        { "1.", -EINVAL, 0 },    { ".5", -EINVAL, 0 },   { "1e3", -EINVAL, 0 },
        { "inf", -EINVAL, 0 },   { "nan", -EINVAL, 0 },  { "1.2.3", -EINVAL, 0 },
        { "", -EINVAL, 0 },      { "-", -EINVAL, 0 },    { "100.0", 0, 100 },
        { "100.1", -ERANGE, 0 }, { "0x10", -EINVAL, 0 }, { "1,5", -EINVAL, 0 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        double value = 7;
        int err = num_parse_double(span_of(cases[i].text), -100, 100, &value);

        check_int(err, cases[i].want, "'%s'", cases[i].text);
        check_near(value, err == 0 ? cases[i].value : 7, 1e-12, "'%s'", cases[i].text);
    }
}

static void hex_has_at_most_sixteen_digits(void **state)
{
    (void)state;
    uint64_t value = untouched;

    check_int(num_parse_hex(SPAN("fFfFfFfFfFfFfFfF"), UINT64_MAX, &value), 0);
    check_uint(value, UINT64_MAX);
    check_int(num_parse_hex(SPAN("0ffffffffffffffff"), UINT64_MAX, &value), -ERANGE);
    check_int(num_parse_hex(SPAN("100"), 255, &value), -ERANGE);
    check_int(num_parse_hex(SPAN("g"), 255, &value), -EINVAL);
    check_int(num_parse_hex(SPAN(""), 255, &value), -EINVAL);
    check_int(num_parse_hex(SPAN("0x1"), 255, &value), -EINVAL);
    check_uint(value, UINT64_MAX);
}

static void sizes_have_binary_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int want;
        uint64_t value;
    } cases[] = {
        { "0", 0, 0 },
        { "4096", 0, 4096 },
        { "64k", 0, 65536 },
        { "64K", 0, 65536 },
        { "16m", 0, UINT64_C(16) << 20 },
        { "2g", 0, UINT64_C(2) << 30 },
        { "1t", 0, UINT64_C(1) << 40 },
        { "16777215t", 0, UINT64_C(16777215) << 40 },
        { "16777216t", -ERANGE, 0 },
        { "99999999999999999999k", -ERANGE, 0 },
        { "k", -EINVAL, 0 },
        { "1kb", -EINVAL, 0 },
        { "1 k", -EINVAL, 0 },
        { "1.5m", -EINVAL, 0 },
        { "-1k", -EINVAL, 0 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        uint64_t value = untouched;
        int err = num_parse_size(span_of(cases[i].text), 0, UINT64_MAX, &value);

        check_int(err, cases[i].want, "'%s'", cases[i].text);
        check_uint(value, err == 0 ? cases[i].value : untouched, "'%s'", cases[i].text);
    }
    uint64_t value = untouched;
    check_int(num_parse_size(SPAN("1k"), 0, 1024, &value), 0);
    check_int(num_parse_size(SPAN("1025"), 0, 1024, &value), -ERANGE);
}

static void times_have_units_and_the_bare_number_has_the_callers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bare_ns;
        int want;
        uint64_t ns;
    } cases[] = {
        { "500ms", 0, 0, UINT64_C(500000000) },
        { "5s", 0, 0, UINT64_C(5000000000) },
        { "2m", 0, 0, UINT64_C(120000000000) },
        { "1h", 0, 0, UINT64_C(3600000000000) },
        { "3d", 0, 0, UINT64_C(259200000000000) },
        { "10us", 0, 0, 10000 },
        { "7ns", 0, 0, 7 },
        { "0", 0, 0, 0 },
        { "00", 0, 0, 0 },
        { "30", 0, -EINVAL, 0 },
        { "30", UINT64_C(1000000000), 0, UINT64_C(30000000000) },
        { "s", 0, -EINVAL, 0 },
        { "5 s", 0, -EINVAL, 0 },
        { "5sec", 0, -EINVAL, 0 },
        { "-5s", 0, -EINVAL, 0 },
        { "213503d", 0, 0, UINT64_C(213503) * 86400 * 1000000000 },
        { "213504d", 0, -ERANGE, 0 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        uint64_t ns = untouched;
        int err = num_parse_time(span_of(cases[i].text), cases[i].bare_ns, 0,
                                 UINT64_MAX, &ns);

        check_int(err, cases[i].want, "'%s'", cases[i].text);
        check_uint(ns, err == 0 ? cases[i].ns : untouched, "'%s'", cases[i].text);
    }
}

static void what_is_formatted_reads_back_as_the_same(void **state)
{
    (void)state;
    static const uint64_t values[] = {
        0,           1,       1000,       1023, 1024, 1025, 3600, 86400000000000,
        90000000000, 1500000, UINT64_MAX,
    };
    for (size_t i = 0; i < TEST_COUNT(values); i++) {
        char text[NUM_TEXT_MAX];
        uint64_t back = untouched;

        num_format_size(text, values[i]);
        check_int(num_parse_size(span_of(text), 0, UINT64_MAX, &back), 0, "%s", text);
        check_uint(back, values[i], "%s", text);
        num_format_time(text, values[i]);
        check_int(num_parse_time(span_of(text), 0, 0, UINT64_MAX, &back), 0, "%s",
                  text);
        check_uint(back, values[i], "%s", text);
    }
    char text[NUM_TEXT_MAX];
    check_str(num_format_size(text, UINT64_C(64) << 20), "64m");
    check_str(num_format_time(text, UINT64_C(90000000000)), "90s");
    check_str(num_format_time(text, UINT64_C(60000000000)), "1m");
}

static void text_for_people_has_about_three_digits(void **state)
{
    (void)state;
    char text[NUM_TEXT_MAX];

    check_str(num_human_size(text, 0), "0");
    check_str(num_human_size(text, 1023), "1023");
    check_str(num_human_size(text, 1536), "1.50k");
    check_str(num_human_size(text, UINT64_C(150) << 20), "150m");
    check_str(num_human_time(text, 0), "0ns");
    check_str(num_human_time(text, 999), "999ns");
    check_str(num_human_time(text, 12300), "12.3us");
    check_str(num_human_time(text, UINT64_C(90000000000)), "1.50m");
}

TEST_MAIN(test(whole_numbers_are_read_strictly), test(a_span_need_not_end_in_a_zero),
          test(signed_numbers_reach_both_ends),
          test(decimals_have_digits_on_both_sides_of_the_point),
          test(hex_has_at_most_sixteen_digits), test(sizes_have_binary_units),
          test(times_have_units_and_the_bare_number_has_the_callers),
          test(what_is_formatted_reads_back_as_the_same),
          test(text_for_people_has_about_three_digits))
