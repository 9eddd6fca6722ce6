/* SPDX-License-Identifier: MIT */
/* test_snapshot_child.c - the marking child as a process: that it dies, hangs, or
 * cannot be made (rule 17), is in nobody's way (rule 16), and leaves nothing behind.
 */
#include "tests/unit/gc/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum {
    CYCLES = 240,
    WITH_THREADS = 15
}; /* a fork copies the page tables of the sanitizer, too */
#else
enum { CYCLES = 2400, WITH_THREADS = 100 };
#endif

static const struct gc_config small = { .min_heap_bytes = 1 << 18 };

/* Everything that a failure may cost: the cycle, not the heap. */
static void check_whole(struct scene *s, int length)
{
    check_int(scene_length(s), length);
    check_uint(gc_verify(s->heap, 2, NULL, NULL), 0);
    check_int(gc_collect(s->heap, GC_REASON_ASKED), 0);
    check_uint(scene_stats(s).last_marked_bytes,
               (uint64_t)length *
                   (gc_cost(sizeof(struct heap_test_node)) + gc_cost(40)));
}

/* ---- it dies, hangs, or is not made -------------------------------------- */

static void a_child_that_is_killed_anywhere_costs_its_cycle_only(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 1000; at += 111) {
        struct scene s;
        scene_open(&s, small);
        scene_push(&s, 1000);
        stage_play(&s, STAGE_DIE, at);
        scene_begin_cycle(&s);
        stage_await(&s, 1);
        scene_push(&s, 10); /* born marked, and marked once more */
        scene_end_cycle(&s);
        struct gc_stats stats = scene_stats(&s);
        check_uint(stats.snapshot_failures, 1, "after %ju objects", (uintmax_t)at);
        check_uint(stats.cycles, 1);
        check_uint(s.events[GC_EVENT_SNAPSHOT_FAIL], 1);
        check_uint(s.events[GC_EVENT_CYCLE_START], 1);
        check_uint(s.events[GC_EVENT_CYCLE_END], 1);
        check_whole(&s, 1010);
        scene_close(&s);
    }
}

static void a_child_that_hangs_is_killed_at_its_deadline(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, small);
    scene_push(&s, 1000);
    stage_play(&s, STAGE_STOP, 500);
    scene_begin_cycle(&s);
    stage_await(&s, 1);
    uint64_t live = scene_stats(&s).live_bytes;
    s.time_ns += 1000000000 + live * 16 - 1000000;
    gc_safepoint(s.heap);
    check_int(scene_stats(&s).phase, GC_MARK);
    check_uint(scene_stats(&s).snapshot_failures, 0, "not yet");
    s.time_ns += 3000000;
    gc_safepoint(s.heap);
    check_uint(scene_stats(&s).snapshot_failures, 1);
    scene_end_cycle(&s); /* and waits for it */
    check_int(kill(s.stage->pid, 0), -1);
    check_int(errno, ESRCH);
    check_uint(scene_stats(&s).cycles, 1);
    check_whole(&s, 1000);
    scene_close(&s);
}

static void a_full_heap_does_not_sleep_for_a_child_that_hangs(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, (struct gc_config){ .min_heap_bytes = 1 << 18,
                                       .limit_bytes = 2 << 20,
                                       .max_pause_ns = 100000000 });
    scene_push(&s, 1000);
    stage_play(&s, STAGE_STOP, 500);
    scene_begin_cycle(&s);
    stage_await(&s, 1);
    while (gc_alloc(s.heap, GC_BYTES, 500))
        continue;
    uint64_t safepoints = 0; /* each sleeps for 100 ms of the second */
    for (; scene_stats(&s).snapshot_failures == 0 && safepoints < 20; safepoints++)
        gc_safepoint(s.heap);
    check_true(safepoints > 1 && safepoints <= 10, "%ju", (uintmax_t)safepoints);
    while (scene_stats(&s).phase != GC_IDLE)
        gc_safepoint(s.heap);
    check_not_null(gc_alloc(s.heap, GC_BYTES, 500));
    scene_end_cycle(&s);
    check_whole(&s, 1000);
    scene_close(&s);
}

/* Each failure in a row doubles the number of cycles that are marked without a child,
 * up to 64; a child that finishes ends that. */
static void after_a_failure_cycles_mark_without_a_child_for_a_while(void **state)
{
    (void)state;
    struct scene s;
    uint64_t without = 1;
    scene_open(&s, small);
    scene_push(&s, 100);
    for (uint64_t failures = 1; failures <= 9; failures++) {
        stage_play(&s, STAGE_DIE, 0);
        scene_begin_cycle(&s);
        scene_end_cycle(&s);
        check_uint(scene_stats(&s).snapshot_failures, failures);
        check_uint(scene_stats(&s).snapshot_forks, failures);
        for (uint64_t i = 0; i < without; i++) {
            scene_begin_cycle(&s);
            scene_end_cycle(&s);
            check_uint(scene_stats(&s).snapshot_forks, failures, "%ju of %ju",
                       (uintmax_t)i, (uintmax_t)without);
        }
        without = without < 64 ? without * 2 : 64;
    }
    stage_play(&s, STAGE_PASS, 0);
    for (uint64_t forks = 10; forks < 13; forks++) {
        scene_begin_cycle(&s);
        scene_end_cycle(&s);
        check_uint(scene_stats(&s).snapshot_forks, forks);
    }
    check_uint(scene_stats(&s).snapshot_failures, 9);
    check_whole(&s, 100);
    scene_close(&s);
}

/* From here on this process cannot call `number`. */
static int forbid(long number, int with_errno)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)with_errno),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = TEST_COUNT(filter), .filter = filter };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) ? -errno : 0;
}

/* Exit code 0: cycles go on as if nothing were forbidden. */
static int live_without(long number, int with_errno)
{
    struct scene s;
    scene_open(&s, small);
    scene_push(&s, 500);
    if (forbid(number, with_errno))
        return 77;
    for (int i = 0; i < 4; i++) {
        scene_begin_cycle(&s);
        scene_end_cycle(&s);
    }
    struct gc_stats stats = scene_stats(&s);
    if (stats.cycles != 4 || stats.snapshot_failures != 2) /* cycles 1 and 3 */
        return 1;
    if (gc_verify(s.heap, 2, NULL, NULL) || scene_length(&s) != 500)
        return 2;
    uint64_t pair = gc_cost(sizeof(struct heap_test_node)) + gc_cost(40);
    return stats.last_marked_bytes == 500 * pair ? 0 : 3;
}

static void what_the_kernel_refuses_costs_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        long number;
        int with_errno;
    } cases[] = {
        { "no process", SYS_clone, EAGAIN },
        { "no memory for a process", SYS_clone, ENOMEM },
        { "clone() filtered", SYS_clone, ENOSYS },
        { "descriptors cannot be closed", SYS_close_range, EPERM },
        { "no signal of a parent's death", SYS_prctl, EPERM },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        int status = -1;
        pid_t pid = fork();
        if (pid == 0)
            _exit(live_without(cases[i].number, cases[i].with_errno));
        check_int(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
            test_skip("needs seccomp filters");
        check_int(status, 0, "%s", cases[i].name);
    }
}

/* ---- it is in nobody's way ----------------------------------------------- */

static volatile sig_atomic_t children_signals;

static void count_signal(int number)
{
    (void)number;
    children_signals++;
}

static void the_program_sees_no_child_of_its_own(void **state)
{
    (void)state;
    struct scene s;
    struct sigaction old, count = { .sa_handler = count_signal };
    sigaction(SIGCHLD, &count, &old);
    children_signals = 0;
    scene_open(&s, small);
    scene_push(&s, 500);
    stage_play(&s, STAGE_HOLD, 0);
    scene_begin_cycle(&s);
    stage_await(&s, 1);
    check_int(waitpid(-1, NULL, WNOHANG), -1, "while it marks");
    check_int(errno, ECHILD);
    stage_release(&s);
    scene_end_cycle(&s);
    stage_play(&s, STAGE_DIE, 100);
    scene_begin_cycle(&s);
    stage_await(&s, 2);
    scene_end_cycle(&s);
    check_int(waitpid(-1, NULL, WNOHANG), -1, "after its death");
    check_int(errno, ECHILD);
    check_int(children_signals, 0);
    check_uint(scene_stats(&s).snapshot_failures, 1);
    sigaction(SIGCHLD, &old, NULL);
    scene_close(&s);
}

/* A program that waits for everything, or ignores its children, takes nothing away. */
static void somebody_else_may_wait_for_the_child(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct scene s;
        struct sigaction old, ignore = { .sa_handler = SIG_IGN };
        sigaction(SIGCHLD, how ? &ignore : NULL, &old);
        scene_open(&s, small);
        scene_push(&s, 500);
        for (uint64_t i = 1; i <= 2; i++) { /* once it finishes, once it dies */
            stage_play(&s, i == 1 ? STAGE_HOLD : STAGE_DIE, 100);
            scene_begin_cycle(&s);
            stage_await(&s, i);
            stage_release(&s);
            if (how == 0) {
                int status;
                check_int(waitpid(-1, &status, __WALL), s.stage->pid);
                check_int(status, i == 1 ? 0 : SIGKILL);
            }
            scene_end_cycle(&s);
            check_uint(scene_stats(&s).cycles, i);
            check_uint(scene_stats(&s).snapshot_failures, i - 1);
        }
        check_whole(&s, 500);
        sigaction(SIGCHLD, &old, NULL);
        scene_close(&s);
    }
}

static void the_child_holds_no_descriptor_and_hears_no_signal(void **state)
{
    (void)state;
    struct scene s;
    int fds[2];
    check_int(pipe2(fds, 0), 0); /* not even close-on-exec */
    scene_open(&s, small);
    scene_push(&s, 500);
    stage_play(&s, STAGE_LOOK, 100);
    int before = scene_descriptors();
    scene_begin_cycle(&s);
    stage_await(&s, 1);
    scene_end_cycle(&s);
    check_int(s.stage->descriptors, 0);
    check_int(s.stage->blocked, 29);
    check_int(s.stage->oom_score_adj, 1000);
    check_int(scene_descriptors(), before, "and ours are open");
    stage_play(&s, STAGE_HOLD, 100);
    scene_begin_cycle(&s);
    stage_await(&s, 2);
    close(fds[1]);
    struct pollfd end = { .fd = fds[0], .events = POLLIN };
    check_int(poll(&end, 1, 0), 1, "the last writer is gone");
    check_true(end.revents & POLLHUP);
    stage_release(&s);
    scene_end_cycle(&s);
    close(fds[0]);
    scene_close(&s);
}

/* Never returns: an owner in the middle of a cycle, whose child waits for nobody. */
static void be_an_owner(struct stage **ret_stage, int tell_fd)
{
    struct scene s;
    scene_open(&s, small);
    scene_push(&s, 500);
    stage_play(&s, STAGE_HOLD, 100);
    scene_begin_cycle(&s);
    stage_await(&s, 1);
    *ret_stage = s.stage;
    pid_t child = s.stage->pid;
    if (write(tell_fd, &child, sizeof child) != sizeof child)
        _exit(1);
    for (;;)
        pause();
}

static void a_child_does_not_outlive_its_owner(void **state)
{
    (void)state;
    struct stage *unused;
    int fds[2];
    pid_t child = 0;
    check_int(pipe2(fds, O_CLOEXEC), 0);
    pid_t owner = fork();
    if (owner == 0)
        be_an_owner(&unused, fds[1]);
    check_int(read(fds[0], &child, sizeof child), sizeof child);
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    check_true(pidfd >= 0);
    struct pollfd end = { .fd = pidfd, .events = POLLIN };
    check_int(poll(&end, 1, 0), 0, "it lives");
    kill(owner, SIGKILL);
    check_int(waitpid(owner, NULL, 0), owner);
    check_int(poll(&end, 1, 60000), 1, "it is gone");
    close(pidfd);
    close(fds[0]);
    close(fds[1]);
}

static void gc_free_ends_the_child(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, small);
    scene_push(&s, 500);
    stage_play(&s, STAGE_STOP, 100);
    scene_begin_cycle(&s);
    stage_await(&s, 1);
    pid_t pid = s.stage->pid;
    gc_free(s.heap);
    check_int(kill(pid, 0), -1);
    check_int(errno, ESRCH);
    s.heap = NULL;
    scene_close(&s);
}

/* Threads of the program are somewhere in malloc() at each fork. */
static _Atomic bool enough;

static void *allocate(void *arg)
{
    (void)arg;
    unsigned n = 0;
    while (!enough) {
        void *p[32];
        for (size_t i = 0; i < TEST_COUNT(p); i++)
            p[i] = malloc(1 + ++n % 4000);
        for (size_t i = 0; i < TEST_COUNT(p); i++)
            free(p[i]);
    }
    return NULL;
}

static void the_program_may_have_threads(void **state)
{
    (void)state;
    struct scene s;
    pthread_t threads[3];
    scene_open(&s, small);
    scene_push(&s, 300);
    enough = false;
    for (size_t i = 0; i < TEST_COUNT(threads); i++)
        check_int(pthread_create(&threads[i], NULL, allocate, NULL), 0);
    for (int i = 0; i < WITH_THREADS; i++) {
        scene_begin_cycle(&s);
        scene_end_cycle(&s);
    }
    enough = true;
    for (size_t i = 0; i < TEST_COUNT(threads); i++)
        check_int(pthread_join(threads[i], NULL), 0);
    check_uint(scene_stats(&s).snapshot_forks, WITH_THREADS);
    check_uint(scene_stats(&s).snapshot_failures, 0);
    check_whole(&s, 300);
    scene_close(&s);
}

/* ---- it leaves nothing --------------------------------------------------- */

/* Cycles that end in every way: finished, died, cancelled, in this process. */
static void thousands_of_cycles_leave_no_descriptor_mapping_or_process(void **state)
{
    (void)state;
    struct scene s;
    int descriptors = 0, mappings = 0;
    scene_open(&s, small);
    scene_push(&s, 100);
    for (uint64_t i = 0; i < CYCLES; i++) {
        stage_play(&s,
                   i % 8 == 3   ? STAGE_DIE
                   : i % 8 == 5 ? STAGE_HOLD
                                : STAGE_PASS,
                   i % 90);
        scene_begin_cycle(&s);
        if (i % 8 == 5)
            check_int(gc_collect(s.heap, GC_REASON_ASKED), 0);
        scene_end_cycle(&s);
        if (i == 100) {
            descriptors = scene_descriptors();
            mappings = scene_mappings();
        }
    }
    struct gc_stats stats = scene_stats(&s);
    check_uint(stats.cycles, CYCLES);
    check_uint(stats.snapshot_failures, CYCLES / 8);
    check_uint(stats.snapshot_cancels, CYCLES / 8);
    check_uint(stats.snapshot_forks, CYCLES / 8 * 7, "none after a failure");
    check_int(scene_descriptors(), descriptors);
    check_near(scene_mappings(), mappings, 2);
    check_int(scene_zombies(), 0);
    check_whole(&s, 100);
    scene_close(&s);
}

TEST_MAIN(test(a_child_that_is_killed_anywhere_costs_its_cycle_only),
          test(a_child_that_hangs_is_killed_at_its_deadline),
          test(a_full_heap_does_not_sleep_for_a_child_that_hangs),
          test(after_a_failure_cycles_mark_without_a_child_for_a_while),
          test(what_the_kernel_refuses_costs_nothing),
          test(the_program_sees_no_child_of_its_own),
          test(somebody_else_may_wait_for_the_child),
          test(the_child_holds_no_descriptor_and_hears_no_signal),
          test(a_child_does_not_outlive_its_owner), test(gc_free_ends_the_child),
          test(the_program_may_have_threads),
          test(thousands_of_cycles_leave_no_descriptor_mapping_or_process))
