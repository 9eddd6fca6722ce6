/* SPDX-License-Identifier: MIT */
/* hist.h - histograms of times, with the buckets of HdrHistogram.
 *
 * Two layers:
 *
 *   struct hist_shape   the arithmetic of the buckets: which slot a value falls into,
 *                       and which values a slot stands for. It holds no pointer. A
 *                       caller who keeps the counters elsewhere (an array in shared
 *                       memory) needs only this layer, the hist_count_* functions.
 *   struct hist         a shape with counters of its own, total, minimum and maximum.
 *
 * Values are unsigned integers below 2^62 (ours are nanoseconds). A value above the
 * highest trackable one is counted in the last slot *and* counted apart: it is never
 * dropped, and never hidden.
 *
 * Percentiles are exact nearest ranks, in integers: the value of rank
 * ceil(total * num / den), reported as the highest value of its slot.
 */
#ifndef COWSHED_HIST_H
#define COWSHED_HIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hist_shape {
    uint64_t lowest;         /* smallest value told apart from zero; >= 1 */
    uint64_t highest;        /* largest value tracked; >= 2 * lowest */
    uint64_t sub_mask;       /* values under this mask share bucket 0 */
    uint32_t digits;         /* significant decimal digits, 1 to 5 */
    uint32_t unit_magnitude; /* log2 of the width of a slot in bucket 0 */
    uint32_t half_magnitude; /* log2 of half the slots of a bucket */
    uint32_t counts_len;     /* number of slots */
};

/* Number of slots of a shape, as a constant for arrays: `buckets` is the number of
 * times that the first bucket (2^sub_magnitude values) must double to hold the highest
 * value, plus one. Checked against hist_shape_init() where it is used. */
#define HIST_COUNTS_LEN(sub_magnitude, buckets) \
    (((buckets) + 1u) << ((sub_magnitude)-1u))

/* The shape for a slot of the server: nanoseconds to one minute, 2 digits, 30 KiB. */
#define HIST_SERVER_LOWEST     1u
#define HIST_SERVER_HIGHEST    UINT64_C(60000000000)
#define HIST_SERVER_DIGITS     2u
#define HIST_SERVER_COUNTS_LEN HIST_COUNTS_LEN(8, 29)

/* Returns 0, or -EINVAL when the three numbers make no histogram. */
int hist_shape_init(struct hist_shape *ret_shape, uint64_t lowest, uint64_t highest,
                    unsigned digits);
bool hist_shape_equal(const struct hist_shape *a, const struct hist_shape *b);

/* Slot of a value that is at most `highest`. */
uint32_t hist_index(const struct hist_shape *shape, uint64_t value);
/* The values that a slot stands for: smallest, largest, and the one in the middle. */
uint64_t hist_slot_lowest(const struct hist_shape *shape, uint32_t index);
uint64_t hist_slot_highest(const struct hist_shape *shape, uint32_t index);
uint64_t hist_slot_median(const struct hist_shape *shape, uint32_t index);

/* --- counters kept by the caller: counts[shape->counts_len] ---
 *
 * One writer; readers in other processes or threads may look at any time. Each counter
 * is read and written whole (relaxed atomics), so a reader sees every counter as it was
 * at some moment of its walk: totals may differ by what was recorded meanwhile. */

/* Counts a value. False when it was above `highest` (and counted in the last slot). */
bool hist_count(const struct hist_shape *shape, uint64_t *counts, uint64_t value);
uint64_t hist_count_total(const struct hist_shape *shape, const uint64_t *counts);
/* Adds `from` to `into`; both of this shape. */
void hist_count_merge(const struct hist_shape *shape, uint64_t *into,
                      const uint64_t *from);
/* Nearest rank ceil(total * num / den), num <= den; 0 when nothing was counted. */
uint64_t hist_count_percentile(const struct hist_shape *shape, const uint64_t *counts,
                               uint64_t num, uint64_t den);

/* --- a histogram with its own counters --- */

struct hist {
    struct hist_shape shape;
    uint64_t *counts; /* owned; shape.counts_len of them */
    uint64_t total;
    uint64_t above; /* of these, how many were larger than shape.highest */
    uint64_t min;   /* as recorded; UINT64_MAX when empty */
    uint64_t max;   /* as recorded, also when above; 0 when empty */
};

/* Returns 0, -EINVAL or -ENOMEM; ret_hist is untouched on failure. */
int hist_init(struct hist *ret_hist, uint64_t lowest, uint64_t highest,
              unsigned digits);
/* Takes a histogram that is all zero bytes as well. */
void hist_free(struct hist *hist);
void hist_reset(struct hist *hist);
void hist_record(struct hist *hist, uint64_t value);
void hist_record_n(struct hist *hist, uint64_t value, uint64_t n);
/* Records also what a periodic observer missed while it was stopped: value - interval,
 * value - 2 * interval, ... down to interval. For stalls of a loop only. */
void hist_record_expected(struct hist *hist, uint64_t value, uint64_t interval);
/* -EINVAL when the shapes differ. */
int hist_merge(struct hist *into, const struct hist *from);
/* Nearest rank, num <= den, never above the recorded maximum; num = 0 is the minimum.
 */
uint64_t hist_percentile(const struct hist *hist, uint64_t num, uint64_t den);
/* How many recorded values are in slots wholly above `value`. */
uint64_t hist_beyond(const struct hist *hist, uint64_t value);
/* From the middles of the slots; 0 when empty. */
double hist_mean(const struct hist *hist);
double hist_variance(const struct hist *hist);

/* Exact ceil(n * num / den) for den > 0, without overflow while the result fits. */
uint64_t hist_rank(uint64_t n, uint64_t num, uint64_t den);

#endif
