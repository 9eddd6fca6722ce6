/* SPDX-License-Identifier: MIT */
/* channel.c - one message is one SOCK_SEQPACKET record: the fixed part, then its text.
 *
 * Whatever arrives is checked before any of it is used: length, kind, text length,
 * slot, generation and sequence; and a descriptor that came with a bad message is
 * closed.
 */
#include "server/shared/channel.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/check.h"

enum { FIXED = offsetof(struct message, text) };

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

int channel_pair(int ret_fd[2])
{
    int fd[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) < 0)
        return -errno;
    ret_fd[0] = fd[0];
    ret_fd[1] = fd[1];
    return 0;
}

void channel_init(struct channel *ch, int fd, uint32_t slot, uint32_t generation)
{
    *ch = (struct channel){ .fd = fd, .slot = slot, .generation = generation };
}

static void attach_fd(struct msghdr *msg, union control *control, int fd)
{
    struct cmsghdr *c;

    memset(control, 0, sizeof *control);
    msg->msg_control = control->bytes;
    msg->msg_controllen = sizeof control->bytes;
    c = CMSG_FIRSTHDR(msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
}

static int send_error(int err)
{
    switch (err) {
    case EWOULDBLOCK:
    case ENOBUFS:
        return -EAGAIN;
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
        return -EPIPE;
    default:
        return -err;
    }
}

int channel_send(struct channel *ch, enum message_kind kind, const uint64_t arg[3],
                 const char *text, uint32_t text_len, int fd)
{
    struct message m; /* only its fixed part is used */
    union control control;
    struct iovec iov[2] = { { &m, FIXED }, { (void *)(uintptr_t)text, text_len } };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = text_len > 0 ? 2 : 1 };
    ssize_t sent;

    CHECK(kind > MESSAGE_NONE && kind < MESSAGE_KINDS);
    if (text_len > MESSAGE_TEXT_MAX)
        return -EMSGSIZE;
    m.kind = kind;
    m.slot = ch->slot;
    m.generation = ch->generation;
    m.text_len = text_len;
    m.sequence = ch->sent + 1;
    for (unsigned i = 0; i < 3; i++)
        m.arg[i] = arg != NULL ? arg[i] : 0;
    if (fd >= 0)
        attach_fd(&msg, &control, fd);
    do
        sent = sendmsg(ch->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return send_error(errno);
    ch->sent++;
    return 0;
}

/* How many descriptors came, the first in *ret_fd. The control buffer has room for two
 * because of its alignment; the second is closed here, more are not installed
 * (MSG_CTRUNC). Nor is the first when the process has as many as it may: that is no
 * fault of the sender, and the message counts, or every later one would be out of
 * order. */
static unsigned detach_fds(struct msghdr *msg, int *ret_fd)
{
    unsigned n = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; CMSG_LEN(at + sizeof *ret_fd) <= c->cmsg_len;
             at += sizeof *ret_fd) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
            if (n++ == 0)
                *ret_fd = fd;
            else
                close(fd);
        }
    }
    return n;
}

static bool is_expected(const struct channel *ch, const struct message *m, size_t n)
{
    return n >= FIXED && m->kind > MESSAGE_NONE && m->kind < MESSAGE_KINDS &&
           m->text_len == n - FIXED && m->slot == ch->slot &&
           m->generation == ch->generation && m->sequence == ch->received + 1;
}

int channel_receive(struct channel *ch, struct message *ret, int *ret_fd)
{
    union control control;
    struct iovec iov = { ret, sizeof *ret };
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof control.bytes };
    unsigned fds;
    ssize_t n;
    int fd = -1;

    do
        n = recvmsg(ch->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : send_error(errno);
    fds = detach_fds(&msg, &fd);
    if (n == 0 && fds == 0)
        return -EPIPE; /* else an empty message that brings something */
    if (fds > 1 || (msg.msg_flags & MSG_TRUNC) != 0 ||
        (fds > 0 && (msg.msg_flags & MSG_CTRUNC) != 0) ||
        !is_expected(ch, ret, (size_t)n)) {
        if (fd >= 0)
            close(fd);
        return -EBADMSG;
    }
    ch->received++;
    *ret_fd = fd;
    return 1;
}

const char *message_name(enum message_kind kind)
{
#define MESSAGE_TEXT(name, from, what) [MESSAGE_##name] = #name,
    static const char *const names[MESSAGE_KINDS] = { [MESSAGE_NONE] = "NONE",
                                                      MESSAGES(MESSAGE_TEXT) };
#undef MESSAGE_TEXT
    return kind < MESSAGE_KINDS ? names[kind] : "UNKNOWN";
}
