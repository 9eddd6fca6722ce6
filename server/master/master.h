/* SPDX-License-Identifier: MIT */
/* master.h - runs the server: listens, forks, reaps and collects, and serves nobody
 * itself. */
#ifndef COWSHED_MASTER_MASTER_H
#define COWSHED_MASTER_MASTER_H

struct option_error;
struct options;
struct spawn_roles;

/* Exit codes of cowshed: a contract with service managers. */
enum exit_code {
    EXIT_STOPPED = 0, /* asked to stop */
    EXIT_USAGE = 1,   /* wrong usage, or -t failed */
    EXIT_CONFIG =
        2, /* bad configuration, or an address that cannot be bound: do not restart */
    EXIT_BREAKER = 70, /* workers die before they are ready */
    EXIT_OS = 71,      /* the operating system refuses something */
};

struct master_config {
    const char *name;        /* of the configuration, for people */
    struct options *options; /* resolved; the master owns them from here on */
    const struct spawn_roles *roles;
    /* Reads the configuration again: 0 and new options, or a negative errno and a
     * sentence. */
    int (*reload)(void *arg, struct options **ret, struct option_error *ret_error);
    void *arg;
    char *const *argv; /* as the program was started: an upgrade starts it again */
};

/* Serves until it is told to stop. An exit code. */
int master_run(const struct master_config *);

/* What `-t` can check beyond the options: addresses, the root folder. 0 or -EINVAL with
 * a sentence. */
int master_check(const struct options *, struct option_error *ret_error);
/* For -t: the files that a start would make or open can be. */
int master_check_files(const struct options *, struct option_error *ret_error);

#endif
