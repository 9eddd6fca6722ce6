/* SPDX-License-Identifier: MIT */
/* log.h - one line per event, for the people who run the server.
 *
 *   2026-02-03T04:05:06.789Z warn worker.1[4711] could not open 'x': no such file
 *
 * Used by main, master, worker, admin and the load generator; libraries return errors
 * instead.  Each call is one write() of one line, so lines of several processes and
 * threads do not mix.  Every control byte, backslash and non-ASCII byte is escaped
 * (\n, \x1b): what a peer sent cannot forge a line.  All functions keep errno.
 *
 * A reader that is behind loses lines, and is told how many; nobody waits for it.
 *
 * Messages are lower case, without a full stop: what was attempted, the value, the
 * reason.  A line is cut at LOG_LINE_MAX bytes and ends in "..." then.
 */
#ifndef COWSHED_LOG_H
#define COWSHED_LOG_H

#include <stdbool.h>

#include "server/base/errno_text.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERR, LOG_FATAL };

enum { LOG_LINE_MAX = 1024 };

/* Lines below `level` are dropped; the rest go to `fd`, which the caller owns and keeps
 * open.  Before the first call: LOG_INFO to standard error. */
void log_open(enum log_level level, int fd);

/* What is written to standard error does not wait from here on, whoever reads it. 0 or
 * a negative errno, and all is as before. */
int log_unblock_stderr(void);
/* In a child: the parent tells what it has lost. */
void log_forget_lost(void);

/* Names the calling thread, "worker.1"; slot < 0 leaves the number out.  `role` is
 * kept by reference.  A thread that never called it has the role "main". */
void log_set_role(const char *role, int slot);

bool log_enabled(enum log_level level);

#define LOG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

void log_debug(const char *fmt, ...) LOG_PRINTF(1, 2);
void log_info(const char *fmt, ...) LOG_PRINTF(1, 2);
void log_warn(const char *fmt, ...) LOG_PRINTF(1, 2);
/* Adds ": " and the words for `err`, which may be an errno or its negative. */
void log_warn_errno(int err, const char *fmt, ...) LOG_PRINTF(2, 3);
void log_err(const char *fmt, ...) LOG_PRINTF(1, 2);
/* Does not exit: the caller leaves, with an exit code of its own. */
void log_fatal(const char *fmt, ...) LOG_PRINTF(1, 2);

/* The name that errno_text() has for those who log. */
#define log_errno_text(err) errno_text(err)

#endif
