/* SPDX-License-Identifier: MIT */
/* region.c - one mapping: struct region, then the histograms, then the publish rings.
 *
 * The pointers in a seat are set once, before the first fork, and are the same in every
 * process because the mapping is.
 */
#include "server/shared/region.h"

#include <string.h>
#include <sys/mman.h>

#include "server/base/hist.h"

/* What hist_shape_init() makes of the three numbers (a test compares them). */
static const struct hist_shape shape = {
    .lowest = HIST_SERVER_LOWEST,
    .highest = HIST_SERVER_HIGHEST,
    .sub_mask = 255,
    .digits = HIST_SERVER_DIGITS,
    .unit_magnitude = 0,
    .half_magnitude = 7,
    .counts_len = HIST_SERVER_COUNTS_LEN,
};

struct seat_hist {
    _Alignas(64) uint64_t sum_ns;
    uint64_t counts[HIST_SERVER_COUNTS_LEN];
};

enum { PAGE = 4096 };

static size_t round_to_page(size_t n)
{
    return (n + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static size_t hist_at(void)
{
    return round_to_page(sizeof(struct region));
}

static size_t publish_at(void)
{
    return hist_at() + round_to_page(SEATS_MAX * sizeof(struct seat_hist));
}

static size_t region_bytes(void)
{
    return publish_at() + (size_t)SEATS_MAX * PUBLISH_RING_BYTES;
}

uint64_t region_bytes_of(uint64_t seats)
{
    return round_to_page(sizeof(struct master_board)) +
           seats * (round_to_page(sizeof(struct seat)) +
                    round_to_page(sizeof(struct seat_hist)) + PUBLISH_RING_BYTES);
}

struct region *region_new(void)
{
    unsigned char *at = mmap(NULL, region_bytes(), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct region *region = (struct region *)(void *)at;

    if (at == MAP_FAILED)
        return NULL;
    for (unsigned i = 0; i < SEATS_MAX; i++) {
        struct seat *seat = &region->seats[i];
        unsigned char *hist = at + hist_at() + i * sizeof(struct seat_hist);

        seat->hist = (struct seat_hist *)(void *)hist;
        seat->publish = at + publish_at() + (size_t)i * PUBLISH_RING_BYTES;
    }
    return region;
}

void region_free(struct region *region)
{
    if (region != NULL)
        munmap(region, region_bytes());
}

void seat_clear_gauges(struct seat *seat)
{
    for (unsigned i = 0; i < COUNTERS; i++)
        if (counter_is_gauge((enum counter)i))
            count_set(seat, (enum counter)i, 0);
}

void seat_reset(struct seat *seat)
{
    struct ring ring;

    memset(&seat->board, 0, sizeof seat->board);
    ring_open_reader(&ring, &seat->publish_head, seat->publish, PUBLISH_RING_BYTES);
    atomic_store_explicit(&seat->publish_files_taken, 0, memory_order_relaxed);
    seat_clear_gauges(seat);
}

void seat_record_latency(struct seat *seat, uint64_t ns)
{
    uint64_t sum = __atomic_load_n(&seat->hist->sum_ns, __ATOMIC_RELAXED);

    hist_count(&shape, seat->hist->counts, ns);
    __atomic_store_n(&seat->hist->sum_ns, sum + ns, __ATOMIC_RELAXED);
}

const struct hist_shape *seat_latency(const struct seat *seat,
                                      const uint64_t **ret_counts, uint64_t *ret_sum_ns)
{
    *ret_counts = seat->hist->counts;
    *ret_sum_ns = __atomic_load_n(&seat->hist->sum_ns, __ATOMIC_RELAXED);
    return &shape;
}

static const struct {
    const char *name, *unit, *sentence;
    bool is_gauge;
} about[COUNTERS] = {
#define TOTAL(name, unit, sentence) { #name, unit, sentence, false },
#define GAUGE(name, unit, sentence) { #name, unit, sentence, true },
#include "server/shared/counters.def"
#undef TOTAL
#undef GAUGE
};

const char *counter_name(enum counter c)
{
    return about[c].name;
}

const char *counter_unit(enum counter c)
{
    return about[c].unit;
}

const char *counter_sentence(enum counter c)
{
    return about[c].sentence;
}

bool counter_is_gauge(enum counter c)
{
    return about[c].is_gauge;
}

const char *seat_state_name(enum seat_state state)
{
    static const char *const names[] = { "free", "starting", "ready", "draining",
                                         "gone" };

    return state <= SEAT_GONE ? names[state] : "unknown";
}
