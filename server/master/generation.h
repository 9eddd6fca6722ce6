/* SPDX-License-Identifier: MIT */
/* generation.h - which generation of workers should serve: refork, reload, and back
 * again.
 *
 *   1 wanted    supervisor_refork()  waits while a roll-out is going on; wishes join
 *   2 target    forks are of this generation, with its options; the one before it
 *               serves on until each of its workers has a READY successor
 *   3 alone     no worker of another generation is left; the options before are given
 *               back
 *   4 given up  its workers die before they are ready while the one before it serves:
 *               that one is the target again
 *
 * At most two generations have workers. A target that has none yet (the gate lets no
 * fork pass) may be replaced by a newer one, so that a wrong setting of the gate can be
 * reloaded away.
 */
#ifndef COWSHED_MASTER_GENERATION_H
#define COWSHED_MASTER_GENERATION_H

struct options;
struct supervisor;

/* Takes the steps that are due. When the breaker has tripped and the generation before
 * cannot take over, s->tripped stays set. */
void generations_settle(struct supervisor *);

/* The newest options that were asked for: they hold for the gate of all forks at once.
 */
const struct options *generations_newest(const struct supervisor *);

#endif
