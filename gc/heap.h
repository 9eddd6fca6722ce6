/* SPDX-License-Identifier: MIT */
/* heap.h - struct gc_heap: all that one heap is. There are no globals. */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_HEAP_H
#define GC_HEAP_H

#include "gc/impl.h"

struct gc_final; /* final.c */

struct gc_final_list {
    struct gc_final *first, *last; /* last: only if there is a first */
};

/* See final.c. */
struct gc_finals {
    struct gc_final *registered; /* the newest first */
    struct gc_final **at;        /* where the walk goes on; NULL before it begins */
    bool walked;                 /* it is over */
    struct gc_final *traced;     /* the next of `found` that is to be traced */
    struct gc_final_list found;  /* dead, in the cycle that runs */
    struct gc_final_list due;    /* dead, for the program */
    uint64_t n_found;
    struct gc_final *frozen; /* of the parent, whose business they are */
};

struct gc_heap {
    /* fixed by gc_new() */
    struct gc_config config;
    uintptr_t base;
    size_t reserve;
    uint64_t *alloc;           /* 1 bit per granule: a payload begins here */
    uint64_t *marks;           /* likewise: met by this cycle. All zero in IDLE */
    struct block *blocks;      /* per block */
    struct run *runs;          /* per page */
    struct chunk *chunks;      /* per chunk */
    struct summary *summaries; /* per chunk */
    struct group *groups;      /* per GROUP_CHUNKS chunks */
    int ro_fd;                 /* shared: read-only descriptor of the memfd, or -1 */
    const struct gc_type *types[TYPES];
    unsigned n_types;
    uint16_t class_size[CLASSES];
    uint8_t class_of[SMALL_MAX / GRANULE + 2]; /* by slot size in granules */
    uint64_t starts[CLASSES][BLOCK_WORDS];     /* where payloads of a class may begin */

    /* whose it is, and from where on */
    bool owner;              /* false: a reader of a shared heap (rule 10) */
    bool inherited;          /* a child, or a descendant of one */
    bool sharing;            /* blocks older than fork_serial have copies elsewhere */
    uint32_t fork_serial;    /* forks announced so far */
    uintptr_t arena_start;   /* below: frozen. heap->base when nothing is */
    uint32_t first_chunk;    /* allocation looks at no chunk below */
    uint32_t chunks_used;    /* chunks ever handed out: the prefix that matters */
    uint32_t chunks_ready;   /* committed */
    uintptr_t inherited_end; /* child: end of what it inherited */
    uint64_t frozen_sum;     /* config.verify: checksum of the frozen part */

    /* room */
    uint64_t held_pages, limit_pages;
    uint64_t frozen_pages;
    uint64_t n_blocks, n_runs;
    uint64_t dirty_pages;
    bool decaying;        /* a walk of decay is under way */
    uint32_t decay_chunk; /* where it goes on */
    uint64_t decay_pages; /* that decay gives back between two looks at the clock */
    uint64_t hole_bytes;  /* in sealed blocks, as of the last sweep */
    struct cursor cursors[CLASSES][2];
    struct block_list avail[CLASSES][2];
    struct block_list sealed[CLASSES][2];

    /* roots */
    void ***slots;
    size_t n_slots, cap_slots;
    struct gc_handle *handles;
    void *_Atomic private_root;
    struct control *control; /* shared heap: root and epoch; then the seats */
    char *seats;
    size_t seat_bytes, control_bytes;
    struct gc_reader **readers; /* private heap: their pins are roots */
    struct gc_finals finals;

    /* the collector */
    enum gc_phase phase;
    enum gc_reason reason;
    bool black;                /* new objects are born marked */
    bool wanted;               /* collect at the next safepoint, for want_reason */
    bool pins_in;              /* FINISH: pins have been scanned */
    unsigned pin_seat, pin_at; /* FINISH: the pin to be read next */
    bool busy;                 /* inside the collector: user code must not come back */
    bool away, stay;           /* a child marks (rule 15); none may be made */
    struct snapshot *snapshot; /* schedule = SNAPSHOT, otherwise NULL */
    enum gc_reason want_reason;
    uint8_t mark_value;
    struct gc_visitor marker;
    struct mark_entry *stack;
    size_t stack_n, stack_max;
    uintptr_t ring[RING];
    unsigned ring_at;
    uintptr_t tracing;     /* the object whose trace() runs */
    size_t put_off;        /* bytes of its arrays that are traced later */
    uint32_t rescans;      /* blocks that are flagged */
    uint32_t rescan_block; /* where the search for them goes on */
    unsigned rescan_word;  /* in that block, if rescan_open */
    bool rescan_open;
    uint32_t sweep_block; /* the block that is swept next */
    uint32_t sweep_purge; /* decay = 0: the chunk whose free pages go back first */
    uint64_t quantum[GC_SWEEP + 1]; /* work of one step, by phase (gc_pace_quantum()) */
    uint64_t cycle_start_ns, cycle_end_ns, cycle_ns;
    uint64_t marked_bytes, scanned_bytes; /* this cycle */
    uint64_t freed_in_cycle;

    /* pacing */
    uint64_t live_bytes; /* found by the last sweep */
    uint64_t sweep_live; /* found by this sweep so far */
    uint64_t
        since_mark; /* allocated since marking ended: live_bytes does not know of it */
    uint64_t in_cycle;      /* allocated since this cycle began */
    uint64_t scan_expected; /* traced bytes that the last cycle met */
    uint64_t in_cycle_avg;  /* allocated while a cycle runs, moving average */
    uint64_t goal, trigger;
    uint64_t paced_live; /* live_bytes when the goal was set */
    bool soft;           /* the goal is what it is because of the soft limit */
    bool over;           /* live has been over the goal since it was set */
    uint64_t runway;     /* to the goal, when this cycle began */
    uint64_t slice_begin_ns, slice_end_ns, decayed_ns;
    bool allocated; /* since the last safepoint */

    struct gc_stats stats;
};

static inline uint64_t now_ns(const struct gc_heap *heap)
{
    return heap->config.clock_ns(heap->config.arg);
}

/* A block whose pages a fork has shared: its holes cost a copy each. */
static inline bool is_sealed(const struct gc_heap *heap, const struct block *block)
{
    return heap->sharing && block->birth != heap->fork_serial;
}

#include "gc/addr.h"

#endif
