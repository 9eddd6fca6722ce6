/* SPDX-License-Identifier: MIT */
/* snapshot.c - marking in a child: the kernel keeps the image, the owner keeps working.
 *
 *   1 forked   gc_snapshot_start()   the child has the heap as it was, in a copy
 *   2 marks    in the child          into a shared mapping, made for this cycle
 *   3 merges   gc_snapshot_merge()   the owner ORs them into its own table
 *   4 gone     gc_snapshot_reap()    waited for; killed, if it was given up
 *
 * Why that is right (rules 5 and 15): what cannot be reached in the image cannot be
 * reached later, because nobody finds a pointer to it; what is newer than the image has
 * its mark in the owner's table. The two sets of marks are disjoint, since nothing is
 * freed, and so no address is used twice, between the fork and the sweep. Hence bytes
 * add up, too.
 *
 * The child is made by clone() without an exit signal and is known by a pidfd: no
 * SIGCHLD comes, waitpid(-1) of the program does not see it, no pid can be mistaken. It
 * runs on the stack and the memory it was born with, takes no lock, allocates nothing,
 * closes every descriptor and keeps all signals blocked, so that the program may have
 * threads and handlers of any kind (rule 16).
 *
 * A child may die or hang: out of memory, killed by an operator, stopped (rule 17). Its
 * cycle marks again from the beginning in slices, and so do the next ones: 1, then 2,
 * 4, ... at most 64 for each failure in a row, because what fails now (limits, memory)
 * tends to fail again, and a fork is paid before one knows.
 */
#define GC_IMPL
#include "gc/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gc/mark.h"
#include "gc/os.h"

#ifndef CLOSE_RANGE_UNSHARE /* Linux 5.9; headers may be older than the kernel */
#define CLOSE_RANGE_UNSHARE 2u
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

enum {
    WAIT_PIDFD = 3,         /* P_PIDFD: an enumerator, newer than some headers */
    PIECE_BYTES = 64 << 10, /* traced by the child between two signs of life */
    CHUNK_MARKS = CHUNK / GRANULE / 8, /* bytes of the table for a chunk */
    CYCLES_OFF_MAX_SHIFT = 6,
};
static const uint64_t look_ns = 1000000; /* between two looks that cost a system call */
/* The child gets this long, and more for a large heap: ten times what marking takes on
 * a slow machine. */
static const uint64_t deadline_floor_ns = 1000000000, deadline_per_byte_ns = 16;
/* An owner that sleeps for it waits no longer than that without a sign of life. */
static const uint64_t nap_ns = 10000000, patience_ns = 1000000000;
static const uint64_t death_ns = 1000000000; /* gc_free() waits no longer for one */

/* Written by the child, read by the owner; nobody else has it mapped.
 * done: set once, last (release); the owner reads nothing else before it (acquire),
 *   except
 * traced: a sign of life. A stale value makes a child look idle for one more look. */
struct result {
    _Atomic uint32_t done;
    _Atomic uint64_t traced;
    uint64_t marked_bytes, scanned_bytes, overflows, cpu_ns;
};

struct snapshot {
    struct result *result; /* a page, then the mark table; NULL when not away */
    uintptr_t mapped;      /* what of that mapping is left: merging unmaps from below */
    size_t mapped_bytes;
    bool merging;
    bool look_now;   /* is_lost() shall ask the kernel */
    uint32_t chunk;  /* next one to merge */
    uint32_t chunks; /* that the image had */
    int pidfd;       /* of a child that nobody has waited for yet, or -1 */
    pid_t parent;    /* it is ours only in this process */
    uint64_t forked_ns, looked_ns, deadline_ns;
    uint64_t idle_ns;  /* slept for it since it last showed a sign of life */
    unsigned failures; /* in a row */
    unsigned off;      /* cycles to mark in this process before the next attempt */
};

const char *gc_snapshot_init(struct gc_heap *heap)
{
    if (heap->config.schedule != GC_SNAPSHOT)
        return NULL;
    if (syscall(SYS_close_range, ~0u, ~0u, 0u) && errno == ENOSYS)
        return "schedule = snapshot needs Linux 5.9";
    heap->snapshot = calloc(1, sizeof *heap->snapshot);
    if (!heap->snapshot)
        return "out of memory";
    heap->snapshot->pidfd = -1;
    return NULL;
}

/* ---- the process --------------------------------------------------------- */

/* As fork(), without a signal at its end, and with the table of descriptors shared
 * until the child has left it: a copy would keep the program's sockets open, for the
 * blink of an eye, and take time for each. The raw call runs no pthread_atfork
 * handlers. Under valgrind, which ends a program that makes such a call, it is refused
 * as by a system without room for a process: the owner marks. */
static pid_t clone_child(int *ret_pidfd)
{
#if defined(GC_VALGRIND)
    *ret_pidfd = -1;
    errno = EAGAIN;
    return -1;
#endif
    unsigned long flags = CLONE_PIDFD | CLONE_FILES;
#if defined(__s390__)
    return (pid_t)syscall(SYS_clone, 0ul, flags, ret_pidfd, 0ul, 0ul);
#else
    return (pid_t)syscall(SYS_clone, flags, 0ul, ret_pidfd, 0ul, 0ul);
#endif
}

static void kill_child(const struct snapshot *s)
{
    if (s->pidfd >= 0 && s->parent == getpid())
        (void)syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0u);
}

static void let_go(struct snapshot *s)
{
    close(s->pidfd);
    s->pidfd = -1;
}

/* True when no child is left. Somebody else may have waited for it: that is an end,
 * too. */
static bool is_gone(struct snapshot *s)
{
    siginfo_t info = { 0 };
    if (s->pidfd < 0)
        return true;
    if (s->parent == getpid() &&
        waitid((idtype_t)WAIT_PIDFD, (id_t)s->pidfd, &info,
               WEXITED | WNOHANG | __WALL) == 0 &&
        info.si_pid == 0)
        return false;
    let_go(s);
    return true;
}

static bool has_ended(const struct snapshot *s, uint64_t timeout_ns)
{
    struct pollfd fd = { .fd = s->pidfd, .events = POLLIN };
    struct timespec timeout = { .tv_nsec = (long)timeout_ns }; /* less than 1 s */
    return s->pidfd < 0 || ppoll(&fd, 1, &timeout, NULL) > 0;
}

/* ---- in the child -------------------------------------------------------- */

/* The first to go when memory is short: it can be done without. */
static void offer_to_the_oom_killer(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = write(fd, "1000", 4);
    (void)n;
    close(fd);
}

static uint64_t cpu_ns(void)
{
    struct timespec t = { 0 };
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Only what is safe in a signal handler happens here. */
static _Noreturn void be_child(struct gc_heap *heap, pid_t parent)
{
    struct result *result = heap->snapshot->result;
    /* Unless it can leave the program's descriptors it must not live: they would not
     * close. */
    if (syscall(SYS_close_range, 0u, ~0u, CLOSE_RANGE_UNSHARE))
        _exit(1);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
        _exit(1);
    prctl(PR_SET_NAME, "gc-snapshot");
    offer_to_the_oom_killer();
    heap->marks = (uint64_t *)((uintptr_t)result + PAGE);
    heap->stats.mark_overflows = 0;
    gc_mark_reset(heap);
    gc_mark_roots(heap);
    while (!gc_mark_some(heap, PIECE_BYTES))
        atomic_store_explicit(&result->traced, heap->scanned_bytes,
                              memory_order_relaxed);
    result->marked_bytes = heap->marked_bytes;
    result->scanned_bytes = heap->scanned_bytes;
    result->overflows = heap->stats.mark_overflows;
    result->cpu_ns = cpu_ns();
    /* Partner: the load in gc_snapshot_is_done(). All marks come before it. */
    atomic_store_explicit(&result->done, 1, memory_order_release);
    _exit(0);
}

/* ---- from the fork to the last mark -------------------------------------- */

static void event(const struct gc_heap *heap, enum gc_event_kind kind, uint64_t now,
                  uint64_t bytes)
{
    if (!heap->config.on_event)
        return;
    struct gc_event e = { .kind = kind,
                          .reason = heap->reason,
                          .phase = heap->phase,
                          .start_ns = heap->snapshot->forked_ns,
                          .duration_ns = now - heap->snapshot->forked_ns,
                          .bytes = bytes };
    heap->config.on_event(heap->config.arg, &e);
}

static void drop_result(struct gc_heap *heap)
{
    struct snapshot *s = heap->snapshot;
    gc_os_unmap((void *)s->mapped, s->mapped_bytes);
    s->result = NULL;
    s->mapped = 0;
    s->mapped_bytes = 0;
    s->merging = false;
    heap->away = false;
}

static void fail(struct gc_heap *heap, uint64_t now, uint64_t traced)
{
    struct snapshot *s = heap->snapshot;
    unsigned shift =
        s->failures < CYCLES_OFF_MAX_SHIFT ? s->failures : CYCLES_OFF_MAX_SHIFT;
    s->failures++;
    s->off = 1u << shift;
    heap->stats.snapshot_failures++;
    drop_result(heap);
    event(heap, GC_EVENT_SNAPSHOT_FAIL, now, traced);
}

/* The result lives as long as its cycle, so that a child that was given up, and may
 * take its time to die, marks in a mapping that nobody looks at any more. */
static int map_result(struct gc_heap *heap)
{
    struct snapshot *s = heap->snapshot;
    s->chunk = (uint32_t)((heap->arena_start - heap->base) >> CHUNK_SHIFT);
    s->chunks = heap->chunks_used;
    s->mapped_bytes = PAGE + (size_t)s->chunks * CHUNK_MARKS;
    s->result = gc_os_control(s->mapped_bytes);
    s->mapped = (uintptr_t)s->result;
    return s->result ? 0 : -errno;
}

static pid_t fork_child(struct gc_heap *heap)
{
    struct snapshot *s = heap->snapshot;
    sigset_t all, before;
    int pidfd = -1;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    s->parent = getpid();
    pid_t pid = clone_child(&pidfd);
    if (pid == 0)
        be_child(heap, s->parent);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid > 0)
        s->pidfd = pidfd;
    return pid;
}

bool gc_snapshot_start(struct gc_heap *heap)
{
    struct snapshot *s = heap->snapshot;
    if (!s || heap->stay)
        return false;
    if (s->off) {
        s->off--;
        return false;
    }
    if (!is_gone(s)) /* the last one still dies: no two at a time */
        return false;
    s->forked_ns = now_ns(heap);
    bool made = map_result(heap) == 0 && fork_child(heap) > 0;
    uint64_t now = now_ns(heap), took = now - s->forked_ns;
    heap->stats.snapshot_fork_last_ns = took;
    heap->stats.snapshot_fork_total_ns += took;
    if (took > heap->stats.snapshot_fork_max_ns)
        heap->stats.snapshot_fork_max_ns = took;
    if (!made) {
        fail(heap, now, 0);
        return false;
    }
    /* Not for those that the program forks: they would keep it, and might write. */
    (void)gc_os_keep_from_children(s->mapped, s->mapped_bytes);
    heap->stats.snapshot_forks++;
    s->looked_ns = now;
    s->idle_ns = 0;
    s->deadline_ns = now + deadline_floor_ns +
                     (heap->live_bytes + heap->since_mark) * deadline_per_byte_ns;
    heap->away = true;
    event(heap, GC_EVENT_SNAPSHOT_FORK, now, heap->live_bytes + heap->since_mark);
    return true;
}

static uint64_t traced(const struct snapshot *s)
{
    return atomic_load_explicit(&s->result->traced, memory_order_relaxed);
}

static void take_numbers(struct gc_heap *heap)
{
    struct snapshot *s = heap->snapshot;
    const struct result *result = s->result;
    heap->marked_bytes += result->marked_bytes;
    heap->scanned_bytes += result->scanned_bytes;
    heap->stats.mark_overflows += result->overflows;
    heap->stats.snapshot_mark_ns += result->cpu_ns;
    s->failures = 0;
    s->merging = true;
    event(heap, GC_EVENT_SNAPSHOT_MARK, now_ns(heap), result->marked_bytes);
}

bool gc_snapshot_is_done(struct gc_heap *heap)
{
    struct snapshot *s = heap->snapshot;
    /* Partner: the store in be_child(). */
    if (!s->merging && atomic_load_explicit(&s->result->done, memory_order_acquire))
        take_numbers(heap);
    return s->merging;
}

bool gc_snapshot_is_lost(struct gc_heap *heap)
{
    struct snapshot *s = heap->snapshot;
    if (gc_snapshot_is_done(heap))
        return false;
    uint64_t now = now_ns(heap);
    bool late = now >= s->deadline_ns || s->idle_ns >= patience_ns;
    if (now - s->looked_ns < look_ns && !late && !s->look_now)
        return false;
    s->looked_ns = now;
    s->look_now = false;
    /* One that has ended has done so before this look at its work. */
    if ((!is_gone(s) && !late) || gc_snapshot_is_done(heap))
        return false;
    kill_child(s);
    fail(heap, now, traced(s));
    return true;
}

/* Only sleep counts for patience: a child whose owner has other work may have to wait
 * for a processor. */
void gc_snapshot_wait(struct gc_heap *heap, uint64_t budget_ns)
{
    struct snapshot *s = heap->snapshot;
    uint64_t begin = gc_os_clock(NULL), now = begin;
    while (!gc_snapshot_is_done(heap) && s->idle_ns < patience_ns &&
           now - begin < budget_ns) {
        uint64_t left = budget_ns - (now - begin), before = now, seen = traced(s);
        bool ended = has_ended(s, left < nap_ns ? left : nap_ns);
        now = gc_os_clock(NULL);
        s->idle_ns = traced(s) == seen ? s->idle_ns + (now - before) : 0;
        if (ended)
            break;
    }
    s->look_now = true;
}

bool gc_snapshot_merge(struct gc_heap *heap, size_t bytes)
{
    struct snapshot *s = heap->snapshot;
    GC_CHECK(s->merging);
    uintptr_t table = (uintptr_t)s->result + PAGE;
    uint32_t n = (uint32_t)(bytes / CHUNK_MARKS) + 1;
    uint32_t end = s->chunks - s->chunk > n ? s->chunk + n : s->chunks;
    for (; s->chunk < end; s->chunk++) {
        /* Nothing is freed while marking: what is free now has no mark, and reading
         * would cost a page. */
        if (heap->summaries[s->chunk].kind == CHUNK_FREE)
            continue;
        size_t first = (size_t)s->chunk * (CHUNK_MARKS / sizeof(uint64_t));
        const uint64_t *from = (const uint64_t *)table + first;
        uint64_t *to = heap->marks + first;
        for (size_t w = 0; w < CHUNK_MARKS / sizeof(uint64_t); w++)
            if (from[w])
                to[w] |= from[w];
    }
    if (s->chunk == s->chunks) {
        drop_result(heap);
        return true;
    }
    uintptr_t merged = table + (size_t)s->chunk * CHUNK_MARKS;
    gc_os_unmap((void *)s->mapped, merged - s->mapped);
    s->mapped_bytes -= merged - s->mapped;
    s->mapped = merged;
    return false;
}

/* ---- the end ------------------------------------------------------------- */

bool gc_snapshot_cancel(struct gc_heap *heap)
{
    struct snapshot *s = heap->snapshot;
    if (s->merging)
        return false;
    kill_child(s);
    drop_result(heap);
    heap->stats.snapshot_cancels++;
    return true;
}

void gc_snapshot_reap(struct gc_heap *heap)
{
    if (heap->snapshot && !heap->away)
        (void)is_gone(heap->snapshot);
}

void gc_snapshot_forget(struct gc_heap *heap)
{
    struct snapshot *s = heap->snapshot;
    if (!s)
        return;
    s->mapped = 0; /* not inherited */
    drop_result(heap);
    if (s->pidfd >= 0)
        let_go(s);
    s->failures = s->off = 0;
}

unsigned gc_snapshot_children(const struct gc_heap *heap)
{
    return heap->snapshot && heap->snapshot->pidfd >= 0;
}

void gc_snapshot_free(struct gc_heap *heap)
{
    struct snapshot *s = heap->snapshot;
    if (!s)
        return;
    kill_child(s);
    uint64_t begin = gc_os_clock(NULL);
    while (!is_gone(s) && gc_os_clock(NULL) - begin < death_ns)
        (void)has_ended(s, nap_ns);
    if (s->pidfd >= 0)
        let_go(s);
    drop_result(heap);
    free(s);
    heap->snapshot = NULL;
}
