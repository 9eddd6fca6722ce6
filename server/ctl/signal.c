/* SPDX-License-Identifier: MIT */
/* signal.c - see signal.h. */
#include "server/ctl/signal.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/conf/options.h"
#include "server/ctl/client.h"
#include "server/ctl/values.h"
#include "server/shared/pid_file.h"

enum { DONE = 0, FAILED = 1, ORDER_S = 180, PAGE_S = 10 };

static const struct order {
    const char *name;
    int signo;
    bool ends;
} orders[] = {
    { "reload", SIGHUP, false }, { "reopen", SIGUSR1, false },
    { "quit", SIGQUIT, true },   { "stop", SIGINT, true },
    { "refork", SIGURG, false }, { "upgrade", SIGUSR2, false },
};

static const struct order *find_order(const char *name)
{
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
        if (strcmp(orders[i].name, name) == 0)
            return &orders[i];
    fprintf(stderr,
            "cowshed: -s '%s': allowed are reload, reopen, quit, stop, refork and "
            "upgrade\n",
            name);
    return NULL;
}

static int complain(const char *what, int err)
{
    fprintf(stderr, "cowshed: could not %s: %s\n", what, log_errno_text(err));
    return FAILED;
}

/* The address may be that of another server: the one that answers must be the one that
 * holds the pid file. */
static int check_who_answers(const struct options *o, pid_t pid)
{
    struct client_answer answer;
    json_t *status;
    uint64_t other;
    int rc = client_ask(o->admin, "GET", "/status", PAGE_S, &answer);

    if (rc < 0) {
        fprintf(stderr,
                "cowshed: could not ask the admin listener of the master %d at %s: %s; "
                "the address that it was started with is wanted, as in -o admin=%s\n",
                (int)pid, o->admin, log_errno_text(rc), o->admin);
        return FAILED;
    }
    status = json_loads(answer.body, 0, NULL);
    client_free(&answer);
    other = number(status, "pid");
    json_decref(status);
    if (other == (uint64_t)pid)
        return DONE;
    fprintf(stderr,
            "cowshed: the admin listener at %s is that of process %" PRIu64
            ", and the pid file '%s' that of %d: nothing was asked; the address that "
            "%d was started with is wanted, as in -o admin=%s\n",
            o->admin, other, o->pid_file, (int)pid, (int)pid, o->admin);
    return FAILED;
}

static int ask_admin(const struct options *o, const struct order *order, pid_t pid)
{
    struct client_answer answer;
    char target[64], what[128];
    int rc;

    if (strcmp(o->admin, "off") == 0) {
        fprintf(stderr,
                "cowshed: --wait with %s needs the admin listener, which is off\n",
                order->name);
        return FAILED;
    }
    if (check_who_answers(o, pid) != DONE)
        return FAILED;
    snprintf(target, sizeof target, "/ctl/%s", order->name);
    rc = client_ask(o->admin, "POST", target, ORDER_S, &answer);
    if (rc < 0) {
        snprintf(what, sizeof what, "ask the admin listener at %s", o->admin);
        return complain(what, rc);
    }
    rc = answer.status == 200 ? DONE : FAILED;
    if (rc != DONE)
        fprintf(stderr, "cowshed: %s failed: %s", order->name, answer.body);
    client_free(&answer);
    return rc;
}

static int send_and_wait(pid_t pid, const struct order *order, bool wait)
{
    struct pollfd p = { .fd = pidfd_open(pid, 0), .events = POLLIN };
    int rc = DONE;

    if (p.fd < 0)
        return complain("find the master", errno);
    if (pidfd_send_signal(p.fd, order->signo, NULL, 0) < 0)
        rc = complain("send the signal", errno);
    while (rc == DONE && wait && poll(&p, 1, -1) <= 0)
        if (errno != EINTR)
            rc = complain("wait for the master", errno);
    close(p.fd);
    return rc;
}

int signal_master(const struct options *o, const char *name, bool wait)
{
    const struct order *order = find_order(name);
    pid_t pid = 0;
    int rc;

    if (order == NULL)
        return FAILED;
    if (o->pid_file[0] == '\0') {
        fprintf(stderr, "cowshed: -s needs the option pid_file\n");
        return FAILED;
    }
    rc = pid_file_read(o->pid_file, &pid);
    if (rc < 0) {
        fprintf(stderr, "cowshed: no master runs with the pid file '%s': %s\n",
                o->pid_file, rc == -ESRCH ? "no process holds it" : log_errno_text(rc));
        return FAILED;
    }
    if (wait && !order->ends)
        return ask_admin(o, order, pid);
    return send_and_wait(pid, order, wait);
}
