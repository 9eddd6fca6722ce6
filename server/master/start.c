/* SPDX-License-Identifier: MIT */
/* start.c - from options to everything that the loop needs, and back. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
#include "server/cache/cache.h"
#include "server/conf/options.h"
#include "server/master/master_priv.h"

/* --- what -t looks at ----------------------------------------------------------------
 */

static bool is_off(const char *text)
{
    return strcmp(text, "off") == 0;
}

static int complain(const struct options *o, struct option_error *ret_error,
                    const char *name, const char *value, const char *why)
{
    snprintf(ret_error->text, sizeof ret_error->text, "%s = '%s' (%s): %s", name, value,
             options_where(o, name), why);
    return -EINVAL;
}

/* 0, or why nothing below the root could be opened. */
static int try_root(const char *root)
{
    int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), below, rc = 0;

    if (fd < 0)
        return -errno;
    below = openat(fd, ".", O_PATH | O_CLOEXEC); /* searches it, as each request does */
    if (below < 0)
        rc = -errno;
    else
        close(below);
    close(fd);
    return rc;
}

static bool is_file_name(const char *text)
{
    return strchr(text, '/') == NULL && strcmp(text, ".") != 0 &&
           strcmp(text, "..") != 0 && strlen(text) <= NAME_MAX;
}

static int check_identity(const struct options *o, struct option_error *ret_error)
{
    struct identity identity;
    const char *name = NULL;
    int rc = identity_find(o, &identity, &name);

    if (rc == 0)
        return 0;
    return complain(o, ret_error, name, name[0] == 'u' ? o->user : o->group,
                    rc == -EPERM ? "only root can start workers as somebody else"
                                 : "there is no such name");
}

int master_check(const struct options *o, struct option_error *ret_error)
{
    struct address address;
    const char *why;
    int rc;

    if (address_parse(o->listen, &address, &why) < 0)
        return complain(o, ret_error, "listen", o->listen, why);
    if (!is_off(o->admin) && address_parse(o->admin, &address, &why) < 0)
        return complain(o, ret_error, "admin", o->admin, why);
    rc = check_identity(o, ret_error);
    if (rc < 0 || o->origin != ORIGIN_FILE)
        return rc;
    if (!is_file_name(o->index))
        return complain(o, ret_error, "index", o->index,
                        "it is not the name of a file; allowed: a name without '/'");
    rc = try_root(o->root);
    return rc < 0 ? complain(o, ret_error, "root", o->root, log_errno_text(rc)) : 0;
}

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

/* A pipe must not block: a worker that may not open it again has this description. */
static int open_log_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
        fd_set_nonblock(fd);
    return fd;
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

static int listen_at(const char *text, int backlog, bool blocking, struct address *at,
                     int *ret_fd)
{
    const char *why = "";
    int rc = address_parse(text, at, &why);

    if (rc == 0)
        rc = sockets_listen(at, backlog, blocking, ret_fd);
    if (rc < 0)
        log_fatal("could not listen on %s: %s", text, log_errno_text(rc));
    return rc;
}

static int open_sockets(struct master *m, const struct options *o)
{
    int rc = listen_at(o->listen, (int)o->backlog, true, &m->listen_at, &m->listener);

    if (rc == 0 && !is_off(o->admin))
        rc = listen_at(o->admin, 64, false, &m->admin_at, &m->admin_listener);
    return rc < 0 ? exit_code_of(rc) : 0;
}

static int open_files(struct master *m, const struct options *o)
{
    int rc = pid_file_lock(&m->pid_file, o->pid_file);

    if (rc == -EWOULDBLOCK)
        log_fatal("could not lock the pid file '%s': another cowshed holds it",
                  o->pid_file);
    else if (rc == -ENXIO)
        log_fatal("could not use '%s' as pid file: it is no regular file", o->pid_file);
    else if (rc == -EEXIST)
        log_fatal("could not use '%s' as pid file: it holds something else than a pid",
                  o->pid_file);
    else if (rc < 0)
        log_fatal("could not open the pid file '%s': %s", o->pid_file,
                  log_errno_text(rc));
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
    stored = heap_preload(&m->heap, o);
    if (stored > 0)
        log_info("preloaded %llu objects in %.0f ms", (unsigned long long)stored,
                 (double)(clock_ns() - start_ns) / 1e6);
    return 0;
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

int start_master(struct master *m, const struct master_config *config)
{
    const struct options *o = config->options;
    struct option_error error;
    const char *name;
    int rc;

    *m = (struct master){ .magic = MASTER_MAGIC,
                          .config = config,
                          .listener = -1,
                          .admin_listener = -1,
                          .pid_file = { .fd = -1 },
                          .admin = { .channel = { .fd = -1 } } };
    m->spawn = (struct spawn){ .roles = config->roles,
                               .options = o,
                               .admin_listener = -1,
                               .access_log_fd = -1,
                               .fork = fork };
    if (master_check(o, &error) < 0) {
        log_fatal("%s", error.text);
        return EXIT_CONFIG;
    }
    rc = identity_find(o, &m->spawn.identity, &name); /* checked above */
    CHECK(rc == 0);
    confine_probe(o, &m->spawn.identity);
    raise_limits();
    rc = open_files(m, o);
    if (rc == 0)
        rc = open_sockets(m, o);
    if (rc == 0)
        rc = open_memory(m, o);
    if (rc != 0)
        return rc;
    m->spawn.region = m->region;
    m->spawn.heap = &m->heap;
    m->spawn.listeners = &m->listener;
    m->spawn.listener_count = 1;
    m->spawn.admin_listener = m->admin_listener;
    supervisor_init(&m->supervisor, &master_ops, m, m->region, o, (unsigned)o->slots);
    prepare_board(m, o);
    return 0;
}

void end_master(struct master *m)
{
    const struct options *before = m->supervisor.options_before;

    pid_file_remove(&m->pid_file);
    publish_close(&m->publish);
    heap_close(&m->heap);
    region_free(m->region);
    fd_close(&m->spawn.access_log_fd);
    fd_close(&m->listener);
    fd_close(&m->admin_listener);
    if (before != NULL && before != m->supervisor.options)
        options_free((struct options *)(uintptr_t)before);
    options_free((struct options *)(uintptr_t)m->supervisor.options_wait);
    options_free(m->supervisor.options != NULL
                     ? (struct options *)(uintptr_t)m->supervisor.options
                     : m->config->options);
    m->magic = 0;
}
