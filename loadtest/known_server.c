/* SPDX-License-Identifier: MIT */
/* known_server.c - one thread, one epoll, two queues of answers in the order of their
 * times. */
#include "loadtest/known_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/fd.h"

#define LATE_STEP_NS 16384u

enum { LATE_STEPS = 4096 };
enum { QUEUE = 1 << 16, EVENTS_AT_ONCE = 256, REQUEST_MAX = 16384, FDS_MAX = 1 << 16 };

struct known_board {
    /* Written by the parent, read by the server in each turn: a late read freezes late.
     */
    _Atomic uint64_t freeze_from_ns, freeze_to_ns;
    /* Answers by how late they were; written by the server, read when all is over. */
    _Atomic uint32_t late[LATE_STEPS];
    _Atomic uint32_t accepted; /* connections, ever; by the server */
};

struct answer {
    int fd;
    uint64_t due_ns;
};

/* Those with the same delay are due in the order in which they came. */
struct queue {
    struct answer at[QUEUE];
    uint64_t first, end;
};

struct known {
    const struct known_config *config;
    struct known_board *board;
    int epoll_fd, listen_fd;
    struct queue fast, slow;
    uint64_t requests, last_due_ns;
    uint8_t ending[FDS_MAX]; /* bytes of the empty line that ends a request, so far */
};

static const char answer_bytes[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static void accept_all(struct known *k)
{
    int one = 1, fd;
    while ((fd = accept4(k->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
           0) {
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (fd >= FDS_MAX || epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
            close(fd);
            continue;
        }
        k->ending[fd] = 0;
        atomic_fetch_add_explicit(&k->board->accepted, 1, memory_order_relaxed);
    }
}

static void put_off(struct known *k, int fd, uint64_t now_ns)
{
    const struct known_config *c = k->config;
    bool slow = c->every != 0 && ++k->requests % c->every == 0;
    struct queue *queue = slow ? &k->slow : &k->fast;
    uint64_t due = now_ns + (slow ? c->slow_ns : c->delay_ns);
    if (c->gap_ns > 0 && due < k->last_due_ns + c->gap_ns)
        due = k->last_due_ns + c->gap_ns;
    k->last_due_ns = due;
    if (queue->end - queue->first < QUEUE)
        queue->at[queue->end++ % QUEUE] = (struct answer){ fd, due };
}

/* Finds the ends of requests; nothing else in them matters. */
static void read_some(struct known *k, int fd)
{
    static const char empty_line[] = "\r\n\r\n";
    char bytes[REQUEST_MAX];
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            close(fd);
        return;
    }
    uint64_t now = clock_ns();
    for (ssize_t i = 0; i < n; i++) {
        uint8_t *ending = &k->ending[fd];
        *ending = bytes[i] == empty_line[*ending] ? *ending + 1 : bytes[i] == '\r';
        if (*ending == sizeof empty_line - 1) {
            *ending = 0;
            put_off(k, fd, now);
        }
    }
}

static void note_lateness(struct known_board *board, uint64_t late_ns)
{
    uint64_t step = late_ns / LATE_STEP_NS;
    atomic_fetch_add_explicit(&board->late[step < LATE_STEPS ? step : LATE_STEPS - 1],
                              1, memory_order_relaxed);
}

/* Sends what is due; when the next one is, UINT64_MAX: there is none. */
static uint64_t send_due(struct known *k, struct queue *queue)
{
    while (queue->first < queue->end) {
        const struct answer *answer = &queue->at[queue->first % QUEUE];
        uint64_t now = clock_ns();
        if (answer->due_ns > now)
            return answer->due_ns;
        note_lateness(k->board, now - answer->due_ns);
        (void)send(answer->fd, answer_bytes, sizeof answer_bytes - 1, MSG_NOSIGNAL);
        queue->first++;
    }
    return UINT64_MAX;
}

static void sleep_until(uint64_t when_ns)
{
    const struct timespec until = { .tv_sec = (time_t)(when_ns / CLOCK_NS_PER_S),
                                    .tv_nsec = (long)(when_ns % CLOCK_NS_PER_S) };
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        continue;
}

/* When it thaws, or 0; and, if a freeze is to come, no later than that. */
static uint64_t frozen_until(const struct known *k, uint64_t now_ns, uint64_t *next_ns)
{
    uint64_t from = atomic_load(&k->board->freeze_from_ns);
    uint64_t to = atomic_load(&k->board->freeze_to_ns);
    if (from > now_ns && from < *next_ns)
        *next_ns = from;
    return now_ns >= from && now_ns < to ? to : 0;
}

static void turn(struct known *k)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    uint64_t now = clock_ns(), next = now + 10 * CLOCK_NS_PER_MS;
    uint64_t thaw = frozen_until(k, now, &next);
    if (thaw != 0) {
        sleep_until(thaw);
        return;
    }
    uint64_t fast = send_due(k, &k->fast), slow = send_due(k, &k->slow);
    next = fast < next ? fast : next;
    next = slow < next ? slow : next;
    now = clock_ns();
    uint64_t wait = next > now ? next - now : 0;
    const struct timespec limit = { .tv_sec = (time_t)(wait / CLOCK_NS_PER_S),
                                    .tv_nsec = (long)(wait % CLOCK_NS_PER_S) };
    int n = epoll_pwait2(k->epoll_fd, events, EVENTS_AT_ONCE, &limit, NULL);
    if (frozen_until(k, clock_ns(), &next) != 0)
        return; /* it has begun meanwhile: what has come waits in the sockets */
    for (int i = 0; i < n; i++) {
        if (events[i].data.fd == k->listen_fd)
            accept_all(k);
        else
            read_some(k, events[i].data.fd);
    }
}

static _Noreturn void serve(struct known *k)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = k->listen_fd };
    struct sched_param lowest = { .sched_priority = 1 };
    k->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    if (k->config->cpus != NULL)
        (void)sched_setaffinity(0, sizeof *k->config->cpus, k->config->cpus);
    if (k->config->realtime)
        (void)sched_setscheduler(0, SCHED_FIFO, &lowest);
    if (k->epoll_fd < 0 ||
        epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, k->listen_fd, &event) < 0)
        _exit(1);
    for (;;)
        turn(k);
}

static int listen_on(unsigned port, int *ret_fd, unsigned *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (port != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (const struct sockaddr *)&address, len) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    *ret_fd = fd;
    *ret_port = ntohs(address.sin_port);
    return 0;
}

int known_start(struct known_server *ret_server, const struct known_config *config)
{
    struct known_server server = { .pid = 0 };
    struct known *k = calloc(1, sizeof *k);
    int err = k == NULL ? -ENOMEM : 0;
    server.board = mmap(NULL, sizeof *server.board, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (err == 0 && server.board == MAP_FAILED)
        err = -errno;
    if (err == 0)
        err = listen_on(config->port, &k->listen_fd, &server.port);
    if (err == 0) {
        k->config = config;
        k->board = server.board;
        server.pid = fork();
        if (server.pid == 0)
            serve(k);
        err = server.pid < 0 ? -errno : 0;
        fd_close(&k->listen_fd);
    }
    free(k);
    if (err < 0 && server.board != MAP_FAILED)
        munmap(server.board, sizeof *server.board);
    if (err == 0)
        *ret_server = server;
    return err;
}

void known_freeze(struct known_server *server, uint64_t from_ns, uint64_t to_ns)
{
    atomic_store(&server->board->freeze_to_ns, to_ns);
    atomic_store(&server->board->freeze_from_ns, from_ns);
}

bool known_await(const struct known_server *server, unsigned connections,
                 uint64_t timeout_ns)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    uint64_t deadline = clock_ns() + timeout_ns;
    while (atomic_load_explicit(&server->board->accepted, memory_order_relaxed) <
           connections) {
        if (clock_ns() > deadline)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

uint64_t known_lateness_ns(const struct known_server *server)
{
    uint64_t all = 0, seen = 0;
    for (unsigned i = 0; i < LATE_STEPS; i++)
        all += atomic_load_explicit(&server->board->late[i], memory_order_relaxed);
    for (unsigned i = 0; i < LATE_STEPS; i++) {
        seen += atomic_load_explicit(&server->board->late[i], memory_order_relaxed);
        if (seen * 1000 >= all * 999)
            return (i + UINT64_C(1)) * LATE_STEP_NS;
    }
    return 0;
}

void known_stop(struct known_server *server)
{
    if (server->pid <= 0)
        return;
    kill(server->pid, SIGKILL);
    while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    munmap(server->board, sizeof *server->board);
    server->pid = 0;
}
