/* SPDX-License-Identifier: MIT */
/* slot.c - see slot.h. */
#include "tests/unit/worker/slot.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/cache/cache.h"
#include "server/worker/worker.h"
#include "tests/test.h"

/* Only ends what would never end. */
enum { PATIENCE_MS = 60000 };

void slot_make(struct slot *s)
{
    struct option_error error;

    memset(s, 0, sizeof *s);
    s->files_before = fd_count();
    s->options = options_new();
    check_not_null(s->options);
    strcpy(s->root, "/tmp/cowshed-test-XXXXXX");
    check_not_null(mkdtemp(s->root));
    check_int(options_set(s->options, "root", s->root, "test", &error), 0, "root");
    check_int(options_resolve(s->options, &error), 0, "options");
    s->region = region_new();
    check_not_null(s->region);
    s->listener = -1;
}

static void make_cache(struct slot *s, size_t bytes, bool shared)
{
    const struct cache_config config = { .index = CACHE_HAMT,
                                         .recency = CACHE_SIDE,
                                         .bytes = bytes,
                                         .seats = SEATS_MAX,
                                         .heap = { .shared = shared } };
    const char *why = "";

    s->cache = cache_new(&config, &why);
    check_not_null(s->cache, "cache_new: %s", why);
}

void slot_cache(struct slot *s, size_t bytes)
{
    make_cache(s, bytes, false);
}

void slot_shared_cache(struct slot *s, size_t bytes)
{
    make_cache(s, bytes, true);
}

void slot_listen(struct slot *s)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t n = sizeof at;

    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check_true(s->listener >= 0);
    check_int(bind(s->listener, (struct sockaddr *)&at, sizeof at), 0, "bind");
    if (s->send_buffer > 0) /* accepted sockets inherit it */
        setsockopt(s->listener, SOL_SOCKET, SO_SNDBUF, &s->send_buffer,
                   sizeof s->send_buffer);
    check_int(listen(s->listener, 128), 0, "listen");
    check_int(getsockname(s->listener, (struct sockaddr *)&at, &n), 0, "getsockname");
    s->port = ntohs(at.sin_port);
}

void slot_make_small(struct slot *s)
{
    slot_make(s);
    slot_cache(s, 16 << 20);
    slot_file(s, "a.txt", "hello", 5);
}

void slot_set(struct slot *s, const char *option, const char *value)
{
    struct option_error error;

    check_int(options_set(s->options, option, value, "test", &error), 0, "%s",
              error.text);
}

static void *run(void *arg)
{
    struct slot *s = arg;

    s->exit_code = worker_run(&s->env);
    return NULL;
}

void slot_start(struct slot *s)
{
    int ends[2];

    if (s->listener < 0)
        slot_listen(s);
    check_int(channel_pair(ends), 0, "channel_pair");
    channel_init(&s->channel, ends[0], 0, 1);
    s->env =
        (struct worker_env){ .options = s->options,
                             .region = s->region,
                             .cache = s->cache,
                             .listeners = &s->listener,
                             .listener_count = 1,
                             .access_log_fd =
                                 s->env.access_log_fd > 0 ? s->env.access_log_fd : -1,
                             .channel_fd = ends[1],
                             .generation = 1 };
    s->exit_code = -1;
    check_int(pthread_create(&s->thread, NULL, run, s), 0, "pthread_create");
    slot_expect(s, MESSAGE_READY);
}

static void remove_root(const struct slot *s)
{
    char path[512];
    DIR *dir = opendir(s->root);
    struct dirent *e;

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", s->root, e->d_name);
        unlink(path);
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(s->root);
}

void slot_join(struct slot *s)
{
    if (!s->joined)
        pthread_join(s->thread, NULL);
    s->joined = true;
}

void slot_end(struct slot *s)
{
    slot_join(s);
    check_int(s->exit_code, 0, "exit code of the slot");
    check_uint(slot_count(s, COUNTER_connections), 0, "connections left");
    check_uint(slot_count(s, COUNTER_accepted), slot_count(s, COUNTER_closed),
               "accepted and closed");
    close(s->listener);
    if (s->channel.fd >= 0)
        close(s->channel.fd);
    cache_free(s->cache);
    remove_root(s);
    options_free(s->options);
    region_free(s->region);
    check_int(fd_count(), s->files_before, "descriptors left over");
}

void slot_stop(struct slot *s)
{
    slot_send(s, MESSAGE_DRAIN, PATIENCE_MS, "");
    slot_expect(s, MESSAGE_DRAINED);
    slot_end(s);
}

void slot_file(const struct slot *s, const char *name, const void *bytes, size_t n)
{
    /* A file that has just changed could change again within the same tick of the
     * clock, so the origin does not let it be cached. */
    const struct timespec old[2] = { { .tv_sec = 1700000000 },
                                     { .tv_sec = 1700000000 } };
    char path[512];
    int fd;

    snprintf(path, sizeof path, "%s/%s", s->root, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    check_true(fd >= 0, "open %s", path);
    check_int(fd_write_all(fd, bytes, n), 0, "write %s", path);
    check_int(futimens(fd, old), 0, "futimens %s", path);
    close(fd);
}

uint64_t slot_count(const struct slot *s, enum counter which)
{
    return atomic_load(&s->region->seats[s->env.seat].counters[which]);
}

void slot_await(const struct slot *s, enum counter which, uint64_t value)
{
    uint64_t until = clock_ns() + PATIENCE_MS * CLOCK_NS_PER_MS;

    while (slot_count(s, which) != value && clock_ns() < until)
        usleep(1000);
    check_uint(slot_count(s, which), value, "%s", counter_name(which));
}

void slot_send(struct slot *s, enum message_kind kind, uint64_t arg0, const char *text)
{
    const uint64_t arg[3] = { arg0 };

    check_int(channel_send(&s->channel, kind, arg, text, (uint32_t)strlen(text), -1), 0,
              "send %s", message_name(kind));
}

struct message slot_expect(struct slot *s, enum message_kind kind)
{
    uint64_t until = clock_ns() + PATIENCE_MS * CLOCK_NS_PER_MS;
    struct message m;
    int fd = -1, rc;

    for (;;) {
        rc = channel_receive(&s->channel, &m, &fd);
        if (rc == 1 && fd >= 0)
            close(fd);
        if (rc == 1 && m.kind == (uint32_t)kind)
            return m;
        check_true(rc >= 0, "waiting for %s: %d", message_name(kind), rc);
        check_true(clock_ns() < until, "no %s in time", message_name(kind));
        if (rc == 0) {
            struct pollfd p = { .fd = s->channel.fd, .events = POLLIN };
            poll(&p, 1, 100);
        }
    }
}

int slot_connect(const struct slot *s)
{
    const struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)s->port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    check_int(connect(fd, (struct sockaddr *)&at, sizeof at), 0, "connect");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

void slot_write(int fd, const char *text)
{
    check_int(fd_write_all(fd, text, strlen(text)), 0, "write to the slot");
}

const char *reply_field(const struct reply *r, const char *name)
{
    static char value[512];
    const size_t n = strlen(name);

    for (const char *line = strstr(r->head, "\r\n"); line != NULL;
         line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, n) == 0 && strncmp(line + n, ": ", 2) == 0) {
            size_t len = strcspn(line + n + 2, "\r");
            snprintf(value, sizeof value, "%.*s", (int)len, line + n + 2);
            return value;
        }
    }
    return NULL;
}

/* With a receive timeout, a read is not taken up again after the process was stopped.
 */
static ssize_t read_some(int fd, void *to, size_t n)
{
    ssize_t got;

    do
        got = read(fd, to, n);
    while (got < 0 && errno == EINTR);
    return got;
}

static bool read_head(int fd, struct reply *r)
{
    size_t n = 0;

    while (n < sizeof r->head - 1) {
        ssize_t got = read_some(fd, r->head + n, 1);

        if (got <= 0) {
            check_true(got == 0 || errno == ECONNRESET, "read: %s", strerror(errno));
            check_uint(n, 0, "end in the middle of a head '%.*s'", (int)n, r->head);
            return false;
        }
        n += (size_t)got;
        if (n >= 4 && memcmp(r->head + n - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    check_true(false, "head too long");
    return false;
}

void slot_read_reply(int fd, bool has_body, struct reply *r)
{
    const char *length;

    memset(r, 0, sizeof *r);
    if (!read_head(fd, r))
        return;
    check_int(sscanf(r->head, "HTTP/1.1 %d", &r->status), 1, "head '%s'", r->head);
    length = reply_field(r, "Content-Length");
    if (!has_body || length == NULL)
        return;
    r->body_n = strtoul(length, NULL, 10);
    r->body = malloc(r->body_n + 1);
    for (size_t at = 0; at < r->body_n;) {
        ssize_t got = read_some(fd, r->body + at, r->body_n - at);

        check_true(got > 0, "body ends at %zu of %zu: %s", at, r->body_n,
                   strerror(errno));
        at += (size_t)got;
    }
    r->body[r->body_n] = '\0';
}

void reply_free(struct reply *r)
{
    free(r->body);
    r->body = NULL;
}

bool slot_at_end(int fd)
{
    char byte;
    ssize_t got = read_some(fd, &byte, 1);

    return got == 0 || (got < 0 && errno == ECONNRESET);
}
