/* SPDX-License-Identifier: MIT */
/* shed.c - a child with a pipe and a pidfd; every wait is a poll() with a deadline. */
#include "loadtest/shed.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/fd.h"

/* The name, -m, -l, -o admin, -c, and the end. */
enum { ARGS_MAX = 64, PLACES_ALWAYS = 10 };
#define LOOK_NS (10 * CLOCK_NS_PER_MS)

static const char ready_word[] = "ready ", shell[] = "/bin/sh";

/* --- what it says --- */

static void keep_tail(struct shed *shed, const char *bytes, size_t n)
{
    if (shed->log != NULL)
        (void)fwrite(bytes, 1, n, shed->log);
    if (n > SHED_TAIL_MAX) {
        bytes += n - SHED_TAIL_MAX;
        n = SHED_TAIL_MAX;
    }
    if (shed->tail_len + n > SHED_TAIL_MAX) {
        size_t drop = shed->tail_len + n - SHED_TAIL_MAX;
        memmove(shed->tail, shed->tail + drop, shed->tail_len - drop);
        shed->tail_len -= drop;
    }
    memcpy(shed->tail + shed->tail_len, bytes, n);
    shed->tail_len += n;
    shed->tail[shed->tail_len] = '\0';
}

void shed_drain(struct shed *shed)
{
    char bytes[4096];
    ssize_t n;
    while (shed->err_fd >= 0 && (n = read(shed->err_fd, bytes, sizeof bytes)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        keep_tail(shed, bytes, (size_t)n);
    }
}

bool shed_ready_field(const char *line, const char *key, char *out, size_t size)
{
    size_t key_len = strlen(key);
    for (const char *at = line; (at = strstr(at, key)) != NULL; at += key_len) {
        size_t n = strcspn(at + key_len, " \r\n");
        bool word = at > line && at[-1] == ' ' && at[key_len] == '=';
        if (!word)
            continue;
        if (n - 1 >= size || n < 2)
            return false;
        memcpy(out, at + key_len + 1, n - 1);
        out[n - 1] = '\0';
        return true;
    }
    return false;
}

/* The ready line, once it is there in full. A line begins anywhere in the tail. */
static bool find_ready(struct shed *shed)
{
    char *line = shed->tail;
    while (line != NULL && *line != '\0') {
        char *end = strchr(line, '\n');
        char *at = end == NULL ? NULL : strstr(line, ready_word);
        if (at != NULL && at < end &&
            shed_ready_field(at, "listen", shed->listen, sizeof shed->listen) &&
            shed_ready_field(at, "admin", shed->admin, sizeof shed->admin))
            return true;
        line = end == NULL ? NULL : end + 1;
    }
    return false;
}

/* --- its process --- */

static _Noreturn void become_server(const struct shed_config *config, char **argv,
                                    int err_fd)
{
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (config->cpus != NULL)
        (void)sched_setaffinity(0, sizeof *config->cpus, config->cpus);
    int null_fd = open("/dev/null", O_RDWR);
    if (null_fd >= 0 && dup2(null_fd, STDIN_FILENO) >= 0 &&
        dup2(null_fd, STDOUT_FILENO) >= 0 && dup2(err_fd, STDERR_FILENO) >= 0)
        execv(argv[0], argv);
    dprintf(err_fd, "could not run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* A port that was free a moment ago. */
static int find_port(unsigned *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int err = bind(fd, (const struct sockaddr *)&address, len) < 0 ||
                      getsockname(fd, (struct sockaddr *)&address, &len) < 0
                  ? -errno
                  : 0;
    close(fd);
    *ret_port = ntohs(address.sin_port);
    return err;
}

/* "exec COMMAND" with each {port} replaced. */
static char *fill_in(const char *command, unsigned port)
{
    static const char word[] = "{port}";
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    fputs("exec ", out);
    for (const char *at; (at = strstr(command, word)) != NULL;
         command = at + sizeof word - 1)
        fprintf(out, "%.*s%u", (int)(at - command), command, port);
    fputs(command, out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static int make_command_args(struct shed *shed, const struct shed_config *config,
                             char **argv)
{
    unsigned port = 0;
    int err = find_port(&port);
    if (err < 0)
        return err;
    snprintf(shed->listen, sizeof shed->listen, "127.0.0.1:%u", port);
    argv[0] = strdup(shell);
    argv[1] = strdup("-c");
    argv[2] = fill_in(config->command, port);
    return argv[0] == NULL || argv[1] == NULL || argv[2] == NULL ? -ENOMEM : 0;
}

/* Fills argv, which has ARGS_MAX places; the strings stay where they are. */
static int make_args(const struct shed_config *config, char **argv)
{
    static const char *const always[] = { "-l", "127.0.0.1:0", "-o",
                                          "admin=127.0.0.1:0" };
    size_t n = 0;
    if (PLACES_ALWAYS + 2 * config->n_overrides > ARGS_MAX)
        return -E2BIG;
    argv[n++] = strdup(config->program);
    if (config->mode[0] != '\0') {
        argv[n++] = strdup("-m");
        argv[n++] = strdup(config->mode);
    }
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
        argv[n++] = strdup(always[i]);
    if (config->config_path != NULL) {
        argv[n++] = strdup("-c");
        argv[n++] = strdup(config->config_path);
    }
    for (size_t i = 0; i < config->n_overrides; i++) {
        argv[n++] = strdup("-o");
        argv[n++] = strdup(config->overrides[i]);
    }
    argv[n] = NULL;
    for (size_t i = 0; i < n; i++) {
        if (argv[i] == NULL)
            return -ENOMEM;
    }
    return 0;
}

static void free_args(char **argv)
{
    for (size_t i = 0; i < ARGS_MAX; i++)
        free(argv[i]);
}

static int spawn(struct shed *shed, const struct shed_config *config)
{
    char *argv[ARGS_MAX] = { NULL };
    int ends[2] = { -1, -1 };
    int err = config->command == NULL ? make_args(config, argv)
                                      : make_command_args(shed, config, argv);
    if (err == 0 && pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        err = -errno;
    if (err == 0) {
        (void)fd_set_block(
            ends[1]); /* the server's own end must wait when it is full */
        pid_t pid = fork();
        if (pid == 0)
            become_server(config, argv, ends[1]);
        if (pid < 0)
            err = -errno;
        else
            shed->pid = pid;
    }
    fd_close(&ends[1]);
    shed->err_fd = ends[0];
    if (err == 0 && (shed->pidfd = pidfd_open(shed->pid, 0)) < 0)
        err = -errno;
    free_args(argv);
    return err;
}

static void reap(struct shed *shed, int *ret_status)
{
    if (shed->pid > 0) {
        while (waitpid(shed->pid, ret_status, 0) < 0 && errno == EINTR)
            continue;
    }
    if (shed->pid > 0 && shed->foreign) /* whom it has left behind */
        (void)kill(-shed->pid, SIGKILL);
    shed_drain(shed);
    fd_close(&shed->pidfd);
    fd_close(&shed->err_fd);
    shed->pid = 0;
}

static void kill_and_reap(struct shed *shed)
{
    int status;
    if (shed->pid > 0)
        (void)kill(shed->pid, SIGKILL);
    reap(shed, &status);
}

bool shed_alive(struct shed *shed)
{
    struct pollfd over = { .fd = shed->pidfd, .events = POLLIN };
    return shed->adopted || (shed->pid > 0 && poll(&over, 1, 0) == 0);
}

/* Waits for words or the end of the process. False at the deadline. */
static bool wait_for_news(struct shed *shed, uint64_t deadline_ns)
{
    struct pollfd fds[] = { { .fd = shed->err_fd, .events = POLLIN },
                            { .fd = shed->pidfd, .events = POLLIN } };
    uint64_t now = clock_ns();
    if (now >= deadline_ns)
        return false;
    int ms = (int)((deadline_ns - now) / CLOCK_NS_PER_MS) + 1;
    (void)poll(fds, 2, ms);
    shed_drain(shed);
    return true;
}

/* The port of a command takes connections. */
static bool can_connect(const struct shed *shed)
{
    const char *colon = strrchr(shed->listen, ':');
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(colon + 1)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes =
        fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    fd_close(&fd);
    return yes;
}

static bool is_ready(struct shed *shed)
{
    return shed->foreign ? can_connect(shed) : find_ready(shed);
}

void shed_adopt(struct shed *shed, const char *listen)
{
    *shed =
        (struct shed){ .adopted = true, .foreign = true, .pidfd = -1, .err_fd = -1 };
    snprintf(shed->listen, sizeof shed->listen, "%s", listen);
}

/* When to look again: cowshed says when it is ready, others do not. */
static uint64_t next_look(const struct shed *shed, uint64_t deadline_ns)
{
    uint64_t soon = clock_ns() + LOOK_NS;
    return shed->foreign && soon < deadline_ns ? soon : deadline_ns;
}

int shed_start(struct shed *shed, const struct shed_config *config,
               char error[SHED_ERROR_MAX])
{
    uint64_t deadline = clock_ns() + config->start_timeout_ns;
    const char *what = config->command != NULL ? config->command : config->program;
    *shed = (struct shed){ .foreign = config->command != NULL,
                           .pidfd = -1,
                           .err_fd = -1,
                           .log = config->log };
    int err = spawn(shed, config);
    if (err < 0) {
        snprintf(error, SHED_ERROR_MAX, "could not start %.100s: %s", what,
                 strerror(-err));
        kill_and_reap(shed);
        return err;
    }
    while (!is_ready(shed)) {
        bool alive = shed_alive(shed);
        wait_for_news(shed, next_look(shed, deadline));
        if ((alive && clock_ns() < deadline) || is_ready(shed))
            continue;
        snprintf(error, SHED_ERROR_MAX, "%.100s%.24s%.20s %s", what,
                 shed->foreign || config->mode[0] == '\0' ? "" : " -m ",
                 shed->foreign ? "" : config->mode,
                 alive ? "did not become ready in time" : "ended before it was ready");
        kill_and_reap(shed);
        return alive ? -ETIMEDOUT : -ECHILD;
    }
    return 0;
}

static void tell_to_stop(const struct shed *shed, int signo)
{
    (void)kill(shed->foreign ? -shed->pid : shed->pid, signo);
}

int shed_stop(struct shed *shed, uint64_t timeout_ns, char error[SHED_ERROR_MAX])
{
    uint64_t deadline = clock_ns() + timeout_ns;
    bool died = !shed_alive(shed);
    int status = 0;
    if (shed->adopted)
        return 0;
    if (!died)
        tell_to_stop(shed, SIGTERM);
    while (shed_alive(shed) && wait_for_news(shed, deadline))
        continue;
    bool late = shed_alive(shed);
    if (late)
        tell_to_stop(shed, SIGKILL);
    reap(shed, &status);
    if (shed->foreign && !late && !died) /* each has its own way to end at SIGTERM */
        return 0;
    if (late)
        snprintf(error, SHED_ERROR_MAX,
                 "the server did not stop in time after SIGTERM");
    else if (WIFSIGNALED(status))
        snprintf(error, SHED_ERROR_MAX, "the server was killed by signal %d",
                 WTERMSIG(status));
    else if (died || WEXITSTATUS(status) != 0)
        snprintf(error, SHED_ERROR_MAX, "the server %s with exit code %d",
                 died ? "ended by itself" : "stopped", WEXITSTATUS(status));
    else
        return 0;
    return late ? -ETIMEDOUT : -ECHILD;
}
