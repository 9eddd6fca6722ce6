/* SPDX-License-Identifier: MIT */
/* Acceptor threads: hand-over, limits, stopping, running out of descriptors. */
#include "server/worker/acceptor.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/base/log.h"
#include "tests/test.h"

enum { PATIENCE_MS = 5000 };

struct fixture {
    int listeners[2], wake_fd, files_before;
    struct sockaddr_in at[2];
    struct acceptor *acceptor;
};

static int open_listener(struct sockaddr_in *at)
{
    socklen_t n = sizeof *at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *at = (struct sockaddr_in){ .sin_family = AF_INET,
                                .sin_addr = { htonl(INADDR_LOOPBACK) } };
    check_int(bind(fd, (struct sockaddr *)at, sizeof *at), 0, "bind");
    check_int(listen(fd, 64), 0, "listen");
    getsockname(fd, (struct sockaddr *)at, &n);
    return fd;
}

static void setup(struct fixture *f, unsigned listeners, unsigned limit)
{
    f->files_before = fd_count();
    f->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    for (int i = 0; i < 2; i++)
        f->listeners[i] = open_listener(&f->at[i]);
    check_int(acceptor_start(&f->acceptor, f->listeners, listeners, limit, f->wake_fd,
                             0, NULL),
              0);
}

static void teardown(struct fixture *f)
{
    acceptor_free(f->acceptor);
    close(f->wake_fd);
    close(f->listeners[0]);
    close(f->listeners[1]);
    check_int(fd_count(), f->files_before, "descriptors left over");
}

static int dial(const struct fixture *f, int which)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    check_int(connect(fd, (const struct sockaddr *)&f->at[which], sizeof f->at[which]),
              0, "connect");
    return fd;
}

/* Waits for the next connection and takes it. */
static struct accepted take_one(struct fixture *f)
{
    uint64_t until = clock_ns() + PATIENCE_MS * CLOCK_NS_PER_MS;
    struct accepted got = { .fd = -1 };

    while (acceptor_take(f->acceptor, &got, 1) == 0) {
        struct pollfd p = { .fd = f->wake_fd, .events = POLLIN };

        check_true(clock_ns() < until, "no connection in time");
        poll(&p, 1, 10);
    }
    return got;
}

/* Nothing comes for as long as it takes to be fairly sure; a wrong build fails at once.
 */
static void expect_none(struct fixture *f)
{
    struct accepted got;

    for (int i = 0; i < 20; i++) {
        check_uint(acceptor_take(f->acceptor, &got, 1), 0, "after %d ms", i * 5);
        poll(NULL, 0, 5);
    }
}

static void connections_of_all_listeners_come_with_their_peer(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, 2, 100);
    for (int i = 0; i < 10; i++) {
        int client = dial(&f, i % 2);
        struct accepted got = take_one(&f);
        struct sockaddr_in mine;
        socklen_t n = sizeof mine;

        getsockname(client, (struct sockaddr *)&mine, &n);
        check_int(got.peer.at.in.sin_family, AF_INET);
        check_int(got.peer.at.in.sin_port, mine.sin_port, "connection %d", i);
        close(got.fd);
        acceptor_closed(f.acceptor);
        close(client);
    }
    teardown(&f);
}

static void no_more_than_the_limit_is_accepted(void **state)
{
    struct fixture f;
    int client[3], taken[2];

    (void)state;
    setup(&f, 1, 2);
    for (int i = 0; i < 3; i++)
        client[i] = dial(&f, 0); /* the third waits in the queue of the listener */
    taken[0] = take_one(&f).fd;
    taken[1] = take_one(&f).fd;
    expect_none(&f);
    close(taken[0]);
    acceptor_closed(f.acceptor);
    close(take_one(&f).fd); /* there is room for it now */
    close(taken[1]);
    for (int i = 0; i < 3; i++)
        close(client[i]);
    teardown(&f);
}

static void undelivered_connections_are_bounded(void **state)
{
    struct fixture f;
    struct accepted got[64];
    int client[20];

    (void)state;
    setup(&f, 2, 1000);
    for (int i = 0; i < 20; i++)
        client[i] = dial(&f, i % 2);
    for (unsigned seen = 0; seen < 20;) {
        unsigned n = acceptor_take(f.acceptor, got, 64);

        check_true(n <= ACCEPTOR_UNDELIVERED + 1, "%u at once", n);
        for (unsigned i = 0; i < n; i++)
            close(got[i].fd);
        seen += n;
        if (n == 0)
            poll(NULL, 0, 1);
    }
    for (int i = 0; i < 20; i++)
        close(client[i]);
    teardown(&f);
}

static void stopping_ends_threads_that_wait_and_loses_nobody(void **state)
{
    struct fixture f;

    (void)state;
    for (int i = 0; i < 50; i++) {
        setup(&f, 2, 100);
        int client = i % 2 ? dial(&f, 0) : -1; /* accepted, or not yet */
        acceptor_stop(f.acceptor);
        struct accepted got;
        if (i % 4 == 3 && acceptor_take(f.acceptor, &got, 1) == 1)
            close(got.fd); /* else the acceptor closes what nobody took */
        if (client >= 0)
            close(client);
        teardown(&f);
    }
}

static void stopping_ends_threads_that_are_at_their_limit(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, 2, 1);
    int client = dial(&f, 0);
    struct accepted got = take_one(&f);
    acceptor_stop(f.acceptor);
    close(got.fd);
    close(client);
    teardown(&f);
}

/* Connections taken within 150 ms. */
static int take_for_a_while(struct fixture *f)
{
    struct accepted got;
    int n = 0;

    for (int i = 0; i < 30; i++) {
        while (acceptor_take(f->acceptor, &got, 1) == 1)
            n++; /* its descriptor stays open: none gets free */
        poll(NULL, 0, 5);
    }
    return n;
}

/* In a child, since the limit is for a process: 0, or the number of what was wrong. */
static int run_out_of_files(void)
{
    struct fixture f;
    struct rlimit files;
    int client[2], spare[4], taken;

    log_open(LOG_FATAL, 2);
    setup(&f, 2, 100);
    client[0] = socket(AF_INET, SOCK_STREAM, 0);
    client[1] = socket(AF_INET, SOCK_STREAM, 0);
    for (int i = 0; i < 4; i++) /* one for each thread and each connection */
        spare[i] = dup(client[0]);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = (rlim_t)spare[3] + 1;
    setrlimit(RLIMIT_NOFILE, &files);
    for (int i = 0; i < 2; i++) {
        if (connect(client[i], (const struct sockaddr *)&f.at[0], sizeof f.at[0]) < 0)
            return 1;
    }
    /* accept4() takes its descriptor before it waits, so the first may have one. */
    taken = take_for_a_while(&f);
    if (taken > 1)
        return 2;
    for (int i = 0; i < 4; i++)
        close(spare[i]);
    while (taken++ < 2)
        take_one(&f);
    return 0;
}

static void running_out_of_descriptors_is_a_pause(void **state)
{
    int status = 0;
    pid_t pid;

    (void)state;
    pid = fork();
    if (pid == 0)
        _exit(run_out_of_files());
    waitpid(pid, &status, 0);
    check_int(status, 0, "child");
}

TEST_MAIN(test(connections_of_all_listeners_come_with_their_peer),
          test(no_more_than_the_limit_is_accepted),
          test(undelivered_connections_are_bounded),
          test(stopping_ends_threads_that_wait_and_loses_nobody),
          test(stopping_ends_threads_that_are_at_their_limit),
          test(running_out_of_descriptors_is_a_pause))
