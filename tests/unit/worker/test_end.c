/* SPDX-License-Identifier: MIT */
/* How connections and slots end: deadlines, drain, quit, a master that is gone. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "tests/test.h"
#include "tests/unit/worker/slot.h"

static struct slot slot;

#define GET "GET /a.txt HTTP/1.1\r\nHost: t\r\n\r\n"

static void expect_reply(int fd, int status, const char *connection)
{
    struct reply r;

    slot_read_reply(fd, true, &r);
    check_int(r.status, status);
    check_str(reply_field(&r, "Connection"), connection);
    reply_free(&r);
}

static void every_wait_for_a_client_has_its_deadline(void **state)
{
    static const struct {
        const char *option, *text;
        int replies, status; /* of the last reply; 0: closed without a word */
    } all[] = {
        { "header_timeout", "", 0, 0 },
        { "header_timeout", "GET /a.txt HT", 1, 408 },
        { "keepalive_timeout", GET, 1, 200 },
        { "header_timeout", GET "GET", 2, 408 },
        { "body_timeout",
          "POST /a.txt HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nab", 1, 408 },
        { "linger_timeout", "nonsense\r\n\r\n", 1, 400 },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        slot_make_small(&slot);
        slot_set(&slot, "linger_timeout", "150ms");
        slot_set(&slot, all[i].option, "150ms");
        slot_listen(&slot);
        int fd = slot_connect(&slot);
        uint64_t start = clock_ns();
        slot_write(fd, all[i].text); /* before the deadline can begin */
        slot_start(&slot);
        for (int k = 0; k < all[i].replies; k++) {
            struct reply r;
            slot_read_reply(fd, true, &r);
            if (k == all[i].replies - 1)
                check_int(r.status, all[i].status, "case %zu", i);
            reply_free(&r);
        }
        check_true(slot_at_end(fd), "case %zu", i);
        slot_await(&slot, COUNTER_closed, 1);
        check_true(clock_ns() - start >= 140 * CLOCK_NS_PER_MS ||
                       strcmp(all[i].option, "linger_timeout") == 0,
                   "case %zu", i);
        close(fd);
        slot_stop(&slot);
    }
}

/* Keeps the thread of the slot from running, wherever it is. */
#define STALL (SIGRTMIN + 1) /* SIGRTMIN is the acceptor's */
static int stalled[2], go_on[2];

static void stall(int signo)
{
    const int err = errno;
    char byte = 0;

    (void)signo;
    if (write(stalled[1], &byte, 1) == 1)
        while (read(go_on[0], &byte, 1) < 0 && errno == EINTR)
            continue;
    errno = err;
}

/* The loop has looked for events, then nothing runs until a deadline has passed: what
 * came meanwhile is a request, and the connection not idle. */
static void a_request_that_came_while_the_slot_did_not_run_is_answered(void **state)
{
    const struct sigaction action = { .sa_handler = stall };
    struct sigaction before;
    char byte = 0;

    (void)state;
    check_int(pipe(stalled), 0);
    check_int(pipe(go_on), 0);
    check_int(sigaction(STALL, &action, &before), 0);
    slot_make_small(&slot);
    slot_set(&slot, "keepalive_timeout", "150ms");
    slot_listen(&slot);
    int fd = slot_connect(&slot);
    slot_write(fd, GET);
    slot_start(&slot);
    expect_reply(fd, 200, NULL);
    check_int(pthread_kill(slot.thread, STALL), 0);
    check_int(read(stalled[0], &byte, 1), 1);
    slot_write(fd, GET);
    uint64_t until = clock_ns() + 200 * CLOCK_NS_PER_MS; /* the deadline and more */
    while (clock_ns() < until)
        poll(NULL, 0, 10);
    check_int(write(go_on[1], &byte, 1), 1);
    expect_reply(fd, 200, NULL);
    check_true(slot_at_end(fd), "it is idle now");
    close(fd);
    slot_stop(&slot);
    sigaction(STALL, &before, NULL);
    for (int i = 0; i < 2; i++) {
        close(stalled[i]);
        close(go_on[i]);
    }
}

static void a_client_that_does_not_read_is_given_up(void **state)
{
    enum { SIZE = 900 * 1024 };
    unsigned char *body = calloc(1, SIZE);

    (void)state;
    slot_make_small(&slot);
    slot.send_buffer = 16384;
    slot_set(&slot, "send_timeout", "150ms");
    slot_file(&slot, "large", body, SIZE);
    slot_start(&slot);
    int fd = slot_connect(&slot);
    for (int i = 0; i < 20; i++)
        slot_write(fd, "GET /large HTTP/1.1\r\nHost: t\r\n\r\n");
    slot_await(&slot, COUNTER_timeouts, 1);
    slot_await(&slot, COUNTER_closed, 1);
    close(fd);
    slot_stop(&slot);
    free(body);
}

static void a_draining_slot_answers_with_close_and_leaves(void **state)
{
    (void)state;
    slot_make_small(&slot);
    slot_start(&slot);
    int busy = slot_connect(&slot), idle = slot_connect(&slot);
    slot_write(idle, GET);
    expect_reply(idle, 200, NULL);
    slot_write(busy, GET);
    expect_reply(busy, 200, NULL);
    uint64_t bytes = slot_count(&slot, COUNTER_bytes_in);
    slot_write(busy, "GET /a.txt HTTP/1.1\r\n"); /* not quiet any more */
    slot_await(&slot, COUNTER_bytes_in, bytes + strlen("GET /a.txt HTTP/1.1\r\n"));
    slot_send(&slot, MESSAGE_DRAIN, 60000, "");
    while (atomic_load(&slot.region->seats[0].board.state) != SEAT_DRAINING)
        poll(NULL, 0, 1);
    slot_write(busy, "Host: t\r\n\r\n");
    expect_reply(busy, 200, "close");
    check_true(slot_at_end(busy), "it was the last");
    check_true(slot_at_end(idle), "closed when it stayed quiet");
    close(busy);
    close(idle);
    slot_expect(&slot, MESSAGE_DRAINED);
    slot_end(&slot);
}

static void a_draining_slot_leaves_new_connections_to_others(void **state)
{
    (void)state;
    slot_make_small(&slot);
    slot_start(&slot);
    slot_send(&slot, MESSAGE_DRAIN, 60000, "");
    slot_expect(&slot, MESSAGE_DRAINED);
    int fd = slot_connect(&slot); /* the listener lives on, in the master */
    struct pollfd p = { .fd = slot.listener, .events = POLLIN };
    check_int(poll(&p, 1, 60000), 1, "it waits in the queue");
    close(fd);
    slot_end(&slot);
}

static void tell_to_drain(enum drain_how how)
{
    const uint64_t arg[3] = { 60000, how };

    check_int(channel_send(&slot.channel, MESSAGE_DRAIN, arg, NULL, 0, -1), 0);
}

static void a_slot_may_drain_and_accept_until_it_is_told_not_to(void **state)
{
    (void)state;
    slot_make_small(&slot);
    slot_start(&slot);
    tell_to_drain(DRAIN_ACCEPT);
    while (atomic_load(&slot.region->seats[0].board.state) != SEAT_DRAINING)
        poll(NULL, 0, 1);
    for (int i = 0; i < 3; i++) {
        int fd = slot_connect(&slot);
        slot_write(fd, GET);
        expect_reply(fd, 200, "close");
        check_true(slot_at_end(fd), "connection %d", i);
        close(fd);
    }
    tell_to_drain(DRAIN_STOP);
    slot_expect(&slot, MESSAGE_DRAINED);
    slot_end(&slot);
}

static void a_drain_ends_at_its_deadline(void **state)
{
    (void)state;
    slot_make_small(&slot);
    slot_start(&slot);
    int fd = slot_connect(&slot);
    slot_write(fd, "GET /a.txt HTTP/1.1\r\n"); /* never goes on */
    slot_await(&slot, COUNTER_connections, 1);
    uint64_t start = clock_ns();
    slot_send(&slot, MESSAGE_DRAIN, 300, "");
    slot_expect(&slot, MESSAGE_DRAINED);
    check_true(clock_ns() - start >= 290 * CLOCK_NS_PER_MS);
    check_true(slot_at_end(fd));
    close(fd);
    slot_end(&slot);
}

static void quit_ends_at_once(void **state)
{
    (void)state;
    slot_make_small(&slot);
    slot_start(&slot);
    int fd = slot_connect(&slot);
    slot_write(fd, GET);
    expect_reply(fd, 200, NULL);
    slot_send(&slot, MESSAGE_QUIT, 0, "");
    check_true(slot_at_end(fd));
    close(fd);
    slot_end(&slot);
}

static void a_slot_whose_master_is_gone_drains(void **state)
{
    (void)state;
    slot_make_small(&slot);
    slot_start(&slot);
    int fd = slot_connect(&slot);
    slot_write(fd, GET);
    expect_reply(fd, 200, NULL);
    close(slot.channel.fd);
    slot.channel.fd = -1;
    check_true(slot_at_end(fd));
    close(fd);
    slot_end(&slot);
}

static void a_worn_out_slot_asks_once_to_be_replaced(void **state)
{
    (void)state;
    slot_make_small(&slot);
    slot_set(&slot, "recycle.requests", "3");
    slot_start(&slot);
    int fd = slot_connect(&slot);
    for (int i = 0; i < 5; i++) {
        slot_write(fd, GET);
        expect_reply(fd, 200, NULL);
    }
    struct message m = slot_expect(&slot, MESSAGE_RECYCLE);
    check_uint(m.arg[0], RECYCLE_REQUESTS);
    slot_write(fd, GET); /* it goes on until it is told */
    expect_reply(fd, 200, NULL);
    close(fd);
    slot_stop(&slot);
}

TEST_MAIN(test(every_wait_for_a_client_has_its_deadline),
          test(a_request_that_came_while_the_slot_did_not_run_is_answered),
          test(a_client_that_does_not_read_is_given_up),
          test(a_draining_slot_answers_with_close_and_leaves),
          test(a_draining_slot_leaves_new_connections_to_others),
          test(a_slot_may_drain_and_accept_until_it_is_told_not_to),
          test(a_drain_ends_at_its_deadline), test(quit_ends_at_once),
          test(a_slot_whose_master_is_gone_drains),
          test(a_worn_out_slot_asks_once_to_be_replaced))
