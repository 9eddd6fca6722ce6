/* SPDX-License-Identifier: MIT */
#include "tests/unit/gc/heap_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void trace_node(const void *obj, struct gc_visitor *v)
{
    const struct heap_test_node *node = obj;
    gc_visit(v, node->next);
    gc_visit(v, node->other);
    gc_visit(v, node->bytes);
}

const struct gc_type heap_test_node = { .name = "node", .trace = trace_node };

static void trace_array(const void *obj, struct gc_visitor *v)
{
    gc_visit_array(v, obj, gc_size(obj) / sizeof(void *));
}

const struct gc_type heap_test_array = { .name = "array", .trace = trace_array };

struct gc_heap *heap_test_new(const struct gc_config *config)
{
    const char *why = "";
    struct gc_heap *heap = gc_new(config, &why);
    check_not_null(heap, "%s", why);
    return heap;
}

struct heap_test_node *heap_test_cons(struct gc_heap *heap, int node, void *next)
{
    struct heap_test_node *n = gc_alloc(heap, node, sizeof *n);
    if (n)
        *n = (struct heap_test_node){ .next = next };
    return n;
}

struct heap_test_node *heap_test_push(struct gc_heap *heap, int node, size_t bytes)
{
    void *b = gc_alloc(heap, GC_BYTES, bytes);
    struct heap_test_node *n = b ? heap_test_cons(heap, node, gc_root(heap)) : NULL;
    if (!n)
        return NULL;
    n->bytes = b;
    gc_publish(heap, n);
    return n;
}

static long count_pages(const void *start, const void *end, uint64_t mask)
{
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    uint64_t entries[512];
    long n = 0;
    uintptr_t page = (uintptr_t)start / 4096, last = (uintptr_t)end / 4096;
    while (page < last) {
        size_t want = last - page < 512 ? last - page : 512;
        ssize_t got = pread(fd, entries, want * 8, (off_t)(page * 8));
        if (got <= 0) {
            n = -1;
            break;
        }
        for (ssize_t i = 0; i < got / 8; i++)
            n += (entries[i] & mask) == mask;
        page += (size_t)got / 8;
    }
    close(fd);
    return n;
}

long heap_test_private_pages(const void *start, const void *end)
{
    return count_pages(start, end, UINT64_C(1) << 63 | UINT64_C(1) << 56);
}

long heap_test_present_pages(const void *start, const void *end)
{
    return count_pages(start, end, UINT64_C(1) << 63);
}

int heap_test_in_child(struct gc_heap *heap, int (*fn)(struct gc_heap *heap, void *arg),
                       void *arg)
{
    gc_fork_prepare(heap);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL); /* the runner catches it */
        int err = gc_fork_child(heap);
        _exit(err ? 100 : fn(heap, arg));
    }
    gc_fork_parent(heap);
    int status = -1;
    check_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return status;
}
