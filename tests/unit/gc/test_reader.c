/* SPDX-License-Identifier: MIT */
/* test_reader.c - one writer, many readers, one mapping. */
#include "tests/unit/gc/heap_test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BROKEN = 101 };

static struct gc_heap *shared_heap(int *ret_node, struct gc_config config)
{
    config.shared = true;
    config.verify = true;
    config.readers = config.readers ? config.readers : 4;
    struct gc_heap *heap = heap_test_new(&config);
    *ret_node = gc_type_add(heap, &heap_test_node);
    return heap;
}

static uint64_t live(const struct gc_heap *heap)
{
    struct gc_stats stats;
    gc_get_stats(heap, &stats);
    return stats.live_bytes;
}

/* ---- what a child may do ------------------------------------------------- */

static int write_to_heap(struct gc_heap *heap, void *arg)
{
    (void)arg;
    struct heap_test_node *n = gc_root(heap);
    n->value = 1; /* must not come back */
    return 0;
}

static int make_writable(struct gc_heap *heap, void *arg)
{
    (void)arg;
    const void *start, *end;
    gc_range(heap, &start, &end);
    int err = mprotect((void *)(uintptr_t)start, 4096, PROT_READ | PROT_WRITE);
    return err && errno == EACCES ? 0 : BROKEN;
}

static int owner_calls(struct gc_heap *heap, void *arg)
{
    (void)arg;
    gc_safepoint(heap);
    return !gc_step(heap, 1) && gc_collect(heap, GC_REASON_ASKED) == -EPERM ? 0
                                                                            : BROKEN;
}

static int allocate(struct gc_heap *heap, void *arg)
{
    (void)arg;
    return gc_alloc(heap, GC_BYTES, 1) ? 0 : BROKEN;
}

/* rule 10: the heap has one owner */
static void a_child_can_neither_write_nor_make_the_heap_writable(void **state)
{
    (void)state;
    int node;
    struct gc_heap *heap = shared_heap(&node, (struct gc_config){ 0 });
    heap_test_push(heap, node, 100);
    int status = heap_test_in_child(heap, write_to_heap, NULL);
    /* A sanitizer turns the signal into an exit code. */
    check_true(status != 0, "status %d", status);
    check_int(heap_test_in_child(heap, make_writable, NULL), 0);
    check_int(heap_test_in_child(heap, owner_calls, NULL), 0);
    status = heap_test_in_child(heap, allocate, NULL);
    check_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %d", status);
    struct heap_test_node *n = gc_root(heap);
    check_uint(n->value, 0);
    gc_free(heap);
}

/* A child that obeys one letter at a time and answers each. */
struct child {
    pid_t pid;
    int to, from;
};

static int obey(struct gc_heap *heap, int in, int out, unsigned seat)
{
    struct gc_reader *reader = gc_reader_open(heap, seat);
    const struct heap_test_node *root = NULL;
    int pin = -1;
    char c, answer;
    if (!reader)
        return BROKEN;
    while (read(in, &c, 1) == 1) {
        answer = 'y';
        if (c == 'e')
            root = gc_reader_enter(reader);
        else if (c == 'l')
            gc_reader_leave(reader);
        else if (c == 'p')
            pin = gc_pin(reader, root);
        else if (c == 'u')
            gc_unpin(reader, pin);
        else if (c == 'r')
            answer = (char)(root ? root->value : 0);
        if (write(out, &answer, 1) != 1)
            return BROKEN;
    }
    return 0;
}

static struct child start_child(struct gc_heap *heap, unsigned seat)
{
    int to[2], from[2];
    check_true(pipe(to) == 0 && pipe(from) == 0);
    gc_fork_prepare(heap);
    struct child child = { .pid = fork(), .to = to[1], .from = from[0] };
    if (child.pid == 0) {
        close(to[1]);
        close(from[0]);
        _exit(gc_fork_child(heap) ? BROKEN : obey(heap, to[0], from[1], seat));
    }
    gc_fork_parent(heap);
    close(to[0]);
    close(from[1]);
    return child;
}

static int tell(struct child *child, char c)
{
    char answer = 0;
    check_int(write(child->to, &c, 1), 1);
    check_int(read(child->from, &answer, 1), 1);
    return answer;
}

static void end_child(struct child *child, int want_signal)
{
    int status;
    if (want_signal)
        kill(child->pid, want_signal);
    close(child->to);
    close(child->from);
    check_int(waitpid(child->pid, &status, 0), child->pid);
    check_int(status, want_signal);
}

static void publish_value(struct gc_heap *heap, int node, uint64_t value)
{
    struct heap_test_node *n = heap_test_cons(heap, node, NULL);
    n->value = value;
    gc_publish(heap, n);
}

static void a_child_sees_what_is_published_after_its_fork(void **state)
{
    (void)state;
    int node;
    struct gc_heap *heap = shared_heap(&node, (struct gc_config){ 0 });
    publish_value(heap, node, 1);
    struct child child = start_child(heap, 0);
    for (int i = 2; i < 50; i++) {
        publish_value(heap, node, (uint64_t)i);
        tell(&child, 'e');
        check_int(tell(&child, 'r'), i);
        tell(&child, 'l');
    }
    end_child(&child, 0);
    gc_free(heap);
}

/* rule 7 */
static void a_reader_in_an_old_epoch_delays_the_sweep_and_nothing_else(void **state)
{
    (void)state;
    int node;
    struct gc_heap *heap = shared_heap(&node, (struct gc_config){ .stress = true });
    uint64_t one = gc_cost(sizeof(struct heap_test_node));
    publish_value(heap, node, 7);
    struct child child = start_child(heap, 2);
    tell(&child, 'e');
    publish_value(heap, node, 8);
    check_uint(gc_reader_lag(heap, 2), 0);
    check_int(gc_collect(heap, GC_REASON_ASKED), -EAGAIN);
    check_uint(gc_reader_lag(heap, 2), 1);
    for (int i = 0; i < 20; i++) {
        publish_value(heap, node, 9); /* the owner goes on */
        gc_safepoint(heap);
    }
    check_int(tell(&child, 'r'), 7, "what the reader holds is not freed");
    struct gc_stats stats;
    gc_get_stats(heap, &stats);
    check_int(stats.phase, GC_FINISH);
    check_true(stats.grace_waits >= 20);
    tell(&child, 'l');
    gc_safepoint(heap);
    gc_get_stats(heap, &stats);
    check_int(stats.phase, GC_IDLE);
    check_int(gc_collect(heap, GC_REASON_ASKED), 0);
    check_uint(live(heap), one);
    end_child(&child, 0);
    gc_free(heap);
}

static void a_pin_keeps_an_object_until_it_is_dropped(void **state)
{
    (void)state;
    int node;
    struct gc_heap *heap = shared_heap(&node, (struct gc_config){ .stress = true });
    uint64_t one = gc_cost(sizeof(struct heap_test_node));
    publish_value(heap, node, 7);
    struct child child = start_child(heap, 3);
    tell(&child, 'e');
    tell(&child, 'p');
    tell(&child, 'l');
    publish_value(heap, node, 8);
    check_int(gc_collect(heap, GC_REASON_ASKED), 0);
    check_uint(live(heap), 2 * one);
    check_uint(gc_reader_pins(heap, 3), 1);
    check_int(tell(&child, 'r'), 7);
    tell(&child, 'u');
    check_int(gc_collect(heap, GC_REASON_ASKED), 0);
    check_uint(live(heap), one);
    check_int(tell(&child, 'r') & 0xff, 0xdb, "the collector really took it");
    end_child(&child, 0);
    gc_free(heap);
}

static void a_reader_that_is_killed_or_stopped_blocks_nobody(void **state)
{
    (void)state;
    static const int signals[] = { SIGKILL, SIGSTOP };
    for (size_t i = 0; i < TEST_COUNT(signals); i++) {
        int node;
        struct gc_heap *heap = shared_heap(&node, (struct gc_config){ 0 });
        uint64_t one = gc_cost(sizeof(struct heap_test_node));
        publish_value(heap, node, 7);
        struct child child = start_child(heap, 1);
        tell(&child, 'e');
        tell(&child, 'p');
        if (signals[i] == SIGSTOP) {
            int status;
            kill(child.pid, SIGSTOP);
            check_int(waitpid(child.pid, &status, WUNTRACED), child.pid);
        }
        publish_value(heap, node, 8);
        check_int(gc_collect(heap, GC_REASON_ASKED), -EAGAIN);
        for (int n = 0; n < 100; n++) {
            publish_value(heap, node, 9);
            gc_safepoint(heap);
            check_int(gc_collect(heap, GC_REASON_ASKED), -EAGAIN);
        }
        check_null(gc_reader_open(heap, 1), "a dead reader's seat is not clean");
        end_child(&child, SIGKILL);
        gc_reader_clear(heap, 1);
        check_int(gc_collect(heap, GC_REASON_ASKED), 0);
        check_uint(live(heap), one);
        struct gc_reader *next = gc_reader_open(heap, 1);
        check_not_null(next);
        gc_reader_close(next);
        gc_free(heap);
    }
}

static void pins_end_at_their_number_and_come_back(void **state)
{
    (void)state;
    int node;
    struct gc_heap *heap =
        shared_heap(&node, (struct gc_config){ .pins_per_reader = 3 });
    publish_value(heap, node, 1);
    struct gc_reader *reader = gc_reader_open(heap, 0);
    const void *obj = gc_reader_enter(reader);
    int pins[3];
    for (int i = 0; i < 3; i++) {
        pins[i] = gc_pin(reader, obj);
        check_true(pins[i] >= 0 && pins[i] < 3);
    }
    check_int(gc_pin(reader, obj), -ENOSPC);
    gc_unpin(reader, pins[1]);
    check_int(gc_pin(reader, obj), pins[1]);
    gc_reader_leave(reader);
    gc_reader_close(reader);
    check_uint(gc_reader_pins(heap, 0), 0);
    gc_free(heap);
}

/* ---- readers at full speed ----------------------------------------------- */

enum { LENGTH = 40, ROUNDS = 1500, CYCLES = 20, COLLECT_EVERY = 16 };

/* A list of LENGTH nodes that all carry the same value and agree with their bytes. */
static struct heap_test_node *whole_list(struct gc_heap *heap, int node, uint64_t value)
{
    struct heap_test_node *list = NULL;
    for (int i = 0; i < LENGTH; i++) {
        struct heap_test_node *n = heap_test_cons(heap, node, list);
        size_t bytes = 16 + (value * 31 + (uint64_t)i * 101) % (i % 10 ? 300 : 12000);
        n->bytes = gc_alloc(heap, GC_BYTES, bytes);
        memset(n->bytes, (int)(value & 0x7f), bytes);
        n->value = value;
        list = n;
    }
    return list;
}

static bool node_is_whole(const struct heap_test_node *n, uint64_t value)
{
    const unsigned char *b = n->bytes;
    size_t last = gc_size(b) - 1;
    return n->value == value && b[0] == (value & 0x7f) && b[last] == (value & 0x7f);
}

/* Relaxed, so that they order nothing for ThreadSanitizer: seats and pins have to. */
struct race_words {
    _Atomic int stop;
    _Atomic uint64_t published;
};

struct race {
    struct gc_heap *heap;
    struct race_words *words;
    unsigned seat;
    uint64_t rounds;
    bool ok;
    struct gc_reader *reader;
    const struct heap_test_node *pinned;
    int pin;
};

static bool is_over(const struct race *race)
{
    return atomic_load_explicit(&race->words->stop, memory_order_relaxed);
}

static bool list_is_whole(const struct heap_test_node *list)
{
    int length = 0;
    for (const struct heap_test_node *n = list; n; n = n->next, length++)
        if (!node_is_whole(n, list->value))
            return false;
    return length == LENGTH;
}

/* A pin is set inside an epoch; what it keeps is read, and it is dropped, outside. */
static bool read_once(struct race *race)
{
    const struct heap_test_node *root = gc_reader_enter(race->reader);
    uint64_t value = root->value;
    if (!list_is_whole(root))
        return false;
    if (race->pin < 0) {
        race->pin = gc_pin(race->reader, root);
        race->pinned = root;
    }
    gc_reader_leave(race->reader);
    if (race->pin >= 0 && race->rounds % 5 == 0) {
        if (!list_is_whole(race->pinned) || race->pinned->value > value)
            return false;
        gc_unpin(race->reader, race->pin);
        race->pin = -1;
    }
    return race->rounds % 5 == 0 || race->pin >= 0;
}

/* Stays outside until two collections later: what was read just now is freed and
 * written over, with nothing but the leave, or the unpin, in between. */
static void stay_away(const struct race *race)
{
    const _Atomic uint64_t *now = &race->words->published;
    uint64_t until =
        atomic_load_explicit(now, memory_order_relaxed) + 2 * COLLECT_EVERY;
    while (!is_over(race) && atomic_load_explicit(now, memory_order_relaxed) < until)
        sched_yield();
}

static void *race_reader(void *arg)
{
    struct race *race = arg;
    race->reader = gc_reader_open(race->heap, race->seat);
    race->pin = -1;
    race->ok = race->reader != NULL;
    for (; race->ok && !is_over(race); race->rounds++) {
        race->ok = read_once(race);
        /* 0: has unpinned; 3: has left a list that is newer, since 2, than its pin */
        if (race->rounds % 500 == 0 || race->rounds % 500 == 2 ||
            race->rounds % 500 == 3)
            stay_away(race);
    }
    gc_reader_close(race->reader);
    return NULL;
}

/* At least ROUNDS, and until so many cycles have raced: slices are short, and readers
 * hold a cycle up for as long as the kernel lets them stand. */
static void race_owner(struct gc_heap *heap, int node, struct race_words *words)
{
    struct gc_stats stats = { 0 };
    for (uint64_t i = 1; i <= ROUNDS || stats.cycles <= CYCLES; i++) {
        gc_publish(heap, whole_list(heap, node, i));
        atomic_store_explicit(&words->published, i, memory_order_relaxed);
        gc_safepoint(heap);
        if (i % COLLECT_EVERY == 0)
            gc_collect(heap, GC_REASON_ASKED);
        gc_get_stats(heap, &stats);
    }
    atomic_store_explicit(&words->stop, 1, memory_order_relaxed);
}

static void threads_that_read_while_the_owner_collects_see_whole_lists(void **state)
{
    (void)state;
    for (int schedule = GC_STW; schedule <= GC_INCREMENTAL; schedule++) {
        int node;
        struct gc_heap *heap = shared_heap(
            &node, (struct gc_config){ .schedule = (enum gc_schedule)schedule,
                                       .max_pause_ns = 20000,
                                       .min_heap_bytes = 1 << 16 });
        gc_publish(heap, whole_list(heap, node, 0));
        struct race_words words = { 0 };
        pthread_t threads[2];
        struct race races[2];
        for (unsigned i = 0; i < 2; i++) {
            races[i] = (struct race){ .heap = heap, .words = &words, .seat = i };
            check_int(pthread_create(&threads[i], NULL, race_reader, &races[i]), 0);
        }
        race_owner(heap, node, &words);
        for (unsigned i = 0; i < 2; i++) {
            pthread_join(threads[i], NULL);
            check_true(races[i].ok, "reader %u in round %ju", i,
                       (uintmax_t)races[i].rounds);
        }
        check_int(gc_collect(heap, GC_REASON_ASKED), 0);
        gc_free(heap);
    }
}

static void processes_that_read_while_the_owner_collects_see_whole_lists(void **state)
{
    (void)state;
    int node;
    struct gc_heap *heap = shared_heap(&node, (struct gc_config){ .stress = true });
    struct race_words *words =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    gc_publish(heap, whole_list(heap, node, 0));
    pid_t pids[2];
    for (unsigned i = 0; i < 2; i++) {
        gc_fork_prepare(heap);
        pids[i] = fork();
        if (pids[i] == 0) {
            struct race race = { .heap = heap, .words = words, .seat = i };
            if (gc_fork_child(heap))
                _exit(BROKEN);
            race_reader(&race);
            _exit(race.ok ? 0 : BROKEN);
        }
        gc_fork_parent(heap);
    }
    race_owner(heap, node, words);
    for (unsigned i = 0; i < 2; i++) {
        int status;
        check_int(waitpid(pids[i], &status, 0), pids[i]);
        check_int(status, 0, "reader %u", i);
    }
    munmap(words, 4096);
    gc_free(heap);
}

static int fill_page_tables(struct gc_heap *heap, void *arg)
{
    const void *start, *end;
    (void)arg;
    gc_range(heap, &start, &end);
    long before = heap_test_present_pages(start, end);
    long pages = gc_pretouch(heap, GC_PRETOUCH_READ);
    long present = heap_test_present_pages(start, end);
    if (before >= 0 && (before != 0 || present != pages))
        return BROKEN;
    if (pages <= 0 || pages >= ((const char *)end - (const char *)start) / 4096)
        return BROKEN + 1;
    /* A hole that was read would be part of the file by now. */
    return gc_pretouch(heap, GC_PRETOUCH_READ) == pages ? 0 : BROKEN + 2;
}

static void page_tables_of_a_child_are_filled_and_holes_stay_holes(void **state)
{
    (void)state;
    int node;
    struct gc_heap *heap = shared_heap(&node, (struct gc_config){ 0 });
    for (int i = 0; i < 1000; i++)
        heap_test_push(heap, node, 5000);
    struct heap_test_node *first = gc_root(heap);
    first->next = NULL; /* nothing else runs: all but one become holes */
    check_int(gc_collect(heap, GC_REASON_ASKED), 0);
    check_int(heap_test_in_child(heap, fill_page_tables, NULL), 0);
    gc_free(heap);
}

TEST_MAIN(test(a_child_can_neither_write_nor_make_the_heap_writable),
          test(a_child_sees_what_is_published_after_its_fork),
          test(a_reader_in_an_old_epoch_delays_the_sweep_and_nothing_else),
          test(a_pin_keeps_an_object_until_it_is_dropped),
          test(a_reader_that_is_killed_or_stopped_blocks_nobody),
          test(pins_end_at_their_number_and_come_back),
          test(threads_that_read_while_the_owner_collects_see_whole_lists),
          test(processes_that_read_while_the_owner_collects_see_whole_lists),
          test(page_tables_of_a_child_are_filled_and_holes_stay_holes))
