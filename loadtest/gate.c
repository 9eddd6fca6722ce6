/* SPDX-License-Identifier: MIT */
/* gate.c - a counter and a condition. */
#include "loadtest/gate.h"

void gate_pass(struct gate *gate, unsigned number)
{
    pthread_mutex_lock(&gate->lock);
    gate->arrivals++;
    while (gate->open < number)
        pthread_cond_wait(&gate->opened, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

unsigned gate_arrivals(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    unsigned n = gate->arrivals;
    pthread_mutex_unlock(&gate->lock);
    return n;
}

void gate_open(struct gate *gate, unsigned number)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = number;
    pthread_cond_broadcast(&gate->opened);
    pthread_mutex_unlock(&gate->lock);
}
