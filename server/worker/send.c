/* SPDX-License-Identifier: MIT */
/* send.c - writes a response and keeps what the socket did not take; see send.h. */
#include "server/worker/send.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "server/base/check.h"
#include "server/base/io.h"
#include "server/cache/cache.h"
#include "server/worker/fetch.h"

/* sendfile() and writev() take at most this much at once: others have their turn
 * between. */
enum { SEND_AT_ONCE = 1 << 20 };

void send_init(struct sending *s)
{
    memset(s, 0, sizeof *s);
    s->file = -1;
    s->pin = -1;
}

static bool memory_left(const struct sending *s)
{
    for (unsigned i = 0; i < SEND_PARTS; i++) {
        if (s->part[i].n > 0)
            return true;
    }
    return false;
}

static void advance(struct sending *s, size_t n)
{
    for (unsigned i = 0; i < SEND_PARTS; i++) {
        size_t took = n < s->part[i].n ? n : s->part[i].n;

        s->part[i].p += took;
        s->part[i].n -= took;
        n -= took;
        if (i == SEND_BODY)
            s->body_sent += took;
    }
    CHECK(n == 0);
}

/* All of the memory is out, or the socket is full: a short write found that out. */
static enum sent send_memory(struct sending *s, struct wire *wire, uint64_t *bytes)
{
    struct iovec iov[SEND_PARTS];
    size_t want = 0;
    int count = 0;

    for (unsigned i = 0; i < SEND_PARTS; i++) {
        if (s->part[i].n == 0)
            continue;
        iov[count++] = (struct iovec){ (void *)(uintptr_t)s->part[i].p, s->part[i].n };
        want += s->part[i].n;
    }
    ssize_t got = wire->io->writev(wire, iov, count, s->file_left > 0);
    if (got == -EAGAIN)
        return SENT_PART;
    if (got < 0)
        return SENT_FAILED;
    advance(s, (size_t)got);
    *bytes += (uint64_t)got;
    return (size_t)got == want ? SENT_ALL : SENT_PART;
}

/* Less than was asked for says nothing about the socket: only -EAGAIN does. */
static enum sent send_file(struct sending *s, struct wire *wire, uint64_t *bytes)
{
    size_t want = s->file_left < SEND_AT_ONCE ? (size_t)s->file_left : SEND_AT_ONCE;
    ssize_t got = wire->io->send_file(wire, s->file, s->file_at, want);

    if (got == -EAGAIN)
        return SENT_PART;
    s->failed = got == 0; /* shorter than it was: the promised length cannot be kept */
    if (got <= 0)
        return SENT_FAILED;
    s->file_at += (uint64_t)got;
    s->file_left -= (uint64_t)got;
    s->body_sent += (uint64_t)got;
    *bytes += (uint64_t)got;
    return s->file_left == 0 ? SENT_ALL : SENT_AGAIN;
}

enum sent send_some(struct sending *s, struct wire *wire, uint64_t *ret_bytes)
{
    enum sent sent = SENT_ALL;

    if (memory_left(s))
        sent = send_memory(s, wire, ret_bytes);
    if (sent == SENT_ALL && s->file_left > 0)
        sent = send_file(s, wire, ret_bytes);
    return sent;
}

/* Parts [0 .. until) move into memory of our own. */
static int copy_parts(struct sending *s, unsigned until)
{
    size_t n = 0;
    char *copy;

    for (unsigned i = 0; i < until; i++)
        n += s->part[i].n;
    if (n == 0)
        return 0;
    CHECK(s->copy == NULL);
    copy = malloc(n);
    if (copy == NULL)
        return -ENOMEM;
    s->copy = copy;
    for (unsigned i = 0; i < until; i++) {
        if (s->part[i].n == 0)
            continue;
        memcpy(copy, s->part[i].p, s->part[i].n);
        s->part[i].p = copy;
        copy += s->part[i].n;
    }
    return 0;
}

int send_keep(struct sending *s, struct send_pins *pins, bool *ret_pin_full)
{
    *ret_pin_full = false;
    s->kept = true;
    if (s->entry != NULL && s->part[SEND_BODY].n > 0) {
        s->pin = cache_pin(pins->reader, s->entry);
        *ret_pin_full = s->pin < 0;
        pins->held += s->pin >= 0;
    }
    s->entry = NULL;
    if (s->pin >= 0 || s->from != NULL)
        return copy_parts(s, SEND_BODY);
    return copy_parts(s, SEND_PARTS);
}

void send_free(struct sending *s, struct send_pins *pins)
{
    if (s->pin >= 0) {
        cache_unpin(pins->reader, s->pin);
        pins->held--;
    }
    fetched_drop(s->from);
    free(s->copy);
    send_init(s);
}
