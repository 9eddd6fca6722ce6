/* SPDX-License-Identifier: MIT */
/* events.c - the writer's and the readers' side of an event ring.
 *
 * The fields of a record may be copied while its writer replaces them, so both sides
 * touch them through atomics; the number before and after the copy tells a whole record
 * from a torn one:
 *
 *   writer   number = 0;  each field (release);  number = n (release)
 *   reader   number (acquire) is n;  each field (acquire);  number is n still
 *
 * A field is not older than n: the first look saw the store that released it. Nor is it
 * newer: a load that takes a field of a later record from its release store sees what
 * came before that store, the cleared number, and the second look, which comes after,
 * finds that or something later, never n again. The order is on the fields, not in two
 * fences, because ThreadSanitizer follows no fences; where stores are ordered anyway
 * (x86) it is the same code. A writer that died in the middle leaves number 0: the
 * record is skipped for ever.
 */
#include "server/shared/events.h"

#include <stdbool.h>
#include <stddef.h>

_Static_assert(sizeof(struct event_record) == 64, "an event fills one cache line");
_Static_assert((EVENT_RING_SIZE & (EVENT_RING_SIZE - 1)) == 0,
               "a mask finds the place");

/* The fields have three widths. */
#define PUT(field, value) __atomic_store_n(&(field), value, __ATOMIC_RELEASE)
#define GET(field)        __atomic_load_n(&(field), __ATOMIC_ACQUIRE)

void event_write(const struct event_source *source, enum event_kind kind,
                 uint64_t start_ns, uint64_t duration_ns, uint64_t a, uint64_t b)
{
    struct event_ring *ring = source->ring;
    uint64_t number = atomic_load_explicit(&ring->written, memory_order_relaxed) + 1;
    struct event_record *e = &ring->at[(number - 1) & (EVENT_RING_SIZE - 1)];

    atomic_store_explicit(&e->number, 0, memory_order_relaxed);
    PUT(e->start_ns, start_ns);
    PUT(e->duration_ns, duration_ns);
    PUT(e->a, a);
    PUT(e->b, b);
    PUT(e->kind, (uint32_t)kind);
    PUT(e->generation, source->generation);
    PUT(e->slot, source->slot);
    PUT(e->seat, source->seat);
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
    ret->start_ns = GET(e->start_ns);
    ret->duration_ns = GET(e->duration_ns);
    ret->a = GET(e->a);
    ret->b = GET(e->b);
    ret->kind = GET(e->kind);
    ret->generation = GET(e->generation);
    ret->slot = GET(e->slot);
    ret->seat = GET(e->seat);
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
