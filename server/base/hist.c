/* SPDX-License-Identifier: MIT */
/* hist.c - bucket arithmetic, counting, percentiles.
 *
 * A histogram is a row of buckets. Each holds 2^m slots (m from the digits) of equal
 * width, and each is twice as wide as the one before, so the width of a slot is always
 * below 1/10^digits of its values. The lower half of every bucket but the first repeats
 * the one before and is not stored: hence `half` slots per bucket, and one half more.
 * (Gil Tene's HdrHistogram; the numbers are compatible with its V2 encoding.)
 */
#include "server/base/hist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t floor_log2(uint64_t value)
{
    return 63u - (uint32_t)__builtin_clzll(value);
}

/* Smallest m with 2^m >= 2 * 10^digits. */
static uint32_t sub_magnitude(unsigned digits)
{
    uint64_t least = 2;
    for (unsigned i = 0; i < digits; i++)
        least *= 10;
    return floor_log2(least - 1) + 1;
}

static uint32_t bucket_count(uint32_t first_bits, uint64_t highest)
{
    uint32_t n = 1;
    for (uint64_t limit = UINT64_C(1) << first_bits; limit <= highest; limit <<= 1) {
        n++;
        if (limit > (uint64_t)INT64_MAX / 2)
            break;
    }
    return n;
}

int hist_shape_init(struct hist_shape *ret_shape, uint64_t lowest, uint64_t highest,
                    unsigned digits)
{
    if (digits < 1 || digits > 5 || lowest < 1 || lowest > (uint64_t)INT64_MAX / 2)
        return -EINVAL;
    if (highest < 2 * lowest || highest > (uint64_t)INT64_MAX)
        return -EINVAL;
    uint32_t unit = floor_log2(lowest);
    uint32_t sub = sub_magnitude(digits);
    if (unit + sub > 62)
        return -EINVAL;
    *ret_shape = (struct hist_shape){
        .lowest = lowest,
        .highest = highest,
        .sub_mask = ((UINT64_C(1) << sub) - 1) << unit,
        .digits = digits,
        .unit_magnitude = unit,
        .half_magnitude = sub - 1,
        .counts_len = (bucket_count(unit + sub, highest) + 1) << (sub - 1),
    };
    return 0;
}

bool hist_shape_equal(const struct hist_shape *a, const struct hist_shape *b)
{
    return a->lowest == b->lowest && a->highest == b->highest && a->digits == b->digits;
}

uint32_t hist_index(const struct hist_shape *shape, uint64_t value)
{
    uint32_t bucket = floor_log2(value | shape->sub_mask) - shape->unit_magnitude -
                      shape->half_magnitude;
    uint64_t sub = value >> (bucket + shape->unit_magnitude);
    /* sub >= half except in bucket 0, where adding the half back cancels out */
    return (bucket << shape->half_magnitude) + (uint32_t)sub;
}

/* Bucket and first value of a slot. */
static uint64_t slot_start(const struct hist_shape *shape, uint32_t index,
                           uint32_t *ret_width_bits)
{
    uint32_t half = 1u << shape->half_magnitude;
    uint32_t row = index >> shape->half_magnitude;
    uint64_t sub = index & (half - 1);
    uint32_t bucket = 0;
    if (row > 0) {
        bucket = row - 1;
        sub += half;
    }
    *ret_width_bits = bucket + shape->unit_magnitude;
    return sub << *ret_width_bits;
}

uint64_t hist_slot_lowest(const struct hist_shape *shape, uint32_t index)
{
    uint32_t bits;
    return slot_start(shape, index, &bits);
}

uint64_t hist_slot_highest(const struct hist_shape *shape, uint32_t index)
{
    uint32_t bits;
    uint64_t start = slot_start(shape, index, &bits);
    return start + ((UINT64_C(1) << bits) - 1);
}

uint64_t hist_slot_median(const struct hist_shape *shape, uint32_t index)
{
    uint32_t bits;
    uint64_t start = slot_start(shape, index, &bits);
    return start + ((UINT64_C(1) << bits) >> 1);
}

uint64_t hist_rank(uint64_t n, uint64_t num, uint64_t den)
{
    uint64_t rest = n % den;
    return n / den * num + (rest * num + den - 1) / den;
}

static uint64_t counter_read(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void counter_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, counter_read(counter) + n, __ATOMIC_RELAXED);
}

bool hist_count(const struct hist_shape *shape, uint64_t *counts, uint64_t value)
{
    bool fits = value <= shape->highest;
    counter_add(&counts[hist_index(shape, fits ? value : shape->highest)], 1);
    return fits;
}

uint64_t hist_count_total(const struct hist_shape *shape, const uint64_t *counts)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < shape->counts_len; i++)
        total += counter_read(&counts[i]);
    return total;
}

void hist_count_merge(const struct hist_shape *shape, uint64_t *into,
                      const uint64_t *from)
{
    for (uint32_t i = 0; i < shape->counts_len; i++) {
        uint64_t n = counter_read(&from[i]);
        if (n != 0)
            counter_add(&into[i], n);
    }
}

/* First slot at which the running count reaches `rank`; the last slot in use when
 * another process was recording and the counts fall short. */
static uint32_t slot_of_rank(const struct hist_shape *shape, const uint64_t *counts,
                             uint64_t rank)
{
    uint64_t seen = 0;
    uint32_t last = 0;
    for (uint32_t i = 0; i < shape->counts_len && seen < rank; i++) {
        uint64_t n = counter_read(&counts[i]);
        if (n != 0)
            last = i;
        seen += n;
    }
    return last;
}

uint64_t hist_count_percentile(const struct hist_shape *shape, const uint64_t *counts,
                               uint64_t num, uint64_t den)
{
    uint64_t total = hist_count_total(shape, counts);
    if (total == 0)
        return 0;
    uint64_t rank = hist_rank(total, num, den);
    return hist_slot_highest(shape, slot_of_rank(shape, counts, rank > 0 ? rank : 1));
}

int hist_init(struct hist *ret_hist, uint64_t lowest, uint64_t highest, unsigned digits)
{
    struct hist_shape shape;
    int err = hist_shape_init(&shape, lowest, highest, digits);
    if (err < 0)
        return err;
    uint64_t *counts = calloc(shape.counts_len, sizeof *counts);
    if (counts == NULL)
        return -ENOMEM;
    *ret_hist = (struct hist){ .shape = shape, .counts = counts, .min = UINT64_MAX };
    return 0;
}

void hist_free(struct hist *hist)
{
    free(hist->counts);
    hist->counts = NULL;
}

void hist_reset(struct hist *hist)
{
    memset(hist->counts, 0, hist->shape.counts_len * sizeof *hist->counts);
    hist->total = 0;
    hist->above = 0;
    hist->min = UINT64_MAX;
    hist->max = 0;
}

void hist_record_n(struct hist *hist, uint64_t value, uint64_t n)
{
    if (n == 0)
        return;
    bool fits = value <= hist->shape.highest;
    hist->counts[hist_index(&hist->shape, fits ? value : hist->shape.highest)] += n;
    hist->total += n;
    hist->above += fits ? 0 : n;
    if (value < hist->min)
        hist->min = value;
    if (value > hist->max)
        hist->max = value;
}

void hist_record(struct hist *hist, uint64_t value)
{
    hist_record_n(hist, value, 1);
}

void hist_record_expected(struct hist *hist, uint64_t value, uint64_t interval)
{
    hist_record(hist, value);
    if (interval == 0)
        return;
    for (uint64_t rest = value; rest >= 2 * interval; rest -= interval)
        hist_record(hist, rest - interval);
}

int hist_merge(struct hist *into, const struct hist *from)
{
    if (!hist_shape_equal(&into->shape, &from->shape))
        return -EINVAL;
    hist_count_merge(&into->shape, into->counts, from->counts);
    into->total += from->total;
    into->above += from->above;
    if (from->min < into->min)
        into->min = from->min;
    if (from->max > into->max)
        into->max = from->max;
    return 0;
}

uint64_t hist_percentile(const struct hist *hist, uint64_t num, uint64_t den)
{
    if (hist->total == 0)
        return 0;
    if (num == 0)
        return hist->min;
    uint64_t rank = hist_rank(hist->total, num, den);
    uint32_t slot = slot_of_rank(&hist->shape, hist->counts, rank);
    uint64_t value = hist_slot_highest(&hist->shape, slot);
    /* the last slot also holds what was above, whose largest value is known */
    if (value > hist->max || rank == hist->total)
        return hist->max;
    return value;
}

uint64_t hist_beyond(const struct hist *hist, uint64_t value)
{
    if (value >= hist->shape.highest)
        return value < hist->max ? hist->above : 0;
    uint64_t n = 0;
    uint32_t first = hist_index(&hist->shape, value) + 1;
    for (uint32_t i = first; i < hist->shape.counts_len; i++)
        n += hist->counts[i];
    return n;
}

double hist_mean(const struct hist *hist)
{
    double sum = 0;
    for (uint32_t i = 0; i < hist->shape.counts_len; i++) {
        if (hist->counts[i] != 0)
            sum += (double)hist->counts[i] * (double)hist_slot_median(&hist->shape, i);
    }
    return hist->total == 0 ? 0 : sum / (double)hist->total;
}

double hist_variance(const struct hist *hist)
{
    double mean = hist_mean(hist);
    double sum = 0;
    for (uint32_t i = 0; i < hist->shape.counts_len; i++) {
        if (hist->counts[i] == 0)
            continue;
        double off = (double)hist_slot_median(&hist->shape, i) - mean;
        sum += (double)hist->counts[i] * off * off;
    }
    return hist->total == 0 ? 0 : sum / (double)hist->total;
}
