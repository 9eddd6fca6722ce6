/* SPDX-License-Identifier: MIT */
/* os.c - mapping, giving back and sharing memory.
 *
 * Nothing here changes the protection or the mapping of a part of the heap other than
 * its read-write prefix: a heap is a handful of mappings however long it lives (a
 * collector that unmaps single pages sooner or later meets vm.max_map_count): rule 12.
 */
#define GC_IMPL
#include "gc/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ /* Linux 5.14; headers may be older than the kernel */
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

void *gc_os_table(size_t bytes, enum gc_os_fork fork)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    /* A kernel without huge pages refuses, and has nothing to be asked. */
    (void)madvise(p, bytes, MADV_NOHUGEPAGE);
    (void)madvise(p, bytes, MADV_DONTDUMP);
    int advice = fork == OS_WIPE ? MADV_WIPEONFORK : MADV_DONTFORK;
    if (fork != OS_COPY && madvise(p, bytes, advice)) {
        int err = errno;
        munmap(p, bytes);
        errno = err;
        return NULL;
    }
    return p;
}

void gc_os_unmap(void *addr, size_t bytes)
{
    if (addr)
        munmap(addr, bytes);
}

void *gc_os_control(size_t bytes)
{
    void *p =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

int gc_os_keep_from_children(uintptr_t addr, size_t bytes)
{
    return madvise((void *)addr, bytes, MADV_DONTFORK) ? -errno : 0;
}

/* mmap() knows no alignment: take a chunk more and return the ends. */
static int reserve_addresses(size_t bytes, uintptr_t *ret_base)
{
    void *p = mmap(NULL, bytes + CHUNK, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return -errno;
    uintptr_t start = (uintptr_t)p;
    uintptr_t base = (start + CHUNK - 1) & ~(uintptr_t)(CHUNK - 1);
    if (base > start)
        munmap(p, base - start);
    if (base < start + CHUNK)
        munmap((void *)(base + bytes), start + CHUNK - base);
    *ret_base = base;
    return 0;
}

int gc_os_reserve(size_t bytes, uintptr_t *ret_base)
{
    int err = reserve_addresses(bytes, ret_base);
    if (!err)
        (void)madvise((void *)*ret_base, bytes, MADV_DONTDUMP);
    return err;
}

/* A second open file of the same memfd, so that mprotect() cannot make it writable
 * again. */
static int reopen_readonly(int fd)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int ro_fd = open(path, O_RDONLY | O_CLOEXEC);
    return ro_fd < 0 ? -errno : ro_fd;
}

int gc_os_reserve_shared(size_t bytes, uintptr_t *ret_base, int *ret_ro_fd)
{
    int err = 0, ro_fd = -1;
    uintptr_t base = 0;
    int fd = memfd_create("gc-heap", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)bytes)) {
        err = -errno;
        goto done;
    }
    ro_fd = reopen_readonly(fd);
    if (ro_fd < 0) {
        err = ro_fd;
        goto done;
    }
    err = reserve_addresses(bytes, &base);
    if (err)
        goto done;
    /* F_SEAL_FUTURE_WRITE would do instead of the second descriptor, but under it the
     * kernel refuses MADV_REMOVE, and freed memory could not be given back. */
    if (mmap((void *)base, bytes, PROT_NONE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd,
             0) == MAP_FAILED ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)) {
        err = -errno;
        munmap((void *)base, bytes);
        goto done;
    }
    (void)madvise((void *)base, bytes, MADV_DONTDUMP);
    *ret_base = base;
    *ret_ro_fd = ro_fd;
done:
    if (err && ro_fd >= 0)
        close(ro_fd);
    close(fd);
    return err;
}

int gc_os_map_readonly(uintptr_t base, size_t bytes, int ro_fd)
{
    void *p = mmap((void *)base, bytes, PROT_READ,
                   MAP_SHARED | MAP_NORESERVE | MAP_FIXED, ro_fd, 0);
    return p == MAP_FAILED ? -errno : 0;
}

int gc_os_thp(uintptr_t base, size_t bytes, enum gc_thp thp)
{
    if (thp == GC_THP_DEFAULT)
        return 0;
    int advice = thp == GC_THP_ALWAYS ? MADV_HUGEPAGE : MADV_NOHUGEPAGE;
    if (!madvise((void *)base, bytes, advice))
        return 0;
    /* A kernel built without them never uses them. */
    return thp == GC_THP_NEVER && errno == EINVAL ? 0 : -errno;
}

int gc_os_commit(uintptr_t base, size_t bytes)
{
    return mprotect((void *)base, bytes, PROT_READ | PROT_WRITE) ? -errno : 0;
}

int gc_os_purge(uintptr_t addr, size_t bytes, bool shared)
{
    /* On a shared mapping MADV_DONTNEED only drops page table entries; the contents
     * stay. */
    int advice = shared ? MADV_REMOVE : MADV_DONTNEED;
    return madvise((void *)addr, bytes, advice) ? -errno : 0;
}

/* Changes no byte: what is written is the OR with 0. */
__attribute__((no_sanitize("address"))) static void
touch(unsigned char *at, size_t bytes, enum gc_pretouch how)
{
    for (size_t i = 0; i < bytes; i += PAGE) {
        if (how == GC_PRETOUCH_WRITE)
            *(volatile unsigned char *)(at + i) |= 0;
        else
            (void)*(volatile unsigned char *)(at + i);
    }
}

int gc_os_populate(uintptr_t addr, size_t bytes, enum gc_pretouch how)
{
    int advice = how == GC_PRETOUCH_WRITE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
    while (madvise((void *)addr, bytes, advice)) {
        if (errno == EINVAL) { /* Linux before 5.14 */
            touch((unsigned char *)addr, bytes, how);
            return 0;
        }
        if (errno != EINTR && errno != EAGAIN)
            return -errno;
    }
    return 0;
}

/* mincore() looks a page up without bringing it in: reading a hole of a memfd would
 * make it a page of zeros, and undo what the owner gave back. */
long gc_os_populate_file(uintptr_t base, size_t bytes)
{
    unsigned char there[CHUNK_PAGES];
    long pages = 0;
    for (uintptr_t chunk = base; chunk < base + bytes; chunk += CHUNK) {
        if (mincore((void *)chunk, CHUNK, there))
            return -errno;
        for (size_t at = 0, end; at < CHUNK_PAGES; at = end) {
            for (end = at + 1; end < CHUNK_PAGES; end++)
                if ((there[end] ^ there[at]) & 1)
                    break;
            if (!(there[at] & 1))
                continue;
            int err =
                gc_os_populate(chunk + at * PAGE, (end - at) * PAGE, GC_PRETOUCH_READ);
            if (err)
                return err;
            pages += (long)(end - at);
        }
    }
    return pages;
}

uint64_t gc_os_clock(void *arg)
{
    (void)arg;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
