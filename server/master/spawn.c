/* SPDX-License-Identifier: MIT */
/* spawn.c - see spawn.h. */
#include "server/master/spawn.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/base/log.h"
#include "server/cache/cache.h"
#include "server/conf/options.h"
#include "server/master/heap.h"
#include "server/master/instance.h"
#include "server/master/oom.h"
#include "server/master/supervisor.h"
#include "server/master/title.h"
#include "server/shared/crash.h"

enum { EXIT_OS_ERROR = 71 };

/* --- the fork ------------------------------------------------------------------------
 */

/* A lock that another thread holds at the fork stays locked in the child for ever. */
static unsigned count_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    unsigned n = 0;

    if (dir == NULL)
        return 1;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void check_one_thread(void)
{
#ifndef __SANITIZE_THREAD__ /* it has a thread of its own */
    CHECK(count_threads() == 1);
#else
    (void)count_threads;
#endif
}

/* `slots`: it runs slots; what is said of forks is said of these. */
static void tell_fork(struct spawn *sp, bool slots, uint64_t start_ns, uint64_t took_ns,
                      pid_t pid)
{
    struct master_board *board = &sp->region->master;

    event_write(&sp->heap->events, EVENT_FORK, start_ns, took_ns,
                pid > 0 ? (uint64_t)pid : 0, pid < 0);
    if (pid < 0) {
        board->forks_failed++;
        return;
    }
    if (!slots) {
        board->forks_admin++;
        return;
    }
    board->forks++;
    board->fork_last_ns = took_ns;
    board->fork_sum_ns += took_ns;
    if (took_ns > board->fork_max_ns)
        board->fork_max_ns = took_ns;
}

/* All signals are blocked in the child until it has its own dispositions. */
static pid_t fork_timed(struct spawn *sp, bool slots)
{
    struct cache *cache = sp->heap->cache;
    sigset_t all, before;
    uint64_t start_ns;
    pid_t pid;
    int err;

    check_one_thread();
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    sp->parent = getpid();
    if (cache != NULL)
        cache_fork_prepare(cache);
    start_ns = clock_ns();
    pid = sp->fork();
    err = errno;
    if (pid == 0)
        return 0;
    tell_fork(sp, slots, start_ns, clock_ns() - start_ns, pid);
    if (cache != NULL)
        cache_fork_parent(cache, pid);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return pid > 0 ? pid : -err;
}

/* --- the child -----------------------------------------------------------------------
 */

/* A terminal or a service manager may send what is meant for the master to all
 * processes; workers hear of it over their channel. */
static void take_signals(void)
{
    static const int ignored[] = { SIGPIPE, SIGINT,  SIGTERM,  SIGQUIT,
                                   SIGHUP,  SIGUSR1, SIGUSR2,  SIGTTIN,
                                   SIGTTOU, SIGURG,  SIGWINCH, SIGXFSZ };
    sigset_t none;

    for (int signo = 1; signo < NSIG; signo++)
        signal(signo, SIG_DFL);
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A stopped process does not see that its channel has ended: without help it would
 * outlive a killed master for ever, with the listeners open. So the kernel sends it a
 * SIGCONT when its parent dies, which means nothing to a process that runs. The signal
 * goes out when the thread that forked ends; the master has but one. A parent that died
 * before the prctl() is seen by the getppid() behind it: then it never comes, and
 * nobody waits for this child. It is lost in an exec of a set-uid program and for the
 * children of this child, which neither have. */
static void wake_when_orphaned(const struct spawn *sp)
{
    if (prctl(PR_SET_PDEATHSIG, SIGCONT, 0, 0, 0) < 0)
        log_warn_errno(errno, "could not ask to be woken when the master ends");
    if (getppid() != sp->parent)
        _exit(EXIT_OS_ERROR);
}

static void close_descriptors(const struct spawn *sp, int channel_fd, bool is_admin)
{
    int keep[FD_KEEP_MAX];
    size_t n = 0;
    int rc;

    CHECK(sp->listener_count + 4 <= FD_KEEP_MAX);
    for (unsigned i = 0; i < sp->listener_count; i++)
        keep[n++] = sp->listeners[i];
    keep[n++] = channel_fd;
    keep[n++] = sp->access_log_fd;
    keep[n++] = is_admin ? sp->admin_listener : -1;
    keep[n++] = is_admin ? sp->agent_listener : -1;
    rc = fd_close_others(keep, n);
    CHECK(rc == 0);
}

static void leave_words(const char *words, void *arg)
{
    struct scoreboard *board = arg;

    snprintf(board->words, sizeof board->words, "%s", words);
}

static void own_heap(struct spawn *sp)
{
    int rc;

    heap_leave(sp->heap);
    rc = sp->heap->cache != NULL ? cache_fork_child(sp->heap->cache) : 0;
    if (rc < 0) {
        log_warn_errno(rc, "could not take over the heap after the fork");
        _exit(EXIT_OS_ERROR);
    }
}

static uint64_t pretouch(struct spawn *sp, const struct event_source *events)
{
    enum opt_pretouch how = sp->options->pretouch;
    uint64_t start_ns = clock_ns(), pages;

    if (sp->heap->cache == NULL || (how != PRETOUCH_CHILD && how != PRETOUCH_MAP))
        return 0;
    pages = cache_pretouch(sp->heap->cache, how == PRETOUCH_CHILD ? GC_PRETOUCH_WRITE
                                                                  : GC_PRETOUCH_READ);
    event_write(events, EVENT_PRETOUCH, start_ns, clock_ns() - start_ns, pages,
                (uint64_t)how);
    return pages;
}

static struct worker_env make_env(const struct spawn *sp, int channel_fd)
{
    return (struct worker_env){
        .options = sp->options,
        .region = sp->region,
        .cache = sp->heap->cache,
        .listeners = sp->listeners,
        .listener_count = sp->listener_count,
        .tls = sp->options->made,
        .tls_from = sp->tls_from,
        .listeners_shared = sp->listeners_shared,
        .access_log_fd = sp->access_log_fd,
        .channel_fd = channel_fd,
    };
}

/* A child that cannot lose the rights that it was to lose must not serve. */
static void lose_rights(const struct spawn *sp, enum confine_role role)
{
    const struct confine c = { sp->options, &sp->identity, role, sp->access_log_fd };
    int rc = confine(&c);

    if (rc < 0) {
        log_err("could not become user '%s', group '%s': %s", sp->options->user,
                sp->options->group, log_errno_text(rc));
        _exit(EXIT_OS_ERROR);
    }
}

/* One that cannot is as before: the largest. */
static void stand_before_master(const struct spawn *sp)
{
    int rc = oom_stand_before(sp->oom_score);

    if (rc < 0)
        log_warn_errno(rc,
                       "could not raise oom_score_adj: when memory runs out, it may "
                       "be the master that is killed");
}

/* What every child does first; of the descriptors it keeps what it is for. */
static void become(struct spawn *sp, const char *role, int slot, int channel_fd,
                   bool is_admin)
{
    wake_when_orphaned(sp);
    take_signals();
    log_set_role(role, slot);
    log_forget_lost();
    own_heap(sp);
    close_descriptors(sp, channel_fd, is_admin);
    stand_before_master(sp);
    lose_rights(sp, is_admin ? CONFINE_ADMIN : CONFINE_WORKER);
}

static _Noreturn void be_worker(struct spawn *sp, const struct instance *inst,
                                int channel_fd)
{
    struct seat *seat = &sp->region->seats[inst->seat];
    const struct event_source events = { &seat->events, inst->generation,
                                         (uint16_t)inst->slot, (uint16_t)inst->seat };
    struct worker_env env = make_env(sp, channel_fd);
    char name[16];

    check_set_hook(leave_words, &seat->board);
    become(sp, "worker", (int)inst->slot, channel_fd, false);
    crash_enter(&seat->board.crash, NULL); /* the slot brings a stack of its own */
    snprintf(name, sizeof name, "cowshed-w%u", inst->slot);
    title_set(name, "worker %u gen=%u", inst->slot, inst->generation);
    seat->board.pid = getpid();
    env.slot = inst->slot;
    env.seat = inst->seat;
    env.generation = inst->generation;
    env.pretouched = pretouch(sp, &events);
    seat->board.pretouched = (uint32_t)env.pretouched;
    _exit(sp->roles->worker(&env));
}

static _Noreturn void be_host(struct spawn *sp, uint32_t generation, int channel_fd)
{
    struct worker_env env = make_env(sp, channel_fd);

    become(sp, "host", -1, channel_fd, false);
    crash_enter(NULL, NULL);
    title_set("cowshed-host", "host gen=%u", generation);
    env.slot = HOST_SLOT;
    env.seat = NO_SEAT;
    env.generation = generation;
    _exit(sp->roles->host(&env));
}

static _Noreturn void be_admin(struct spawn *sp, uint32_t generation, int channel_fd)
{
    const struct admin_env env = { sp->options,        sp->region, sp->admin_listener,
                                   sp->agent_listener, channel_fd, generation };

    sp->listener_count = 0;
    sp->access_log_fd = -1;
    become(sp, "admin", -1, channel_fd, true);
    crash_enter(NULL, NULL);
    title_set("cowshed-admin", "admin");
    _exit(sp->roles->admin(&env));
}

/* --- the parent ----------------------------------------------------------------------
 */

/* To show that it does not help: fork() write-protects the pages again. */
static void pretouch_in_parent(struct spawn *sp)
{
    uint64_t start_ns = clock_ns();
    long pages;

    if (sp->heap->cache == NULL || sp->options->pretouch != PRETOUCH_PARENT)
        return;
    pages = gc_pretouch(cache_heap(sp->heap->cache), GC_PRETOUCH_WRITE);
    event_write(&sp->heap->events, EVENT_PRETOUCH, start_ns, clock_ns() - start_ns,
                pages > 0 ? (uint64_t)pages : 0, (uint64_t)PRETOUCH_PARENT);
}

/* With a channel from channel_pair(), whose own end is left: fd[0] in the parent, fd[1]
 * in the child. A pid, 0 in the child, or a negative errno and no end is left. */
static pid_t fork_with_channel(struct spawn *sp, bool slots, const int fd[2])
{
    pid_t pid = fork_timed(sp, slots);

    if (pid != 0)
        close(fd[1]);
    if (pid < 0)
        close(fd[0]);
    return pid;
}

int spawn_worker(struct spawn *sp, struct instance *inst, pid_t *ret_pid)
{
    int fd[2], rc = channel_pair(fd);
    pid_t pid;

    if (rc < 0)
        return rc;
    pretouch_in_parent(sp);
    channel_init(&inst->channel, fd[0], inst->slot, inst->generation);
    supervisor_greet(inst);
    pid = fork_with_channel(sp, true, fd);
    if (pid == 0)
        be_worker(sp, inst, fd[1]);
    if (pid < 0) {
        inst->channel.fd = -1;
        return pid;
    }
    *ret_pid = pid;
    return 0;
}

int spawn_host(struct spawn *sp, struct child *child)
{
    int fd[2], rc = channel_pair(fd);
    pid_t pid;

    if (rc < 0)
        return rc;
    pid = fork_with_channel(sp, true, fd);
    if (pid < 0)
        return pid;
    if (pid == 0)
        be_host(sp, child->generation, fd[1]);
    child->pid = pid;
    channel_init(&child->channel, fd[0], HOST_SLOT, child->generation);
    return 0;
}

int spawn_admin(struct spawn *sp, uint32_t generation, pid_t *ret_pid,
                int *ret_channel_fd)
{
    int fd[2], rc = channel_pair(fd);
    pid_t pid;

    if (rc < 0)
        return rc;
    pid = fork_with_channel(sp, false, fd);
    if (pid < 0)
        return pid;
    if (pid == 0)
        be_admin(sp, generation, fd[1]);
    *ret_pid = pid;
    *ret_channel_fd = fd[0];
    return 0;
}
