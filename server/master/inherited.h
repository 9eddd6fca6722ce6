/* SPDX-License-Identifier: MIT */
/* inherited.h - descriptors that this process was started with: listeners of a service
 * manager (LISTEN_FDS, sd_listen_fds(3)), or all that an older master hands over.
 *
 * The older master says what is what in COWSHED_UPGRADE, words like `listen=7`. Both
 * variables are taken out of the environment, so that no child believes them to be
 * meant for it.
 */
#ifndef COWSHED_MASTER_INHERITED_H
#define COWSHED_MASTER_INHERITED_H

#include <stdbool.h>
#include <stddef.h>

#include "server/shared/sockets.h"

#define INHERITED_VARIABLE "COWSHED_UPGRADE"

enum { INHERITED_LISTENERS_MAX = 32 };

struct inherited {
    struct {
        int fd; /* -1: taken */
        struct address at;
    } listeners[INHERITED_LISTENERS_MAX];
    unsigned count;
    bool of_manager; /* somebody else keeps the listeners open */
    int older;       /* channel to the older master; -1: there is none */
    int pid_file;    /* with its lock; -1 */
    int dump;        /* of its cache (cache/dump.h); -1 */
    int keys;        /* of its session tickets (tls/tickets.h); -1 */
};
#define INHERITED_NONE                                      \
    {                                                       \
        .older = -1, .pid_file = -1, .dump = -1, .keys = -1 \
    }

/* Once, at the start. What is no listener, or whose number is not open, is told and
 * left out. 0, or -EINVAL: COWSHED_UPGRADE makes no sense. */
int inherited_take_all(struct inherited *);
/* A listener that is bound to this address, whose port 0 means any; now the caller's,
 * close-on-exec and blocking as asked, *at with its port. -1: there is none. */
int inherited_listener(struct inherited *, struct address *at, bool blocking);
/* Tells of listeners that no option asked for, and closes everything that is left. */
void inherited_close(struct inherited *);

/* For the older master: the words of COWSHED_UPGRADE as NAME=VALUE in `out`. */
struct inheritance {
    const int *listeners;
    unsigned count;
    int older, pid_file, dump, keys; /* -1: none */
    bool of_manager;
};
void inherited_words(char *out, size_t size, const struct inheritance *);

#endif
