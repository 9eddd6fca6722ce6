/* SPDX-License-Identifier: MIT */
/* channel.h - messages between the master and its slots (and the admin process).
 *
 * One SOCK_SEQPACKET pair per slot instance. Every message carries slot, generation and
 * a sequence number; one that does not match the receiver's idea of its peer is dropped
 * and counted. End of file means that the other side is gone. Sends never block: a full
 * channel is an error that the sender reports (a slot that does not read its channel is
 * hung).
 */
#ifndef COWSHED_SHARED_CHANNEL_H
#define COWSHED_SHARED_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

/* MESSAGE(NAME, from, meaning of text and args) */
#define MESSAGES(MESSAGE)                                                            \
    MESSAGE(READY, "slot", "arg0: pages pretouched")                                 \
    MESSAGE(PUBLISH, "slot", "the publish ring has records")                         \
    MESSAGE(PUBLISH_FD, "slot", "fd: sealed memfd with one record; arg0: its bytes") \
    MESSAGE(RECYCLE, "slot", "asks to be replaced; arg0: enum recycle_reason")       \
    MESSAGE(DRAINED, "slot", "no connection is left; the slot ends")                 \
    MESSAGE(PURGED, "slot", "arg0: purge number")                                    \
    MESSAGE(COLLECTED, "slot", "arg0: number of the order")                          \
    MESSAGE(REOPENED, "slot", "logs are reopened")                                   \
    MESSAGE(HOSTED, "slot", "arg0: slot whose thread runs; arg1: 0 or an errno")     \
    MESSAGE(DRAIN, "master", "finish; arg0: deadline in ms; arg1: enum drain_how")   \
    MESSAGE(QUIT, "master", "end now")                                               \
    MESSAGE(PURGE, "master", "text: key, empty for all; arg0: purge number")         \
    MESSAGE(COLLECT, "master", "collect the slot's own heap; arg0: number")          \
    MESSAGE(REOPEN, "master", "reopen logs")                                         \
    MESSAGE(SHARED, "master",                                                        \
            "arg0: 1: others hold the listeners too, so they stay open")             \
    MESSAGE(HOST, "master",                                                          \
            "fd: channel of a slot to run as a thread; arg0: slot, "                 \
            "arg1: seat, arg2: generation")                                          \
    MESSAGE(CTL, "admin", "text: command; arg0: number of the order")                \
    MESSAGE(CTL_DONE, "master", "arg0: number; arg1: 0 or an errno; text: words")

#define MESSAGE_CONSTANT(name, from, what) MESSAGE_##name,
enum message_kind { MESSAGE_NONE, MESSAGES(MESSAGE_CONSTANT) MESSAGE_KINDS };
#undef MESSAGE_CONSTANT

enum recycle_reason { RECYCLE_REQUESTS = 1, RECYCLE_PRIVATE, RECYCLE_AGE };

/* What a slot that is told to finish does about new connections. A host that is told
 * DRAIN_CLOSE closes its listeners; its slots are told themselves. */
enum drain_how {
    DRAIN_STOP,   /* accepts none: others do */
    DRAIN_ACCEPT, /* accepts what comes, and ends each connection with its answer */
    DRAIN_CLOSE,  /* accepts none, and closes the listeners: nobody waits there */
};

enum { MESSAGE_TEXT_MAX = 8192 };

struct message {
    uint32_t kind; /* enum message_kind */
    uint32_t slot;
    uint32_t generation;
    uint32_t text_len;
    uint64_t sequence; /* set by channel_send */
    uint64_t arg[3];
    char text[MESSAGE_TEXT_MAX]; /* text_len bytes are sent */
};

struct channel {
    int fd;
    uint32_t slot, generation;
    uint64_t sent, received; /* sequence numbers */
};

/* Two connected ends, close-on-exec, non-blocking; 0 or negative errno. */
int channel_pair(int ret_fd[2]);
void channel_init(struct channel *, int fd, uint32_t slot, uint32_t generation);

/* fd < 0: none. 0, -EAGAIN (full), -EPIPE (peer gone) or another negative errno. The fd
 * stays the caller's. */
int channel_send(struct channel *, enum message_kind, const uint64_t arg[3],
                 const char *text, uint32_t text_len, int fd);
/* 1 and a message (fd -1 when none came, or this process may open no more; the receiver
 * owns it), 0 when nothing waits,
 * -EPIPE at end of file, -EBADMSG for a message of the wrong form or out of order. */
int channel_receive(struct channel *, struct message *ret, int *ret_fd);
const char *message_name(enum message_kind);

#endif
