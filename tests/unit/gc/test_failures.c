/* SPDX-License-Identifier: MIT */
/* test_failures.c - every call for memory fails once, at each place where it can.
 *
 * The linker turns the calls below into __wrap_...() (Makefile). A scene is played with
 * the first of them failing, then the second, until none is left that could fail. Each
 * time it must end in an error that says so, leak nothing (allocations, mappings and
 * descriptors are counted), and leave a heap that the verifier accepts and that works.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/gc/heap_test.h"

static unsigned fail_at, calls; /* the call with this number fails; 0: none */
static int reason = ENOMEM;
static const char *failed; /* what it was */
static long allocations, mapped;

static bool fails(const char *name)
{
    if (fail_at == 0 || ++calls != fail_at)
        return false;
    failed = name;
    errno = reason;
    return true;
}

/* name, type, what a failure returns, parameters, arguments */
#define WRAP(name, type, failure, parameters, arguments)         \
    type __real_##name parameters;                               \
    type __wrap_##name parameters;                               \
    type __wrap_##name parameters                                \
    {                                                            \
        return fails(#name) ? failure : __real_##name arguments; \
    }

WRAP(mprotect, int, -1, (void *p, size_t n, int prot), (p, n, prot))
WRAP(madvise, int, -1, (void *p, size_t n, int advice), (p, n, advice))
WRAP(mincore, int, -1, (void *p, size_t n, unsigned char *there), (p, n, there))
WRAP(memfd_create, int, -1, (const char *name, unsigned flags), (name, flags))
WRAP(ftruncate, int, -1, (int fd, off_t n), (fd, n))
WRAP(fcntl, int, -1, (int fd, int command, long arg), (fd, command, arg))
WRAP(open, int, -1, (const char *path, int flags, int mode), (path, flags, mode))

/* Bytes that are mapped, not mappings: the kernel and a sanitizer merge and add some.
 */
void *__real_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at);
void *__wrap_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at);
void *__wrap_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
    void *got = fails("mmap") ? MAP_FAILED : __real_mmap(p, n, prot, flags, fd, at);
    mapped += got != MAP_FAILED && !(flags & MAP_FIXED) ? (long)n : 0;
    return got;
}

int __real_munmap(void *p, size_t n);
int __wrap_munmap(void *p, size_t n);
int __wrap_munmap(void *p, size_t n)
{
    mapped -= (long)n;
    return __real_munmap(p, n);
}

/* What malloc() and its kin have handed out is counted too. */
#define WRAP_ALLOC(name, parameters, arguments, fresh)           \
    void *__real_##name parameters;                              \
    void *__wrap_##name parameters;                              \
    void *__wrap_##name parameters                               \
    {                                                            \
        void *p = fails(#name) ? NULL : __real_##name arguments; \
        allocations += p && (fresh);                             \
        return p;                                                \
    }

WRAP_ALLOC(malloc, (size_t n), (n), true)
WRAP_ALLOC(calloc, (size_t n, size_t size), (n, size), true)
WRAP_ALLOC(realloc, (void *old, size_t n), (old, n), old == NULL)

void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p)
{
    allocations -= p != NULL;
    __real_free(p);
}

/* ---- what must not grow -------------------------------------------------------- */

struct footprint {
    long allocations, mapped, descriptors;
};

static struct footprint footprint(void)
{
    struct footprint f = { .allocations = allocations, .mapped = mapped };
    for (int fd = 0; fd < 256; fd++)
        f.descriptors += lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF;
    return f;
}

/* ---- scenes -------------------------------------------------------------------- */

struct scene {
    const char *name;
    struct gc_config config;
    /* True when it met the failure; false when it never saw one. May _exit(). */
    bool (*play)(struct gc_heap *heap, int node);
};

static bool make_handles(struct gc_heap *heap, int node)
{
    struct gc_handle *handles[5];
    bool met = false;
    for (size_t i = 0; i < TEST_COUNT(handles); i++) {
        handles[i] = gc_handle_new(heap, heap_test_cons(heap, node, NULL));
        met |= handles[i] == NULL;
    }
    for (size_t i = 0; i < TEST_COUNT(handles); i++)
        gc_handle_free(heap, handles[i]);
    return met;
}

static bool add_roots(struct gc_heap *heap, int node)
{
    void *slots[40];
    bool on[40], met = false;
    for (size_t i = 0; i < TEST_COUNT(slots); i++) {
        int err = gc_root_add(heap, &slots[i]);
        slots[i] = heap_test_cons(heap, node, NULL);
        check_true(err == 0 || err == -ENOMEM, "%d", err);
        on[i] = err == 0;
        met |= err != 0;
    }
    check_int(gc_collect(heap, GC_REASON_ASKED), 0);
    for (size_t i = 0; i < TEST_COUNT(slots); i++)
        if (on[i])
            gc_root_remove(heap, &slots[i]);
    return met;
}

static bool open_seats(struct gc_heap *heap, int node)
{
    bool met = false;
    (void)node;
    for (unsigned seat = 0; seat < 2; seat++) {
        struct gc_reader *r = gc_reader_open(heap, seat);
        if (!r)
            check_int(errno, ENOMEM);
        met |= r == NULL;
        gc_reader_close(r);
    }
    return met;
}

/* More than is committed at once, small and large. */
static bool grow(struct gc_heap *heap, int node)
{
    unsigned refused = 0;
    for (int i = 0; i < 90; i++)
        refused += !heap_test_push(heap, node, 1000000);
    for (int i = 0; i < 2000; i++)
        refused += !heap_test_push(heap, node, 5000);
    struct gc_stats s;
    gc_get_stats(heap, &s);
    check_uint(s.limit_hits, refused);
    return refused > 0;
}

/* What is not given back stays to be given back. */
static bool decay(struct gc_heap *heap, int node)
{
    struct gc_stats s;
    uint64_t pushed = 0;
    for (int i = 0; i < 10; i++)
        pushed += heap_test_push(heap, node, 1000000) ? gc_cost(1000000) : 0;
    gc_publish(heap, NULL);
    gc_collect(heap, GC_REASON_ASKED);
    gc_step(heap, 0);
    gc_collect(heap, GC_REASON_ASKED);
    gc_step(heap, 0);
    gc_get_stats(heap, &s);
    check_true(s.held_bytes == 0 && s.decayed_bytes >= pushed, "%ju of %ju decayed",
               (uintmax_t)s.decayed_bytes, (uintmax_t)pushed);
    return failed != NULL;
}

static bool pretouch(struct gc_heap *heap, int node)
{
    if (!heap_test_push(heap, node, 100000))
        return true;
    long pages = gc_pretouch(heap, GC_PRETOUCH_WRITE);
    check_true(pages > 0 || pages == -ENOMEM, "%ld", pages);
    return pages < 0;
}

/* The child has a heap that works, or an error, and then it leaves. */
static int in_child(struct gc_heap *heap, int node)
{
    int err = gc_fork_child(heap);
    if (err)
        return err == -ENOMEM ? 2 : 3;
    struct gc_reader *r = gc_reader_open(heap, 1);
    if (!r)
        return errno == ENOMEM ? 2 : 3;
    const struct heap_test_node *n = gc_reader_enter(r);
    bool ok = n && n->value == 77;
    gc_reader_leave(r);
    long pages = gc_pretouch(heap, GC_PRETOUCH_READ);
    if (!ok || (pages <= 0 && pages != -ENOMEM))
        return 3;
    bool owner = gc_collect(heap, GC_REASON_ASKED) != -EPERM;
    if (owner && !heap_test_push(heap, node, 100) && !failed)
        return 3;
    fail_at = 0;
    if (gc_verify(heap, 2, NULL, NULL))
        return 3;
    gc_reader_close(r);
    return failed ? 2 : 0;
}

static bool fork_child(struct gc_heap *heap, int node)
{
    unsigned armed = fail_at;
    fail_at = 0; /* the parent's part is settled; the child's is what may fail */
    heap_test_push(heap, node, 100)->value = 77;
    gc_fork_prepare(heap);
    pid_t pid = fork();
    if (pid == 0) {
        calls = 0;
        fail_at = armed;
        _exit(in_child(heap, node));
    }
    gc_fork_parent(heap);
    int status;
    check_int(waitpid(pid, &status, 0), pid);
    gc_reader_clear(heap, 1);
    fail_at = armed;
    check_true(status == 0 || status == 2 << 8, "status %#x", status);
    return status != 0;
}

/* The verifier says that it could not look, instead of that all is well. */
static bool verify(struct gc_heap *heap, int node)
{
    unsigned armed = fail_at;
    fail_at = 0;
    for (int i = 0; i < 5000; i++)
        heap_test_push(heap, node, 10);
    fail_at = armed;
    unsigned faults = gc_verify(heap, 2, NULL, NULL);
    check_true((faults > 0) == (failed != NULL), "%u faults, %s failed", faults,
               failed);
    return faults > 0;
}

/* ---- all of them ---------------------------------------------------------------- */

static void heap_works(struct gc_heap *heap, int node, const char *name)
{
    gc_publish(heap, NULL);
    check_int(gc_collect(heap, GC_REASON_ASKED), 0, "%s", name);
    for (int i = 0; i < 100; i++)
        check_not_null(heap_test_push(heap, node, 1 + (size_t)i * 200), "%s", name);
    check_uint(gc_verify(heap, 2, NULL, NULL), 0, "%s", name);
    gc_publish(heap, NULL);
    check_int(gc_collect(heap, GC_REASON_ASKED), 0, "%s", name);
    struct gc_stats s;
    gc_get_stats(heap, &s);
    check_uint(s.held_bytes, 0, "%s", name);
}

/* True when a call failed. */
static bool play_once(const struct scene *scene, unsigned n)
{
    struct gc_config config = scene->config;
    struct footprint before, after;
    config.readers = 2;
    before = footprint();
    struct gc_heap *heap = heap_test_new(&config);
    int node = gc_type_add(heap, &heap_test_node);
    calls = 0;
    failed = NULL;
    fail_at = n;
    bool met = scene->play(heap, node);
    fail_at = 0;
    heap_works(heap, node, scene->name);
    gc_free(heap);
    after = footprint();
    check_int(after.allocations, before.allocations, "%s, call %u (%s)", scene->name, n,
              failed);
    check_int(after.mapped, before.mapped, "%s, call %u (%s)", scene->name, n, failed);
    check_int(after.descriptors, before.descriptors, "%s, call %u (%s)", scene->name, n,
              failed);
    return met || failed;
}

static void whatever_fails_the_heap_stays_whole_and_nothing_leaks(void **state)
{
    (void)state;
    static const struct scene scenes[] = {
        { "handles", { 0 }, make_handles },
        { "roots", { 0 }, add_roots },
        { "seats", { 0 }, open_seats },
        { "seats of a shared heap", { .shared = true }, open_seats },
        { "growth", { .limit_bytes = 0 }, grow },
        { "growth of a shared heap", { .shared = true }, grow },
        { "decay", { .decay_ns = 0 }, decay },
        { "decay of a shared heap", { .shared = true }, decay },
        { "pretouch", { 0 }, pretouch },
        { "a child", { 0 }, fork_child },
        { "a child with an arena", { .after_fork = GC_ARENA }, fork_child },
        { "a child of a shared heap", { .shared = true }, fork_child },
        { "verify", { 0 }, verify },
    };
    for (size_t i = 0; i < TEST_COUNT(scenes); i++) {
        unsigned n = 1;
        while (play_once(&scenes[i], n))
            n++;
        check_true(n > 1, "%s: nothing ever failed", scenes[i].name);
        check_true(n < 500, "%s: %u calls", scenes[i].name, n);
    }
}

/* Advice that the kernel does not take is no reason to have no heap. */
static bool is_advice(const char *name)
{
    return name && !strcmp(name, "madvise");
}

static void a_heap_that_cannot_be_made_leaves_nothing_behind(void **state)
{
    (void)state;
    static const struct gc_config configs[] = {
        { .readers = 2 },
        { .readers = 2, .thp = GC_THP_ALWAYS },
        { .readers = 2, .shared = true },
    };
    for (size_t i = 0; i < TEST_COUNT(configs); i++) {
        unsigned refused = 0;
        for (unsigned n = 1;; n++) {
            struct footprint before = footprint();
            const char *why = NULL;
            calls = 0;
            failed = NULL;
            fail_at = n;
            struct gc_heap *heap = gc_new(&configs[i], &why);
            int err = errno;
            fail_at = 0;
            if (heap)
                heap_works(heap, gc_type_add(heap, &heap_test_node), "after advice");
            check_true(heap || (why && err == ENOMEM), "call %u (%s): %d, %s", n,
                       failed, err, why);
            check_true(!heap || !failed || is_advice(failed), "%s failed", failed);
            refused += heap == NULL;
            gc_free(heap);
            struct footprint after = footprint();
            check_int(after.allocations, before.allocations, "call %u (%s)", n, failed);
            check_int(after.mapped, before.mapped, "call %u (%s)", n, failed);
            check_int(after.descriptors, before.descriptors, "call %u (%s)", n, failed);
            if (!failed)
                break;
        }
        check_true(refused >= 9, "case %zu: %u refusals", i, refused);
    }
}

static void a_shared_heap_without_proc_is_refused_and_says_so(void **state)
{
    (void)state;
    const struct gc_config config = { .readers = 1, .shared = true };
    const char *why = NULL;
    unsigned n = 0;
    do {
        calls = 0;
        failed = NULL;
        reason = ENOENT;
        fail_at = ++n;
        gc_free(gc_new(&config, &why));
        fail_at = 0;
        reason = ENOMEM;
    } while (failed && strcmp(failed, "open") != 0);
    check_str(failed, "open");
    check_str(why, "a shared heap needs /proc, which is not mounted");
}

/* The counts above would not see anything if this did not change them. */
static void what_leaks_is_counted(void **state)
{
    (void)state;
    struct footprint before = footprint();
    void *volatile p = malloc(10);
    void *map = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open("/dev/null", O_RDONLY);
    struct footprint after = footprint();
    check_int(after.allocations, before.allocations + 1);
    check_int(after.mapped, before.mapped + 4096);
    check_int(after.descriptors, before.descriptors + 1);
    free(p);
    munmap(map, 4096);
    close(fd);
}

TEST_MAIN(test(what_leaks_is_counted),
          test(a_heap_that_cannot_be_made_leaves_nothing_behind),
          test(a_shared_heap_without_proc_is_refused_and_says_so),
          test(whatever_fails_the_heap_stays_whole_and_nothing_leaks))
