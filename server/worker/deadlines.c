/* SPDX-License-Identifier: MIT */
/* deadlines.c - sorted lists of deadlines, one for each kind; see deadlines.h. */
#include "server/worker/deadlines.h"

#include "server/base/check.h"

void deadlines_init(struct deadlines *ds)
{
    for (unsigned kind = 0; kind < DEADLINE_KINDS; kind++) {
        list_init(&ds->lists[kind]);
        ds->timeout_ns[kind] = 0;
    }
}

void deadlines_set_timeout(struct deadlines *ds, enum deadline_kind kind,
                           uint64_t timeout_ns)
{
    CHECK(kind > DEADLINE_NONE && kind < DEADLINE_KINDS);
    CHECK(list_empty(&ds->lists[kind]));
    ds->timeout_ns[kind] = timeout_ns;
}

void deadline_init(struct deadline *d)
{
    list_init(&d->link);
    d->at_ns = 0;
    d->kind = DEADLINE_NONE;
}

void deadline_set(struct deadlines *ds, struct deadline *d, enum deadline_kind kind,
                  uint64_t now_ns)
{
    struct list *head = &ds->lists[kind];

    CHECK(kind > DEADLINE_NONE && kind < DEADLINE_KINDS);
    d->at_ns = now_ns + ds->timeout_ns[kind];
    d->kind = kind;
    if (head->prev == &d->link)
        return; /* the newest already */
    list_remove(&d->link);
    list_push_back(head, &d->link);
}

void deadline_clear(struct deadline *d)
{
    list_remove(&d->link);
    d->kind = DEADLINE_NONE;
}

struct deadline *deadlines_passed(const struct deadlines *ds, uint64_t now_ns)
{
    for (unsigned kind = DEADLINE_NONE + 1; kind < DEADLINE_KINDS; kind++) {
        struct list *front = list_first(&ds->lists[kind]);

        if (front == NULL)
            continue;
        struct deadline *d = list_entry(front, struct deadline, link);
        CHECK(d->kind == (enum deadline_kind)kind);
        if (d->at_ns <= now_ns)
            return d;
    }
    return NULL;
}
