/* SPDX-License-Identifier: MIT */
/* watchdog.h - for how long a worker has not turned its loop while we were looking.
 *
 * The age of a heartbeat is no proof: after the whole machine (or the master alone) has
 * stood still, all of them are old. So what counts is the time in which the watchdog
 * itself looked, again and again, and saw the same heartbeat. A gap between two looks
 * counts for WATCHDOG_LOOK_NS at most.
 */
#ifndef COWSHED_MASTER_WATCHDOG_H
#define COWSHED_MASTER_WATCHDOG_H

#include <stdint.h>

#include "server/base/clock.h"
#include "server/shared/region.h"

#define WATCHDOG_LOOK_NS (CLOCK_NS_PER_S / 2)

struct watchdog {
    uint64_t looked_ns;
    struct {
        uint64_t beat_ns, quiet_ns;
    } seats[SEATS_MAX];
};

/* At the beginning of a look at all seats. Returns how much time it counts for. */
uint64_t watchdog_look(struct watchdog *, uint64_t now_ns);
/* For how long the seat has had this heartbeat. */
uint64_t watchdog_quiet_ns(struct watchdog *, unsigned seat, uint64_t beat_ns,
                           uint64_t look_ns);

#endif
