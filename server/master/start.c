/* SPDX-License-Identifier: MIT */
/* start.c - from options to everything that the loop needs, and back. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/cache/cache.h"
#include "server/cache/dump.h"
#include "server/conf/options.h"
#include "server/master/budget.h"
#include "server/master/master_priv.h"
#include "server/master/notify.h"
#include "server/master/oom.h"
#include "server/tls/tickets.h"
#include "server/tls/tls.h"

static bool is_off(const char *text)
{
    return strcmp(text, "off") == 0;
}

static void free_tls(void *tls)
{
    tls_free(tls);
}

/* What the workers inherit with their options. */
int make_tls(struct master *m, struct options *o, struct option_error *ret_error)
{
    struct tls *tls;
    int rc = tls_new(o, &tls, ret_error);

    if (rc < 0 || tls == NULL)
        return rc;
    tls_use_keys(tls, m->tls_keys);
    o->made = tls;
    o->free_made = free_tls;
    return 0;
}

/* --- the access log
 * -------------------------------------------------------------------
 */

/* Standard output through a description of our own, if it is a pipe or a terminal: the
 * flag below would be seen by everybody who shares the one that we were given. */
static int open_stdout(void)
{
    struct stat st;
    int fd = -1;

    if (fstat(STDOUT_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
        fd = open("/proc/self/fd/1",
                  O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd >= 0 ? fd : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

/* A pipe must not block: neither who opens it while nobody reads (ENXIO), nor a worker
 * that may not open it again and has this description. */
static int open_log_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
                0640);
}

int open_access_log(const char *path, int *ret_fd)
{
    int fd = -1;

    if (strcmp(path, "-") == 0)
        fd = open_stdout();
    else if (!is_off(path))
        fd = open_log_file(path);
    if (fd < 0 && !is_off(path))
        return -errno;
    *ret_fd = fd;
    return 0;
}

/* --- starting ------------------------------------------------------------------------
 */

/* As many descriptors as we may: a slot holds thousands of connections. */
static void raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_warn_errno(errno, "could not raise the limit of open files");
}

/* What is short may be there again at the next start; the rest has to be put right
 * first. */
static int exit_code_of(int err)
{
    switch (err < 0 ? -err : err) {
    case ENOSPC:
    case EDQUOT:
    case EIO:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
        return EXIT_OS;
    default:
        return EXIT_CONFIG;
    }
}

static int listen_at(struct master *m, const char *text, int backlog, bool blocking,
                     struct address *at, int *ret_fd)
{
    const char *why = "";
    int rc = address_parse(text, at, &why);

    if (rc == 0)
        *ret_fd = inherited_listener(&m->inherited, at, blocking);
    if (rc == 0 && *ret_fd < 0)
        rc = sockets_listen(at, backlog, blocking, ret_fd);
    if (rc < 0)
        log_fatal("could not listen on %s: %s", text, log_errno_text(rc));
    else
        sockets_send_at_once(*ret_fd);
    return rc;
}

static int open_sockets(struct master *m, const struct options *o)
{
    int rc =
        listen_at(m, o->listen, (int)o->backlog, true, &m->listen_at, &m->listeners[0]);

    m->spawn.listener_count = m->spawn.tls_from = rc == 0;
    if (rc == 0 && !is_off(o->tls_listen)) {
        rc = listen_at(m, o->tls_listen, (int)o->backlog, true, &m->tls_at,
                       &m->listeners[1]);
        m->spawn.listener_count += rc == 0;
    }

    if (rc == 0 && !is_off(o->admin))
        rc = listen_at(m, o->admin, 64, false, &m->admin_at, &m->admin_listener);
    if (rc == 0 && !is_off(o->agent))
        rc = listen_at(m, o->agent, 64, false, &m->agent_at, &m->agent_listener);
    return rc < 0 ? exit_code_of(rc) : 0;
}

/* The lock goes over with the descriptor. Another path than before has its own. */
static int lock_pid_file(struct master *m, const char *path)
{
    int rc = -ESTALE;

    if (m->inherited.pid_file >= 0)
        rc = pid_file_adopt(&m->pid_file, path, m->inherited.pid_file);
    if (rc == 0)
        m->inherited.pid_file = -1;
    return rc == -ESTALE ? pid_file_lock(&m->pid_file, path) : rc;
}

static int open_files(struct master *m, const struct options *o)
{
    int rc = lock_pid_file(m, o->pid_file);

    if (rc == -EWOULDBLOCK)
        log_fatal("could not lock the pid file '%s': another cowshed holds it",
                  o->pid_file);
    else if (rc < 0)
        log_fatal("could not use '%s' as pid file: %s", o->pid_file,
                  pid_file_words(rc));
    if (rc < 0)
        return exit_code_of(rc);
    rc = open_access_log(o->access_log, &m->spawn.access_log_fd);
    if (rc < 0) {
        log_fatal("could not open the access log '%s': %s", o->access_log,
                  log_errno_text(rc));
        return exit_code_of(rc);
    }
    return 0;
}

/* True: it begins with what the master before had. */
static bool take_dump(struct master *m, const struct options *o)
{
    uint64_t start_ns = clock_ns();
    struct cache_dump dump;
    char size[NUM_TEXT_MAX];
    int rc;

    if (m->heap.cache == NULL || m->inherited.dump < 0)
        return false;
    rc = cache_load(m->heap.cache, m->inherited.dump, (size_t)o->cache_object_max,
                    &dump);
    if (rc < 0)
        log_warn_errno(rc, "could not read all of the cache that was handed over");
    log_info("took over %" PRIu64 " entries, %s, in %.0f ms", dump.entries,
             num_human_size(size, dump.bytes), (double)(clock_ns() - start_ns) / 1e6);
    return dump.entries > 0;
}

static int open_memory(struct master *m, const struct options *o)
{
    const char *why = "out of memory";
    uint64_t start_ns = clock_ns(), stored;

    m->region = region_new();
    if (m->region == NULL) {
        log_fatal("could not map the shared region: %s", log_errno_text(errno));
        return EXIT_OS;
    }
    if (heap_open(&m->heap, o, m->region, &why) < 0) {
        log_fatal("could not make the cache heap: %s", why);
        return EXIT_OS;
    }
    m->publish = (struct publish){ .cache = m->heap.cache,
                                   .region = m->region,
                                   .events = &m->heap.traffic,
                                   .purges = &m->purges,
                                   .body_max = (size_t)o->cache_object_max };
    if (publish_open(&m->publish) < 0) {
        log_fatal("could not make the publish buffer: out of memory");
        return EXIT_OS;
    }
    stored = take_dump(m, o) ? 0 : heap_preload(&m->heap, o);
    if (stored > 0)
        log_info("preloaded %llu objects in %.0f ms", (unsigned long long)stored,
                 (double)(clock_ns() - start_ns) / 1e6);
    return 0;
}

/* Ending workers gives no memory of a cache back: the kernel would end them for ever.
 */
static void compare_memory(const struct options *o)
{
    uint64_t most = budget_of_master(o), room = budget_room();
    char most_text[NUM_TEXT_MAX], room_text[NUM_TEXT_MAX];

    if (most > room)
        log_warn("the cache and its tables may come to %s, and there are %s of memory: "
                 "less cache_bytes, or workers will be killed",
                 num_human_size(most_text, most), num_human_size(room_text, room));
}

static void prepare_board(struct master *m, const struct options *o)
{
    struct master_board *board = &m->region->master;

    board->pid = getpid();
    board->generation = 1;
    board->slots_wanted = (uint32_t)o->slots;
    board->started_ns = clock_ns();
    heap_tick(&m->heap, 0);
}

/* With those of the master before, whose clients have tickets. */
static int open_keys(struct master *m)
{
    int rc;

    m->tls_keys = tls_keys_new();
    if (m->tls_keys == NULL)
        return -errno;
    if (m->inherited.keys < 0)
        return 0;
    rc = tls_keys_read(m->tls_keys, m->inherited.keys);
    if (rc < 0)
        log_warn_errno(rc, "could not read the keys of session tickets that were "
                           "handed over");
    return 0;
}

static int open_tls(struct master *m, struct options *o)
{
    struct option_error error;
    int rc;

    if (is_off(o->tls_listen))
        return 0;
    rc = open_keys(m);
    if (rc < 0) {
        log_fatal("could not make the keys of session tickets: %s", log_errno_text(rc));
        return EXIT_OS;
    }
    rc = make_tls(m, o, &error);
    if (rc < 0)
        log_fatal("%s", error.text);
    return rc < 0 ? exit_code_of(rc) : 0;
}

int start_master(struct master *m, const struct master_config *config)
{
    const struct options *o = config->options;
    struct option_error error;
    const char *name;
    int rc;

    *m = (struct master){ .magic = MASTER_MAGIC,
                          .config = config,
                          .listeners = { -1, -1 },
                          .admin_listener = -1,
                          .agent_listener = -1,
                          .pid_file = { .fd = -1 },
                          .admin = { .channel = { .fd = -1 } },
                          .inherited = INHERITED_NONE,
                          .upgrade = { .fd = -1 },
                          .older = { .fd = -1 } };
    m->spawn =
        (struct spawn){ .roles = config->roles,
                        .options = o,
                        .admin_listener = -1,
                        .agent_listener = -1,
                        .access_log_fd = -1,
                        .oom_score = oom_score(budget_of_master(o), budget_room()),
                        .fork = fork };
    if (master_check(o, &error) < 0) {
        log_fatal("%s", error.text);
        return EXIT_CONFIG;
    }
    rc = identity_find(o, &m->spawn.identity, &name); /* checked above */
    CHECK(rc == 0);
    confine_probe(o, &m->spawn.identity);
    compare_memory(o);
    raise_limits();
    notify_open();
    if (inherited_take_all(&m->inherited) < 0)
        return EXIT_CONFIG;
    rc = open_tls(m, config->options);
    if (rc == 0)
        rc = open_files(m, o);
    if (rc == 0)
        rc = open_sockets(m, o);
    if (rc == 0)
        rc = open_memory(m, o);
    if (rc != 0)
        return rc;
    m->older.fd = m->inherited.older; /* inherited_close() leaves it alone */
    m->inherited.older = -1;
    inherited_close(&m->inherited);
    m->spawn.region = m->region;
    m->spawn.listeners_shared = m->inherited.of_manager || older_lives(m);
    m->spawn.heap = &m->heap;
    m->spawn.listeners = m->listeners;
    m->spawn.admin_listener = m->admin_listener;
    m->spawn.agent_listener = m->agent_listener;
    supervisor_init(&m->supervisor, &master_ops, m, m->region, o, (unsigned)o->slots);
    prepare_board(m, o);
    return 0;
}

void end_master(struct master *m)
{
    const struct options *before = m->supervisor.options_before;

    inherited_close(&m->inherited);
    fd_close(&m->older.fd);
    notify_close();
    pid_file_remove(&m->pid_file);
    publish_close(&m->publish);
    heap_close(&m->heap);
    region_free(m->region);
    fd_close(&m->spawn.access_log_fd);
    for (unsigned i = 0; i < m->spawn.listener_count; i++)
        fd_close(&m->listeners[i]);
    tls_keys_free(m->tls_keys);
    fd_close(&m->admin_listener);
    fd_close(&m->agent_listener);
    if (before != NULL && before != m->supervisor.options)
        options_free((struct options *)(uintptr_t)before);
    options_free((struct options *)(uintptr_t)m->supervisor.options_wait);
    options_free(m->supervisor.options != NULL
                     ? (struct options *)(uintptr_t)m->supervisor.options
                     : m->config->options);
    m->magic = 0;
}
