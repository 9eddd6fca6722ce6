/* SPDX-License-Identifier: MIT */
/* test_stopped_reader.c - a reader is stopped, or killed, after any of its
 * instructions.
 *
 * A child plays enter, read, pin, leave, read what is pinned, unpin. The parent steps
 * it one instruction at a time (ptrace) to a chosen place, also between the two atomic
 * operations of gc_reader_enter() and inside of gc_pin(), and there it stays while the
 * parent, as the owner, publishes, allocates and collects. Then it goes on and must
 * have seen whole objects, or it is killed and its seat cleared.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/gc/heap_test.h"

enum {
    WHOLE = 0x600d,
    SEAT = 1,
    STEPS_MAX = 60000,  /* a sanitizer takes a hundred times as many as the reader */
    STEPS_ALL = 300000, /* to all places together, about */
    PLACES = 300,       /* that are tried, evenly spread if there are more */
    TORN = 101,
    NO_PTRACE = 102,
};

static bool is_whole(const volatile struct heap_test_node *n)
{
    return n->value == WHOLE && n->next->value == WHOLE;
}

static void publish_new(struct gc_heap *heap, int node)
{
    struct heap_test_node *n = heap_test_cons(heap, node, NULL);
    n->next = heap_test_cons(heap, node, NULL);
    n->value = n->next->value = WHOLE;
    gc_publish(heap, n);
}

static int read_once(struct gc_heap *heap, bool careless)
{
    struct gc_reader *r = gc_reader_open(heap, SEAT);
    signal(SIGSEGV, SIG_DFL); /* the runner catches it */
    if (!r || ptrace(PTRACE_TRACEME, 0, NULL, NULL))
        return NO_PTRACE;
    raise(SIGSTOP); /* the first step is the next instruction */
    const struct heap_test_node *n = gc_reader_enter(r);
    if (careless)
        gc_reader_leave(r);
    bool ok = is_whole(n);
    int pin = careless ? -1 : gc_pin(r, n);
    ok = ok && is_whole(n);
    gc_reader_leave(r);
    ok = ok && (careless || is_whole(n));
    if (pin >= 0)
        gc_unpin(r, pin);
    raise(SIGSTOP); /* the last place */
    return ok ? 0 : TORN;
}

struct child {
    pid_t pid;
    int status;
    bool ended; /* steps led to the second stop */
};

static bool wait_for(struct child *c)
{
    return waitpid(c->pid, &c->status, 0) == c->pid && WIFSTOPPED(c->status);
}

/* False when this system lets nobody be traced. */
static bool start(struct gc_heap *heap, struct child *c, bool careless)
{
    gc_fork_prepare(heap);
    *c = (struct child){ .pid = fork() };
    if (c->pid == 0)
        _exit(gc_fork_child(heap) ? TORN : read_once(heap, careless));
    gc_fork_parent(heap);
    return wait_for(c);
}

static void step_to(struct child *c, unsigned place)
{
    for (unsigned i = 0; i < place && !c->ended; i++) {
        check_int(ptrace(PTRACE_SINGLESTEP, c->pid, NULL, NULL), 0);
        check_true(wait_for(c), "status %#x at step %u", c->status, i);
        c->ended = WSTOPSIG(c->status) == SIGSTOP;
        check_true(c->ended || WSTOPSIG(c->status) == SIGTRAP, "status %#x", c->status);
    }
}

static uint64_t live(const struct gc_heap *heap)
{
    struct gc_stats s;
    gc_get_stats(heap, &s);
    return s.live_bytes;
}

/* The owner goes on, whatever the reader was doing. */
static void owner_goes_on(struct gc_heap *heap, int node, unsigned place)
{
    for (int i = 0; i < 3; i++) {
        publish_new(heap, node);
        int err = gc_collect(heap, GC_REASON_ASKED);
        check_true(err == 0 || err == -EAGAIN, "place %u: %d", place, err);
        check_true((err == 0) == (gc_reader_lag(heap, SEAT) == 0),
                   "place %u: %d, lag %ju", place, err,
                   (uintmax_t)gc_reader_lag(heap, SEAT));
    }
}

static void everything_is_freed(struct gc_heap *heap, unsigned place)
{
    const uint64_t two = 2 * gc_cost(sizeof(struct heap_test_node));
    check_int(gc_collect(heap, GC_REASON_ASKED), 0, "place %u", place);
    check_uint(live(heap), two, "place %u", place);
    check_uint(gc_reader_pins(heap, SEAT), 0, "place %u", place);
    check_uint(gc_verify(heap, 2, NULL, NULL), 0, "place %u", place);
}

/* A reader that follows a pointer of what was freed gets a signal: it dies of it. */
static void let_it_end(struct child *c)
{
    int sig = 0;
    do {
        check_int(ptrace(PTRACE_CONT, c->pid, NULL, (void *)(intptr_t)sig), 0);
        sig = 0;
        if (wait_for(c) && WSTOPSIG(c->status) != SIGSTOP)
            sig = WSTOPSIG(c->status);
    } while (WIFSTOPPED(c->status));
}

static void kill_it(struct child *c, unsigned place)
{
    check_int(kill(c->pid, SIGKILL), 0);
    check_false(wait_for(c), "place %u", place);
    check_true(WIFSIGNALED(c->status), "place %u: %#x", place, c->status);
}

static void stop_at(struct gc_heap *heap, int node, unsigned place, bool killed)
{
    struct child c;
    publish_new(heap, node);
    check_true(start(heap, &c, false));
    step_to(&c, place);
    owner_goes_on(heap, node, place);
    if (killed)
        kill_it(&c, place);
    else
        let_it_end(&c);
    check_true(killed || c.status == 0, "place %u: the reader saw what was freed",
               place);
    gc_reader_clear(heap, SEAT);
    everything_is_freed(heap, place);
}

static struct gc_heap *stressed_heap(int *ret_node)
{
    struct gc_heap *heap = heap_test_new(
        &(struct gc_config){ .shared = true, .readers = 2, .stress = true });
    *ret_node = gc_type_add(heap, &heap_test_node);
    return heap;
}

static unsigned count_places(struct gc_heap *heap, int node)
{
    struct child c;
    unsigned n = 0;
#ifdef __SANITIZE_THREAD__
    gc_free(heap);
    test_skip("needs a build without ThreadSanitizer, whose own steps are too many");
#endif
    publish_new(heap, node);
    if (!start(heap, &c, false)) {
        gc_free(heap);
        test_skip("needs ptrace (status %#x)", c.status);
    }
    for (; !c.ended && n < STEPS_MAX; n++)
        step_to(&c, 1);
    let_it_end(&c);
    check_int(c.status, 0);
    gc_reader_clear(heap, SEAT);
    check_true(c.ended && n > 20, "%u steps", n);
    return n;
}

static unsigned stride_for(unsigned n)
{
    unsigned places = STEPS_ALL / n < PLACES ? STEPS_ALL / n + 1 : PLACES;
    return 1 + n / places;
}

static void at_any_instruction_a_reader_may_stop_or_die(void **state)
{
    (void)state;
    int node;
    struct gc_heap *heap = stressed_heap(&node);
    unsigned n = count_places(heap, node), stride = stride_for(n);
    for (unsigned place = 0; place < n; place += stride)
        for (int killed = 0; killed <= 1; killed++)
            stop_at(heap, node, place, killed);
    gc_free(heap);
}

/* Without an epoch there is a place after which the object is gone. */
static void a_reader_outside_of_epochs_is_caught_at_some_instruction(void **state)
{
    (void)state;
    int node;
    struct gc_heap *heap = stressed_heap(&node);
    unsigned n = count_places(heap, node), torn = 0;
    for (unsigned place = 0; place < n && !torn; place += stride_for(n)) {
        struct child c;
        publish_new(heap, node);
        check_true(start(heap, &c, true));
        step_to(&c, place);
        owner_goes_on(heap, node, place);
        let_it_end(&c);
        torn += c.status == TORN << 8 || WIFSIGNALED(c.status);
        gc_reader_clear(heap, SEAT);
    }
    check_true(torn > 0);
    gc_free(heap);
}

/* ---- memory -----------------------------------------------------------------------
 */

static uint64_t held(const struct gc_heap *heap)
{
    struct gc_stats s;
    gc_get_stats(heap, &s);
    return s.held_bytes;
}

static pid_t reader_inside(struct gc_heap *heap)
{
    int status = 0;
    gc_fork_prepare(heap);
    pid_t pid = fork();
    if (pid == 0) {
        struct gc_reader *r = gc_fork_child(heap) ? NULL : gc_reader_open(heap, SEAT);
        if (!r)
            _exit(TORN);
        gc_reader_enter(r);
        raise(SIGSTOP);
        _exit(TORN);
    }
    gc_fork_parent(heap);
    check_int(waitpid(pid, &status, WUNTRACED), pid);
    check_true(WIFSTOPPED(status), "status %#x", status);
    return pid;
}

static void
a_stopped_reader_lets_the_heap_grow_to_its_limit_and_no_further(void **state)
{
    (void)state;
    int node, status;
    const size_t limit = 4 << 20;
    struct gc_heap *heap = heap_test_new(&(struct gc_config){
        .shared = true, .readers = 2, .limit_bytes = limit, .verify = true });
    node = gc_type_add(heap, &heap_test_node);
    publish_new(heap, node);
    check_int(gc_collect(heap, GC_REASON_ASKED), 0);
    uint64_t before = held(heap), refused = 0;
    pid_t pid = reader_inside(heap);
    for (int i = 0; i < 20000; i++) {
        refused += gc_alloc(heap, GC_BYTES, 1000) == NULL;
        gc_safepoint(heap);
        check_true(held(heap) <= limit);
    }
    check_true(refused > 0 && held(heap) > limit / 2, "%ju refused, %ju held",
               (uintmax_t)refused, (uintmax_t)held(heap));
    check_true(gc_reader_lag(heap, SEAT) > 0, "whose fault it is can be told");
    check_int(kill(pid, SIGKILL), 0);
    check_int(waitpid(pid, &status, 0), pid);
    check_int(gc_collect(heap, GC_REASON_ASKED), -EAGAIN, "until the seat is cleared");
    gc_reader_clear(heap, SEAT);
    check_int(gc_collect(heap, GC_REASON_ASKED), 0);
    check_uint(held(heap), before);
    check_uint(gc_reader_lag(heap, SEAT), 0);
    check_not_null(gc_alloc(heap, GC_BYTES, 1000));
    gc_free(heap);
}

TEST_MAIN(test(at_any_instruction_a_reader_may_stop_or_die),
          test(a_reader_outside_of_epochs_is_caught_at_some_instruction),
          test(a_stopped_reader_lets_the_heap_grow_to_its_limit_and_no_further))
