/* SPDX-License-Identifier: MIT */
/* roll.h - orders that every worker has to acknowledge before they count as done. Pure.
 *
 * A roll is the list of the seats that were told and have neither answered nor gone. An
 * empty roll is done; one whose time is over has failed.
 */
#ifndef COWSHED_MASTER_ROLL_H
#define COWSHED_MASTER_ROLL_H

#include <stdbool.h>
#include <stdint.h>

#include "server/shared/channel.h"
#include "server/shared/region.h"

enum { ROLLS_MAX = 64 };

struct roll {
    enum message_kind answer; /* PURGED, COLLECTED, REOPENED; NONE: not in use */
    uint64_t number;          /* that the answer carries */
    uint64_t order;           /* of the admin process, 0: nobody waits */
    uint64_t deadline_ns;
    bool waits[SEATS_MAX];
};

struct rolls {
    struct roll at[ROLLS_MAX];
};

/* NULL when too many orders are open. */
struct roll *rolls_begin(struct rolls *, enum message_kind answer, uint64_t number,
                         uint64_t order, uint64_t deadline_ns);
void rolls_answered(struct rolls *, unsigned seat, enum message_kind answer,
                    uint64_t number);
void rolls_gone(struct rolls *, unsigned seat);
/* One that has ended: true, a copy of it and 0 or -ETIMEDOUT; its place is free again.
 * Call until false. */
bool rolls_ended(struct rolls *, uint64_t now_ns, struct roll *ret, int *ret_error);
enum { ROLL_SILENT_MAX = 96 };

/* Who has not answered: "slot 3", "slots 0, 3, 7", at most eight "and N more". Returns
 * out. */
char *roll_silent(char out[ROLL_SILENT_MAX], const struct roll *);
/* The next deadline; UINT64_MAX when no order is open. */
uint64_t rolls_deadline(const struct rolls *);

#endif
