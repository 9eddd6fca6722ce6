/* SPDX-License-Identifier: MIT */
/* impl.h - what the files of gc/ share: units, tables, the heap itself.
 *
 * Units: a granule is 16 bytes, a page 4 KiB, a block 64 KiB (slots of one size class),
 * a chunk 2 MiB (either 32 blocks or 512 pages for large objects). Payloads lie on
 * granules; the 8-byte header lies before its payload, so slots begin 8 bytes into
 * their first granule. A table has one entry per unit of the reservation and is indexed
 * by shifting the offset of an address from heap->base.
 */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_IMPL_H
#define GC_IMPL_H

#include "gc/gc.h"

#define GC_CHECK(expr) \
    (__builtin_expect(!!(expr), 1) ? (void)0 : gc_bug(__FILE__, __LINE__, #expr))

enum {
    GRANULE_SHIFT = 4,
    PAGE_SHIFT = 12,
    BLOCK_SHIFT = 16,
    CHUNK_SHIFT = 21,
    GRANULE = 1 << GRANULE_SHIFT,
    PAGE = 1 << PAGE_SHIFT,
    BLOCK = 1 << BLOCK_SHIFT,
    CHUNK = 1 << CHUNK_SHIFT,
    CHUNK_PAGES = CHUNK / PAGE,
    CHUNK_BLOCKS = CHUNK / BLOCK,
    BLOCK_PAGES = BLOCK / PAGE,
    BLOCK_WORDS = BLOCK / GRANULE / 64, /* words of a bitmap */
    CHUNK_WORDS = CHUNK_PAGES / 64,     /* words of a page bitmap */
    GROUP_CHUNKS = 64,
    HEADER = 8,
    SMALL_MAX = 8192 - HEADER, /* payload of the largest class */
    CLASSES = 32,
    TYPES = 256,
    RING = 16, /* references on their way to the mark stack */
};

/* Before each payload, written once by gc_alloc() (rule 1). */
struct header {
    uint32_t size_lo;
    uint8_t size_hi;
    uint8_t mark; /* marks = HEADER: heap->mark_value of the last cycle that met it */
    uint8_t type;
    uint8_t magic;
};
_Static_assert(sizeof(struct header) == HEADER, "a header is 8 bytes");
enum { HEADER_MAGIC = 0xc5, POISON = 0xdb };

/* Blocks and runs are not mixed in a chunk (rule 2). */
enum chunk_kind { CHUNK_FREE, CHUNK_OF_BLOCKS, CHUNK_OF_RUNS, CHUNK_KINDS };

/* Dense, because a search for room walks it. */
struct summary {
    uint16_t
        longest; /* no run of free pages is longer; exact for blocks (16 * free ones) */
    uint8_t kind; /* enum chunk_kind */
    uint8_t spare;
};

/* What a search for room finds in GROUP_CHUNKS neighbouring chunks, at most: bounds
 * that what becomes free raises, and a search that finds less lowers. */
struct group {
    uint16_t
        longest[CHUNK_KINDS]; /* of the chunks of that kind; FREE: all pages or 0 */
    bool dirty;               /* some chunk may have dirty pages */
    uint8_t spare;
};

struct chunk {
    uint64_t free[CHUNK_WORDS];  /* page is in no block and no run */
    uint64_t dirty[CHUNK_WORDS]; /* free, and the kernel may still hold memory for it */
    uint64_t young[CHUNK_WORDS]; /* those of the dirty ones whose age is young_ns */
    uint64_t old_ns, young_ns;   /* when the last of the old, the young became dirty */
};

enum block_use { BLOCK_UNUSED, BLOCK_OF_SLOTS, BLOCK_OF_RUNS };

struct block {
    uint32_t next;  /* list of blocks with holes; NO_BLOCK ends it */
    uint32_t birth; /* heap->fork_serial when it was made */
    uint16_t live;  /* slots taken, as of the last sweep */
    uint8_t use;    /* enum block_use */
    uint8_t class;
    bool traced; /* its objects hold pointers */
    bool rescan; /* an object in it is marked, but fell off the mark stack */
    bool fresh;  /* made during a sweep that has not come by yet: all of it lives */
    uint8_t spare;
};
#define NO_BLOCK UINT32_MAX

/* At the first page of a large object; zero elsewhere. */
struct run {
    uint32_t pages;
    bool traced, rescan, fresh; /* as in struct block */
    uint8_t spare;
};

/* Where the next object of one class goes. */
struct cursor {
    uint64_t avail;      /* free slots (their payload granules) in the current word */
    uint64_t *word;      /* of the allocation bitmap */
    uintptr_t word_addr; /* address of its first granule */
    uint32_t block;
    uint16_t at;       /* index of word in the block */
    uint16_t pages_ok; /* reuse = page: pages of the block that may be written */
};

struct block_list {
    uint32_t head, tail;
};

struct mark_entry {
    uintptr_t addr; /* an object, or the rest of an array of pointers */
    size_t refs;    /* 0: an object */
};

struct gc_visitor {
    struct gc_heap *heap;
    void (*edge)(struct gc_visitor *v,
                 const void *ref); /* NULL: the collector's marker */
    void *arg;
};

struct snapshot; /* snapshot.c */
struct gc_handle {
    struct gc_handle *next, *prev;
    void *ref;
};

/* Control memory of the readers: MAP_SHARED, inherited, writable everywhere.
 * epoch: written by the owner when a cycle starts; a reader that reads an old one only
 * makes the owner wait for it. root: see gc_publish(). */
struct control {
    _Alignas(64) _Atomic uint64_t epoch;
    void *_Atomic root;
};

#include "gc/heap.h"

#endif
