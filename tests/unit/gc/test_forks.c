/* SPDX-License-Identifier: MIT */
/* test_forks.c - forks in numbers, in any order of success and failure: nothing leaks.
 *
 * An owner announces forks, forks or does not, has children that end at once or stay
 * for a while, and goes on allocating. What it holds at the end is what it held when it
 * had found its size: mappings, descriptors, pages in use, memory.
 */
#include "tests/unit/gc/heap_test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORKS = 2000, WARM = 500, ALIVE = 3 };

struct owner {
    struct gc_heap *heap;
    int node;
    uint64_t random;
    pid_t children[ALIVE];
    int ends[ALIVE]; /* a child lives until this pipe is closed */
    unsigned forked, failed;
};

struct holdings {
    long maps, fds;
    long pages;    /* of the heap, that the kernel has memory for */
    long resident; /* of the process */
    struct gc_stats stats;
};

static uint64_t roll(struct owner *o, uint64_t n)
{
    o->random ^= o->random << 13;
    o->random ^= o->random >> 7;
    o->random ^= o->random << 17;
    return o->random % n;
}

static long count_lines(const char *path)
{
    FILE *f = fopen(path, "r");
    long n = 0;
    int c;
    while (f && (c = getc(f)) != EOF)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}

static long count_files(const char *path)
{
    DIR *dir = opendir(path);
    long n = 0;
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

static long resident_pages(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long size = 0, resident = 0;
    check_true(f && fscanf(f, "%ld %ld", &size, &resident) == 2);
    fclose(f);
    return resident;
}

/* Some entries come, some go; some die at once. */
static void work(struct owner *o)
{
    void **table = gc_root(o->heap);
    void **copy = gc_alloc(o->heap, o->node, 64 * sizeof *copy);
    check_not_null(copy);
    memcpy(copy, table, 64 * sizeof *copy);
    for (int i = 0; i < 4; i++)
        copy[roll(o, 64)] = gc_alloc(o->heap, GC_BYTES, 1 + roll(o, 20000));
    gc_publish(o->heap, copy);
    gc_safepoint(o->heap);
    gc_step(o->heap, 100000);
}

static void reap(struct owner *o, unsigned i)
{
    int status = -1;
    if (!o->children[i])
        return;
    close(o->ends[i]);
    check_int(waitpid(o->children[i], &status, 0), o->children[i]);
    check_int(status, 0);
    gc_reader_clear(o->heap, i);
    o->children[i] = 0;
}

/* Reads everything once, on its seat, and stays until it is told to go: it leaves
 * without giving up the seat. */
static int child(struct owner *o, unsigned seat, int end)
{
    char c;
    struct gc_reader *reader =
        gc_fork_child(o->heap) ? NULL : gc_reader_open(o->heap, seat);
    if (!reader)
        return 1;
    void *const *table = gc_reader_enter(reader);
    size_t sum = 0;
    for (int i = 0; i < 64; i++)
        sum += table[i] ? gc_size(table[i]) : 0;
    bool pinned = gc_pin(reader, table) >= 0;
    gc_reader_leave(reader);
    return sum == 0 || !pinned || read(end, &c, 1) != 0;
}

/* Announced, and then: forked, or refused by the kernel, or announced once more. */
static void fork_somehow(struct owner *o)
{
    unsigned i = (unsigned)roll(o, ALIVE);
    int fds[2];
    reap(o, i);
    gc_fork_prepare(o->heap);
    if (roll(o, 4) == 0) {
        o->failed++;
        if (roll(o, 2))
            gc_fork_parent(o->heap);
        return;
    }
    check_int(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        /* Not to keep the pipes of older children open. */
        for (unsigned k = 0; k < ALIVE; k++)
            if (o->children[k])
                close(o->ends[k]);
        close(fds[1]);
        _exit(child(o, i, fds[0]));
    }
    gc_fork_parent(o->heap);
    close(fds[0]);
    check_true(pid > 0);
    o->children[i] = pid;
    o->ends[i] = fds[1];
    o->forked++;
}

/* Alone, with nothing that has to be there but the table and its entries. */
static struct holdings settle(struct owner *o)
{
    struct holdings h = { 0 };
    for (unsigned i = 0; i < ALIVE; i++)
        reap(o, i);
    gc_fork_alone(o->heap);
    void **table = gc_alloc(o->heap, o->node, 64 * sizeof *table);
    for (int i = 0; i < 64; i++)
        table[i] = NULL;
    table[0] = gc_alloc(o->heap, GC_BYTES, 100);
    gc_publish(o->heap, table);
    for (int i = 0; i < 2; i++)
        check_int(gc_collect(o->heap, GC_REASON_ASKED), 0);
    check_uint(gc_verify(o->heap, 3, NULL, NULL), 0);
    gc_get_stats(o->heap, &h.stats);
    h.maps = count_lines("/proc/self/maps");
    h.fds = count_files("/proc/self/fd");
    const void *start, *end;
    gc_range(o->heap, &start, &end);
    h.pages = heap_test_present_pages(start, end);
    h.resident = resident_pages();
    return h;
}

static void thousands(struct gc_config config, const char *name)
{
    struct owner o = { .random = 88172645463325252u };
    config.min_heap_bytes = 1 << 20;
    config.readers = ALIVE;
    o.heap = heap_test_new(&config);
    o.node = gc_type_add(o.heap, &heap_test_array);
    settle(&o);
    for (unsigned n = 0; n < WARM; n++, work(&o))
        if (n % 5 == 0)
            fork_somehow(&o);
    struct holdings before = settle(&o);
    o.forked = o.failed = 0;
    while (o.forked + o.failed < FORKS / 2) {
        fork_somehow(&o);
        work(&o);
        if (roll(&o, 50) == 0)
            settle(&o);
    }
    struct holdings after = settle(&o);
    check_true(o.forked > FORKS / 4 && o.failed > FORKS / 16, "%s", name);
#ifndef __SANITIZE_THREAD__ /* it parts its shadow memory at some first touch */
    check_int(after.maps, before.maps, "%s: mappings", name);
#endif
    check_int(after.fds, before.fds, "%s: descriptors", name);
    check_uint(after.stats.held_bytes, before.stats.held_bytes, "%s", name);
    check_uint(after.stats.live_bytes, before.stats.live_bytes, "%s", name);
    check_uint(after.stats.hole_bytes, 0, "%s", name);
    check_true(after.pages <= (long)(after.stats.held_bytes / 4096),
               "%s: %ld pages of the heap", name, after.pages);
#ifndef __SANITIZE_ADDRESS__ /* it keeps what was freed */
    /* Tables of a heap that was a little larger for a while, and what libc keeps. */
    check_true(after.resident < before.resident + 512, "%s: %ld pages, then %ld", name,
               before.resident, after.resident);
#endif
    gc_free(o.heap);
}

static void thousands_of_forks_of_a_private_heap_leak_nothing(void **state)
{
    (void)state;
    thousands((struct gc_config){ .after_fork = GC_ARENA, .reuse = GC_REUSE_NONE },
              "arena");
    thousands((struct gc_config){ .schedule = GC_INCREMENTAL, .reuse = GC_REUSE_PAGE },
              "inherit");
}

static void thousands_of_forks_of_a_shared_heap_leak_nothing(void **state)
{
    (void)state;
    for (int schedule = GC_STW; schedule <= GC_INCREMENTAL; schedule++)
        thousands((struct gc_config){ .shared = true,
                                      .schedule = (enum gc_schedule)schedule },
                  "shared");
}

TEST_MAIN(test(thousands_of_forks_of_a_private_heap_leak_nothing),
          test(thousands_of_forks_of_a_shared_heap_leak_nothing))
