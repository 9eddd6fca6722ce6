/* SPDX-License-Identifier: MIT */
/* gc_world.h - a heap, the plain map that says what must be in it, and their children.
 *
 * The heap holds a map of KEYS keys, either as one table that gc_store() changes, or as
 * a trie of two levels that is copied along the path and published. Beside it: handles,
 * root slots, pins, wide arrays, and links between entries, which make cycles. The
 * model knows all of it by number, so that it can say which bytes must be there and,
 * to the byte, how many must be left after a full collection.
 */
#ifndef COWSHED_GC_WORLD_H
#define COWSHED_GC_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gc/gc.h"
#include "tests/fuzz/fuzz_gc.h"

enum {
    KEYS = 256,
    LEAF = 16, /* keys in a leaf, leaves in a root */
    HELD = 8,
    SLOTS = 4,
    PINS = 8,
    KIDS = 3,
    SEATS = KIDS + 2, /* 0: the owner's own; 1..KIDS: readers; last: images */
    IMAGE_SEAT = KIDS + 1,
    OBJECTS = 4096,
    BROKEN = 101, /* exit code of a child that found something wrong */
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct entry {
    struct entry *link;
    void *bytes;
    uint32_t id, key;
    uint64_t size;
};

struct object { /* of the model; its number is its index */
    uint32_t size, key, link;
};

struct version {       /* of the map */
    uint32_t id[KEYS]; /* 0: nothing there */
};

struct held {
    struct gc_handle *handle;
    uint32_t id;   /* an entry, or 0 */
    uint32_t wide; /* or so many pointers to what the map held then */
    bool mine;     /* wide: made after the last freeze */
    struct version of;
};

struct kid {
    pid_t pid; /* 0: none */
    bool reader, stopped;
    unsigned seat, answers; /* that have not been read yet */
    int to, from;
};

struct world {
    struct gc_heap *heap;
    struct gc_config config;
    unsigned number;
    int entry_type, array_type;
    bool is_table;
    enum fuzz_gc_mistake mistake;
    uint64_t time_ns, tick_ns;

    const uint8_t *data; /* what is left of the input */
    size_t size, ops;
    const char *op;
    bool is_child;
    unsigned forks_left;
    uint64_t bytes_left;

    struct object objects[OBJECTS];
    uint32_t n_objects, frozen; /* objects up to this number are frozen */
    struct version map;
    bool root_mine, leaf[LEAF], leaf_mine[LEAF];
    struct held held[HELD];
    void *slots[SLOTS];
    uint32_t slot_id[SLOTS];
    bool slot_on[SLOTS];

    struct gc_reader *reader;
    struct {
        int pin;
        uint32_t id;
        const struct entry *entry;
    } pins[PINS];
    bool inside; /* an epoch of a shared heap */
    const void *inside_root;
    struct version inside_map;

    struct kid kids[KIDS];
};

/* Prints which world, which operation and what, and aborts. */
void world_fail(const struct world *w, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

/* ---- gc_knobs.c: the combinations of settings --------------------------------- */

unsigned knobs_count(void);
/* The settings of one combination; flags add what is not worth a combination. */
void knobs_get(unsigned number, uint8_t flags, struct gc_config *ret_config);
void knobs_name(unsigned number, char *text, size_t n);

/* ---- gc_model.c: what must be there -------------------------------------------- */

void *world_root(struct world *w);
void world_store(struct world *w, void *obj, void *field, void *value);
struct entry *map_get(const struct world *w, const void *root, unsigned key);
/* One changed key; false when the heap is full, and then nothing has changed. */
bool map_set(struct world *w, unsigned key, struct entry *e);
/* The bytes, the size and the links of an entry. */
void check_entry(const struct world *w, const struct entry *e, uint32_t id);
void check_all(struct world *w);
/* What a full collection must leave, if no other process has pins. */
uint64_t model_live(const struct world *w);
void fill_bytes(unsigned char *p, uint64_t size, uint32_t id);
bool bytes_are(const unsigned char *p, uint64_t size, uint32_t id);

/* ---- gc_kids.c: children -------------------------------------------------------- */

/* The child plays the next `ops` bytes on its copy; a reader checks what it sees. */
void kids_fork(struct world *w, size_t ops, bool wait);
void kids_start_reader(struct world *w, unsigned at);
void kids_command(struct world *w, unsigned at, char command, unsigned char operand,
                  bool wait);
void kids_signal(struct world *w, unsigned at, int sig); /* KILL, STOP, CONT */
void kids_wait(struct world *w, unsigned at);
bool kids_alive(const struct world *w);

/* ---- fuzz_gc.c ------------------------------------------------------------------- */

void world_play(struct world *w, size_t bytes);
/* All children are gone, everything is collected and counted. */
void world_settle(struct world *w);

#endif
