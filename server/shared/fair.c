/* SPDX-License-Identifier: MIT */
/* fair.c - see fair.h. */
#include "server/shared/fair.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/shared/region.h"

/* A slot whose loop has not turned for this long takes none, whatever it said. */
#define SILENT_NS (CLOCK_NS_PER_S / 2)

static uint32_t load_of(const struct region *r, unsigned seat)
{
    return atomic_load_explicit(&r->seats[seat].board.load, memory_order_seq_cst);
}

static unsigned seats_of(const struct region *r)
{
    unsigned n = SEATS_PER_SLOT *
                 atomic_load_explicit(&r->master.slots_wanted, memory_order_relaxed);

    return n < SEATS_MAX ? n : SEATS_MAX;
}

static bool takes(const struct scoreboard *b, uint64_t now_ns)
{
    uint64_t beat_ns = atomic_load_explicit(&b->heartbeat_ns, memory_order_relaxed);

    return atomic_load_explicit(&b->state, memory_order_relaxed) == SEAT_READY &&
           (now_ns <= beat_ns || now_ns - beat_ns < SILENT_NS);
}

/* The fewest that anybody holds who takes more; FAIR_TAKES_NONE: nobody does. */
static uint32_t lowest(const struct region *r, uint64_t now_ns)
{
    uint32_t fewest = FAIR_TAKES_NONE;

    for (unsigned i = 0; i < seats_of(r); i++) {
        uint32_t load = load_of(r, i);

        if (load < fewest && takes(&r->seats[i].board, now_ns))
            fewest = load;
    }
    return fewest;
}

/* One more, and among many a few more, are no matter: to wait costs two switches. */
static uint64_t bar(uint32_t fewest)
{
    return (uint64_t)fewest + 1 + fewest / 16;
}

bool fair_may_take(const struct region *r, unsigned seat, uint64_t now_ns)
{
    return load_of(r, seat) <= bar(lowest(r, now_ns));
}

static bool frees_somebody(const struct region *r, uint64_t from, uint64_t to)
{
    for (unsigned i = 0; i < seats_of(r); i++) {
        uint32_t load = load_of(r, i);

        if (load > from && load <= to)
            return true;
    }
    return false;
}

/* `waiting` may be too high for ever, by one who was killed while it waited: that costs
 * a look, and nothing else. */
void fair_set(struct region *r, unsigned seat, uint32_t load)
{
    uint32_t before, fewest;

    atomic_store_explicit(&r->seats[seat].board.load, load, memory_order_seq_cst);
    if (atomic_load_explicit(&r->fair.waiting, memory_order_seq_cst) == 0)
        return;
    fewest = lowest(r, clock_ns());
    before = atomic_exchange_explicit(&r->fair.lowest, fewest, memory_order_seq_cst);
    if (frees_somebody(r, bar(before), bar(fewest)))
        fair_wake(r);
}

/* Between two who look at the same time `lowest` may be stale: then the next change
 * wakes somebody for nothing, or who waits looks again at its limit. */
void fair_wait(struct region *r, unsigned seat, unsigned limit_ms)
{
    const struct timespec limit = { .tv_sec = limit_ms / 1000,
                                    .tv_nsec = limit_ms % 1000 * 1000000L };

    atomic_fetch_add_explicit(&r->fair.waiting, 1, memory_order_seq_cst);
    uint32_t turn = atomic_load_explicit(&r->fair.turn, memory_order_seq_cst);
    uint32_t fewest = lowest(r, clock_ns());
    atomic_store_explicit(&r->fair.lowest, fewest, memory_order_seq_cst);
    if (load_of(r, seat) > bar(fewest))
        syscall(SYS_futex, &r->fair.turn, FUTEX_WAIT, turn, &limit, NULL, 0);
    atomic_fetch_sub_explicit(&r->fair.waiting, 1, memory_order_seq_cst);
}

void fair_wake(struct region *r)
{
    atomic_fetch_add_explicit(&r->fair.turn, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&r->fair.waiting, memory_order_seq_cst) > 0)
        syscall(SYS_futex, &r->fair.turn, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
