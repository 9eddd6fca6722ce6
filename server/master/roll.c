/* SPDX-License-Identifier: MIT */
/* roll.c - see roll.h. */
#include "server/master/roll.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NAMED_MAX = 8 };

struct roll *rolls_begin(struct rolls *rolls, enum message_kind answer, uint64_t number,
                         uint64_t order, uint64_t deadline_ns)
{
    for (unsigned i = 0; i < ROLLS_MAX; i++) {
        struct roll *r = &rolls->at[i];

        if (r->answer != MESSAGE_NONE)
            continue;
        memset(r, 0, sizeof *r);
        r->answer = answer;
        r->number = number;
        r->order = order;
        r->deadline_ns = deadline_ns;
        return r;
    }
    return NULL;
}

void rolls_answered(struct rolls *rolls, unsigned seat, enum message_kind answer,
                    uint64_t number)
{
    for (unsigned i = 0; i < ROLLS_MAX; i++)
        if (rolls->at[i].answer == answer && rolls->at[i].number == number)
            rolls->at[i].waits[seat] = false;
}

void rolls_gone(struct rolls *rolls, unsigned seat)
{
    for (unsigned i = 0; i < ROLLS_MAX; i++)
        rolls->at[i].waits[seat] = false;
}

static bool is_waiting(const struct roll *r)
{
    for (unsigned i = 0; i < SEATS_MAX; i++)
        if (r->waits[i])
            return true;
    return false;
}

bool rolls_ended(struct rolls *rolls, uint64_t now_ns, struct roll *ret, int *ret_error)
{
    for (unsigned i = 0; i < ROLLS_MAX; i++) {
        struct roll *r = &rolls->at[i];
        bool waiting;

        if (r->answer == MESSAGE_NONE)
            continue;
        waiting = is_waiting(r);
        if (waiting && now_ns < r->deadline_ns)
            continue;
        *ret = *r;
        *ret_error = waiting ? -ETIMEDOUT : 0;
        r->answer = MESSAGE_NONE;
        return true;
    }
    return false;
}

static bool is_silent(const struct roll *r, unsigned slot)
{
    return r->waits[seat_of(slot, 0)] || r->waits[seat_of(slot, 1)];
}

char *roll_silent(char out[ROLL_SILENT_MAX], const struct roll *r)
{
    unsigned n = 0, named = 0;
    int at;

    for (unsigned i = 0; i < SLOTS_MAX; i++)
        n += is_silent(r, i);
    at = snprintf(out, ROLL_SILENT_MAX, n == 1 ? "slot" : "slots");
    for (unsigned i = 0; i < SLOTS_MAX && named < NAMED_MAX; i++)
        if (is_silent(r, i))
            at += snprintf(out + at, (size_t)(ROLL_SILENT_MAX - at), "%s %u",
                           named++ > 0 ? "," : "", i);
    if (named < n)
        snprintf(out + at, (size_t)(ROLL_SILENT_MAX - at), " and %u more", n - named);
    return out;
}

uint64_t rolls_deadline(const struct rolls *rolls)
{
    uint64_t next = UINT64_MAX;

    for (unsigned i = 0; i < ROLLS_MAX; i++)
        if (rolls->at[i].answer != MESSAGE_NONE && rolls->at[i].deadline_ns < next)
            next = rolls->at[i].deadline_ns;
    return next;
}
