/* SPDX-License-Identifier: MIT */
/* sieve.c - the queue and the hand, over links in the entries or beside them. */
#include "server/cache/sieve.h"

#include <stddef.h>

#include "server/base/check.h"
#include "server/cache/entry.h"

static struct entry *inline_entry(uintptr_t place)
{
    return (struct entry *)place;
}

static uintptr_t place_of(const struct sieve *s, const struct entry *e)
{
    return s->inside ? (uintptr_t)e : e->id;
}

static struct entry *entry_at(const struct sieve *s, uintptr_t place)
{
    if (place == 0)
        return NULL;
    return s->inside ? inline_entry(place) : s->side->entries[place];
}

static uintptr_t newer(const struct sieve *s, uintptr_t place)
{
    return s->inside ? (uintptr_t)inline_entry(place)->newer
                     : s->side->links[place].newer;
}

static uintptr_t older(const struct sieve *s, uintptr_t place)
{
    return s->inside ? (uintptr_t)inline_entry(place)->older
                     : s->side->links[place].older;
}

/* What is newer than `place`, or the oldest when place is 0; the other likewise. */
static void set_newer(struct sieve *s, uintptr_t place, uintptr_t to)
{
    if (place == 0)
        s->oldest = to;
    else if (s->inside)
        inline_entry(place)->newer = inline_entry(to);
    else
        s->side->links[place].newer = (uint32_t)to;
}

static void set_older(struct sieve *s, uintptr_t place, uintptr_t to)
{
    if (place == 0)
        s->newest = to;
    else if (s->inside)
        inline_entry(place)->older = inline_entry(to);
    else
        s->side->links[place].older = (uint32_t)to;
}

/* Whether it was visited; it is not any more. */
static bool forgive(struct sieve *s, uintptr_t place)
{
    _Atomic uint8_t *bit;

    if (s->inside) {
        bool was = inline_entry(place)->visited != 0;

        if (was)
            inline_entry(place)->visited = 0;
        return was;
    }
    bit = &s->side->visited[place];
    if (!atomic_load_explicit(bit, memory_order_relaxed))
        return false;
    atomic_store_explicit(bit, 0, memory_order_relaxed);
    return true;
}

void sieve_init(struct sieve *s, struct side *side, bool inside)
{
    *s = (struct sieve){ .side = side, .inside = inside };
}

void sieve_reset(struct sieve *s)
{
    sieve_init(s, s->side, s->inside);
}

void sieve_add(struct sieve *s, struct entry *e)
{
    uintptr_t place = place_of(s, e);
    uintptr_t before = s->newest;

    if (!s->inside)
        s->side->entries[place] = e;
    set_newer(s, place, 0);
    set_older(s, place, before);
    set_newer(s, before, place);
    s->newest = place;
    s->count++;
}

void sieve_drop(struct sieve *s, struct entry *e)
{
    uintptr_t place = place_of(s, e);
    uintptr_t up = newer(s, place);
    uintptr_t down = older(s, place);

    CHECK(s->count > 0);
    if (s->hand == place)
        s->hand = up;
    set_newer(s, down, up);
    set_older(s, up, down);
    s->count--;
}

struct entry *sieve_victim(struct sieve *s)
{
    uint64_t left = 2 * s->count;

    if (s->count == 0)
        return NULL;
    if (s->hand == 0)
        s->hand = s->oldest;
    while (forgive(s, s->hand) && left-- > 0) {
        s->hand = newer(s, s->hand);
        if (s->hand == 0)
            s->hand = s->oldest;
    }
    return entry_at(s, s->hand);
}

struct entry *sieve_oldest(const struct sieve *s)
{
    return entry_at(s, s->oldest);
}

struct entry *sieve_newer(const struct sieve *s, const struct entry *e)
{
    return entry_at(s, newer(s, place_of(s, e)));
}

const char *sieve_fault(const struct sieve *s)
{
    uintptr_t below = 0;
    bool hand_seen = s->hand == 0;
    uint64_t n = 0;

    for (uintptr_t at = s->oldest; at != 0; at = newer(s, at)) {
        if (older(s, at) != below)
            return "queue: links disagree";
        if (++n > s->count)
            return "queue: more entries than counted, or a ring";
        hand_seen = hand_seen || at == s->hand;
        below = at;
    }
    if (n != s->count)
        return "queue: fewer entries than counted";
    if (s->newest != below)
        return "queue: its newest is not at its end";
    return hand_seen ? NULL : "queue: the hand is outside";
}
