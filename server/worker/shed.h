/* SPDX-License-Identifier: MIT */
/* shed.h - a full slot lets go of those who ask for nothing, when others wait to come
 * in.
 *
 * Full: as many connections as `connections` or the open files allow, or no descriptor
 * left in the process or the system. Others wait: the queue of a listener has not been
 * empty for a tick, so no other slot has taken them. Then as many connections as wait
 * are ended: first those whose last answer has arrived and who only have to close, then
 * those that we have waited for longest: idle ones, then those whose request head, then
 * those whose body does not come to an end. Who has begun to be answered is never shed.
 */
#ifndef COWSHED_WORKER_SHED_H
#define COWSHED_WORKER_SHED_H

#include <stdbool.h>

struct worker;

struct shed {
    bool others_waited; /* at the last tick */
};

void shed_tick(struct worker *);

#endif
