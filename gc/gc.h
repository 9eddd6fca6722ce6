/* SPDX-License-Identifier: MIT */
/* gc.h - the collected heap: everything that a user of gc/ sees.
 *
 * A precise, non-moving mark-sweep heap with one writer, made for processes that fork.
 * Whatever the collector has to change lies in tables beside the objects, so that
 * neither a reader nor a collection dirties a page that is shared with another process.
 *
 * The contract, in five sentences (the numbered rules are in gc/README.md):
 *   - One thread of one process owns a heap; only the owner allocates, stores and
 *     collects (rule 10).
 *   - Objects are freed only by gc_safepoint(), gc_step() and gc_collect(), which the
 *     owner calls between callbacks; between two of these calls raw pointers are legal
 *     (rule 11).
 *   - Across them an object lives if it can be reached from gc_root(), a root slot, a
 *     handle or a pin.
 *   - A fork is announced: gc_fork_prepare(), fork(), then gc_fork_parent() here and
 *     gc_fork_child() there, before anything else touches the heap.
 *   - Pointers between objects lead to the start of an object (what gc_alloc()
 * returned), never into one, and carry no tag bits when they are shown to gc_visit().
 *
 * Failure: functions return 0 or a negative errno; constructors and gc_alloc() return
 * NULL. A broken contract calls gc_bug(), which does not return. The library never
 * logs.
 */
#ifndef GC_GC_H
#define GC_GC_H

#ifdef __cplusplus
extern "C" {
#define GC_INLINE /* C++ has no _Atomic: it calls what C has inline */
#else
#include <stdatomic.h>
#define GC_INLINE inline
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gc_heap;
struct gc_visitor;
struct gc_reader; /* one per seat and process; defined at the end, for the inlines */

/* ---- types --------------------------------------------------------------- */

/* How objects of one kind are traced. trace() shows every pointer of obj to the
 * visitor, NULL pointers included if that is easier; it must not allocate, store or
 * call back into the heap, and with schedule = snapshot it runs in a child, where it
 * must take no lock. trace == NULL: the objects hold no pointers and are never read by
 * the collector. The struct must outlive the heap. */
struct gc_type {
    const char *name;
    void (*trace)(const void *obj, struct gc_visitor *v);
};

void gc_visit(struct gc_visitor *v, const void *ref);
/* The same for n pointers in a row, which have to lie in the object that is traced:
 * long arrays are read later, in pieces, so that one slice of an incremental collector
 * stays short. An object over 8 KiB should use this. */
void gc_visit_array(struct gc_visitor *v, const void *const *refs, size_t n);

enum { GC_BYTES = 0 }; /* the type that every heap knows already: pointer-free bytes */

/* Registers a type; returns its number (>= 1) or -ENOSPC after 255 of them. */
int gc_type_add(struct gc_heap *heap, const struct gc_type *type);

/* ---- configuration ------------------------------------------------------- */

enum gc_marks { GC_MARKS_SIDE, GC_MARKS_HEADER };
enum gc_reuse { GC_REUSE_ANY, GC_REUSE_PAGE, GC_REUSE_NONE };
/* One pause; slices; or a child that marks the heap as it was at its fork (private
 * heaps, Linux 5.9). */
enum gc_schedule { GC_STW, GC_INCREMENTAL, GC_SNAPSHOT };
enum gc_thp { GC_THP_DEFAULT, GC_THP_NEVER, GC_THP_ALWAYS };
enum gc_after_fork { GC_INHERIT, GC_ARENA };
enum gc_phase { GC_IDLE, GC_MARK, GC_FINISH, GC_SWEEP };

/* Why a cycle ran. */
enum gc_reason {
    GC_REASON_GOAL,       /* live has grown by percent */
    GC_REASON_LIMIT,      /* gc_alloc() found no room */
    GC_REASON_ASKED,      /* gc_collect() */
    GC_REASON_STRESS,     /* config.stress */
    GC_REASON_SOFT_LIMIT, /* live has come near soft_limit_bytes */
};
const char *gc_reason_name(enum gc_reason reason);
const char *gc_phase_name(enum gc_phase phase);

enum gc_event_kind {
    GC_EVENT_CYCLE_START,   /* reason; bytes = live estimate */
    GC_EVENT_CYCLE_END,     /* start, duration of the whole cycle; bytes = live */
    GC_EVENT_SLICE,         /* one pause of the owner; phase in which it ended */
    GC_EVENT_SWEEP,         /* bytes = freed by this cycle */
    GC_EVENT_DECAY,         /* bytes = given back to the kernel */
    GC_EVENT_LIMIT,         /* gc_alloc() returned NULL; bytes = asked for */
    GC_EVENT_FORK,          /* gc_fork_prepare(): its duration; bytes = given back */
    GC_EVENT_SNAPSHOT_FORK, /* a marking child was made; bytes = live estimate */
    GC_EVENT_SNAPSHOT_MARK, /* it is done, duration since the fork; bytes = marked */
    GC_EVENT_SNAPSHOT_FAIL, /* not made, dead, or late; bytes = traced in vain */
};
const char *gc_event_name(enum gc_event_kind kind);

struct gc_event {
    enum gc_event_kind kind;
    enum gc_reason reason;
    enum gc_phase phase;
    uint64_t start_ns; /* clock of the configuration */
    uint64_t duration_ns;
    uint64_t bytes;
};

struct gc_config {
    size_t reserve_bytes;     /* address space; 0: 64 GiB. Rounded up to 2 MiB */
    size_t limit_bytes;       /* hard limit of pages in use; 0: reserve_bytes */
    size_t arena_limit_bytes; /* the same for what a child adds to a frozen heap; 0: as
                                 above */
    size_t soft_limit_bytes;  /* collect so that live stays below; refuses nothing. 0:
                                 none */
    size_t min_heap_bytes;    /* no collection below this; 0: 4 MiB */
    unsigned percent;         /* collect when live has grown by this much; 0: 100 */
    uint64_t max_pause_ns;    /* slice of the incremental collector; 0: 1 ms */
    int64_t decay_ns; /* free pages go back after this; 0: at once, < 0: never */
    enum gc_marks marks;
    enum gc_reuse reuse;
    enum gc_schedule schedule;
    enum gc_thp thp;
    enum gc_after_fork after_fork; /* private heaps only */
    bool shared;              /* one mapping, read-only in children; SIDE marks only */
    unsigned readers;         /* seats for gc_reader_open() */
    unsigned pins_per_reader; /* 0: 1024 */
    unsigned mark_stack;      /* entries; 0: 32768. Small ones are for tests */
    bool stress; /* collect at each safepoint after an allocation, poison */
    bool verify; /* gc_verify() after each cycle; gc_bug() if it fails */
    void (*on_event)(void *arg,
                     const struct gc_event *event); /* NULL: nobody listens */
    uint64_t (*clock_ns)(void *arg);                /* NULL: CLOCK_MONOTONIC */
    void *arg;
};

/* Returns NULL and, if ret_why is not NULL, a static sentence: what was refused or
 * which call failed (errno is kept). gc_free() takes NULL. Both are for the process
 * that will own the heap; a child just exits. */
struct gc_heap *gc_new(const struct gc_config *config, const char **ret_why);
void gc_free(struct gc_heap *heap);

/* ---- objects ------------------------------------------------------------- */

/* A new object with room for `bytes` bytes, aligned to 16, uninitialised; NULL at the
 * limit (the next safepoint then collects). Until the next safepoint it may be filled
 * by plain stores, and must be traceable by then. An 8-byte header lies before it. */
void *gc_alloc(struct gc_heap *heap, int type, size_t bytes);

/* The size that was asked for. Works in readers too. */
size_t gc_size(const void *obj);
int gc_type_of(const void *obj);

/* What an object of that many bytes takes in the heap: its slot, or its pages. */
size_t gc_cost(size_t bytes);

/* *field = value, for a field of an object that is older than the last safepoint. The
 * store and the collector's write barrier are one function, so they cannot come apart.
 * Only for private heaps; obj must not be frozen (rule 9). */
void gc_store(struct gc_heap *heap, void *obj, void *field, const void *value);

/* Whether obj was inherited over a fork and is immortal and immutable now. */
bool gc_frozen(const struct gc_heap *heap, const void *obj);

/* ---- roots --------------------------------------------------------------- */

/* The one root that readers see. obj and all it leads to must be complete. */
void gc_publish(struct gc_heap *heap, void *obj);
void *gc_root(const struct gc_heap *heap);

/* *slot is a root until it is removed; change it by plain stores. 0 or -ENOMEM. */
int gc_root_add(struct gc_heap *heap, void **slot);
void gc_root_remove(struct gc_heap *heap, void **slot);

/* A root with a home of its own. NULL when out of memory; free takes NULL. */
struct gc_handle;
struct gc_handle *gc_handle_new(struct gc_heap *heap, void *obj);
void *gc_handle_get(const struct gc_handle *handle);
void gc_handle_set(struct gc_handle *handle, void *obj);
void gc_handle_free(struct gc_heap *heap, struct gc_handle *handle);

/* ---- finalizers ---------------------------------------------------------- */

/* Once obj is found dead it, and all it leads to, is kept and queued for
 * gc_finalize_next(), once for each registration. 0; -ENOMEM; -EPERM in a reader. A
 * frozen object never dies: it cannot be registered. */
int gc_finalize(struct gc_heap *heap, void *obj);

/* The next object of the queue, or NULL. Those that one cycle found come in the
 * reverse order of their registration. From then on obj is an object like others: it
 * dies again unless it is stored somewhere, and may be registered again. */
void *gc_finalize_next(struct gc_heap *heap);

/* Drops every registration, and the queue: for a child that inherited (after_fork =
 * INHERIT) what is its parent's to clean up. In a frozen heap it has happened. */
void gc_finalize_forget(struct gc_heap *heap);

/* ---- collecting ---------------------------------------------------------- */

/* The place where the owner lets the collector work; cheap when nothing is due. */
void gc_safepoint(struct gc_heap *heap);

/* A safepoint that frees everything that is unreachable now: finishes a running cycle
 * and runs another. 0; -EAGAIN when readers are still inside an older epoch: the cycle
 * goes on at later safepoints, nothing is lost. */
int gc_collect(struct gc_heap *heap, enum gc_reason reason);

/* A safepoint with time to spare: works for about budget_ns (a stop-the-world heap: for
 * as long as it takes), and gives back free pages that are old enough: call it every
 * 100 ms or so. True if work remains, be it that of a reader or of a marking child. */
bool gc_step(struct gc_heap *heap, uint64_t budget_ns);

/* ---- fork ---------------------------------------------------------------- */

/* Before the fork; also when the fork then fails (call gc_fork_parent() all the same).
 */
void gc_fork_prepare(struct gc_heap *heap);
void gc_fork_parent(struct gc_heap *heap);

/* In the child, single-threaded still. Private heap: the child owns its copy from here
 * on (after_fork says whether it collects it, or freezes it and goes on in fresh
 * memory). Shared heap: the mapping is read-only from here on, and only the reader
 * calls work. -errno: the child has no usable heap and must exit. */
int gc_fork_child(struct gc_heap *heap);

/* No process that inherited this private heap lives any more: holes are free to fill.
 */
void gc_fork_alone(struct gc_heap *heap);

enum gc_pretouch {
    GC_PRETOUCH_WRITE, /* fault in and break copy-on-write of all pages in use */
    GC_PRETOUCH_READ,  /* fill page tables only */
};
/* Pages covered, or -errno (-EPERM: a reader of a shared heap can only READ). */
long gc_pretouch(struct gc_heap *heap, enum gc_pretouch how);

/* In the owner: the addresses that a child forked now would inherit. In a child: those
 * it did inherit. */
void gc_range(const struct gc_heap *heap, const void **ret_start, const void **ret_end);

/* ---- readers
 * ---------------------------------------------------------------------------
 *
 * A seat is used by one thread at a time. The owner hands out seat numbers; a process
 * opens its seat after gc_fork_child(). On a private heap the same calls work for the
 * owner: enter and leave do nothing, a pin is a root. */

/* NULL: no such seat, or no memory. The seat must be clean. */
struct gc_reader *gc_reader_open(struct gc_heap *heap, unsigned seat);
/* All pins are dropped. Takes NULL. */
void gc_reader_close(struct gc_reader *reader);

/* Everything reachable from the returned root stays until gc_reader_leave(). Not
 * nested, never across a wait: an epoch that is held holds back the collector. */
GC_INLINE const void *gc_reader_enter(struct gc_reader *reader);
GC_INLINE void gc_reader_leave(struct gc_reader *reader);

/* Keeps obj, and all it leads to, beyond gc_reader_leave(). Only for objects that were
 * reached from the root of the current epoch. A number for gc_unpin(), or -ENOSPC. */
int gc_pin(struct gc_reader *reader, const void *obj);
void gc_unpin(struct gc_reader *reader, int pin);

/* The owner, once the process or thread on the seat is known to be dead (waitpid,
 * join). */
void gc_reader_clear(struct gc_heap *heap, unsigned seat);

/* Epochs by which the seat is behind: 0 when it is outside or up to date. */
uint64_t gc_reader_lag(const struct gc_heap *heap, unsigned seat);
unsigned gc_reader_pins(const struct gc_heap *heap, unsigned seat);

/* ---- looking at it ------------------------------------------------------- */

struct gc_stats {
    enum gc_phase phase;
    enum gc_reason last_reason;
    uint64_t live_bytes;      /* marked by the last cycle, plus allocated since */
    uint64_t held_bytes;      /* pages in use, whole blocks and runs */
    uint64_t committed_bytes; /* the read-write prefix */
    uint64_t limit_bytes;
    uint64_t goal_bytes;      /* live size at which the next cycle should be done */
    uint64_t frozen_bytes;    /* inherited and immortal */
    uint64_t metadata_bytes;  /* upper bound of the side tables for the prefix */
    uint64_t allocated_bytes; /* since gc_new(), never falls */
    uint64_t allocated_objects;
    uint64_t freed_bytes;
    uint64_t decayed_bytes;
    uint64_t hole_bytes; /* free slots in blocks sealed by a fork */
    uint64_t blocks, runs;
    uint64_t cycles;
    uint64_t slices; /* = pauses */
    uint64_t pause_last_ns, pause_max_ns, pause_total_ns;
    uint64_t overshoots;        /* goals missed: one callback allocated too much */
    uint64_t overshoot_bytes;   /* most that live went over the goal */
    uint64_t grace_waits;       /* safepoints at which a reader held a cycle back */
    uint64_t mark_overflows;    /* mark stack ran full; cost time, lost nothing */
    uint64_t limit_hits;        /* gc_alloc() returned NULL */
    uint64_t last_marked_bytes; /* of the last complete cycle */
    uint64_t snapshot_forks;    /* marking children made */
    uint64_t
        snapshot_failures;     /* not made, dead or late: the cycle marked again here */
    uint64_t snapshot_cancels; /* given up because the owner could not wait */
    uint64_t snapshot_fork_last_ns, snapshot_fork_max_ns, snapshot_fork_total_ns;
    uint64_t snapshot_mark_ns;   /* processor time of the children that finished */
    unsigned snapshot_processes; /* 1 while there is one that was not waited for */
    uint64_t finalizers;         /* registered objects that are not known to be dead */
    uint64_t finalizers_due;     /* queued for gc_finalize_next() */
    unsigned forks;
};
void gc_get_stats(const struct gc_heap *heap, struct gc_stats *ret_stats);

/* Checks the rules of gc/README.md; returns how many violations were found and reports
 * each. Level 1: tables; 2: also every edge of every reachable object (an independent
 * marker); 3: also frozen bytes against their checksum. A reader has nothing to check.
 */
typedef void gc_report_fn(void *arg, const char *rule, const void *where);
unsigned gc_verify(struct gc_heap *heap, int level, gc_report_fn *report, void *arg);

/* Called on a broken contract; must not return. A weak definition prints and aborts;
 * the program may define its own. */
void gc_bug(const char *file, int line, const char *what) __attribute__((noreturn));

#ifdef __cplusplus
} /* extern "C" */
#else

/* ---- the inlines: layout is not API -------------------------------------- */

/* One seat in control memory (MAP_SHARED, made by gc_new(), writable everywhere).
 *
 * epoch: written by the reader on this seat, and by the owner only after the reader is
 *   dead; read by the owner. 0 outside. A stale value read by the owner can only be
 * older than the truth: a past epoch delays the sweep by one safepoint; a past 0 means
 * that the reader's root load comes later than the owner's last publish (both seq_cst),
 * so that what the reader holds is live in this cycle. An aligned word, so never torn.
 * pins: written by the reader while inside an epoch; read by the owner once per cycle,
 * after it has seen the seat outside of older epochs (acquire, partner: the release in
 *   gc_reader_leave()). A pin set later leads only to objects of a newer root.
 * pins_high: no pin from here on was ever used; written by the reader before such a pin
 *   and read by the owner as pins are, so that it looks at few of many. Only grows; a
 *   stale value can only miss pins that it need not see. */
struct gc_seat {
    _Alignas(64) _Atomic uint64_t epoch;
    _Atomic uint32_t pins_high;
    _Atomic uintptr_t pins[];
};

struct gc_reader {
    struct gc_seat *seat; /* NULL on a private heap */
    const _Atomic uint64_t *epoch;
    void *const _Atomic *root;
    struct gc_heap *heap;
    unsigned number;
    unsigned pins_max, pins_used;
    unsigned pins_high;  /* no pin from here on was ever used */
    uint32_t *free_pins; /* a stack of numbers; process-private */
    _Atomic uintptr_t *pins;
};

inline const void *gc_reader_enter(struct gc_reader *reader)
{
    if (reader->seat) {
        /* Acquire: who sees an epoch loads no root from before it. Partner: the seq_cst
         * increment in gc_reader_new_epoch(). */
        uint64_t now = atomic_load_explicit(reader->epoch, memory_order_acquire);
        /* Partner: the seq_cst root store in gc_publish() and epoch load in
         * gc_reader_grace_over(). Of "I am inside" and "the root is new", one side sees
         * the other's. */
        atomic_store_explicit(&reader->seat->epoch, now, memory_order_seq_cst);
    }
    return atomic_load_explicit(reader->root, memory_order_seq_cst);
}

inline void gc_reader_leave(struct gc_reader *reader)
{
    if (reader->seat)
        /* Partner: the epoch load in gc_reader_grace_over(). Pins and reads come before
         * it. */
        atomic_store_explicit(&reader->seat->epoch, 0, memory_order_release);
}

#endif /* C */
#undef GC_INLINE
#endif
