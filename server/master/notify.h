/* SPDX-License-Identifier: MIT */
/* notify.h - tells a service manager what goes on: the protocol of sd_notify(3), which
 * is a datagram of lines to the socket that NOTIFY_SOCKET names.
 *
 * Without that variable all of these do nothing. That nobody takes a datagram is told
 * once, and stops nothing.
 */
#ifndef COWSHED_MASTER_NOTIFY_H
#define COWSHED_MASTER_NOTIFY_H

#include <stdint.h>
#include <sys/types.h>

/* Once, at the start: reads the environment. */
void notify_open(void);
void notify_close(void);

void notify_ready(void);
void notify_reloading(uint64_t now_ns); /* then notify_ready(): notify-reload */
void notify_stopping(void);
void notify_main_pid(pid_t);
void notify_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The loop turns. Sends at half the interval that the manager asked for. */
void notify_alive(uint64_t now_ns);

#endif
