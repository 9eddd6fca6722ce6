/* SPDX-License-Identifier: MIT */
/* root.c - where reachability begins, and the write barrier.
 *
 * A cycle keeps what was reachable when it began (rule 5): roots are read once, then;
 * what a root is changed to afterwards was reachable at that time or is newer and born
 * marked. The same holds for a field of an object if its old value is shown to the
 * marker before it is overwritten: that is gc_store().
 */
#define GC_IMPL
#include "gc/impl.h"

#include <errno.h>
#include <stdlib.h>

static void *_Atomic *root_cell(struct gc_heap *heap)
{
    return heap->config.shared ? &heap->control->root : &heap->private_root;
}

/* Written by the owner only. Readers load it seq_cst after they have announced their
 * epoch (gc_reader_enter()); a stale root is harmless, because its objects stay until
 * the reader has left. */
void gc_publish(struct gc_heap *heap, void *obj)
{
    GC_CHECK(heap->owner && !heap->busy);
    atomic_store_explicit(root_cell(heap), obj, memory_order_seq_cst);
}

void *gc_root(const struct gc_heap *heap)
{
    void *const _Atomic *cell =
        heap->config.shared ? &heap->control->root : &heap->private_root;
    return atomic_load_explicit(cell, memory_order_acquire);
}

void gc_store(struct gc_heap *heap, void *obj, void *field, const void *value)
{
    GC_CHECK(heap->owner && !heap->busy && !heap->config.shared);
    GC_CHECK(!gc_frozen(heap, obj));
    void **cell = field;
    /* The image of a marking child has the old value (rule 15). */
    if ((heap->phase == GC_MARK || heap->phase == GC_FINISH) && !heap->away)
        gc_visit(&heap->marker, *cell);
    *cell = (void *)(uintptr_t)value;
}

bool gc_frozen(const struct gc_heap *heap, const void *obj)
{
    return (uintptr_t)obj >= heap->base && (uintptr_t)obj < heap->arena_start;
}

int gc_root_add(struct gc_heap *heap, void **slot)
{
    if (heap->n_slots == heap->cap_slots) {
        size_t cap = heap->cap_slots ? heap->cap_slots * 2 : 8;
        void ***slots = realloc(heap->slots, cap * sizeof *slots);
        if (!slots)
            return -ENOMEM;
        heap->slots = slots;
        heap->cap_slots = cap;
    }
    heap->slots[heap->n_slots++] = slot;
    return 0;
}

void gc_root_remove(struct gc_heap *heap, void **slot)
{
    size_t i = 0;
    while (i < heap->n_slots && heap->slots[i] != slot)
        i++;
    GC_CHECK(i < heap->n_slots);
    heap->slots[i] = heap->slots[--heap->n_slots];
}

struct gc_handle *gc_handle_new(struct gc_heap *heap, void *obj)
{
    struct gc_handle *handle = malloc(sizeof *handle);
    if (!handle)
        return NULL;
    *handle = (struct gc_handle){ .next = heap->handles, .ref = obj };
    if (heap->handles)
        heap->handles->prev = handle;
    heap->handles = handle;
    return handle;
}

void *gc_handle_get(const struct gc_handle *handle)
{
    return handle->ref;
}

void gc_handle_set(struct gc_handle *handle, void *obj)
{
    handle->ref = obj;
}

void gc_handle_free(struct gc_heap *heap, struct gc_handle *handle)
{
    if (!handle)
        return;
    if (handle->prev)
        handle->prev->next = handle->next;
    else
        heap->handles = handle->next;
    if (handle->next)
        handle->next->prev = handle->prev;
    free(handle);
}
