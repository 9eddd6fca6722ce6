/* SPDX-License-Identifier: MIT */
/* watchdog.c - see watchdog.h. */
#include "server/master/watchdog.h"

uint64_t watchdog_look(struct watchdog *w, uint64_t now_ns)
{
    uint64_t since_ns = w->looked_ns == 0 ? 0 : now_ns - w->looked_ns;

    w->looked_ns = now_ns;
    return since_ns < WATCHDOG_LOOK_NS ? since_ns : WATCHDOG_LOOK_NS;
}

uint64_t watchdog_quiet_ns(struct watchdog *w, unsigned seat, uint64_t beat_ns,
                           uint64_t look_ns)
{
    if (beat_ns != w->seats[seat].beat_ns) {
        w->seats[seat].beat_ns = beat_ns;
        w->seats[seat].quiet_ns = 0;
    } else {
        w->seats[seat].quiet_ns += look_ns;
    }
    return w->seats[seat].quiet_ns;
}
