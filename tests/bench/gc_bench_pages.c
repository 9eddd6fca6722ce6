/* SPDX-License-Identifier: MIT */
/* Which pages a process has, and which of them it has to itself: /proc/self/maps gives
 * the private writable mappings, /proc/self/pagemap one word for each page of them (bit
 * 63: present, 56: mapped by nobody else). All memory of this file is shared, so that
 * looking copies nothing. */
#include "tests/bench/gc_bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, RANGES = 4096, MAPS_MAX = 1 << 20, WINDOW = 4096 };
/* Pages of a mapping that is the shadow memory of a sanitizer: no heap is a terabyte,
 * and to look at them all takes minutes. */
#define SHADOW    (UINT64_C(1) << 28)
#define PRESENT   (UINT64_C(1) << 63)
#define EXCLUSIVE (UINT64_C(1) << 56)

struct range {
    uintptr_t first, end; /* page numbers */
    size_t at;            /* of its first page in `there` */
};

struct pages {
    size_t n_ranges, n_pages, bytes;
    struct range ranges[RANGES];
    unsigned char there[]; /* one byte for each page: it was present */
};

static void *shared_memory(size_t bytes)
{
    void *p =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        perror("could not map shared memory");
        abort();
    }
    return p;
}

static void read_maps(char *text)
{
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    ssize_t got;
    while (n < MAPS_MAX - 1 && (got = read(fd, text + n, MAPS_MAX - 1 - n)) > 0)
        n += (size_t)got;
    close(fd);
    text[n] = 0;
}

/* The private writable mappings, into shared memory that the caller unmaps. */
static struct range *private_ranges(size_t *ret_n)
{
    char *text = shared_memory(MAPS_MAX);
    struct range *ranges = shared_memory(RANGES * sizeof *ranges);
    size_t n = 0, pages = 0;
    read_maps(text);
    for (char *line = text; line && *line && n < RANGES;) {
        char *next = strchr(line, '\n'), *end;
        uintptr_t first = strtoul(line, &end, 16) / PAGE;
        uintptr_t last = strtoul(end + 1, &end, 16) / PAGE;
        if (end[2] == 'w' && end[4] == 'p' && last - first < SHADOW) {
            ranges[n++] = (struct range){ first, last, pages };
            pages += last - first;
        }
        line = next ? next + 1 : NULL;
    }
    munmap(text, MAPS_MAX);
    *ret_n = n;
    return ranges;
}

/* Calls fn for each page of the ranges that is present. */
static void each_present(const struct range *ranges, size_t n,
                         void (*fn)(void *arg, uintptr_t page, uint64_t word),
                         void *arg)
{
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    uint64_t *words = shared_memory(WINDOW * sizeof *words);
    for (size_t i = 0; fd >= 0 && i < n; i++)
        for (uintptr_t page = ranges[i].first; page < ranges[i].end;) {
            size_t want = ranges[i].end - page;
            want = (want < WINDOW ? want : WINDOW) * sizeof *words;
            ssize_t got = pread(fd, words, want, (off_t)(page * sizeof *words));
            if (got <= 0)
                break;
            for (size_t k = 0; k < (size_t)got / sizeof *words; k++, page++)
                if (words[k] & PRESENT)
                    fn(arg, page, words[k]);
        }
    munmap(words, WINDOW * sizeof *words);
    close(fd);
}

static size_t place_of(const struct pages *pages, uintptr_t page)
{
    for (size_t i = 0; i < pages->n_ranges; i++)
        if (page >= pages->ranges[i].first && page < pages->ranges[i].end)
            return pages->ranges[i].at + (page - pages->ranges[i].first);
    return SIZE_MAX;
}

static void note(void *arg, uintptr_t page, uint64_t word)
{
    struct pages *pages = arg;
    size_t at = place_of(pages, page);
    (void)word;
    if (at != SIZE_MAX)
        pages->there[at] = 1;
}

struct pages *pages_of_self(void)
{
    size_t n, total = 0;
    struct range *ranges = private_ranges(&n);
    for (size_t i = 0; i < n; i++)
        total += ranges[i].end - ranges[i].first;
    struct pages *pages = shared_memory(sizeof *pages + total);
    memcpy(pages->ranges, ranges, n * sizeof *ranges);
    munmap(ranges, RANGES * sizeof *ranges);
    pages->n_ranges = n;
    pages->n_pages = total;
    each_present(pages->ranges, n, note, pages);
    return pages;
}

uint64_t pages_count(const struct pages *before)
{
    uint64_t n = 0;
    for (size_t i = 0; i < before->n_pages; i++)
        n += before->there[i];
    return n;
}

struct tally {
    const struct pages *before;
    uint64_t copied, added;
};

static void tally(void *arg, uintptr_t page, uint64_t word)
{
    struct tally *t = arg;
    size_t at = place_of(t->before, page);
    if (!(word & EXCLUSIVE))
        return;
    if (at != SIZE_MAX && t->before->there[at])
        t->copied++;
    else
        t->added++;
}

uint64_t pages_copied(const struct pages *before, uint64_t *ret_added)
{
    size_t n;
    struct tally t = { .before = before };
    struct range *ranges = private_ranges(&n);
    each_present(ranges, n, tally, &t);
    munmap(ranges, RANGES * sizeof *ranges);
    *ret_added = t.added;
    return t.copied;
}

/* A line "Name: N kB" of a file below /proc/self, in bytes. */
static uint64_t field(const char *file, const char *name)
{
    char text[4096];
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *found = strstr(text, name);
    return found ? strtoull(found + strlen(name), NULL, 10) * 1024 : 0;
}

uint64_t pages_pss(void)
{
    return field("/proc/self/smaps_rollup", "\nPss:");
}

uint64_t pages_rss(void)
{
    return field("/proc/self/status", "\nVmRSS:");
}

uint64_t pages_peak(void)
{
    return field("/proc/self/status", "\nVmHWM:");
}
