/* SPDX-License-Identifier: MIT */
/* test_record.c - records as bytes and back, and what a hostile worker could send. */
#include "server/cache/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/prng.h"
#include "tests/test.h"

/* Places of fields in the encoding, for tampering. */
enum {
    AT_MAGIC = 0,
    AT_STATUS = 4,
    AT_FLAGS = 6,
    AT_KEY_N = 8,
    AT_HEAD_N = 12,
    AT_BODY_N = 16,
    AT_TYPE_AT = 24,
    AT_TYPE_N = 26,
    AT_ETAG_AT = 28,
    AT_ETAG_N = 30,
    HEADER = 64,
    BODY_MAX = 4096,
};

static const char head_text[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                "ETag: \"abc\"\r\n";

static struct cache_record sample(void)
{
    struct span head = span_of(head_text);

    return (struct cache_record){
        .key = SPAN("/a/key"),
        .head = head,
        .body = SPAN("the body"),
        .status = 200,
        .flags = RECORD_FILE,
        .type = { strstr(head_text, "text/plain"), 10 },
        .etag = { strstr(head_text, "\"abc\""), 5 },
        .mtime_s = -5,
        .file_id = UINT64_MAX,
        .source = UINT32_MAX,
        .mtime_ns = INT64_MIN,
        .purge_seq = 77,
    };
}

/* In memory of exactly that size, so that a sanitizer sees one byte too many. */
static unsigned char *encode(const struct cache_record *r, size_t *ret_n)
{
    unsigned char *bytes = malloc(record_encoded_size(r));

    check_not_null(bytes);
    record_encode(r, bytes);
    *ret_n = record_encoded_size(r);
    return bytes;
}

static void check_same(const struct cache_record *a, const struct cache_record *b)
{
    check_mem(a->key.p, a->key.n, b->key.p, b->key.n);
    check_mem(a->head.p, a->head.n, b->head.p, b->head.n);
    check_mem(a->body.p, a->body.n, b->body.p, b->body.n);
    check_mem(a->type.p, a->type.n, b->type.p, b->type.n);
    check_mem(a->etag.p, a->etag.n, b->etag.p, b->etag.n);
    check_int(a->status, b->status);
    check_int(a->flags, b->flags);
    check_int(a->mtime_s, b->mtime_s);
    check_int(a->mtime_ns, b->mtime_ns);
    check_uint(a->file_id, b->file_id);
    check_uint(a->source, b->source);
    check_uint(a->purge_seq, b->purge_seq);
}

static void what_is_encoded_is_decoded(void **state)
{
    struct cache_record r = sample(), back;
    unsigned char *bytes;
    size_t n;

    (void)state;
    bytes = encode(&r, &n);
    check_int(record_decode(bytes, n, BODY_MAX, &back), 0);
    check_same(&back, &r);
    check_true((const unsigned char *)back.body.p + back.body.n == bytes + n);
    free(bytes);
}

static void empty_parts_are_legal_but_for_the_key(void **state)
{
    struct cache_record r = { .key = SPAN("k"), .status = 204 }, back;
    unsigned char *bytes;
    size_t n;

    (void)state;
    bytes = encode(&r, &n);
    check_int(record_decode(bytes, n, 0, &back), 0);
    check_same(&back, &r);
    free(bytes);
    r.key.n = 0;
    check_int(record_check(&r, 0), -EBADMSG);
}

static void any_alignment_will_do(void **state)
{
    struct cache_record r = sample(), back;
    unsigned char room[512];

    (void)state;
    for (size_t at = 0; at < 9; at++) {
        record_encode(&r, room + at);
        check_int(record_decode(room + at, record_encoded_size(&r), BODY_MAX, &back), 0,
                  "offset %zu", at);
        check_same(&back, &r);
    }
}

static void every_shorter_and_longer_run_is_refused(void **state)
{
    struct cache_record r = sample(), back;
    unsigned char *bytes;
    size_t n;

    (void)state;
    bytes = encode(&r, &n);
    for (size_t cut = 0; cut < n; cut++) {
        unsigned char *part = malloc(cut + 1); /* never NULL for cut == 0 */

        memcpy(part, bytes, cut);
        check_int(record_decode(part, cut, BODY_MAX, &back), -EBADMSG, "%zu bytes",
                  cut);
        free(part);
    }
    bytes = realloc(bytes, n + 1);
    bytes[n] = 0;
    check_int(record_decode(bytes, n + 1, BODY_MAX, &back), -EBADMSG);
    free(bytes);
}

static void tampered_fields_are_refused_and_nothing_is_set(void **state)
{
    static const struct {
        const char *what;
        size_t at, width;
        uint64_t value;
    } cases[] = {
        { "another magic", AT_MAGIC, 4, 0x31525744 },
        { "status below 200", AT_STATUS, 2, 199 },
        { "status 600", AT_STATUS, 2, 600 },
        { "unknown flag", AT_FLAGS, 2, 2 },
        { "all flags", AT_FLAGS, 2, 0xffff },
        { "no key", AT_KEY_N, 4, 0 },
        { "key one longer", AT_KEY_N, 4, 7 },
        { "key of 4 GiB", AT_KEY_N, 4, UINT32_MAX },
        { "head one shorter", AT_HEAD_N, 4, sizeof head_text - 2 },
        { "head of 4 GiB", AT_HEAD_N, 4, UINT32_MAX },
        { "body one longer", AT_BODY_N, 8, 9 },
        { "body of all", AT_BODY_N, 8, UINT64_MAX },
        { "lengths that wrap", AT_BODY_N, 8, UINT64_MAX - 50 },
        { "type begins at the end", AT_TYPE_AT, 2, sizeof head_text - 1 },
        { "type far away", AT_TYPE_AT, 2, 0xffff },
        { "type too long", AT_TYPE_N, 2, 0xffff },
        { "etag ends outside", AT_ETAG_N, 2, sizeof head_text },
        { "etag far away", AT_ETAG_AT, 2, 0xffff },
    };
    struct cache_record r = sample();

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct cache_record back, before;
        unsigned char *bytes;
        size_t n;

        memset(&back, 0x5a, sizeof back);
        before = back;
        bytes = encode(&r, &n);
        memcpy(bytes + cases[i].at, &cases[i].value, cases[i].width);
        check_int(record_decode(bytes, n, BODY_MAX, &back), -EBADMSG, "%s",
                  cases[i].what);
        check_mem(&back, sizeof back, &before, sizeof before, "%s", cases[i].what);
        free(bytes);
    }
}

static void limits_hold_to_the_byte(void **state)
{
    static const struct {
        size_t key, head, body;
        int want;
    } cases[] = {
        { RECORD_KEY_MAX, 10, 10, 0 }, { RECORD_KEY_MAX + 1, 10, 10, -EBADMSG },
        { 1, RECORD_HEAD_MAX, 10, 0 }, { 1, RECORD_HEAD_MAX + 1, 10, -EBADMSG },
        { 1, 10, BODY_MAX, 0 },        { 1, 10, BODY_MAX + 1, -EBADMSG },
    };
    static char filler[RECORD_HEAD_MAX + 1];

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct cache_record r = { .key = { filler, cases[i].key },
                                  .head = { filler, cases[i].head },
                                  .body = { filler, cases[i].body },
                                  .status = 200 };

        check_int(record_check(&r, BODY_MAX), cases[i].want, "case %zu", i);
    }
}

/* The decoder is asked about every single changed byte: it refuses, or what it returns
 * lies inside the input. */
static void no_byte_changed_by_chance_leads_outside(void **state)
{
    struct cache_record r = sample();
    struct prng prng;
    unsigned char *bytes;
    unsigned accepted = 0, refused = 0;
    size_t n;

    (void)state;
    prng_seed(&prng, 20240601);
    bytes = encode(&r, &n);
    for (unsigned round = 0; round < 20000; round++) {
        struct cache_record back;
        size_t at = prng_below(&prng, HEADER);
        unsigned char was = bytes[at];

        bytes[at] = (unsigned char)prng_next(&prng);
        if (record_decode(bytes, n, BODY_MAX, &back) != 0) {
            refused++;
        } else {
            const char *end = (const char *)bytes + n;

            accepted++;
            check_true(back.key.p + back.key.n <= end && back.head.p >= back.key.p);
            check_true(back.head.p + back.head.n <= end && back.body.p >= back.head.p);
            check_true(back.body.p + back.body.n == end);
            check_true(back.type.p + back.type.n <= back.head.p + back.head.n);
            check_true(back.etag.p + back.etag.n <= back.head.p + back.head.n);
        }
        bytes[at] = was;
    }
    check_true(accepted > 100 && refused > 100, "%u accepted, %u refused", accepted,
               refused);
    free(bytes);
}

TEST_MAIN(test(what_is_encoded_is_decoded), test(empty_parts_are_legal_but_for_the_key),
          test(any_alignment_will_do), test(every_shorter_and_longer_run_is_refused),
          test(tampered_fields_are_refused_and_nothing_is_set),
          test(limits_hold_to_the_byte), test(no_byte_changed_by_chance_leads_outside))
