/* SPDX-License-Identifier: MIT */
/* disturb.h - events that a comparison causes on a schedule, so that each of its blocks
 * has them: `--disturb gc,500ms`. They are the same for every arm. */
#ifndef LOADTEST_DISTURB_H
#define LOADTEST_DISTURB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum disturb_what {
    DISTURB_GC,     /* the master collects */
    DISTURB_REFORK, /* every worker is replaced */
    DISTURB_KILL,   /* one worker is killed, and replaced */
};

enum { DISTURB_MAX = 8 };

struct disturb {
    enum disturb_what what;
    uint64_t every_ns;
};

/* How far a block has come with each of them. */
struct disturb_state {
    uint64_t done[DISTURB_MAX]; /* that have been tried */
    unsigned failed;
    int err; /* the last reason, a negative errno */
};

/* "gc,500ms", "refork,2s", "kill,1s". False when it is none of these. */
bool disturb_parse(const char *text, struct disturb *ret_disturb);

/* Does what is due `elapsed_s` into the measured time: to the server with this admin
 * listener. Waits for the answer. */
void disturb_tick(const struct disturb *list, size_t n, struct disturb_state *state,
                  double elapsed_s, const char *admin);

#endif
