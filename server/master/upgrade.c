/* SPDX-License-Identifier: MIT */
/* upgrade.c - see upgrade.h. */
#include "server/master/upgrade.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/cache/cache.h"
#include "server/cache/dump.h"
#include "server/conf/options.h"
#include "server/master/inherited.h"
#include "server/master/master_priv.h"
#include "server/master/notify.h"
#include "server/master/obituary.h"
#include "server/tls/tickets.h"

extern char **environ;

/* The one word that the newer master says. */
static const char ready[] = "ready";
enum { WORDS_MAX = 512, HANDED_MAX = LISTENERS_MAX + 2 };

bool upgrade_runs(const struct master *m)
{
    return m->upgrade.pid != 0 && !m->upgrade.done;
}

/* --- what both of us hold ------------------------------------------------------------
 */

/* Nobody closes the door of listeners that somebody else serves from: the newer master
 * until the older has ended, since it may yet have to go on. It is said before the
 * other one exists, so that no worker that loses us can miss it. */
static void share_listeners(struct master *m, bool shared)
{
    const uint64_t arg[3] = { shared };

    m->spawn.listeners_shared = shared;
    for (unsigned i = 0; i < SEATS_MAX; i++) {
        struct instance *inst = supervisor_instance(&m->supervisor, i);

        if (inst->state != SEAT_FREE && inst->channel.fd >= 0)
            channel_send(&inst->channel, MESSAGE_SHARED, arg, NULL, 0, -1);
    }
}

/* -1: it begins with nothing, which costs time and no answer. */
static int dump_cache(const struct master *m)
{
    uint64_t start_ns = clock_ns();
    struct cache_dump dump;
    char size[NUM_TEXT_MAX];
    int fd = -1, rc;

    if (m->heap.cache == NULL)
        return -1;
    rc = cache_dump(m->heap.cache, &fd, &dump);
    if (rc < 0)
        log_warn_errno(rc, "could not write the cache down for the new program");
    else
        log_info("wrote down %" PRIu64 " entries, %s, in %.0f ms", dump.entries,
                 num_human_size(size, dump.bytes),
                 (double)(clock_ns() - start_ns) / 1e6);
    return fd;
}

/* -1: all clients with tickets pay for a full handshake, once. */
static int write_keys(const struct master *m)
{
    int fd;

    if (m->tls_keys == NULL)
        return -1;
    fd = tls_keys_write(m->tls_keys);
    if (fd < 0)
        log_warn_errno(fd, "could not hand the keys of session tickets over");
    return fd < 0 ? -1 : fd;
}

/* --- starting it ---------------------------------------------------------------------
 */

/* Ours without a variable of that name, and it in front; NULL when memory is short. */
static char **environment_with(char *word)
{
    size_t n = 0, name = strcspn(word, "=") + 1;
    char **all;

    while (environ[n] != NULL)
        n++;
    all = calloc(n + 2, sizeof *all);
    if (all == NULL)
        return NULL;
    all[0] = word;
    for (size_t from = 0, to = 1; from < n; from++)
        if (strncmp(environ[from], word, name) != 0)
            all[to++] = environ[from];
    return all;
}

static int prepare_signals(posix_spawnattr_t *attr)
{
    sigset_t all, held;
    int rc;

    sigfillset(&all);
    sigemptyset(&held); /* until it listens to them: see signals.h */
    for (size_t i = 0; i < SIGNALS_HEARD; i++)
        sigaddset(&held, signals_heard[i]);
    rc = posix_spawnattr_setsigdefault(attr, &all);
    if (rc == 0)
        rc = posix_spawnattr_setsigmask(attr, &held);
    if (rc == 0)
        rc = posix_spawnattr_setflags(attr,
                                      POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    return rc;
}

/* A dup2() of a descriptor onto itself lets it through the exec. */
static int let_through(posix_spawn_file_actions_t *actions, int fd)
{
    return fd < 0 ? 0 : posix_spawn_file_actions_adddup2(actions, fd, fd);
}

static int prepare_files(posix_spawn_file_actions_t *actions,
                         const struct inheritance *what)
{
    const int files[] = { what->older, what->pid_file, what->dump, what->keys };
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < sizeof files / sizeof files[0]; i++)
        rc = let_through(actions, files[i]);
    for (unsigned i = 0; rc == 0 && i < what->count; i++)
        rc = let_through(actions, what->listeners[i]);
    return rc;
}

/* 0 and its pid, or a negative errno. posix_spawn() copies no page tables. */
static int start_program(const struct master *m, const struct inheritance *what,
                         pid_t *ret_pid)
{
    char *const *argv = m->config->argv;
    char words[WORDS_MAX], **env;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int rc;

    inherited_words(words, sizeof words, what);
    env = environment_with(words);
    if (env == NULL)
        return -ENOMEM;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    rc = prepare_files(&actions, what);
    if (rc == 0)
        rc = prepare_signals(&attr);
    if (rc == 0)
        rc = posix_spawnp(ret_pid, argv[0], &actions, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    free(env);
    return -rc;
}

static void end_channel(struct upgrade *u)
{
    if (u->watch != NULL)
        event_free(u->watch);
    u->watch = NULL;
    fd_close(&u->fd);
}

/* What the other one may have done to what both of us hold. */
static void take_back(struct master *m)
{
    int rc = pid_file_write(&m->pid_file, getpid());

    if (rc < 0)
        log_warn_errno(rc, "could not write the pid file again");
    for (unsigned i = 0; i < m->spawn.listener_count; i++)
        sockets_open_door(m->spawn.listeners[i]);
}

static void fail(struct master *m, const char *why)
{
    struct upgrade *u = &m->upgrade;
    uint64_t order = u->order;

    log_err("the upgrade failed, and this program goes on: %s", why);
    m->region->master.upgrades_failed++;
    end_channel(u);
    *u = (struct upgrade){ .fd = -1 };
    share_listeners(m, m->inherited.of_manager);
    take_back(m);
    order_answer(m, order, -ECANCELED, why);
}

static void succeed(struct master *m)
{
    struct upgrade *u = &m->upgrade;

    log_info("the new program serves, pid %d", (int)u->pid);
    u->done = true;
    u->deadline_ns = 0;
    pid_file_hand_over(&m->pid_file, getpid());
    notify_main_pid(u->pid);
    order_answer(m, u->order, 0, "done");
    u->order = 0;
    admin_quit(m);
    leave(m, "upgraded", false);
}

static void on_newer(evutil_socket_t fd, short what, void *arg)
{
    struct master *m = arg;
    char word[sizeof ready];
    ssize_t n;

    (void)what;
    CHECK_MAGIC(m, MASTER_MAGIC);
    n = recv(fd, word, sizeof word, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == sizeof ready && memcmp(word, ready, sizeof ready) == 0 && !m->upgrade.done)
        succeed(m);
    else /* it ends: waitpid() tells how */
        event_del(m->upgrade.watch);
    settle(m);
}

static int listen_to_it(struct master *m)
{
    struct upgrade *u = &m->upgrade;

    u->watch = event_new(m->base, u->fd, EV_READ | EV_PERSIST, on_newer, m);
    return u->watch == NULL || event_add(u->watch, NULL) < 0 ? -ENOMEM : 0;
}

static int hand_over(struct master *m, int fd)
{
    int listeners[HANDED_MAX], rc;
    struct inheritance what = { .listeners = listeners,
                                .older = fd,
                                .pid_file = m->pid_file.fd,
                                .dump = dump_cache(m),
                                .keys = write_keys(m),
                                .of_manager = m->inherited.of_manager };

    for (unsigned i = 0; i < m->spawn.listener_count; i++)
        listeners[what.count++] = m->spawn.listeners[i];
    if (m->admin_listener >= 0)
        listeners[what.count++] = m->admin_listener;
    if (m->agent_listener >= 0)
        listeners[what.count++] = m->agent_listener;
    CHECK(what.count <= HANDED_MAX);
    rc = start_program(m, &what, &m->upgrade.pid);
    fd_close(&what.dump);
    fd_close(&what.keys);
    return rc;
}

static const char *why_not(const struct master *m)
{
    if (upgrade_runs(m))
        return "an upgrade is under way";
    if (m->supervisor.phase != PHASE_RUN || m->upgrade.done)
        return "the server leaves";
    if (older_lives(m))
        return "the server before this one has not ended yet";
    if (!m->ready_told)
        return "the server is not ready yet";
    if (getpid() == 1)
        return "this is the first process of its container, which ends with it: "
               "replace the container";
    return NULL;
}

void upgrade_begin(struct master *m, uint64_t order)
{
    struct upgrade *u = &m->upgrade;
    const char *why = why_not(m);
    int fd[2], rc;

    if (why != NULL) {
        log_warn("no upgrade: %s", why);
        order_answer(m, order, -EBUSY, why);
        return;
    }
    log_info("upgrade: starting '%s'", m->config->argv[0]);
    *u = (struct upgrade){ .fd = -1, .order = order };
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0) {
        fail(m, log_errno_text(errno));
        return;
    }
    u->fd = fd[0];
    share_listeners(m, true);
    rc = listen_to_it(m);
    if (rc == 0)
        rc = hand_over(m, fd[1]);
    close(fd[1]);
    if (rc < 0) {
        u->pid = 0;
        fail(m, log_errno_text(rc));
        return;
    }
    u->deadline_ns = clock_ns() + (uint64_t)m->supervisor.options->upgrade_timeout_ms *
                                      CLOCK_NS_PER_MS;
}

/* --- its life ------------------------------------------------------------------------
 */

void upgrade_settle(struct master *m, uint64_t now_ns, uint64_t *next_ns)
{
    struct upgrade *u = &m->upgrade;

    if (!upgrade_runs(m))
        return;
    if (now_ns >= u->deadline_ns) {
        log_warn("the new program, pid %d, is not ready in time: it is killed",
                 (int)u->pid);
        event_del(u->watch); /* too late is too late, whatever it says now */
        kill(u->pid, SIGKILL);
        u->deadline_ns = now_ns + CLOCK_NS_PER_S;
    }
    if (u->deadline_ns < *next_ns)
        *next_ns = u->deadline_ns;
}

bool upgrade_reaped(struct master *m, pid_t pid, int status)
{
    char words[OBITUARY_MAX], why[OBITUARY_MAX + 64];

    if (pid != m->upgrade.pid || pid == 0)
        return false;
    obituary_status(words, status);
    if (m->upgrade.done) {
        log_warn("the new program, pid %d, %s", (int)pid, words);
        return true;
    }
    snprintf(why, sizeof why, "the new program %s before it was ready", words);
    fail(m, why);
    return true;
}

void upgrade_stop(struct master *m)
{
    if (upgrade_runs(m))
        kill(m->upgrade.pid, SIGKILL); /* it has served nobody yet */
}

/* A new program that has not come so far does not outlive us, by no moment. */
void upgrade_close(struct master *m)
{
    if (upgrade_runs(m)) {
        upgrade_stop(m);
        while (waitpid(m->upgrade.pid, NULL, 0) < 0 && errno == EINTR)
            ;
        m->upgrade.pid = 0;
    }
    end_channel(&m->upgrade);
    if (m->older.watch != NULL)
        event_free(m->older.watch);
    m->older.watch = NULL;
    fd_close(&m->older.fd);
}

/* --- as the newer one ----------------------------------------------------------------
 */

bool older_lives(const struct master *m)
{
    return m->older.fd >= 0;
}

static void on_older(evutil_socket_t fd, short what, void *arg)
{
    struct master *m = arg;
    char byte;

    (void)what;
    CHECK_MAGIC(m, MASTER_MAGIC);
    if (recv(fd, &byte, 1, MSG_DONTWAIT) != 0)
        return;
    log_info("the server before this one has ended");
    event_free(m->older.watch);
    m->older.watch = NULL;
    fd_close(&m->older.fd);
    share_listeners(m, m->inherited.of_manager);
    settle(m);
}

int older_watch(struct master *m)
{
    struct older *o = &m->older;

    if (o->fd < 0)
        return 0;
    o->watch = event_new(m->base, o->fd, EV_READ | EV_PERSIST, on_older, m);
    return o->watch == NULL || event_add(o->watch, NULL) < 0 ? -ENOMEM : 0;
}

void older_tell_ready(struct master *m)
{
    if (m->older.fd >= 0 && send(m->older.fd, ready, sizeof ready, MSG_NOSIGNAL) < 0)
        log_warn_errno(errno, "could not tell the server before this one to leave");
}
