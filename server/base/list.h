/* SPDX-License-Identifier: MIT */
/* list.h - doubly linked list whose links lie inside the members.
 *
 * A head is a struct list that points at itself when the list is empty; a link that is
 * in no list points at itself as well (list_init), so that list_remove() may be called
 * on it.  The list owns nothing.
 */
#ifndef COWSHED_LIST_H
#define COWSHED_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev;
    struct list *next;
};

/* The struct of type `type` whose link `member` is at `link`. */
#define list_entry(link, type, member) \
    ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* `it` must stay in the list while the body runs; see list_each_safe. */
#define list_each(it, head) \
    for (struct list *it = (head)->next; it != (head); it = it->next)

/* The body may remove `it` (only that one) from the list. */
#define list_each_safe(it, head)                                              \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head); \
         it = it##_next, it##_next = it->next)

static inline void list_init(struct list *l)
{
    l->prev = l;
    l->next = l;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline bool list_linked(const struct list *link)
{
    return link->next != link;
}

static inline void list_insert_before(struct list *where, struct list *link)
{
    link->prev = where->prev;
    link->next = where;
    where->prev->next = link;
    where->prev = link;
}

static inline void list_push_front(struct list *head, struct list *link)
{
    list_insert_before(head->next, link);
}

static inline void list_push_back(struct list *head, struct list *link)
{
    list_insert_before(head, link);
}

/* Also when it is in no list. */
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* The first or last link, NULL when the list is empty. */
static inline struct list *list_first(const struct list *head)
{
    return list_empty(head) ? NULL : head->next;
}

static inline struct list *list_last(const struct list *head)
{
    return list_empty(head) ? NULL : head->prev;
}

/* O(n): for tests and reports. */
static inline size_t list_count(const struct list *head)
{
    size_t n = 0;

    for (const struct list *it = head->next; it != head; it = it->next)
        n++;
    return n;
}

#endif
