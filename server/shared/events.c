/* SPDX-License-Identifier: MIT */
/* events.c - the writer's and the readers' side of an event ring.
 *
 * The fields of a record may be copied while its writer replaces them, so both sides
 * touch them through relaxed atomics; the number before and after the copy tells a
 * whole record from a torn one. Fences: (1) in event_write() keeps the fields behind
 * the cleared number and meets (2) in copy_record(), which keeps the second look at the
 * number behind the fields. A writer that died in the middle leaves number 0: the
 * record is skipped for ever.
 */
#include "server/shared/events.h"

#include <stdbool.h>
#include <stddef.h>

_Static_assert(sizeof(struct event_record) == 64, "an event fills one cache line");
_Static_assert((EVENT_RING_SIZE & (EVENT_RING_SIZE - 1)) == 0,
               "a mask finds the place");

static void put64(uint64_t *field, uint64_t value)
{
    __atomic_store_n(field, value, __ATOMIC_RELAXED);
}

static uint64_t get64(const uint64_t *field)
{
    return __atomic_load_n(field, __ATOMIC_RELAXED);
}

void event_write(const struct event_source *source, enum event_kind kind,
                 uint64_t start_ns, uint64_t duration_ns, uint64_t a, uint64_t b)
{
    struct event_ring *ring = source->ring;
    uint64_t number = atomic_load_explicit(&ring->written, memory_order_relaxed) + 1;
    struct event_record *e = &ring->at[(number - 1) & (EVENT_RING_SIZE - 1)];

    atomic_store_explicit(&e->number, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release); /* (1) */
    put64(&e->start_ns, start_ns);
    put64(&e->duration_ns, duration_ns);
    put64(&e->a, a);
    put64(&e->b, b);
    __atomic_store_n(&e->kind, (uint32_t)kind, __ATOMIC_RELAXED);
    __atomic_store_n(&e->generation, source->generation, __ATOMIC_RELAXED);
    __atomic_store_n(&e->slot, source->slot, __ATOMIC_RELAXED);
    __atomic_store_n(&e->seat, source->seat, __ATOMIC_RELAXED);
    atomic_store_explicit(&e->number, number, memory_order_release);
    atomic_store_explicit(&ring->written, number, memory_order_release);
}

/* False when the record is not the one numbered `number` any more, or never was. */
static bool copy_record(const struct event_record *e, uint64_t number,
                        struct event_record *ret)
{
    uint64_t after;

    if (atomic_load_explicit(&e->number, memory_order_acquire) != number)
        return false;
    ret->start_ns = get64(&e->start_ns);
    ret->duration_ns = get64(&e->duration_ns);
    ret->a = get64(&e->a);
    ret->b = get64(&e->b);
    ret->kind = __atomic_load_n(&e->kind, __ATOMIC_RELAXED);
    ret->generation = __atomic_load_n(&e->generation, __ATOMIC_RELAXED);
    ret->slot = __atomic_load_n(&e->slot, __ATOMIC_RELAXED);
    ret->seat = __atomic_load_n(&e->seat, __ATOMIC_RELAXED);
    atomic_thread_fence(memory_order_acquire); /* (2) */
    after = atomic_load_explicit(&e->number, memory_order_relaxed);
    atomic_store_explicit(&ret->number, number, memory_order_relaxed);
    return after == number && ret->kind > EVENT_NONE && ret->kind < EVENT_KINDS;
}

unsigned event_read(const struct event_ring *ring, uint64_t since,
                    struct event_record *ret, unsigned max)
{
    uint64_t newest = atomic_load_explicit(&ring->written, memory_order_acquire);
    unsigned n = 0;

    if (newest <= since)
        return 0;
    if (newest - since > EVENT_RING_SIZE)
        since = newest - EVENT_RING_SIZE;
    for (uint64_t left = newest - since; left > 0 && n < max; left--) {
        uint64_t number = newest - left + 1;

        if (copy_record(&ring->at[(number - 1) & (EVENT_RING_SIZE - 1)], number,
                        &ret[n]))
            n++;
    }
    return n;
}

const char *event_name(enum event_kind kind)
{
#define EVENT_TEXT(name, text, args) [EVENT_##name] = text,
    static const char *const names[EVENT_KINDS] = { [EVENT_NONE] = "none",
                                                    EVENTS(EVENT_TEXT) };
#undef EVENT_TEXT
    return kind < EVENT_KINDS ? names[kind] : "unknown";
}
