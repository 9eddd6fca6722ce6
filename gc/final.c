/* SPDX-License-Identifier: MIT */
/* final.c - a queue of dead objects that somebody wants to see once more.
 *
 * Registered objects are in a list beside the heap, the newest first. When everything
 * reachable is marked, FINISH walks it: who has no mark is moved to `found`. Only when
 * the walk is over are these marked and traced, so that all that died together are
 * found together, whatever leads from one to the other (rule 19). When the cycle goes
 * on to SWEEP they join the queue, whose objects are roots until the program takes
 * them.
 *
 * A heap without registered objects pays a comparison in each cycle.
 */
#define GC_IMPL
#include "gc/final.h"

#include <errno.h>
#include <stdlib.h>

#include "gc/mark.h"

struct gc_final {
    struct gc_final *next;
    void *obj;
};

static void append(struct gc_final_list *list, struct gc_final *node)
{
    node->next = NULL;
    *(list->first ? &list->last->next : &list->first) = node;
    list->last = node;
}

static struct gc_final *take_first(struct gc_final_list *list)
{
    struct gc_final *node = list->first;
    list->first = node->next;
    return node;
}

static void move_all(struct gc_final_list *to, struct gc_final_list *from)
{
    if (!from->first)
        return;
    *(to->first ? &to->last->next : &to->first) = from->first;
    to->last = from->last;
    from->first = NULL;
}

static void drop_all(struct gc_final **first)
{
    while (*first) {
        struct gc_final *node = *first;
        *first = node->next;
        free(node);
    }
}

int gc_finalize(struct gc_heap *heap, void *obj)
{
    if (!heap->owner)
        return -EPERM;
    GC_CHECK(!heap->busy && !gc_frozen(heap, obj));
    struct gc_final *node = malloc(sizeof *node);
    if (!node)
        return -ENOMEM;
    *node = (struct gc_final){ .next = heap->finals.registered, .obj = obj };
    heap->finals.registered = node;
    heap->stats.finalizers++;
    return 0;
}

void *gc_finalize_next(struct gc_heap *heap)
{
    if (!heap->owner || !heap->finals.due.first)
        return NULL;
    GC_CHECK(!heap->busy);
    struct gc_final *node = take_first(&heap->finals.due);
    void *obj = node->obj;
    free(node);
    heap->stats.finalizers_due--;
    return obj;
}

void gc_finalize_forget(struct gc_heap *heap)
{
    GC_CHECK(!heap->busy);
    drop_all(&heap->finals.registered);
    drop_all(&heap->finals.found.first);
    drop_all(&heap->finals.due.first);
    heap->finals.n_found = 0;
    gc_final_begin(heap);
    heap->stats.finalizers = heap->stats.finalizers_due = 0;
}

void gc_final_begin(struct gc_heap *heap)
{
    heap->finals.at = NULL;
    heap->finals.walked = false;
    heap->finals.traced = NULL;
}

/* Those that are registered during the walk are in front of it: no cycle that has come
 * this far frees them. */
static void walk(struct gc_heap *heap, size_t n)
{
    struct gc_finals *f = &heap->finals;
    if (!f->at)
        f->at = &f->registered;
    for (; *f->at && n > 0; n--) {
        struct gc_final *node = *f->at;
        if (gc_mark_is_marked(heap, (uintptr_t)node->obj)) {
            f->at = &node->next;
            continue;
        }
        *f->at = node->next;
        append(&f->found, node);
        f->n_found++;
    }
    f->walked = !*f->at;
    f->traced = f->walked ? f->found.first : NULL;
}

bool gc_final_some(struct gc_heap *heap, size_t n)
{
    struct gc_finals *f = &heap->finals;
    if (!f->registered && !f->found.first)
        return true;
    if (!f->walked) {
        walk(heap, n);
        return f->walked && !f->traced;
    }
    bool done = !f->traced;
    for (; f->traced && n > 0; n--, f->traced = f->traced->next)
        gc_visit(&heap->marker, f->traced->obj);
    return done;
}

void gc_final_end(struct gc_heap *heap)
{
    struct gc_finals *f = &heap->finals;
    heap->stats.finalizers -= f->n_found;
    heap->stats.finalizers_due += f->n_found;
    f->n_found = 0;
    move_all(&f->due, &f->found);
}

static struct gc_final *chain(struct gc_final *first, struct gc_final *rest)
{
    struct gc_final *last = first;
    while (last && last->next)
        last = last->next;
    if (last && rest)
        last->next = rest;
    return first ? first : rest;
}

/* Freeing the nodes would copy all of their pages: they are kept for gc_free(). */
void gc_final_freeze(struct gc_heap *heap)
{
    struct gc_finals *f = &heap->finals;
    struct gc_final *frozen =
        chain(f->due.first, chain(f->found.first, chain(f->registered, f->frozen)));
    *f = (struct gc_finals){ .frozen = frozen };
    heap->stats.finalizers = heap->stats.finalizers_due = 0;
}

void gc_final_each(const struct gc_heap *heap, struct gc_visitor *v)
{
    for (const struct gc_final *node = heap->finals.due.first; node; node = node->next)
        gc_visit(v, node->obj);
    for (const struct gc_final *node = heap->finals.found.first; node;
         node = node->next)
        gc_visit(v, node->obj);
}

void gc_final_free(struct gc_heap *heap)
{
    drop_all(&heap->finals.registered);
    drop_all(&heap->finals.found.first);
    drop_all(&heap->finals.due.first);
    drop_all(&heap->finals.frozen);
}
