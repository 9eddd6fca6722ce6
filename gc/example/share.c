/* SPDX-License-Identifier: MIT */
/* share.c - a heap that a child reads, and collects in, without copying a page of it.
 *
 *     cc -std=c17 share.c $(pkg-config --cflags --libs cowgc) && ./a.out
 *
 * Bit 56 of an entry of /proc/self/pagemap says that no other process maps the page. In
 * a child, of a page that its parent had at the fork, that means: copied.
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cowgc/gc.h>

struct word {
    const struct word *next;
    char text[];
};

static void trace_word(const void *obj, struct gc_visitor *v)
{
    gc_visit(v, ((const struct word *)obj)->next);
}

static const struct gc_type word_type = { .name = "word", .trace = trace_word };

/* A new list: `text`, then what was there. NULL at the limit of the heap. */
static struct word *cons(struct gc_heap *heap, int type, const char *text)
{
    struct word *w = gc_alloc(heap, type, sizeof *w + strlen(text) + 1);
    if (w) {
        w->next = gc_root(heap);
        strcpy(w->text, text);
    }
    return w;
}

static long pages_of_my_own(const struct gc_heap *heap)
{
    const void *start, *end;
    uint64_t entry;
    long n = 0;
    int fd = open("/proc/self/pagemap", O_RDONLY);
    gc_range(heap, &start, &end);
    for (uintptr_t page = (uintptr_t)start / 4096; page < (uintptr_t)end / 4096;
         page++) {
        off_t at = (off_t)(page * sizeof entry);
        if (fd < 0 || pread(fd, &entry, sizeof entry, at) != sizeof entry)
            return -1;
        n += (entry >> 63 & 1) && (entry >> 56 & 1);
    }
    close(fd);
    return n;
}

static int child(struct gc_heap *heap)
{
    long words = 0, before, after;
    if (gc_fork_child(heap))
        return 1;
    for (const struct word *w = gc_root(heap); w; w = w->next)
        words += w->text[0] == 'w';
    for (int i = 0; i < 10000; i++) /* garbage of its own */
        if (!gc_alloc(heap, GC_BYTES, 100))
            return 1;
    gc_collect(heap, GC_REASON_ASKED);
    before = pages_of_my_own(heap);
    /* What nobody should do, to see that it would show. */
    ((char *)gc_root(heap))[sizeof(struct word)] = '!';
    after = pages_of_my_own(heap);
    printf("read %ld words and collected: %ld pages copied; after a write: %ld\n",
           words, before, after);
    return words == 100000 && before == 0 && after == 1 ? 0 : 1;
}

int main(void)
{
    const char *why;
    int status;
    struct gc_config config = { .after_fork = GC_ARENA, .reuse = GC_REUSE_NONE };
    struct gc_heap *heap = gc_new(&config, &why);
    if (!heap) {
        fprintf(stderr, "no heap: %s\n", why);
        return 1;
    }
    int type = gc_type_add(heap, &word_type);
    for (int i = 0; i < 100000; i++) {
        struct word *w = cons(heap, type, "word");
        if (!w)
            return 1;
        gc_publish(heap, w);
        gc_safepoint(heap);
    }
    gc_fork_prepare(heap);
    pid_t pid = fork();
    if (pid == 0) {
        int failed = child(heap);
        fflush(stdout);
        _exit(failed);
    }
    gc_fork_parent(heap);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    gc_fork_alone(heap);
    gc_free(heap);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
