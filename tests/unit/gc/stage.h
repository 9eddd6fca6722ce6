/* SPDX-License-Identifier: MIT */
/* stage.h - a heap with schedule = snapshot whose marking child does what a test says.
 *
 * Objects are traced in the child, so a trace function can stop, end or look at it at
 * an exact point: after so many objects, without any sleeping.
 */
#ifndef TESTS_UNIT_GC_STAGE_H
#define TESTS_UNIT_GC_STAGE_H

#include <sys/types.h>

#include "tests/unit/gc/heap_test.h"

enum stage_act {
    STAGE_PASS,
    STAGE_HOLD, /* waits for stage_release() */
    STAGE_DIE,  /* SIGKILL */
    STAGE_STOP, /* SIGSTOP: never comes back by itself */
    STAGE_LOOK, /* writes down what it sees of its process */
};

/* Shared by the owner and its marking children. */
struct stage {
    pid_t owner;
    _Atomic enum stage_act act;
    _Atomic uint64_t at;     /* in front of which traced object */
    _Atomic uint64_t traced; /* objects that children have traced */
    _Atomic uint64_t acts;   /* how often a child has come to the point */
    _Atomic uint64_t let_through;
    _Atomic pid_t pid; /* of the last child that came there */
    /* LOOK */
    _Atomic int descriptors; /* that are open */
    _Atomic int blocked;     /* signals that are, of 1 to 31 but for KILL and STOP */
    _Atomic int oom_score_adj;
};

struct scene {
    struct stage *stage;
    struct gc_heap *heap;
    int node; /* struct heap_test_node, traced on the stage */
    uint64_t time_ns;
    unsigned events[16]; /* by kind */
};

/* min_heap_bytes decides when a cycle is due; clock, listener and verify are set here.
 */
void scene_open(struct scene *scene, struct gc_config config);
void scene_close(struct scene *scene);

void stage_play(struct scene *scene, enum stage_act act, uint64_t at);
void stage_release(struct scene *scene);
/* Waits until a child has come to the point `times` times in all. */
void stage_await(struct scene *scene, uint64_t times);

/* Allocates garbage until a cycle has begun. With a child that nobody holds it may be
 * over, too. */
void scene_begin_cycle(struct scene *scene);
/* Steps until the cycle is over and its child has been waited for. */
void scene_end_cycle(struct scene *scene);
struct gc_stats scene_stats(const struct scene *scene);

/* A list of n nodes in front of the root. */
void scene_push(struct scene *scene, int n);
int scene_length(const struct scene *scene);

/* Waits for whatever can be waited for without blocking; how many there were. */
int scene_zombies(void);
int scene_descriptors(void);
int scene_mappings(void);

#endif
