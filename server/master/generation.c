/* SPDX-License-Identifier: MIT */
/* generation.c - see generation.h. */
#include "server/master/generation.h"

#include "server/base/log.h"
#include "server/conf/options.h"
#include "server/master/supervisor.h"

static void forget_options(struct supervisor *s, const struct options *options)
{
    if (options != NULL && options != s->options)
        s->ops->release(s->arg, options);
}

/* The target serves nowhere yet and is replaced. */
static void drop_target(struct supervisor *s)
{
    if (s->options != s->options_before)
        s->ops->release(s->arg, s->options);
}

static void keep_target(struct supervisor *s)
{
    s->options_before = s->options;
    s->generation_before = s->generation;
}

static void begin_generation(struct supervisor *s)
{
    if (s->options_wait != NULL)
        s->options = s->options_wait;
    s->options_wait = NULL;
    s->refork_waits = false;
    s->generation = ++s->last_generation;
    s->region->master.generation = s->generation;
    s->breaker = (struct breaker){ 0 };
    for (unsigned i = 0; i < SLOTS_MAX; i++)
        s->slots[i].not_before_ns = 0;
    log_info("generation %u begins", s->generation);
}

static bool has_worker(const struct supervisor *s, uint32_t generation)
{
    for (unsigned i = 0; i < SLOTS_MAX; i++)
        for (unsigned k = 0; k < SEATS_PER_SLOT; k++)
            if (s->slots[i].at[k].state != SEAT_FREE &&
                s->slots[i].at[k].generation == generation)
                return true;
    return false;
}

static bool serves(const struct supervisor *s, uint32_t generation)
{
    for (unsigned i = 0; i < SLOTS_MAX; i++)
        for (unsigned k = 0; k < SEATS_PER_SLOT; k++)
            if (s->slots[i].at[k].state == SEAT_READY &&
                s->slots[i].at[k].generation == generation)
                return true;
    return false;
}

/* The workers of the new generation die before they are ready. The old one still
 * serves: it stays, and the new one is given up. True when the server can go on. */
static bool roll_back(struct supervisor *s)
{
    if (s->options_before == NULL || !serves(s, s->generation_before))
        return false;
    log_err(
        "generation %u is given up after %u deaths before it was ready; generation %u "
        "stays",
        s->generation, s->breaker.deaths, s->generation_before);
    if (s->options != s->options_before)
        s->ops->release(s->arg, s->options);
    s->options = s->options_before;
    s->options_before = NULL;
    s->generation = s->generation_before;
    s->region->master.generation = s->generation;
    s->region->master.reloads_failed++;
    s->breaker = (struct breaker){ 0 };
    s->tripped = false;
    return true;
}

const struct options *generations_newest(const struct supervisor *s)
{
    return s->options_wait != NULL ? s->options_wait : s->options;
}

void generations_settle(struct supervisor *s)
{
    bool alone = supervisor_has_one_generation(s);

    if (s->tripped && !roll_back(s))
        return; /* the owner ends the server */
    if (alone) {
        forget_options(s, s->options_before);
        s->options_before = NULL;
    }
    if (!s->refork_waits || s->phase != PHASE_RUN)
        return;
    if (alone) {
        keep_target(s);
        begin_generation(s);
    } else if (!has_worker(s, s->generation)) {
        if (s->options_wait != NULL)
            drop_target(s);
        begin_generation(s);
    }
}
