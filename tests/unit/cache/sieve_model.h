/* SPDX-License-Identifier: MIT */
/* sieve_model.h - SIEVE over an array, slow and plain, for comparison.
 *
 * The array holds names from the oldest to the newest. Links, numbers and tables do not
 * occur, so it cannot share a mistake with server/cache/sieve.c.
 */
#ifndef COWSHED_TESTS_SIEVE_MODEL_H
#define COWSHED_TESTS_SIEVE_MODEL_H

#include <stdbool.h>

#include "server/base/check.h"

enum { SIEVE_MODEL_MAX = 1024 };

struct sieve_model {
    unsigned names[SIEVE_MODEL_MAX];
    bool visited[SIEVE_MODEL_MAX];
    unsigned n;
    unsigned hand; /* a place; n: at the end, begins anew */
};

static inline unsigned sieve_model_place(const struct sieve_model *m, unsigned name)
{
    unsigned at = 0;

    while (at < m->n && m->names[at] != name)
        at++;
    CHECK(at < m->n);
    return at;
}

static inline void sieve_model_add(struct sieve_model *m, unsigned name)
{
    bool at_end = m->hand == m->n;

    CHECK(m->n < SIEVE_MODEL_MAX);
    m->names[m->n] = name;
    m->visited[m->n] = false;
    m->n++;
    if (at_end) /* the end is no place: the hand waits to begin anew */
        m->hand = m->n;
}

static inline void sieve_model_drop(struct sieve_model *m, unsigned name)
{
    unsigned at = sieve_model_place(m, name);

    for (unsigned i = at; i + 1 < m->n; i++) {
        m->names[i] = m->names[i + 1];
        m->visited[i] = m->visited[i + 1];
    }
    m->n--;
    if (m->hand > at)
        m->hand--;
}

static inline void sieve_model_visit(struct sieve_model *m, unsigned name)
{
    m->visited[sieve_model_place(m, name)] = true;
}

/* The name that goes next; it stays in. */
static inline unsigned sieve_model_victim(struct sieve_model *m)
{
    CHECK(m->n > 0);
    if (m->hand >= m->n)
        m->hand = 0;
    while (m->visited[m->hand]) {
        m->visited[m->hand] = false;
        m->hand = (m->hand + 1) % m->n;
    }
    return m->names[m->hand];
}

#endif
