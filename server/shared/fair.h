/* SPDX-License-Identifier: MIT */
/* fair.h - which slots may take the next connection, so that all have as many.
 *
 * Each slot says how many connections it holds; one that has more than its share leaves
 * the next to those that have fewer. They wait in accept4() already, so nobody has to
 * be woken for a connection but the one who gets it. Who gave up its turn waits until
 * the fewest that anybody holds are enough: a word in the shared region, and a futex
 * that nobody owns (there is no lock: whoever dies leaves nothing behind). It is woken
 * once for each connection that it may take, not for each that others take.
 *
 * Slots that take none (full, behind, stopped) do not count.
 */
#ifndef COWSHED_SHARED_FAIR_H
#define COWSHED_SHARED_FAIR_H

#include <stdbool.h>
#include <stdint.h>

struct region;

#define FAIR_TAKES_NONE UINT32_MAX

/* Of a seat: the connections that it holds, or FAIR_TAKES_NONE. Wakes those who may go
 * on for that. */
void fair_set(struct region *, unsigned seat, uint32_t load);
/* It holds no more than its share. */
bool fair_may_take(const struct region *, unsigned seat, uint64_t now_ns);
/* As long as it may not: until something has changed, or a signal, or limit_ms (who
 * dies or hangs wakes nobody). */
void fair_wait(struct region *, unsigned seat, unsigned limit_ms);
/* Those who wait should look again: a slot has died. */
void fair_wake(struct region *);

#endif
