/* SPDX-License-Identifier: MIT */
/* reader.c - epochs and pins (the proof is in gc/README.md, "Readers").
 *
 * A seat is free, open outside, or open inside an epoch. The fields of a seat and their
 * arguments are in gc.h; the process-private half, struct gc_reader, knows which pins
 * are free, so that no reader ever searches or locks anything in shared memory.
 */
#define GC_IMPL
#include "gc/reader.h"

#include <errno.h>
#include <stdlib.h>

#include "gc/os.h"

/* For C++, and for callers that are not optimized. */
extern inline const void *gc_reader_enter(struct gc_reader *reader);
extern inline void gc_reader_leave(struct gc_reader *reader);

static struct gc_seat *seat_of(const struct gc_heap *heap, unsigned seat)
{
    GC_CHECK(seat < heap->config.readers);
    return (struct gc_seat *)(heap->seats + seat * heap->seat_bytes);
}

/* A seat is written by another process: what it says is checked, not trusted. */
static uint32_t pins_high(const struct gc_heap *heap, const struct gc_seat *seat)
{
    uint32_t high = atomic_load_explicit(&seat->pins_high, memory_order_relaxed);
    return high < heap->config.pins_per_reader ? high : heap->config.pins_per_reader;
}

static bool is_object(const struct gc_heap *heap, uintptr_t addr)
{
    return addr >= heap->base && addr % GRANULE == 0 &&
           addr - heap->base < (uintptr_t)heap->chunks_used << CHUNK_SHIFT &&
           (heap->alloc[bit_word(heap, addr)] & bit_mask(addr));
}

int gc_reader_init(struct gc_heap *heap)
{
    unsigned n = heap->config.readers;
    if (!heap->config.shared) {
        heap->readers = calloc(n + 1, sizeof(*heap->readers));
        return heap->readers ? 0 : -ENOMEM;
    }
    size_t seat = sizeof(struct gc_seat) +
                  heap->config.pins_per_reader * sizeof(_Atomic uintptr_t);
    heap->seat_bytes = (seat + 63) & ~(size_t)63;
    heap->control_bytes = sizeof(struct control) + n * heap->seat_bytes;
    heap->control = gc_os_control(heap->control_bytes);
    if (!heap->control)
        return -errno;
    heap->seats = (char *)(heap->control + 1);
    atomic_store(&heap->control->epoch, 1); /* 0 means outside */
    return 0;
}

void gc_reader_done(struct gc_heap *heap)
{
    for (unsigned i = 0; heap->readers && i < heap->config.readers; i++)
        gc_reader_close(heap->readers[i]);
    free(heap->readers);
    gc_os_unmap(heap->control, heap->control_bytes);
}

void gc_reader_detach(struct gc_heap *heap)
{
    for (unsigned i = 0; heap->readers && i < heap->config.readers; i++)
        heap->readers[i] = NULL;
}

static bool is_clean(const struct gc_heap *heap, unsigned seat)
{
    if (!heap->config.shared)
        return heap->readers[seat] == NULL;
    return atomic_load(&seat_of(heap, seat)->epoch) == 0 &&
           gc_reader_pins(heap, seat) == 0;
}

struct gc_reader *gc_reader_open(struct gc_heap *heap, unsigned seat)
{
    unsigned pins = heap->config.pins_per_reader;
    if (seat >= heap->config.readers || !is_clean(heap, seat)) {
        errno = seat >= heap->config.readers ? EINVAL : EBUSY;
        return NULL;
    }
    struct gc_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return NULL;
    reader->heap = heap;
    reader->number = seat;
    reader->pins_max = pins;
    reader->free_pins = malloc(pins * sizeof *reader->free_pins);
    if (heap->config.shared) {
        reader->seat = seat_of(heap, seat);
        reader->epoch = &heap->control->epoch;
        reader->root = &heap->control->root;
        reader->pins = reader->seat->pins;
    } else {
        reader->root = &heap->private_root;
        reader->pins = calloc(pins, sizeof *reader->pins);
    }
    if (!reader->free_pins || !reader->pins) {
        gc_reader_close(reader);
        errno = ENOMEM;
        return NULL;
    }
    for (unsigned i = 0; i < pins; i++)
        reader->free_pins[i] = i;
    if (!heap->config.shared)
        heap->readers[seat] = reader;
    return reader;
}

void gc_reader_close(struct gc_reader *reader)
{
    if (!reader)
        return;
    struct gc_heap *heap = reader->heap;
    if (reader->seat) {
        gc_reader_clear(heap, reader->number);
    } else {
        if (heap->readers[reader->number] == reader)
            heap->readers[reader->number] = NULL;
        free((void *)(uintptr_t)reader->pins);
    }
    free(reader->free_pins);
    free(reader);
}

int gc_pin(struct gc_reader *reader, const void *obj)
{
    GC_CHECK(!reader->seat ||
             atomic_load_explicit(&reader->seat->epoch, memory_order_relaxed) != 0);
    if (reader->pins_used == reader->pins_max)
        return -ENOSPC;
    uint32_t pin = reader->free_pins[reader->pins_used++];
    if (pin >= reader->pins_high)
        reader->pins_high = pin + 1;
    if (reader->seat &&
        pin >= atomic_load_explicit(&reader->seat->pins_high, memory_order_relaxed))
        atomic_store_explicit(&reader->seat->pins_high, pin + 1, memory_order_relaxed);
    /* Ordered before the release of gc_reader_leave(); the owner looks only after that.
     */
    atomic_store_explicit(&reader->pins[pin], (uintptr_t)obj, memory_order_release);
    return (int)pin;
}

void gc_unpin(struct gc_reader *reader, int pin)
{
    GC_CHECK(pin >= 0 && (unsigned)pin < reader->pins_max && reader->pins_used > 0);
    _Atomic uintptr_t *cell = &reader->pins[pin];
    GC_CHECK(atomic_load_explicit(cell, memory_order_relaxed) != 0);
    /* All reads of the object come before this. Partner: gc_reader_mark_pins(). */
    atomic_store_explicit(cell, 0, memory_order_release);
    reader->free_pins[--reader->pins_used] = (uint32_t)pin;
}

void gc_reader_clear(struct gc_heap *heap, unsigned number)
{
    if (!heap->config.shared)
        return;
    struct gc_seat *seat = seat_of(heap, number);
    uint32_t high = pins_high(heap, seat);
    for (uint32_t i = 0; i < high; i++)
        if (atomic_load_explicit(&seat->pins[i], memory_order_relaxed))
            atomic_store_explicit(&seat->pins[i], 0, memory_order_release);
    atomic_store_explicit(&seat->pins_high, 0, memory_order_relaxed);
    atomic_store_explicit(&seat->epoch, 0, memory_order_release);
}

uint64_t gc_reader_lag(const struct gc_heap *heap, unsigned number)
{
    if (!heap->config.shared)
        return 0;
    uint64_t inside = atomic_load(&seat_of(heap, number)->epoch);
    uint64_t now = atomic_load(&heap->control->epoch);
    return inside ? now - inside : 0;
}

unsigned gc_reader_pins(const struct gc_heap *heap, unsigned number)
{
    if (!heap->config.shared)
        return heap->readers[number] ? heap->readers[number]->pins_used : 0;
    const struct gc_seat *seat = seat_of(heap, number);
    uint32_t n = 0, high = pins_high(heap, seat);
    for (uint32_t i = 0; i < high; i++)
        n += atomic_load_explicit(&seat->pins[i], memory_order_relaxed) != 0;
    return n;
}

/* ---- the owner's side ---------------------------------------------------- */

void gc_reader_new_epoch(struct gc_heap *heap)
{
    if (heap->config.shared)
        atomic_fetch_add_explicit(&heap->control->epoch, 1, memory_order_seq_cst);
}

/* Until this is true nothing may be freed (rule 7). */
bool gc_reader_grace_over(const struct gc_heap *heap)
{
    if (!heap->config.shared)
        return true;
    uint64_t now = atomic_load_explicit(&heap->control->epoch, memory_order_relaxed);
    for (unsigned i = 0; i < heap->config.readers; i++) {
        /* Partner: the epoch store of gc_reader_enter() (seq_cst: a reader that is not
         * seen here will load a root that was published before this) and of
         * gc_reader_leave() (release: its pins are visible now). */
        uint64_t inside =
            atomic_load_explicit(&seat_of(heap, i)->epoch, memory_order_seq_cst);
        if (inside != 0 && inside < now)
            return false;
    }
    return true;
}

/* In pieces, since seats may have many pins. The argument does not need them read at
 * one moment: what was pinned before grace stays pinned until its reader needs it no
 * more, and what is pinned later is marked anyway. */
bool gc_reader_mark_pins(struct gc_heap *heap, unsigned n)
{
    while (heap->config.shared && heap->pin_seat < heap->config.readers) {
        const struct gc_seat *seat = seat_of(heap, heap->pin_seat);
        uint32_t high = pins_high(heap, seat);
        for (; heap->pin_at < high; heap->pin_at++) {
            if (n-- == 0)
                return false;
            /* Acquire, partner: gc_unpin(). A slot is reused only after its reads. */
            uintptr_t obj =
                atomic_load_explicit(&seat->pins[heap->pin_at], memory_order_acquire);
            if (obj && is_object(heap, obj))
                gc_visit(&heap->marker, (const void *)obj);
        }
        heap->pin_seat++;
        heap->pin_at = 0;
    }
    return true;
}
