/* SPDX-License-Identifier: MIT */
/* ops.c - what the supervisor wants done: forks, kills, the channels and rings of
 * workers. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/base/log.h"
#include "server/cache/cache.h"
#include "server/conf/options.h"
#include "server/master/master_priv.h"
#include "server/master/limits.h"
#include "server/master/memory.h"

enum { MESSAGES_PER_TURN = 64, RECORDS_PER_TURN = 64 };

/* --- what workers say ----------------------------------------------------------------
 */

static void close_channel(struct instance *inst)
{
    if (inst->watch != NULL)
        event_free(inst->watch);
    inst->watch = NULL;
    fd_close(&inst->channel.fd);
}

static void take_ring(struct master *m, struct instance *inst, unsigned max)
{
    int rc = publish_take(&m->publish, &inst->published, max);

    if (rc != -EBADMSG)
        return;
    log_err("slot %u generation %u pid %d published nonsense: it is killed", inst->slot,
            inst->generation, (int)inst->child->pid);
    kill(inst->child->pid, SIGKILL);
}

/* Taken or not, it is no memory any more; the seat's count is the worker's own. */
static void take_file(struct master *m, struct instance *inst,
                      const struct message *msg, int fd)
{
    _Atomic(uint64_t) *taken = &m->region->seats[inst->seat].publish_files_taken;

    if (fd < 0 || publish_take_fd(&m->publish, fd) < 0)
        log_debug("slot %u offered a body that was not taken", inst->slot);
    atomic_fetch_add_explicit(taken, msg->arg[0], memory_order_relaxed);
}

static void hear(struct master *m, struct instance *inst, const struct message *msg,
                 int fd)
{
    switch ((enum message_kind)msg->kind) {
    case MESSAGE_PUBLISH:
        take_ring(m, inst, RECORDS_PER_TURN);
        break;
    case MESSAGE_PUBLISH_FD:
        take_file(m, inst, msg, fd);
        break;
    case MESSAGE_PURGED:
    case MESSAGE_COLLECTED:
    case MESSAGE_REOPENED:
        rolls_answered(&m->rolls, inst->seat, (enum message_kind)msg->kind,
                       msg->kind == MESSAGE_REOPENED ? m->reopens : msg->arg[0]);
        break;
    case MESSAGE_READY:
    case MESSAGE_RECYCLE:
    case MESSAGE_DRAINED:
        supervisor_heard(&m->supervisor, inst, msg, clock_ns());
        break;
    case MESSAGE_HOSTED:
        if (msg->arg[1] != 0) /* the end of its channel follows */
            log_warn_errno((int)msg->arg[1],
                           "slot %u could not be run as a thread of %d",
                           (unsigned)msg->arg[0], (int)inst->child->pid);
        break;
    case MESSAGE_NONE:
    case MESSAGE_DRAIN:
    case MESSAGE_QUIT:
    case MESSAGE_PURGE:
    case MESSAGE_COLLECT:
    case MESSAGE_REOPEN:
    case MESSAGE_SHARED:
    case MESSAGE_HOST:
    case MESSAGE_CTL:
    case MESSAGE_CTL_DONE:
    case MESSAGE_KINDS:
        log_warn("slot %u sent %s, which is not for the master", inst->slot,
                 message_name((enum message_kind)msg->kind));
        break;
    }
}

static void channel_failed(struct master *m, struct instance *inst, int rc)
{
    if (rc == -EBADMSG) {
        log_err("slot %u generation %u pid %d sent a broken message: it is killed",
                inst->slot, inst->generation, (int)inst->child->pid);
        kill(inst->child->pid, SIGKILL);
    }
    close_channel(inst);
    supervisor_channel_ended(&m->supervisor, inst, clock_ns());
}

static void on_worker(evutil_socket_t fd, short what, void *arg)
{
    static struct message msg; /* 8 KiB, one thread */
    struct instance *inst = arg;
    struct master *m;

    (void)fd;
    (void)what;
    CHECK_MAGIC(inst, INSTANCE_MAGIC);
    m = inst->supervisor->arg;
    CHECK_MAGIC(m, MASTER_MAGIC);
    for (int i = 0; i < MESSAGES_PER_TURN; i++) {
        int passed = -1, rc = channel_receive(&inst->channel, &msg, &passed);

        if (rc == 0)
            break;
        if (rc < 0) {
            channel_failed(m, inst, rc);
            break;
        }
        hear(m, inst, &msg, passed);
        fd_close(&passed);
    }
    settle(m);
}

static void on_host(evutil_socket_t fd, short what, void *arg)
{
    static struct message msg;
    struct child *child = arg;
    struct master *m;
    int passed = -1, rc;

    (void)fd;
    (void)what;
    CHECK_MAGIC(child, CHILD_MAGIC);
    m = child->supervisor->arg;
    CHECK_MAGIC(m, MASTER_MAGIC);
    rc = channel_receive(&child->channel, &msg, &passed);
    fd_close(&passed);
    if (rc < 0) {
        event_free(child->watch);
        child->watch = NULL;
        supervisor_host_ended(&m->supervisor, child, clock_ns());
    } else if (rc > 0 && msg.kind == MESSAGE_HOSTED && msg.arg[1] != 0) {
        log_warn_errno((int)msg.arg[1], "slot %u could not be run as a thread of %d",
                       (unsigned)msg.arg[0], (int)child->pid);
    }
    settle(m);
}

bool take_published(struct master *m)
{
    bool more = false;

    for (unsigned i = 0; i < SEATS_MAX; i++) {
        struct instance *inst = supervisor_instance(&m->supervisor, i);

        if (inst->state == SEAT_FREE)
            continue;
        take_ring(m, inst, RECORDS_PER_TURN);
        more |= atomic_load_explicit(&m->region->seats[i].publish_head.tail,
                                     memory_order_relaxed) != inst->published.mine;
    }
    return more;
}

unsigned send_to_workers(struct master *m, enum message_kind kind, uint64_t number,
                         const char *text, uint32_t text_len, struct roll *roll)
{
    uint64_t arg[3] = { number };
    int fd = kind == MESSAGE_REOPEN ? m->spawn.access_log_fd
                                    : -1; /* workers may open none */
    unsigned told = 0;

    for (unsigned i = 0; i < SEATS_MAX; i++) {
        struct instance *inst = supervisor_instance(&m->supervisor, i);
        int rc;

        if (inst->state == SEAT_FREE)
            continue;
        roll->waits[i] = true; /* until it answers or its end is certain */
        told++;
        rc = inst->channel.fd < 0
                 ? -EPIPE
                 : channel_send(&inst->channel, kind, arg, text, text_len, fd);
        if (rc < 0 && rc != -EPIPE)
            log_warn_errno(rc, "could not send %s to slot %u", message_name(kind),
                           inst->slot);
    }
    return told;
}

/* --- supervisor_ops ------------------------------------------------------------------
 */

static void open_ring(struct master *m, struct instance *inst)
{
    struct seat *seat = &m->region->seats[inst->seat];

    ring_open_reader(&inst->published, &seat->publish_head, seat->publish,
                     PUBLISH_RING_BYTES);
}

/* What a child forked now inherits: the admin process counts pages there. */
static void note_heap_range(struct master *m, unsigned seat)
{
    struct scoreboard *board = &m->region->seats[seat].board;
    const void *start, *end;

    if (m->heap.cache == NULL)
        return;
    gc_range(cache_heap(m->heap.cache), &start, &end);
    board->heap_start = (uint64_t)(uintptr_t)start;
    board->heap_end = (uint64_t)(uintptr_t)end;
}

static int watch(struct master *m, int fd, event_callback_fn fn, void *arg, void **ret)
{
    struct event *ev = event_new(m->base, fd, EV_READ | EV_PERSIST, fn, arg);

    if (ev == NULL)
        return -ENOMEM;
    if (event_add(ev, NULL) < 0) {
        event_free(ev);
        return -ENOMEM;
    }
    *ret = ev;
    return 0;
}

static void use_options(struct master *m)
{
    m->spawn.options = m->supervisor.options;
}

/* A child whose channel cannot be watched is of no use; it ends when the channel is
 * closed. */
static int op_fork_worker(void *arg, struct instance *inst, pid_t *ret_pid)
{
    struct master *m = arg;
    int rc;

    use_options(m);
    open_ring(m, inst);
    note_heap_range(m, inst->seat);
    rc = spawn_worker(&m->spawn, inst, ret_pid);
    if (rc < 0)
        return rc;
    rc = watch(m, inst->channel.fd, on_worker, inst, &inst->watch);
    if (rc < 0) {
        log_warn_errno(rc, "could not watch the channel of slot %u", inst->slot);
        close_channel(inst);
    }
    return 0;
}

static int op_fork_host(void *arg, struct child *child)
{
    struct master *m = arg;
    int rc;

    use_options(m);
    rc = spawn_host(&m->spawn, child);
    if (rc < 0)
        return rc;
    rc = watch(m, child->channel.fd, on_host, child, &child->watch);
    if (rc < 0)
        kill(child->pid, SIGKILL);
    return 0;
}

static int op_start_thread(void *arg, struct instance *inst, struct child *child)
{
    struct master *m = arg;
    struct channel *to = child->is_host ? &child->channel : &child->main->channel;
    uint64_t order[3] = { inst->slot, inst->seat, inst->generation };
    int fd[2], rc = channel_pair(fd);

    if (rc < 0)
        return rc;
    open_ring(m, inst);
    if (child->is_host)
        note_heap_range(m, inst->seat);
    channel_init(&inst->channel, fd[0], inst->slot, inst->generation);
    supervisor_greet(inst);
    rc = watch(m, fd[0], on_worker, inst, &inst->watch);
    if (rc == 0)
        rc = channel_send(to, MESSAGE_HOST, order, NULL, 0, fd[1]);
    close(fd[1]);
    if (rc < 0)
        close_channel(inst);
    return rc;
}

static void op_kill(void *arg, pid_t pid, int signo)
{
    (void)arg;
    kill(pid, signo);
}

/* The thread that hangs, in a process whose threads are slots. The number is the
 * worker's own word: one that is not of this process is refused by the kernel. */
static void op_abort(void *arg, pid_t pid, pid_t tid)
{
    (void)arg;
    if (syscall(SYS_tgkill, pid, tid, SIGABRT) < 0)
        kill(pid, SIGABRT);
    kill(pid, SIGCONT); /* one that is stopped dies of it only now */
}

static uint64_t op_available(void *arg)
{
    (void)arg;
    return memory_available();
}

static const char *op_limits(void *arg, int err)
{
    static char text[LIMITS_TEXT_MAX]; /* one caller, one thread */

    (void)arg;
    return limits_of_fork(text, err);
}

static void op_gone(void *arg, struct instance *inst)
{
    struct master *m = arg;
    int rc;

    do /* what it published before its end is as good as before */
        rc = publish_take(&m->publish, &inst->published, RECORDS_PER_TURN);
    while (rc > 0);
    close_channel(inst);
    rolls_gone(&m->rolls, inst->seat);
    if (m->heap.cache != NULL)
        cache_seat_clear(m->heap.cache, inst->seat);
}

static void op_host_gone(void *arg, struct child *child)
{
    (void)arg;
    if (child->watch != NULL)
        event_free(child->watch);
    child->watch = NULL;
    fd_close(&child->channel.fd);
}

static void op_release(void *arg, const struct options *options)
{
    struct master *m = arg;

    if (m->spawn.options == options)
        m->spawn.options = m->supervisor.options;
    options_free((struct options *)(uintptr_t)options);
}

const struct supervisor_ops master_ops = {
    .fork_worker = op_fork_worker,
    .fork_host = op_fork_host,
    .start_thread = op_start_thread,
    .kill = op_kill,
    .abort = op_abort,
    .available = op_available,
    .limits = op_limits,
    .gone = op_gone,
    .host_gone = op_host_gone,
    .release = op_release,
};
