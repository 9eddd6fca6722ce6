/* SPDX-License-Identifier: MIT */
/* What a slot serves, seen from a client: a real worker on the loopback. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/test.h"
#include "tests/unit/worker/slot.h"

static void get(int fd, const char *path, const char *more)
{
    char text[1024];

    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: t\r\n%s\r\n", path, more);
    slot_write(fd, text);
}

static void a_file_is_served_and_the_connection_kept(void **state)
{
    struct slot s;
    struct reply r;

    (void)state;
    slot_make(&s);
    slot_cache(&s, 16 << 20);
    slot_file(&s, "a.txt", "hello", 5);
    slot_start(&s);
    int fd = slot_connect(&s);
    for (int i = 0; i < 3; i++) {
        get(fd, "/a.txt", "");
        slot_read_reply(fd, true, &r);
        check_int(r.status, 200, "request %d", i);
        check_mem(r.body, r.body_n, "hello", 5, "request %d", i);
        check_str(reply_field(&r, "Content-Type"), "text/plain; charset=utf-8");
        check_not_null(reply_field(&r, "Date"));
        reply_free(&r);
    }
    slot_await(&s, COUNTER_responses_2xx, 3);
    check_uint(slot_count(&s, COUNTER_hits), 2);
    check_uint(slot_count(&s, COUNTER_misses), 1);
    close(fd);
    slot_stop(&s);
}

TEST_MAIN(test(a_file_is_served_and_the_connection_kept))
