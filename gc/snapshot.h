/* SPDX-License-Identifier: MIT */
/* snapshot.h - a child marks the heap as it was at the fork; the owner goes on. */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_SNAPSHOT_H
#define GC_SNAPSHOT_H

#include "gc/impl.h"

/* NULL, or why not. A heap with another schedule has nothing of it. */
const char *gc_snapshot_init(struct gc_heap *heap);
/* Ends the child, if there is one, and waits for it. */
void gc_snapshot_free(struct gc_heap *heap);

/* Makes the child; sets heap->away. False: the owner has to mark, roots first. */
bool gc_snapshot_start(struct gc_heap *heap);

/* The rest of this part: while heap->away. Sleeps until the child has ended or stands
 * still, at most budget_ns of real time. */
void gc_snapshot_wait(struct gc_heap *heap, uint64_t budget_ns);
/* A load; a system call now and then. True: the child is dead or late and given up,
 * heap->away is false, and marking has to begin again. */
bool gc_snapshot_is_lost(struct gc_heap *heap);
/* Then its marks are taken over: about `bytes` bytes of the table at a time. True with
 * the last of them, and heap->away is false. */
bool gc_snapshot_is_done(struct gc_heap *heap);
bool gc_snapshot_merge(struct gc_heap *heap, size_t bytes);
/* The owner cannot wait: ends the child and forgets its marks. False: too late, marks
 * have been taken over. */
bool gc_snapshot_cancel(struct gc_heap *heap);

/* Lets go of a child that has ended. Never waits. */
void gc_snapshot_reap(struct gc_heap *heap);
/* In a child of the owner: that marking child is not ours. */
void gc_snapshot_forget(struct gc_heap *heap);
/* 1 while there is a process that has not been waited for. */
unsigned gc_snapshot_children(const struct gc_heap *heap);

#endif
