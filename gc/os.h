/* SPDX-License-Identifier: MIT */
/* os.h - the few things that a heap asks of the kernel. All of them 0 or -errno. */
#ifndef GC_IMPL
#error "private to gc/"
#endif
#ifndef GC_OS_H
#define GC_OS_H

#include "gc/impl.h"

/* What a table means to a child. */
enum gc_os_fork { OS_COPY, OS_WIPE, OS_DROP };

/* Zeroed memory of a side table; costs memory only where it is touched. NULL: errno. */
void *gc_os_table(size_t bytes, enum gc_os_fork fork);
void gc_os_unmap(void *addr, size_t bytes);
/* Memory that stays shared with all children. NULL: errno. */
void *gc_os_control(size_t bytes);
/* Children forked from here on do not have this memory. */
int gc_os_keep_from_children(uintptr_t addr, size_t bytes);
/* The reservation of the heap: inaccessible addresses, private. */
int gc_os_reserve(size_t bytes, uintptr_t *ret_base);
/* The same backed by a memfd; ret_ro_fd can map it again, but only for reading. */
int gc_os_reserve_shared(size_t bytes, uintptr_t *ret_base, int *ret_ro_fd);
/* Replaces the mapping that was inherited by a read-only one, in one step. */
int gc_os_map_readonly(uintptr_t base, size_t bytes, int ro_fd);
int gc_os_thp(uintptr_t base, size_t bytes, enum gc_thp thp);
/* Makes [base, base + bytes) usable. */
int gc_os_commit(uintptr_t base, size_t bytes);
/* Gives the memory back; reads as zero afterwards. */
int gc_os_purge(uintptr_t addr, size_t bytes, bool shared);
int gc_os_populate(uintptr_t addr, size_t bytes, enum gc_pretouch how);
/* The page tables for what the file holds; its holes stay holes. Pages, or -errno. */
long gc_os_populate_file(uintptr_t base, size_t bytes);
uint64_t gc_os_clock(void *arg);

#endif
