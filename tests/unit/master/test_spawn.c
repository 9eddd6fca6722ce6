/* SPDX-License-Identifier: MIT */
/* test_spawn.c - forks that fail, and what a child finds: descriptors, signals, its
 * environment.
 *
 * The child reports through the shared region, since its assertions would be lost.
 */
#include "server/master/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/fd.h"
#include "server/conf/options.h"
#include "server/master/heap.h"
#include "server/master/instance.h"
#include "server/master/supervisor.h"
#include "server/shared/region.h"
#include "tests/test.h"

static struct region *region;
static struct options *options;
static struct heap heap;
static struct spawn spawn;
static struct supervisor sup; /* in PHASE_RUN */
static struct instance inst;
static int listener;

/* Counters that stand for what the child saw. */
#define SAW_FDS     COUNTER_requests
#define SAW_BLOCKED COUNTER_hits
#define SAW_TERM    COUNTER_misses
#define SAW_SLOT    COUNTER_fetches
#define SAW_CHANNEL COUNTER_stored

static int look_around(const struct worker_env *env)
{
    struct seat *seat = &env->region->seats[env->seat];
    struct sigaction act;
    sigset_t set;
    uint64_t blocked = 0;

    sigprocmask(SIG_SETMASK, NULL, &set);
    for (int signo = 1; signo < 32; signo++)
        blocked += sigismember(&set, signo) == 1;
    sigaction(SIGTERM, NULL, &act);
    count_set(seat, SAW_FDS, (uint64_t)fd_count());
    count_set(seat, SAW_BLOCKED, blocked);
    count_set(seat, SAW_TERM, act.sa_handler == SIG_IGN);
    count_set(seat, SAW_SLOT, env->slot * 1000 + env->generation);
    count_set(seat, SAW_CHANNEL,
              fcntl(env->channel_fd, F_GETFD) >= 0 &&
                  fcntl(env->listeners[0], F_GETFD) >= 0);
    return 7;
}

static int fail_a_check(const struct worker_env *env)
{
    CHECK(env == NULL);
    return 0;
}

static const struct spawn_roles lookers = { look_around, look_around, NULL };
static const struct spawn_roles failers = { fail_a_check, fail_a_check, NULL };

static pid_t no_fork(void)
{
    errno = EAGAIN;
    return -1;
}

static int make(void **state)
{
    struct option_error error;
    const char *why;

    (void)state;
    options = options_new();
    if (options_set(options, "mode", "naive", "test", &error) < 0 ||
        options_resolve(options, &error) < 0)
        return 1;
    region = region_new();
    listener = open("/dev/null", O_RDONLY);
    spawn = (struct spawn){ .roles = &lookers,
                            .options = options,
                            .region = region,
                            .heap = &heap,
                            .listeners = &listener,
                            .listener_count = 1,
                            .admin_listener = -1,
                            .access_log_fd = -1,
                            .fork = fork };
    inst = (struct instance){ .supervisor = &sup,
                              .slot = 3,
                              .seat = 6,
                              .generation = 9,
                              .channel = { .fd = -1 } };
    return heap_open(&heap, options, region, &why);
}

static int destroy(void **state)
{
    (void)state;
    heap_close(&heap);
    region_free(region);
    options_free(options);
    close(listener);
    return 0;
}

static int wait_for(pid_t pid)
{
    int status = -1;

    check_int(waitpid(pid, &status, 0), pid);
    return status;
}

static void a_child_finds_a_clean_desk(void **state)
{
    const struct seat *seat = &region->seats[6];
    int stray = open("/dev/null", O_RDONLY); /* not even close-on-exec */
    struct sigaction before, act = { .sa_handler = SIG_DFL };
    pid_t pid;

    (void)state;
    sigaction(SIGTERM, &act, &before);
    check_int(spawn_worker(&spawn, &inst, &pid), 0);
    check_int(WEXITSTATUS(wait_for(pid)), 7, "the exit code of its role");
    check_uint(seat->counters[SAW_FDS], 5, "0, 1, 2, its channel, the listener");
    check_uint(seat->counters[SAW_BLOCKED], 0);
    check_uint(seat->counters[SAW_TERM], 1, "SIGTERM is for the master");
    check_uint(seat->counters[SAW_SLOT], 3009);
    check_uint(seat->counters[SAW_CHANNEL], 1);
    check_int(seat->board.pid, pid);
    check_uint(region->master.forks, 1);
    check_uint(region->master.forks_admin, 0);
    check_true(region->master.fork_last_ns > 0);
    sigaction(SIGTERM, NULL, &act);
    check_true(act.sa_handler == SIG_DFL, "the parent's own are untouched");
    sigaction(SIGTERM, &before, NULL);
    close(stray);
    close(inst.channel.fd);
}

static void its_end_is_seen_on_the_channel(void **state)
{
    static struct message m;
    pid_t pid;
    int fd;

    (void)state;
    check_int(spawn_worker(&spawn, &inst, &pid), 0);
    wait_for(pid);
    check_int(channel_receive(&inst.channel, &m, &fd), -EPIPE);
    close(inst.channel.fd);
}

static void a_failed_check_leaves_its_words(void **state)
{
    int status, null = open("/dev/null", O_WRONLY), err = dup(STDERR_FILENO);
    pid_t pid;

    (void)state;
    spawn.roles = &failers;
    dup2(null, STDERR_FILENO);
    check_int(spawn_worker(&spawn, &inst, &pid), 0);
    status = wait_for(pid);
    dup2(err, STDERR_FILENO);
    close(null);
    close(err);
    check_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    check_not_null(strstr(region->seats[6].board.words, "env == NULL"));
    close(inst.channel.fd);
}

static void a_refused_fork_leaves_nothing_behind(void **state)
{
    int before = fd_count(), fd = -1;
    struct child child = { .channel = { .fd = -1 } };
    pid_t pid = 0;

    (void)state;
    spawn.fork = no_fork;
    check_int(spawn_worker(&spawn, &inst, &pid), -EAGAIN);
    check_int(spawn_host(&spawn, &child), -EAGAIN);
    check_int(spawn_admin(&spawn, 1, &pid, &fd), -EAGAIN);
    check_int(pid, 0);
    check_int(fd_count(), before);
    check_uint(region->master.forks_failed, 3);
    check_uint(region->master.forks, 0);
    spawn.fork = fork;
    check_int(spawn_worker(&spawn, &inst, &pid), 0, "the heap can still be forked");
    wait_for(pid);
    close(inst.channel.fd);
}

#define fresh(name) test_with(name, make, destroy)
TEST_MAIN(fresh(a_child_finds_a_clean_desk), fresh(its_end_is_seen_on_the_channel),
          fresh(a_failed_check_leaves_its_words),
          fresh(a_refused_fork_leaves_nothing_behind))
