/* SPDX-License-Identifier: MIT */
/* A bounded, repeatable walk over what workers could tell the master, some of it right.
 */
#include <stdlib.h>
#include <string.h>

#include "server/cache/record.h"
#include "tests/fuzz/fuzz_channel.h"
#include "tests/fuzz/mutate.h"
#include "tests/test.h"

enum { RUNS = 6000, BYTES_MAX = 2000, SEEDS = 6 };

static const struct span words[] = {
    WORD("\0"),
    WORD("\1"),
    WORD("\377\377\377\377"),
    WORD("\0\0\0\0\0\0\0\0"),
    WORD("\377\377\377\377\377\377\377\377"),
    WORD("\20\0"),
    WORD("\0\1"),
    WORD("/a"),
};

/* An input of each way that does what an honest worker does. */
static size_t write_record(uint8_t *to, enum fuzz_way way, const char *key, size_t body)
{
    static const char bytes[1000];
    const struct cache_record record = { .key = span_of(key),
                                         .head = SPAN("HTTP/1.1 200 OK\r\n"),
                                         .body = { bytes, body },
                                         .status = 200 };
    size_t n = record_encoded_size(&record), at = 1;
    uint64_t header = n, tail = 8 + ((n + 7) & ~(size_t)7);

    to[0] = (uint8_t)way;
    if (way == FUZZ_RING) {
        memcpy(to + at, &tail, sizeof tail);
        memcpy(to + at + 8, &header, sizeof header);
        at += 16;
    } else {
        to[at++] = 1;
    }
    record_encode(&record, to + at);
    return at + n;
}

static size_t write_messages(uint8_t *to, unsigned count)
{
    size_t n = 0;

    to[n++] = FUZZ_MESSAGES;
    for (unsigned i = 0; i < count; i++) {
        const uint8_t message[] = { i % 3 == 2 ? 2 : 0, 60, 0, (uint8_t)i };

        memcpy(to + n, message, sizeof message);
        memset(to + n + sizeof message, 'x', 59);
        n += sizeof message + 59;
    }
    return n;
}

static void what_a_mad_worker_says_is_refused_or_right(void **state)
{
    static uint8_t texts[SEEDS][BYTES_MAX];
    const struct span seeds[SEEDS] = {
        span_make(texts[0], write_record(texts[0], FUZZ_RING, "/a", 0)),
        span_make(texts[1], write_record(texts[1], FUZZ_RING, "/b", 700)),
        span_make(texts[2], write_record(texts[2], FUZZ_MEMFD, "/c", 1)),
        span_make(texts[3], write_record(texts[3], FUZZ_MEMFD, "/d", 900)),
        span_make(texts[4], write_messages(texts[4], 1)),
        span_make(texts[5], write_messages(texts[5], 7)),
    };
    const struct walk walk = { seeds, words, SEEDS, TEST_COUNT(words), 1, 4 };

    (void)state;
    walk_through(&walk, 3, RUNS, BYTES_MAX, fuzz_channel);
    check_true(fuzz_channel_taken() > RUNS / 20 && fuzz_channel_taken() < RUNS,
               "%llu of %d inputs were right", (unsigned long long)fuzz_channel_taken(),
               RUNS);
}

static void what_the_fuzzer_found_worth_keeping_still_holds(void **state)
{
    (void)state;
    check_true(replay("tests/fuzz/corpus-channel", fuzz_channel) > 50);
}

TEST_MAIN(test(what_a_mad_worker_says_is_refused_or_right),
          test(what_the_fuzzer_found_worth_keeping_still_holds))
