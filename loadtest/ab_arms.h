/* SPDX-License-Identifier: MIT */
/* ab_arms.h - what is compared, from the command line. */
#ifndef LOADTEST_AB_ARMS_H
#define LOADTEST_AB_ARMS_H

#include <stdbool.h>
#include <stddef.h>

enum {
    AB_ARMS_MAX = 12,
    AB_LABEL_MAX = 32,
    AB_ARM_TEXT_MAX = 512,
    AB_ARM_OVERRIDES = 24
};

/* What serves in an arm. */
enum ab_arm_kind {
    AB_ARM_COWSHED, /* in a mode, or with a configuration of one's own */
    AB_ARM_COMMAND, /* any server that a command starts */
    AB_ARM_URL,     /* one that runs already, and goes on */
};

/* The same arm may be named twice, which shows how much two equal arms differ: then the
 * second is called naive#2. */
struct ab_arm_name {
    enum ab_arm_kind kind;
    char label[AB_LABEL_MAX];
    char mode[AB_LABEL_MAX]; /* of cowshed; empty: what the configuration says */
    /* the command or the URL; of cowshed its overrides, KEY=VALUE, zeros between them
     */
    char text[AB_ARM_TEXT_MAX];
    size_t overrides[AB_ARM_OVERRIDES]; /* where they begin in it */
    size_t n_overrides;
};

/* Both add to arms[*n], and return 0, or -EINVAL with a message in `error`, which has
 * ARGS_ERROR_MAX bytes. */
/* "naive,arena": which modes exist is the server's business. */
int ab_arms_from_modes(struct ab_arm_name *arms, unsigned *n, const char *modes,
                       char *error);
/* "NAME=-m MODE -o KEY=VALUE ...", in any order and number; "NAME=run COMMAND" with
 * {port} where the server's port belongs; or "NAME=http://...". */
int ab_arms_from_spec(struct ab_arm_name *arms, unsigned *n, const char *spec,
                      char *error);

/* "mode" when all are modes of cowshed, else "arm". */
const char *ab_arms_word(const struct ab_arm_name *arms, unsigned n);
/* The widest label, at least 10: the column of names. */
int ab_arms_width(const struct ab_arm_name *arms, unsigned n);
/* The same server. */
bool ab_arms_equal(const struct ab_arm_name *a, const struct ab_arm_name *b);

#endif
