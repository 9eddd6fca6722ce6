/* SPDX-License-Identifier: MIT */
/* poison.h - tells AddressSanitizer or valgrind which bytes of the heap belong to no
 * object.
 *
 * Only for private heaps: the shadow of a reader of a shared heap would never hear of
 * what the owner does. For valgrind with -DGC_VALGRIND (make valgrind-gc), where its
 * header is installed. Otherwise nothing is left of this. */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_POISON_H
#define GC_POISON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__)
#define GC_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GC_ASAN 1
#endif
#endif

#if defined(GC_VALGRIND) && !defined(GC_ASAN)
#if __has_include(<valgrind/memcheck.h>)
#define GC_MEMCHECK 1
#endif
#endif

#if defined(GC_ASAN)
#include <sanitizer/asan_interface.h>
enum { GC_POISONS = 1 };
static inline void gc_poison(uintptr_t addr, size_t bytes)
{
    __asan_poison_memory_region((void *)addr, bytes);
}
static inline void gc_unpoison(uintptr_t addr, size_t bytes)
{
    __asan_unpoison_memory_region((void *)addr, bytes);
}
#elif defined(GC_MEMCHECK)
#include <valgrind/memcheck.h>
enum { GC_POISONS = 1 };
static inline void gc_poison(uintptr_t addr, size_t bytes)
{
    (void)VALGRIND_MAKE_MEM_NOACCESS(addr, bytes);
}
/* Objects are not initialised. */
static inline void gc_unpoison(uintptr_t addr, size_t bytes)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(addr, bytes);
}
#else
enum { GC_POISONS = 0 };
static inline void gc_poison(uintptr_t addr, size_t bytes)
{
    (void)addr;
    (void)bytes;
}
static inline void gc_unpoison(uintptr_t addr, size_t bytes)
{
    (void)addr;
    (void)bytes;
}
#endif

/* Around what looks at all bytes, whoever owns them: the checksum of the verifier. The
 * sanitizer has an attribute for that. */
static inline void gc_poison_ignore(bool on)
{
#ifdef GC_MEMCHECK
    if (on)
        VALGRIND_DISABLE_ERROR_REPORTING;
    else
        VALGRIND_ENABLE_ERROR_REPORTING;
#else
    (void)on;
#endif
}

/* What was worked out from bytes that nobody has written. */
static inline void gc_poison_known(void *value, size_t bytes)
{
#ifdef GC_MEMCHECK
    (void)VALGRIND_MAKE_MEM_DEFINED(value, bytes);
#else
    (void)value;
    (void)bytes;
#endif
}

#endif
