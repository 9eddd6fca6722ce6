/* SPDX-License-Identifier: MIT */
/* Slots as threads: guests of a living worker, and the host of mode threads. */
#include "server/worker/host.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/cache/cache.h"
#include "server/worker/worker.h"
#include "tests/test.h"
#include "tests/unit/worker/slot.h"

#define GET "GET /a.txt HTTP/1.1\r\nHost: t\r\n\r\n"

static void expect_hello(int fd)
{
    struct reply r;

    slot_read_reply(fd, true, &r);
    check_int(r.status, 200);
    check_mem(r.body, r.body_n, "hello", 5);
    reply_free(&r);
}

/* Asks for a slot as a thread; our end of its channel. */
static struct channel order_guest(struct channel *host, unsigned number)
{
    const uint64_t arg[3] = { number, seat_of(number, 0), 7 };
    struct channel channel;
    int ends[2];

    check_int(channel_pair(ends), 0);
    check_int(channel_send(host, MESSAGE_HOST, arg, NULL, 0, ends[1]), 0);
    close(ends[1]);
    channel_init(&channel, ends[0], number, 7);
    return channel;
}

/* One request is answered on it. The host may still take connections while its acceptor
 * is being stopped; it closes them after an answer, or when no request comes at once.
 */
static int first_connection_of(struct slot *guest)
{
    for (;;) {
        int fd = slot_connect(guest);
        struct reply r = { 0 };

        if (send(fd, GET, strlen(GET), MSG_NOSIGNAL) > 0)
            slot_read_reply(fd, true, &r);
        reply_free(&r);
        if (slot_count(guest, COUNTER_requests) > 0) {
            check_int(r.status, 200);
            return fd;
        }
        close(fd);
    }
}

static void a_worker_with_a_private_heap_hosts_a_guest_with_its_own(void **state)
{
    struct slot s, guest;

    (void)state;
    slot_make_small(&s);
    slot_start(&s);
    guest = s; /* the same listener and region */
    guest.env.seat = seat_of(1, 0);
    guest.channel = order_guest(&s.channel, 1);
    struct message m = slot_expect(&s, MESSAGE_HOSTED);
    check_uint(m.arg[0], 1);
    check_uint(m.arg[1], 0);
    slot_expect(&guest, MESSAGE_READY);
    check_true(atomic_load(&s.region->seats[guest.env.seat].board.is_thread));

    /* The host drains: what comes now is the guest's. */
    slot_send(&s, MESSAGE_DRAIN, 60000, "");
    while (atomic_load(&s.region->seats[0].board.state) != SEAT_DRAINING)
        usleep(1000);
    int fd = first_connection_of(&guest);
    for (int i = 0; i < 2; i++) {
        slot_write(fd, GET);
        expect_hello(fd);
    }
    check_uint(slot_count(&guest, COUNTER_stored), 1, "in a heap of its own");
    check_uint(slot_count(&guest, COUNTER_hits), 2);
    close(fd);
    slot_send(&guest, MESSAGE_DRAIN, 60000, "");
    slot_expect(&guest, MESSAGE_DRAINED);
    close(guest.channel.fd);
    slot_expect(&s, MESSAGE_DRAINED);
    slot_end(&s);
}

static void a_worker_that_quits_takes_its_guests_along(void **state)
{
    struct slot s, guest;
    char byte;

    (void)state;
    slot_make(&s);
    slot_start(&s);
    guest = s;
    guest.env.seat = seat_of(1, 0);
    guest.channel = order_guest(&s.channel, 1);
    slot_expect(&guest, MESSAGE_READY);
    slot_send(&s, MESSAGE_QUIT, 0, "");
    slot_join(&s);
    check_int(recv(guest.channel.fd, &byte, 1, 0), 0,
              "its end of the channel is closed");
    close(guest.channel.fd);
    slot_end(&s);
}

struct host_thread {
    struct worker_env env;
    int exit_code;
};

static void *run_host(void *arg)
{
    struct host_thread *h = arg;

    h->exit_code = host_run(&h->env);
    return NULL;
}

static void a_host_runs_slots_that_come_and_go(void **state)
{
    struct slot s, a, b;
    struct host_thread h;
    pthread_t thread;
    int ends[2];

    (void)state;
    slot_make_small(&s);
    slot_start(&s); /* for its listener; slot 0 */
    check_int(channel_pair(ends), 0);
    h = (struct host_thread){ .env = s.env };
    h.env.slot = HOST_SLOT;
    h.env.seat = NO_SEAT;
    h.env.channel_fd = ends[1];
    struct slot host = s;
    channel_init(&host.channel, ends[0], HOST_SLOT, s.env.generation);
    check_int(pthread_create(&thread, NULL, run_host, &h), 0);
    slot_expect(&host, MESSAGE_READY);
    a = b = s;
    a.env.seat = seat_of(1, 0);
    b.env.seat = seat_of(2, 0);
    a.channel = order_guest(&host.channel, 1);
    slot_expect(&a, MESSAGE_READY);
    b.channel = order_guest(&host.channel, 2);
    slot_expect(&b, MESSAGE_READY);
    slot_send(&a, MESSAGE_DRAIN, 60000, "");
    slot_expect(&a, MESSAGE_DRAINED);
    close(a.channel.fd);
    slot_send(&host, MESSAGE_QUIT, 0, ""); /* b still runs: it is ended, too */
    check_int(pthread_join(thread, NULL), 0);
    check_int(h.exit_code, 0);
    close(b.channel.fd);
    close(host.channel.fd);
    slot_stop(&s);
}

TEST_MAIN(test(a_worker_with_a_private_heap_hosts_a_guest_with_its_own),
          test(a_worker_that_quits_takes_its_guests_along),
          test(a_host_runs_slots_that_come_and_go))
