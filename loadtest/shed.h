/* SPDX-License-Identifier: MIT */
/* shed.h - the server of one block: started, watched, stopped.
 *
 *   1 made   shed_start()  its process runs; nothing is known of it yet
 *   2 ready  shed_start()  it has said "ready listen=... admin=... pid=..."; of a
 *                          command that is not cowshed: its port can be connected to
 *   3 over   shed_stop()   asked by SIGTERM, ended by SIGKILL at the deadline, reaped
 *
 * The server is the child of this process, in a process group of its own, so that a
 * Ctrl-C of the terminal reaches only us. If we die it gets SIGTERM from the kernel.
 * A server that was adopted is somebody else's, and is neither started nor stopped.
 */
#ifndef LOADTEST_SHED_H
#define LOADTEST_SHED_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { SHED_TAIL_MAX = 2048, SHED_ADDRESS_MAX = 64, SHED_ERROR_MAX = 256 };

struct shed_config {
    /* a shell's, with {port}: any other server; the next four are cowshed's */
    const char *command;
    const char *program;
    const char *config_path; /* NULL: built-in defaults */
    const char *mode;
    const char *const *overrides; /* KEY=VALUE, each becomes -o */
    size_t n_overrides;
    const cpu_set_t *cpus; /* NULL: any */
    uint64_t start_timeout_ns;
    FILE *log; /* everything it says goes there too; may be NULL */
};

struct shed {
    pid_t pid; /* 0: none */
    bool adopted;
    bool foreign; /* not cowshed */
    int pidfd;
    int err_fd; /* its standard error */
    char listen[SHED_ADDRESS_MAX];
    char admin[SHED_ADDRESS_MAX]; /* empty: it has none */
    char tail[SHED_TAIL_MAX + 1]; /* the last it said */
    size_t tail_len;
    FILE *log;
};

/* 0, or a negative errno with a message in `error`: then nothing is left behind, but
 * shed->tail holds the last words. */
int shed_start(struct shed *shed, const struct shed_config *config,
               char error[SHED_ERROR_MAX]);
/* `listen`: HOST:PORT, or [HOST]:PORT. */
void shed_adopt(struct shed *shed, const char *listen);
/* Reads what it has said since; keeps it from blocking on a full pipe. */
void shed_drain(struct shed *shed);
/* True while its process lives. */
bool shed_alive(struct shed *shed);
/* 0 when it left in time, and, if it is cowshed, with exit code 0; else a negative
 * errno and a message. */
int shed_stop(struct shed *shed, uint64_t timeout_ns, char error[SHED_ERROR_MAX]);

/* The value of KEY=VALUE in a ready line. False when it is missing or too long. */
bool shed_ready_field(const char *line, const char *key, char *out, size_t size);

#endif
