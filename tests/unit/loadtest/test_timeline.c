/* SPDX-License-Identifier: MIT */
#include "loadtest/timeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/test.h"

#define LINE(kind, slot, generation, start, end)                          \
    "{\"kind\":\"" kind "\",\"slot\":" slot ",\"generation\":" generation \
    ",\"start_ns\":" start ",\"end_ns\":" end ",\"duration_ns\":1,\"a\":0,\"b\":0}\n"

static void events_come_in_the_order_of_their_starts(void **state)
{
    (void)state;
    static const char text[] = LINE("fork", "null", "1", "300", "400")
        LINE("publish", "null", "1", "1", "2") LINE("gc_slice", "1", "7", "100", "450")
            LINE("never_heard_of", "1", "7", "0", "9");
    struct timeline t;
    check_int(timeline_parse(text, sizeof text - 1, &t), 0);
    check_uint(t.n, 2);
    check_int(t.events[0].kind, TIMELINE_GC);
    check_uint(t.events[0].slot, 1);
    check_uint(t.events[0].generation, 7);
    check_uint(t.events[0].end_ns, 450);
    check_int(t.events[1].kind, TIMELINE_FORK);
    check_uint(t.events[1].slot, TIMELINE_MASTER);
    check_uint(t.longest_ns, 350);
    check_false(t.lost);
    timeline_free(&t);
}

static void what_is_no_event_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "x",
        "[]",
        "{}",
        "null",
        "{\"kind\":\"fork\"}",
        LINE("fork", "1", "1", "\"1\"", "2"),
        LINE("fork", "1", "1", "2", "1"), /* ends before it begins */
        LINE("fork", "1", "1", "1", "2") "{",
    };
    for (size_t i = 0; i < TEST_COUNT(texts); i++) {
        struct timeline t = { .n = 77 };
        check_int(timeline_parse(texts[i], strlen(texts[i]), &t), -EBADMSG, "%s",
                  texts[i]);
        check_uint(t.n, 77, "untouched: %s", texts[i]);
    }
}

static void nothing_is_an_empty_timeline(void **state)
{
    (void)state;
    struct timeline t;
    check_int(timeline_parse("\n\n", 2, &t), 0);
    check_uint(t.n, 0);
    check_uint(timeline_seek(&t, 5), 0);
    timeline_free(&t);
}

/* The server keeps 4096 of each slot: so many mean that there were more. */
static void a_full_ring_is_noticed(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int n;
        bool lost;
    } cases[] = {
        { LINE("faults", "1", "1", "1", "2"), 4095, false },
        { LINE("faults", "1", "1", "1", "2"), 4096, true },
        { LINE("purge", "1", "1", "1", "2"), 4096, true },
        { LINE("publish", "null", "1", "1", "2"), 5000, false },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        size_t length = strlen(cases[i].line), n = length * (size_t)cases[i].n;
        char *text = malloc(n);
        for (size_t at = 0; at < n; at += length)
            memcpy(text + at, cases[i].line, length);
        struct timeline t;
        check_int(timeline_parse(text, n, &t), 0);
        check_int(t.lost, cases[i].lost, "%d of %s", cases[i].n, cases[i].line);
        timeline_free(&t);
        free(text);
    }
}

static void seeking_finds_what_may_still_go_on(void **state)
{
    (void)state;
    struct timeline_event events[] = {
        { .start_ns = 100, .end_ns = 600 },
        { .start_ns = 300, .end_ns = 301 },
        { .start_ns = 900, .end_ns = 901 },
    };
    struct timeline t = { .events = events, .n = 3, .longest_ns = 500 };
    check_uint(timeline_seek(&t, 0), 0);
    check_uint(timeline_seek(&t, 600), 0, "the first may end as late as that");
    check_uint(timeline_seek(&t, 601), 1);
    check_uint(timeline_seek(&t, 1400), 2);
    check_uint(timeline_seek(&t, 9999), 3);
}

TEST_MAIN(test(events_come_in_the_order_of_their_starts),
          test(what_is_no_event_is_refused), test(nothing_is_an_empty_timeline),
          test(a_full_ring_is_noticed), test(seeking_finds_what_may_still_go_on))
