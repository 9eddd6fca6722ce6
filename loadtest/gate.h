/* SPDX-License-Identifier: MIT */
/* gate.h - where client threads wait for each other and for the one who conducts.
 *
 * A row of gates, numbered from 1. A thread that reaches gate n is counted and waits
 * until it is open. The conductor looks at the count when it likes, so it can do other
 * things (answer a signal) while threads are on their way.
 */
#ifndef LOADTEST_GATE_H
#define LOADTEST_GATE_H

#include <pthread.h>

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    unsigned arrivals; /* at all gates so far */
    unsigned open;     /* gates up to this one */
};

#define GATE_INIT                                                              \
    (struct gate)                                                              \
    {                                                                          \
        .lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER, \
    }

/* Counts the calling thread and waits until gate `number` is open. */
void gate_pass(struct gate *gate, unsigned number);
unsigned gate_arrivals(struct gate *gate);
/* Opens all gates up to this one. */
void gate_open(struct gate *gate, unsigned number);

#endif
