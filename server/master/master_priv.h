/* SPDX-License-Identifier: MIT */
/* master_priv.h - the state of the master, for the files that make it up.
 *
 *   start.c    from options to open sockets, heap and signals; and back
 *   master.c   the loop: signals, ticks, reload, what follows from what happened
 *   leave.c    the phases of the end
 *   ops.c      forks, kills, channels of workers
 *   orders.c   the admin process and what it asks for
 *   upgrade.c  another program takes over
 */
#ifndef COWSHED_MASTER_MASTER_PRIV_H
#define COWSHED_MASTER_MASTER_PRIV_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>

#include "server/master/backoff.h"
#include "server/master/heap.h"
#include "server/master/inherited.h"
#include "server/master/master.h"
#include "server/shared/pid_file.h"
#include "server/master/publish.h"
#include "server/master/purge_log.h"
#include "server/master/roll.h"
#include "server/master/signals.h"
#include "server/shared/sockets.h"
#include "server/master/spawn.h"
#include "server/master/supervisor.h"
#include "server/master/upgrade.h"
#include "server/master/watchdog.h"

enum { MASTER_MAGIC = 0x6d617374, REFORKS_MAX = 16 };

struct admin_child {
    pid_t pid; /* 0: it does not run */
    struct channel channel;
    struct event *watch;
    uint32_t started; /* how often */
    struct backoff backoff;
    uint64_t not_before_ns;
    bool told_to_quit;
    uint64_t deadline_ns;
};

/* An order of the admin process that is done when a generation is in service. */
struct refork_order {
    uint64_t order; /* 0: free */
    uint32_t generation;
    uint64_t deadline_ns;
    uint64_t doors_ns; /* it serves: so long are older workers waited for; 0: not yet */
};

enum { LISTENERS_MAX = 2 };

struct master {
    unsigned magic;
    const struct master_config *config;
    struct region *region;
    struct heap heap;
    struct spawn spawn;
    struct supervisor supervisor;
    struct publish publish;
    struct purge_log purges;
    struct rolls rolls;
    uint64_t collects, reopens; /* numbers of such orders */
    struct refork_order reforks[REFORKS_MAX];
    struct admin_child admin;
    struct watchdog watchdog;
    struct inherited inherited;
    struct upgrade upgrade;
    struct older older;
    bool reload_told; /* to the service manager, and not that it is over */
    struct pid_file pid_file;
    int listeners[LISTENERS_MAX]; /* plain, TLS; as many as spawn.listener_count */
    int admin_listener, agent_listener; /* -1: none */
    struct address listen_at, tls_at, admin_at, agent_at;
    struct tls_keys *tls_keys; /* NULL: no TLS */
    struct event_base *base;
    struct event *signals[SIGNALS_HEARD];
    struct event *timer, *tick;
    bool ready_told;
    uint64_t notice_until_ns; /* PHASE_NOTICE */
    uint64_t door_shut_ns;    /* PHASE_LAST: the handshakes that had begun have ended */
    int exit_code;
};

/* start.c */
int start_master(struct master *,
                 const struct master_config *);     /* 0 or an exit code, told */
void end_master(struct master *);                   /* also half-made */
int open_access_log(const char *path, int *ret_fd); /* -1 for "off" */

/* ops.c */
extern const struct supervisor_ops master_ops;
/* To every worker that is not gone: how many were told; each is put on the roll. */
unsigned send_to_workers(struct master *, enum message_kind, uint64_t number,
                         const char *text, uint32_t text_len, struct roll *);
bool take_published(struct master *); /* from all rings; true when there may be more */

/* master.c */
void settle(struct master *);
uint32_t ask_refork(struct master *); /* the generation that it will be */
int ask_reload(struct master *, struct option_error *ret_error);
/* 0: the order is answered when all workers are; else it is not answered, and the log
 * stays as it is. */
int ask_reopen(struct master *, uint64_t order);

/* What workers of these options need for TLS: a part of them. 0 or a negative errno. */
int make_tls(struct master *, struct options *, struct option_error *ret_error);

/* leave.c */
/* One step nearer to the end, for a reason that is logged. `notice`: with the phase in
 * which who asks is told. */
void leave(struct master *, const char *why, bool notice);
uint64_t leave_settle(struct master *, uint64_t now_ns); /* when to call again */

/* orders.c */
/* The end of an order of the admin process; 0: nobody waits. */
void order_answer(struct master *, uint64_t order, int err, const char *words);
void admin_settle(struct master *, uint64_t now_ns, uint64_t *next_ns);
bool admin_reaped(struct master *, pid_t, int status);
void admin_quit(struct master *);
void orders_settle(struct master *, uint64_t now_ns, uint64_t *next_ns);

#endif
