/* SPDX-License-Identifier: MIT */
/* keeper.c - a heap and a reservoir; see keeper.h. */
#include "loadtest/keeper.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A generator that is late by less is as good as punctual. */
#define STALL_NS 100000u

int keeper_init(struct keeper *keeper, size_t max, uint64_t seed)
{
    *keeper = (struct keeper){ .max = max };
    prng_seed(&keeper->prng, seed);
    if (max == 0)
        return 0;
    keeper->slow = calloc(max, sizeof *keeper->slow);
    keeper->sample = calloc(max, sizeof *keeper->sample);
    keeper->stalls = calloc(KEEPER_STALLS, sizeof *keeper->stalls);
    if (keeper->slow == NULL || keeper->sample == NULL || keeper->stalls == NULL) {
        keeper_free(keeper);
        return -ENOMEM;
    }
    memset(keeper->slow, 1, max * sizeof *keeper->slow);
    memset(keeper->sample, 1, max * sizeof *keeper->sample);
    memset(keeper->stalls, 1, KEEPER_STALLS * sizeof *keeper->stalls);
    keeper_reset(keeper);
    return 0;
}

void keeper_free(struct keeper *keeper)
{
    free(keeper->slow);
    free(keeper->sample);
    free(keeper->stalls);
    *keeper = (struct keeper){ 0 };
}

/* Uniform in (0, 1]. */
static double unit(struct keeper *keeper)
{
    return 1 - prng_unit(&keeper->prng);
}

static void skip(struct keeper *keeper)
{
    double n = floor(log(unit(keeper)) / log1p(-keeper->weight));
    keeper->next += n < 1e18 ? (uint64_t)n + 1 : UINT64_MAX / 2;
    keeper->weight *= exp(log(unit(keeper)) / (double)keeper->max);
}

void keeper_reset(struct keeper *keeper)
{
    keeper->n_slow = keeper->n_sample = keeper->n_stalls = 0;
    keeper->seen = keeper->lost_stalls = 0;
    if (keeper->max == 0)
        return;
    keeper->weight = exp(log(unit(keeper)) / (double)keeper->max);
    keeper->next = keeper->max - 1;
    skip(keeper);
}

/* --- the heap: no parent is slower than its children --- */

static void swap(struct kept *a, struct kept *b)
{
    struct kept kept = *a;
    *a = *b;
    *b = kept;
}

static void sift_up(struct kept *heap, size_t at)
{
    while (at > 0 && kept_latency(&heap[at]) < kept_latency(&heap[(at - 1) / 2])) {
        swap(&heap[at], &heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void sift_down(struct kept *heap, size_t n)
{
    for (size_t at = 0, child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n &&
            kept_latency(&heap[child + 1]) < kept_latency(&heap[child]))
            child++;
        if (kept_latency(&heap[at]) <= kept_latency(&heap[child]))
            return;
        swap(&heap[at], &heap[child]);
    }
}

static void add_slow(struct keeper *keeper, const struct kept *kept)
{
    if (keeper->n_slow < keeper->max) {
        keeper->slow[keeper->n_slow] = *kept;
        sift_up(keeper->slow, keeper->n_slow++);
    } else {
        keeper->slow[0] = *kept;
        sift_down(keeper->slow, keeper->n_slow);
    }
}

static void add_sample(struct keeper *keeper, const struct kept *kept)
{
    if (keeper->n_sample < keeper->max) {
        keeper->sample[keeper->n_sample++] = *kept;
        return;
    }
    keeper->sample[prng_below(&keeper->prng, keeper->max)] = *kept;
    skip(keeper);
}

void keeper_add(struct keeper *keeper, const struct tally_times *times, bool failed,
                struct span timing)
{
    struct kept kept = { .times = *times, .failed = failed };
    if (keeper->max == 0)
        return;
    bool slow = keeper->n_slow < keeper->max ||
                kept_latency(&kept) > kept_latency(&keeper->slow[0]);
    bool sampled = keeper->n_sample < keeper->max || keeper->seen == keeper->next;
    keeper->seen++;
    if (!slow && !sampled)
        return;
    kept.timing = server_timing_parse(timing);
    if (slow)
        add_slow(keeper, &kept);
    if (sampled)
        add_sample(keeper, &kept);
}

void keeper_stall(struct keeper *keeper, uint64_t from_ns, uint64_t to_ns)
{
    if (keeper->max == 0 || to_ns < from_ns + STALL_NS)
        return;
    if (keeper->n_stalls == KEEPER_STALLS) {
        keeper->lost_stalls++;
        return;
    }
    keeper->stalls[keeper->n_stalls++] = (struct kept_stall){ from_ns, to_ns };
}
