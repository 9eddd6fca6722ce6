/* SPDX-License-Identifier: MIT */
/* What a connection costs while it waits for its next request: counted, not estimated.
 */
#include <malloc.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/test.h"
#include "tests/unit/worker/slot.h"

enum { MANY = 1000, IDLE_BYTES_MAX = 512 };

static struct slot slot;

/* Some are served while the socket is full, so that what a slow reader needs is counted
 * if it stays behind. */
static void serve_one(int fd)
{
    struct reply r;

    slot_write(fd, "GET /a.txt HTTP/1.1\r\nHost: t\r\n\r\n");
    slot_read_reply(fd, true, &r);
    check_int(r.status, 200);
    reply_free(&r);
}

static void serve_slowly(int fd)
{
    struct reply r;

    slot_write(fd, "GET /large HTTP/1.1\r\nHost: t\r\n\r\n");
    slot_read_reply(fd, true, &r);
    check_int(r.status, 200);
    reply_free(&r);
}

static size_t bytes_in_use(void)
{
    return mallinfo2().uordblks;
}

static void allow_files(void)
{
    struct rlimit files;

    check_int(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    check_int(setrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_max < 3 * MANY)
        test_skip("needs %d open files", 3 * MANY);
}

static void an_idle_connection_costs_at_most_512_bytes(void **state)
{
    static char large[600 * 1024];
    int fd[MANY];

    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    test_skip("needs the allocator of libc");
#endif
    allow_files();
    slot_make_small(&slot);
    slot_file(&slot, "large", large, sizeof large);
    slot.send_buffer = 4096;
    slot_start(&slot);
    for (int i = 0; i < 8; i++) { /* what is made for the first of them stays */
        fd[i] = slot_connect(&slot);
        serve_one(fd[i]);
        serve_slowly(fd[i]);
        close(fd[i]);
    }
    slot_await(&slot, COUNTER_connections, 0);
    size_t before = bytes_in_use();
    for (int i = 0; i < MANY; i++) {
        fd[i] = slot_connect(&slot);
        serve_one(fd[i]);
        if (i % 50 == 0)
            serve_slowly(fd[i]);
    }
    slot_await(&slot, COUNTER_connections, MANY);
    size_t each = (bytes_in_use() - before) / MANY;
    check_true(each <= IDLE_BYTES_MAX, "an idle connection costs %zu bytes", each);
    check_true(each >= 100, "%zu bytes: that cannot be all of it", each);
    for (int i = 0; i < MANY; i++)
        close(fd[i]);
    slot_stop(&slot);
}

TEST_MAIN(test(an_idle_connection_costs_at_most_512_bytes))
