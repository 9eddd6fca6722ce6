/* SPDX-License-Identifier: MIT */
/* test_hlog.c - text that other tools of the HdrHistogram family write and read. */
#include "loadtest/hlog.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>

#include "loadtest/base64.h"
#include "loadtest/hist_text.h"
#include "tests/test.h"

/* Values 1, 1000, 1000, 2048, 2049, 100000 with (1, 3600000000, 3), as the C library
 * packs them with zlib, and with a stored block. */
static const char golden_packed[] =
    "HISTFAAAACp4nJNpmSzMwMDAzQABzFCaEURcm7yEwf4DVITpND/LWgGWjRFMAJOJBz4=";
static const char golden_stored[] =
    "HISTFAAAAD54AQEzAMz/HISTEwAAAAsAAAAAAAAAAwAAAAAAAAABAAAAANaTpAA/"
    "8AAAAAAAAAACyw8ErRAE"
    "sVgCk4kHPg==";

static struct hist golden_hist(void)
{
    static const uint64_t values[] = { 1, 1000, 1000, 2048, 2049, 100000 };
    struct hist hist;
    check_int(hist_init(&hist, 1, 3600000000, 3), 0);
    for (size_t i = 0; i < TEST_COUNT(values); i++)
        hist_record(&hist, values[i]);
    return hist;
}

static void check_same(const struct hist *got, const struct hist *want)
{
    check_true(hist_shape_equal(&got->shape, &want->shape));
    check_uint(got->total, want->total);
    check_mem(got->counts, got->shape.counts_len * sizeof *got->counts, want->counts,
              want->shape.counts_len * sizeof *want->counts);
}

static void base64_has_the_vectors_of_the_rfc(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *text;
    } cases[] = { { "", "" },
                  { "f", "Zg==" },
                  { "fo", "Zm8=" },
                  { "foo", "Zm9v" },
                  { "foob", "Zm9vYg==" },
                  { "fooba", "Zm9vYmE=" },
                  { "foobar", "Zm9vYmFy" },
                  { "\xff\xfe\xfd", "//79" } };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char text[16];
        uint8_t plain[16];
        size_t n = strlen(cases[i].plain), len = 99;
        base64_encode((const uint8_t *)cases[i].plain, n, text);
        check_str(text, cases[i].text, "'%s'", cases[i].plain);
        check_int(base64_decode(text, strlen(text), plain, &len), 0, "'%s'", text);
        check_mem(plain, len, cases[i].plain, n, "'%s'", text);
    }
}

static void base64_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = { "A",    "AB",   "ABC",  "A===",     "====",
                                         "AB=C", "=ABC", "AB C", "AA==AAAA", "A\nBC" };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        uint8_t plain[16];
        size_t len;
        check_int(base64_decode(cases[i], strlen(cases[i]), plain, &len), -EBADMSG,
                  "'%s'", cases[i]);
    }
}

static void histograms_of_other_libraries_are_read(void **state)
{
    (void)state;
    static const char *const cases[] = { golden_packed, golden_stored };
    struct hist want = golden_hist();
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct hist got;
        check_int(hist_text_decode(cases[i], strlen(cases[i]), &got), 0, "case %zu", i);
        check_same(&got, &want);
        hist_free(&got);
    }
    hist_free(&want);
}

static void what_we_write_begins_like_theirs_and_comes_back(void **state)
{
    (void)state;
    struct hist want = golden_hist(), got;
    char *text;
    check_int(hist_text_encode(&want, &text), 0);
    check_mem(text, 9, "HISTFAAAA", 9, "%s", text);
    check_int(hist_text_decode(text, strlen(text), &got), 0);
    check_same(&got, &want);
    free(text);
    hist_free(&want);
    hist_free(&got);
}

/* Every cut and every flipped letter: refused or, at worst, another valid histogram of
 * the same shape cannot come out, because Adler-32 guards the stream. */
static void damaged_histograms_are_refused(void **state)
{
    (void)state;
    size_t n = strlen(golden_packed);
    struct hist got;
    for (size_t i = 0; i < n; i++)
        check_true(hist_text_decode(golden_packed, i, &got) < 0, "cut at %zu", i);
    for (size_t i = 12; i < n - 4; i++) {
        char text[sizeof golden_packed];
        memcpy(text, golden_packed, sizeof text);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        check_true(hist_text_decode(text, n, &got) < 0, "letter %zu", i);
    }
}

/* Writes a log to memory; the caller frees it. */
static char *write_log(const struct hist *hist)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    check_not_null(out);
    hlog_begin(out, "Logged by a test", UINT64_C(1441812279474000000));
    check_int(hlog_put(out, NULL, 0.127, 1.007, hist), 0);
    check_int(hlog_put(out, "SERVICE", 1.134, 0.5, hist), 0);
    fclose(out);
    return text;
}

static void a_log_comes_back_line_by_line(void **state)
{
    (void)state;
    struct hist want = golden_hist();
    char *text = write_log(&want), *rest = text, *line;
    unsigned lines = 0;
    while ((line = strsep(&rest, "\n")) != NULL) {
        struct hlog_line parsed;
        int got = hlog_parse(span_of(line), &parsed);
        check_true(strlen(line) < 127 || got == 1, "header lines are short: %s", line);
        if (got == 0)
            continue;
        check_int(got, 1, "%s", line);
        check_str(parsed.tag, lines == 0 ? "" : "SERVICE");
        check_near(parsed.start_s, lines == 0 ? 0.127 : 1.134, 1e-9);
        check_near(parsed.length_s, lines == 0 ? 1.007 : 0.5, 1e-9);
        check_same(&parsed.hist, &want);
        hist_free(&parsed.hist);
        lines++;
    }
    check_uint(lines, 2);
    free(text);
    hist_free(&want);
}

static void the_header_has_the_times_that_readers_look_for(void **state)
{
    (void)state;
    struct hist hist = golden_hist();
    char *text = write_log(&hist);
    static const char *const wanted[] = {
        "#[Histogram log format version 1.3]\n",
        "#[StartTime: 1441812279.474 (seconds since epoch), Wed Sep 09 15:24:39 UTC "
        "2015]\n",
        "#[BaseTime: 1441812279.474 (seconds since epoch)]\n",
        "\n\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
        "\"Interval_Compressed_Histogram\"\n",
        "\n0.127,1.007,0.100,HISTFAAAA",
        "\nTag=SERVICE,1.134,0.500,0.100,HISTFAAAA",
    };
    for (size_t i = 0; i < TEST_COUNT(wanted); i++)
        check_not_null(strstr(text, wanted[i]), "%s in %s", wanted[i], text);
    free(text);
    hist_free(&hist);
}

static void malformed_lines_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "0.1",          "0.1,1.0",         "0.1,1.0,2.0",
        "0.1,1.0,2.0,", "0.1,1.0,2.0,xxx", "-0.1,1.0,2.0,HISTFAAAA",
        "Tag=,0,1,2,x", "Tag=A",           "a,b,c,d",
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct hlog_line line;
        check_true(hlog_parse(span_of(cases[i]), &line) < 0, "'%s'", cases[i]);
    }
}

TEST_MAIN(test(base64_has_the_vectors_of_the_rfc), test(base64_that_is_none_is_refused),
          test(histograms_of_other_libraries_are_read),
          test(what_we_write_begins_like_theirs_and_comes_back),
          test(damaged_histograms_are_refused), test(a_log_comes_back_line_by_line),
          test(the_header_has_the_times_that_readers_look_for),
          test(malformed_lines_are_refused))
