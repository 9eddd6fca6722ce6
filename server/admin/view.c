/* SPDX-License-Identifier: MIT */
/* view.c - see view.h. */
#include "server/admin/view.h"

#include <string.h>

#include "server/admin/pagemap.h"
#include "server/base/clock.h"

#define SAMPLE_NS CLOCK_NS_PER_S
#define BEAT_NS   (10 * CLOCK_NS_PER_S)

static enum seat_state state_of(const struct region *region, unsigned seat)
{
    uint32_t state =
        atomic_load_explicit(&region->seats[seat].board.state, memory_order_relaxed);

    return state <= SEAT_GONE ? (enum seat_state)state : SEAT_GONE;
}

static bool lives(enum seat_state state)
{
    return state == SEAT_STARTING || state == SEAT_READY || state == SEAT_DRAINING;
}

/* --- samples from /proc --------------------------------------------------------------
 */

static unsigned slots_in(const struct region *region, pid_t pid)
{
    unsigned n = 0;

    for (unsigned i = 0; i < SEATS_MAX; i++)
        n += lives(state_of(region, i)) && region->seats[i].board.pid == pid;
    return n > 0 ? n : 1;
}

static void sample_seat(struct view *v, const struct region *region, bool shared_heap,
                        unsigned seat)
{
    const struct scoreboard *board = &region->seats[seat].board;
    uint64_t start = shared_heap ? region->master.heap_start : board->heap_start;
    uint64_t end = shared_heap ? region->master.heap_end : board->heap_end;
    pid_t pid = board->pid;
    unsigned share = slots_in(region, pid);
    struct pagemap_count count = { 0, 0 };
    uint64_t pss = 0;

    if (end > start)
        pagemap_read(pid, start, end, &count);
    pagemap_read_pss(pid, &pss); /* 0 when the worker ends just now */
    v->samples[seat].pid = pid;
    v->samples[seat].shared_pages = count.shared / share;
    v->samples[seat].copied_pages = count.copied / share;
    v->samples[seat].pss = pss / share;
}

static void sample(struct view *v, const struct region *region, bool shared_heap)
{
    if (v->sampled_ns != 0 && v->now_ns - v->sampled_ns < SAMPLE_NS)
        return;
    v->sampled_ns = v->now_ns;
    for (unsigned i = 0; i < SEATS_MAX; i++) {
        v->samples[i].pid = 0;
        if (lives(state_of(region, i)) && region->seats[i].board.pid > 0)
            sample_seat(v, region, shared_heap, i);
    }
}

/* --- slots ---------------------------------------------------------------------------
 */

/* READY before STARTING before DRAINING, then the newer one. */
static bool stands_before(const struct region *region, unsigned a, unsigned b)
{
    static const int rank[] = { [SEAT_READY] = 4,
                                [SEAT_STARTING] = 3,
                                [SEAT_DRAINING] = 2,
                                [SEAT_GONE] = 1,
                                [SEAT_FREE] = 0 };
    int ra = rank[state_of(region, a)], rb = rank[state_of(region, b)];

    if (ra != rb)
        return ra > rb;
    return region->seats[a].board.generation >= region->seats[b].board.generation;
}

static void add_counters(struct slot_view *s, const struct region *region,
                         unsigned seat)
{
    bool alive = lives(state_of(region, seat));

    for (unsigned i = 0; i < COUNTERS; i++)
        if (alive || !counter_is_gauge((enum counter)i))
            s->counters[i] += atomic_load_explicit(&region->seats[seat].counters[i],
                                                   memory_order_relaxed);
}

static void fill_slot(struct view *v, struct slot_view *s, const struct region *region,
                      unsigned slot)
{
    unsigned first = seat_of(slot, 0), second = seat_of(slot, 1);
    const struct scoreboard *board;
    uint64_t beat_ns;

    *s = (struct slot_view){ .slot = slot };
    s->seat = stands_before(region, first, second) ? first : second;
    board = &region->seats[s->seat].board;
    s->state = state_of(region, s->seat);
    s->generation = board->generation;
    add_counters(s, region, first);
    add_counters(s, region, second);
    if (!lives(s->state))
        return;
    s->pid = board->pid;
    s->is_thread = board->is_thread != 0;
    s->age_ns = v->now_ns - board->started_ns;
    beat_ns = board->heartbeat_ns;
    s->quiet_ns = v->now_ns > beat_ns && beat_ns != 0 ? v->now_ns - beat_ns : 0;
    s->beats = s->state == SEAT_READY && beat_ns + BEAT_NS > v->now_ns;
    if (v->samples[s->seat].pid == s->pid) {
        s->shared_pages = v->samples[s->seat].shared_pages;
        s->copied_pages = v->samples[s->seat].copied_pages;
        s->pss = v->samples[s->seat].pss;
    }
}

static void add_latency(struct view *v, const struct seat *seat)
{
    const uint64_t *counts;
    uint64_t sum_ns;

    v->shape = seat_latency(seat, &counts, &sum_ns);
    hist_count_merge(v->shape, v->latency, counts);
    v->latency_sum_ns += sum_ns;
}

void view_update(struct view *v, const struct region *region, bool shared_heap,
                 uint64_t now_ns)
{
    unsigned wanted = region->master.slots_wanted;

    v->now_ns = now_ns;
    v->count = 0;
    v->latency_sum_ns = 0;
    memset(v->latency, 0, sizeof v->latency);
    memset(v->by_state, 0, sizeof v->by_state);
    sample(v, region, shared_heap);
    for (unsigned slot = 0; slot < SLOTS_MAX; slot++) {
        bool used = slot < wanted;

        for (unsigned i = 0; i < SEATS_PER_SLOT; i++) {
            enum seat_state state = state_of(region, seat_of(slot, i));

            v->by_state[state] += lives(state);
            used |= state != SEAT_FREE;
        }
        if (!used)
            continue;
        fill_slot(v, &v->slots[v->count++], region, slot);
        add_latency(v, &region->seats[seat_of(slot, 0)]);
        add_latency(v, &region->seats[seat_of(slot, 1)]);
    }
}

unsigned view_ready(const struct view *v)
{
    unsigned n = 0;

    for (unsigned i = 0; i < v->count; i++)
        n += v->slots[i].beats;
    return n;
}

uint64_t view_percentile(const struct view *v, uint64_t num, uint64_t den)
{
    return v->shape == NULL ? 0 : hist_count_percentile(v->shape, v->latency, num, den);
}
