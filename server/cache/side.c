/* SPDX-License-Identifier: MIT */
/* side.c - the tables beside the heap: mappings, numbers, fork. */
#include "server/cache/side.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/base/check.h"

static void *map(size_t bytes, int sharing)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static void unmap(void *p, size_t bytes)
{
    if (p != NULL)
        munmap(p, bytes);
}

int side_init(struct side *s, uint32_t ids, bool shared)
{
    size_t n = shared ? ids : (size_t)ids * 2;

    CHECK(n > 1 && n <= UINT32_MAX);
    *s = (struct side){ .shared = shared, .capacity = (uint32_t)n, .next = 1 };
    s->entries = map(n * sizeof *s->entries, MAP_PRIVATE);
    s->links = map(n * sizeof *s->links, MAP_PRIVATE);
    s->visited = map(n * sizeof *s->visited, MAP_SHARED);
    s->checked = map(n * sizeof *s->checked, shared ? MAP_SHARED : MAP_PRIVATE);
    if (s->entries == NULL || s->links == NULL || s->visited == NULL ||
        s->checked == NULL)
        goto fail;
    /* Otherwise each fork would copy their page tables, and the owner's next insert the
     * pages, for children that never look at them. */
    if (shared && (madvise(s->entries, n * sizeof *s->entries, MADV_DONTFORK) != 0 ||
                   madvise(s->links, n * sizeof *s->links, MADV_DONTFORK) != 0))
        goto fail;
    return 0;
fail:
    side_free(s);
    return -ENOMEM;
}

void side_free(struct side *s)
{
    size_t n = s->capacity;

    unmap(s->entries, n * sizeof *s->entries);
    unmap(s->links, n * sizeof *s->links);
    unmap(s->visited, n * sizeof *s->visited);
    unmap(s->tell, n * sizeof *s->tell);
    unmap(s->checked, n * sizeof *s->checked);
    *s = (struct side){ 0 };
}

uint32_t side_take(struct side *s, uint64_t now_ns)
{
    uint32_t id = s->free;

    if (id != 0)
        s->free = s->links[id].newer;
    else if (s->next < s->capacity)
        id = s->next++;
    else
        return 0;
    s->used++;
    s->links[id] = (struct side_link){ 0, 0 };
    atomic_store_explicit(&s->visited[id], 0, memory_order_relaxed);
    atomic_store_explicit(&s->checked[id], now_ns, memory_order_relaxed);
    return id;
}

void side_give(struct side *s, uint32_t id)
{
    CHECK(id != 0 && id < s->next);
    s->entries[id] = NULL;
    if (id < s->inherited)
        return;
    CHECK(s->used > 0);
    s->used--;
    s->links[id].newer = s->free;
    s->free = id;
}

void side_reset(struct side *s)
{
    s->next = s->inherited != 0 ? s->inherited : 1;
    s->free = 0;
    s->used = 0;
}

int side_fork_child(struct side *s)
{
    _Atomic uint8_t *own;

    if (s->shared) {
        s->entries = NULL;
        s->links = NULL;
        return 0;
    }
    CHECK(s->tell == NULL); /* children do not fork */
    own = map(s->capacity * sizeof *own, MAP_PRIVATE);
    if (own == NULL)
        return -ENOMEM;
    for (uint32_t id = 1; id < s->next; id++)
        if (atomic_load_explicit(&s->visited[id], memory_order_relaxed))
            atomic_store_explicit(&own[id], 1, memory_order_relaxed);
    s->tell = s->visited;
    s->visited = own;
    s->inherited = s->next;
    s->free = 0;
    s->used = 0;
    return 0;
}

static uint64_t touch(void *p, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t whole = (bytes + page - 1) / page * page;

    if (p == NULL || madvise(p, whole, MADV_POPULATE_WRITE) != 0)
        return 0; /* an old kernel: the first use faults, as without pretouch */
    return whole / page;
}

uint64_t side_pretouch(struct side *s)
{
    return touch(s->entries, s->next * sizeof *s->entries) +
           touch(s->links, s->next * sizeof *s->links) +
           touch(s->visited, s->next * sizeof *s->visited) +
           touch(s->tell, s->next * sizeof *s->tell) +
           touch(s->checked, s->next * sizeof *s->checked);
}
