/* SPDX-License-Identifier: MIT */
/* heap_test.h - what the tests of gc/ share: types of objects, and proofs about pages.
 */
#ifndef TESTS_UNIT_GC_HEAP_TEST_H
#define TESTS_UNIT_GC_HEAP_TEST_H

#include "gc/gc.h"
#include "tests/test.h"

struct heap_test_node {
    struct heap_test_node *next, *other;
    uint64_t value;
    void *bytes;
};
extern const struct gc_type heap_test_node;
extern const struct gc_type heap_test_array; /* pointers only, as many as fit */

/* Fails the test when there is no heap. */
struct gc_heap *heap_test_new(const struct gc_config *config);
/* A node in front of `next`. */
struct heap_test_node *heap_test_cons(struct gc_heap *heap, int node, void *next);
/* Puts a node with so many bytes in front of the root; NULL at the limit. */
struct heap_test_node *heap_test_push(struct gc_heap *heap, int node, size_t bytes);

/* Pages of [start, end) that this process holds a private copy of (bit 56 of
 * /proc/self/pagemap: mapped by nobody else). */
long heap_test_private_pages(const void *start, const void *end);
long heap_test_present_pages(const void *start, const void *end);

/* Runs fn in a child; returns its wait status. fn's result is the exit code. */
int heap_test_in_child(struct gc_heap *heap, int (*fn)(struct gc_heap *heap, void *arg),
                       void *arg);

#endif
