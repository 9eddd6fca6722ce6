/* SPDX-License-Identifier: MIT */
/* poison.h - tells AddressSanitizer which bytes of the heap belong to no object.
 *
 * Only for private heaps: the shadow of a reader of a shared heap would never hear of
 * what the owner does. Without the sanitizer nothing is left of this. */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_POISON_H
#define GC_POISON_H

#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__)
#define GC_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GC_ASAN 1
#endif
#endif

#ifdef GC_ASAN
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

#endif
