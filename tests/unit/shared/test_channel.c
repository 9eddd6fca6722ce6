/* SPDX-License-Identifier: MIT */
/* test_channel.c - messages: what arrives, what is refused, and what becomes of
 * descriptors. */
#include "server/shared/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/fd.h"
#include "tests/test.h"

static int fds[2];
static struct channel a, b;
static struct message got;
static int got_fd;

static int make(void **state)
{
    (void)state;
    if (channel_pair(fds) != 0)
        return 1;
    channel_init(&a, fds[0], 3, 9);
    channel_init(&b, fds[1], 3, 9);
    got_fd = -1;
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static void a_message_arrives_whole(void **state)
{
    uint64_t arg[3] = { 1, UINT64_MAX, 3 };

    (void)state;
    check_int(channel_receive(&b, &got, &got_fd), 0);
    check_int(channel_send(&a, MESSAGE_PURGE, arg, "/key", 4, -1), 0);
    check_int(channel_receive(&b, &got, &got_fd), 1);
    check_int(got.kind, MESSAGE_PURGE);
    check_mem(got.text, got.text_len, "/key", 4);
    check_uint(got.arg[1], UINT64_MAX);
    check_int(got_fd, -1);
    check_int(channel_send(&b, MESSAGE_DRAINED, NULL, NULL, 0, -1), 0);
    check_int(channel_receive(&a, &got, &got_fd), 1);
    check_uint(got.arg[0], 0);
    check_uint(got.text_len, 0);
    check_str(message_name((enum message_kind)got.kind), "DRAINED");
}

static void the_longest_text_fits_and_one_byte_more_does_not(void **state)
{
    static char text[MESSAGE_TEXT_MAX + 1];

    (void)state;
    check_int(channel_send(&a, MESSAGE_CTL, NULL, text, MESSAGE_TEXT_MAX + 1, -1),
              -EMSGSIZE);
    check_int(channel_send(&a, MESSAGE_CTL, NULL, text, MESSAGE_TEXT_MAX, -1), 0);
    check_int(channel_receive(&b, &got, &got_fd), 1);
    check_uint(got.text_len, MESSAGE_TEXT_MAX);
}

static void a_descriptor_travels_and_closes_on_exec(void **state)
{
    int pipe_fd[2];
    char c = 0;

    (void)state;
    check_int(pipe(pipe_fd), 0);
    check_int(channel_send(&a, MESSAGE_PUBLISH_FD, NULL, NULL, 0, pipe_fd[0]), 0);
    check_int(close(pipe_fd[0]), 0);
    check_int(write(pipe_fd[1], "x", 1), 1);
    check_int(channel_receive(&b, &got, &got_fd), 1);
    check_true(got_fd >= 0);
    check_true((fcntl(got_fd, F_GETFD) & FD_CLOEXEC) != 0);
    check_int(read(got_fd, &c, 1), 1);
    check_int(c, 'x');
    close(got_fd);
    close(pipe_fd[1]);
}

static void the_end_of_the_peer_is_seen_from_both_calls(void **state)
{
    (void)state;
    check_int(channel_send(&a, MESSAGE_READY, NULL, NULL, 0, -1), 0);
    close(fds[0]);
    check_int(channel_receive(&b, &got, &got_fd), 1, "what was sent before the end");
    check_int(channel_receive(&b, &got, &got_fd), -EPIPE);
    check_int(channel_send(&b, MESSAGE_QUIT, NULL, NULL, 0, -1), -EPIPE);
    check_int(channel_pair(fds), 0);
}

static void a_full_channel_does_not_block_and_loses_nothing(void **state)
{
    static char text[MESSAGE_TEXT_MAX];
    unsigned sent = 0, received = 0;
    int rc;

    (void)state;
    while ((rc = channel_send(&a, MESSAGE_CTL, NULL, text, sizeof text, -1)) == 0)
        sent++;
    check_int(rc, -EAGAIN);
    check_true(sent > 3);
    while (channel_receive(&b, &got, &got_fd) == 1)
        received++;
    check_uint(received, sent);
    check_int(channel_send(&a, MESSAGE_CTL, NULL, text, 1, -1), 0);
    check_int(channel_receive(&b, &got, &got_fd), 1, "the sequence has no hole");
}

static void messages_of_the_wrong_form_are_refused(void **state)
{
    enum { FIXED = offsetof(struct message, text) };
    static const struct message good = {
        .kind = MESSAGE_READY, .slot = 3, .generation = 9, .sequence = 1
    };
    static struct message m;

    (void)state;
    for (int i = 0; i < 8; i++) {
        static const char *const what[] = {
            "kind 0",           "kind too large",        "slot",
            "older generation", "sequence repeated",     "sequence with a hole",
            "text length",      "shorter than a message"
        };
        size_t n = FIXED;

        make(NULL);
        m = good;
        m.kind = i == 0 ? 0 : i == 1 ? MESSAGE_KINDS : m.kind;
        m.slot += i == 2;
        m.generation -= i == 3;
        m.sequence = i == 4 ? 0 : i == 5 ? 2 : 1;
        m.text_len = i == 6 ? 1 : 0;
        n -= i == 7;
        check_int(send(fds[0], &m, n, 0), n, "%s", what[i]);
        check_int(channel_receive(&b, &got, &got_fd), -EBADMSG, "%s", what[i]);
        destroy(NULL);
    }
    make(NULL);
    check_int(send(fds[0], &good, FIXED, 0), FIXED);
    check_int(channel_receive(&b, &got, &got_fd), 1, "the untouched one is fine");
}

static void a_message_longer_than_the_largest_is_refused(void **state)
{
    static char raw[sizeof(struct message) + 1];

    (void)state;
    check_int(send(fds[0], raw, sizeof raw, 0), sizeof raw);
    check_int(channel_receive(&b, &got, &got_fd), -EBADMSG);
}

/* Two descriptors in one message, one in an empty message, one in a bad one: none stays
 * open here. */
static void descriptors_of_refused_messages_are_closed(void **state)
{
    struct message m = {
        .kind = MESSAGE_READY, .slot = 3, .generation = 9, .sequence = 1
    };
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = { { 0 } };
    struct iovec iov = { &m, offsetof(struct message, text) };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr *c;
    int two[2] = { 0, 1 }, before = fd_count();

    (void)state;
    msg.msg_control = control.bytes;
    msg.msg_controllen = sizeof control.bytes;
    c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof two);
    memcpy(CMSG_DATA(c), two, sizeof two);
    check_true(sendmsg(fds[0], &msg, 0) > 0);
    check_int(channel_receive(&b, &got, &got_fd), -EBADMSG);
    check_int(got_fd, -1);
    iov.iov_len = 0; /* not the end of the channel, though its length is that of it */
    c->cmsg_len = CMSG_LEN(sizeof two[0]);
    check_true(sendmsg(fds[0], &msg, 0) == 0);
    check_int(channel_receive(&b, &got, &got_fd), -EBADMSG);
    a.generation = 8;
    check_int(channel_send(&a, MESSAGE_READY, NULL, NULL, 0, 0), 0);
    check_int(channel_receive(&b, &got, &got_fd), -EBADMSG);
    check_int(fd_count(), before);
}

/* The message counts, without its descriptor, and so do those behind it. */
static void without_room_for_a_descriptor_the_channel_goes_on(void **state)
{
    const uint64_t arg[3] = { 7 };
    struct rlimit before, none;

    (void)state;
    check_int(channel_send(&a, MESSAGE_HOST, arg, NULL, 0, 0), 0);
    check_int(channel_send(&a, MESSAGE_QUIT, NULL, NULL, 0, -1), 0);
    check_int(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){ 0, before.rlim_max };
    check_int(setrlimit(RLIMIT_NOFILE, &none), 0);
    int rc = channel_receive(&b, &got, &got_fd);
    check_int(setrlimit(RLIMIT_NOFILE, &before), 0);
    check_int(rc, 1);
    check_int(got.kind, MESSAGE_HOST);
    check_uint(got.arg[0], 7);
    check_int(got_fd, -1);
    check_int(channel_receive(&b, &got, &got_fd), 1);
    check_int(got.kind, MESSAGE_QUIT);
}

#define fresh(name) test_with(name, make, destroy)
TEST_MAIN(fresh(a_message_arrives_whole),
          fresh(the_longest_text_fits_and_one_byte_more_does_not),
          fresh(a_descriptor_travels_and_closes_on_exec),
          fresh(the_end_of_the_peer_is_seen_from_both_calls),
          fresh(a_full_channel_does_not_block_and_loses_nothing),
          fresh(messages_of_the_wrong_form_are_refused),
          fresh(a_message_longer_than_the_largest_is_refused),
          fresh(descriptors_of_refused_messages_are_closed),
          fresh(without_room_for_a_descriptor_the_channel_goes_on))
