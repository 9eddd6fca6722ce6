/* SPDX-License-Identifier: MIT */
/* notify.c - see notify.h. */
#include "server/master/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/base/log.h"
#include "server/base/num.h"

static struct {
    int fd; /* 0: not open */
    struct sockaddr_un to;
    socklen_t to_len;
    uint64_t every_ns, sent_ns; /* 0: nobody watches */
    bool failed;
} manager;

static void set_watchdog(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    uint64_t us = 0, for_pid = 0;

    if (usec == NULL || num_parse_u64(span_of(usec), 2, UINT64_MAX / 1000, &us) < 0)
        return;
    if (pid != NULL && (num_parse_u64(span_of(pid), 1, INT32_MAX, &for_pid) < 0 ||
                        for_pid != (uint64_t)getpid()))
        return;
    manager.every_ns = us * CLOCK_NS_PER_US / 2;
}

void notify_open(void)
{
    const char *name = getenv("NOTIFY_SOCKET");
    size_t n = name != NULL ? strlen(name) : 0;

    set_watchdog();
    unsetenv("WATCHDOG_PID"); /* a newer master has another, and the same watchdog */
    if (n == 0)
        return;
    if ((name[0] != '/' && name[0] != '@') || n >= sizeof manager.to.sun_path) {
        log_warn("NOTIFY_SOCKET is '%s', which is no socket that can be sent to", name);
        return;
    }
    manager.to = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(manager.to.sun_path, name, n);
    if (name[0] == '@') /* no file: a name of its own kind */
        manager.to.sun_path[0] = '\0';
    manager.to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    manager.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (manager.fd < 0) {
        log_warn_errno(errno, "could not make a socket for the service manager");
        manager.fd = 0;
    }
}

void notify_close(void)
{
    if (manager.fd > 0)
        close(manager.fd);
    manager.fd = 0;
}

static void say(const char *words)
{
    if (manager.fd <= 0)
        return;
    if (sendto(manager.fd, words, strlen(words), MSG_NOSIGNAL,
               (const struct sockaddr *)&manager.to, manager.to_len) >= 0) {
        manager.failed = false;
    } else if (!manager.failed) {
        manager.failed = true;
        log_warn_errno(errno, "could not tell the service manager");
    }
}

void notify_ready(void)
{
    say("READY=1");
}

void notify_reloading(uint64_t now_ns)
{
    char words[96];

    snprintf(words, sizeof words, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
             now_ns / CLOCK_NS_PER_US);
    say(words);
}

void notify_stopping(void)
{
    say("STOPPING=1");
}

void notify_main_pid(pid_t pid)
{
    char words[32];

    snprintf(words, sizeof words, "MAINPID=%d", (int)pid);
    say(words);
}

void notify_status(const char *fmt, ...)
{
    char words[256] = "STATUS=";
    size_t used = strlen(words);
    va_list args;

    va_start(args, fmt);
    vsnprintf(words + used, sizeof words - used, fmt, args);
    va_end(args);
    say(words);
}

void notify_alive(uint64_t now_ns)
{
    if (manager.every_ns == 0 || now_ns - manager.sent_ns < manager.every_ns)
        return;
    manager.sent_ns = now_ns;
    say("WATCHDOG=1");
}
