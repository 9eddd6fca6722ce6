/* SPDX-License-Identifier: MIT */
/* test_poison.c - bytes that belong to no object are out of bounds for the tools.
 *
 * Under AddressSanitizer (make test SAN=address) and valgrind (make valgrind-gc) the
 * tool is asked about each byte, and a use after free must end the program. Without
 * them, stress mode overwrites what it frees.
 */
#define GC_IMPL
#include "gc/poison.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/gc/heap_test.h"

enum { CAUGHT = 99, SPOILT = 0xdb };

#if defined(GC_ASAN)
static bool watched(void)
{
    return true;
}
static bool is_poisoned(const void *p)
{
    return __asan_address_is_poisoned(p);
}
#elif defined(GC_MEMCHECK)
static bool watched(void)
{
    return RUNNING_ON_VALGRIND;
}
static bool is_poisoned(const void *p)
{
    unsigned char bits;
    return VALGRIND_GET_VBITS(p, &bits, 1) == 3;
}
#else
static bool watched(void)
{
    return false;
}
static bool is_poisoned(const void *p)
{
    (void)p;
    return false;
}
#endif

static void need_a_tool(void)
{
    if (!watched())
        test_skip("needs AddressSanitizer, or make valgrind-gc");
}

/* Valgrind has no room for the reservation that is usual. */
static struct gc_heap *small_heap(void)
{
    return heap_test_new(
        &(struct gc_config){ .reserve_bytes = 64 << 20, .stress = true });
}

static const size_t sizes[] = { 1, 24, 100, 1000, 8184, 9000, 300000 };

static void what_is_allocated_may_be_used_and_not_a_byte_more(void **state)
{
    (void)state;
    need_a_tool();
    struct gc_heap *heap = small_heap();
    for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
        char *p = gc_alloc(heap, GC_BYTES, sizes[i]);
        for (size_t at = 0; at < sizes[i]; at++)
            check_false(is_poisoned(p + at), "byte %zu of %zu", at, sizes[i]);
        check_true(is_poisoned(p + sizes[i]), "the byte after %zu", sizes[i]);
    }
    gc_free(heap);
}

static void what_is_freed_is_out_of_bounds_until_it_is_allocated_again(void **state)
{
    (void)state;
    need_a_tool();
    struct gc_heap *heap = small_heap();
    int node = gc_type_add(heap, &heap_test_node);
    struct heap_test_node *keep[200];
    for (size_t i = 0; i < TEST_COUNT(keep); i++) {
        keep[i] = heap_test_cons(heap, node, i % 2 ? NULL : gc_root(heap));
        if (i % 2 == 0)
            gc_publish(heap, keep[i]);
    }
    check_int(gc_collect(heap, GC_REASON_ASKED), 0);
    for (size_t i = 0; i < TEST_COUNT(keep); i++)
        check_int(is_poisoned(keep[i]), i % 2, "object %zu", i);
    for (size_t i = 0; i < TEST_COUNT(keep) / 2; i++)
        check_false(is_poisoned(heap_test_cons(heap, node, NULL)));
    gc_free(heap);
}

static int use_after_free(void)
{
    struct gc_heap *heap = small_heap();
    int node = gc_type_add(heap, &heap_test_node);
    struct heap_test_node *dead = heap_test_cons(heap, node, NULL);
    gc_publish(heap, heap_test_cons(heap, node, NULL)); /* its block stays */
    dead->value = 1;
    gc_safepoint(heap);
    volatile unsigned char *byte = (unsigned char *)&dead->value;
    return *byte == SPOILT ? CAUGHT : 0;
}

static void a_use_after_free_is_caught(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        close(2); /* the report is expected */
        _exit(use_after_free());
    }
    check_int(waitpid(pid, &status, 0), pid);
    /* A tool ends the program in its own way. */
    check_true(watched() ? status != 0 && status != CAUGHT << 8 : status == CAUGHT << 8,
               "status %#x", status);
}

TEST_MAIN(test(what_is_allocated_may_be_used_and_not_a_byte_more),
          test(what_is_freed_is_out_of_bounds_until_it_is_allocated_again),
          test(a_use_after_free_is_caught))
