/* SPDX-License-Identifier: MIT */
/* index.c - chooses between trie and table, and keeps the result at the root of the
 * heap. */
#include "server/cache/index.h"

#include "server/cache/hamt.h"
#include "server/cache/table.h"

int index_init(struct index *x, enum cache_index_kind kind, struct gc_heap *heap)
{
    int type = gc_type_add(heap, kind == CACHE_HAMT ? &hamt_type : &table_type);

    if (type < 0)
        return type;
    *x = (struct index){ .kind = kind, .heap = heap, .type = type };
    return 0;
}

const struct entry *index_find(enum cache_index_kind kind, const void *root,
                               uint64_t hash, struct span key)
{
    return kind == CACHE_HAMT ? hamt_find(root, hash, key)
                              : table_find(root, hash, key);
}

static int publish(struct index *x, int err, void *root)
{
    if (err == 0 && root != gc_root(x->heap))
        gc_publish(x->heap, root);
    return err;
}

int index_put(struct index *x, struct entry *e)
{
    void *root = gc_root(x->heap);
    int err;

    if (x->kind == CACHE_HAMT)
        err = hamt_put(x->heap, x->type, root, e, &root);
    else
        err = table_put(x->heap, x->type, root, e, &root);
    return publish(x, err, root);
}

int index_remove(struct index *x, uint64_t hash, struct span key)
{
    void *root = gc_root(x->heap);
    int err;

    if (x->kind == CACHE_TABLE)
        return table_remove(x->heap, root, hash, key);
    err = hamt_remove(x->heap, x->type, root, hash, key, &root);
    return publish(x, err, root);
}

void index_clear(struct index *x)
{
    gc_publish(x->heap, NULL);
}

void index_each(const struct index *x, index_visit_fn *visit, void *arg)
{
    if (x->kind == CACHE_HAMT)
        hamt_each(gc_root(x->heap), visit, arg);
    else
        table_each(gc_root(x->heap), visit, arg);
}

unsigned index_faults(const struct index *x, index_tell_fn *tell, void *arg)
{
    if (x->kind == CACHE_HAMT)
        return hamt_faults(gc_root(x->heap), tell, arg);
    return table_faults(gc_root(x->heap), tell, arg);
}

int index_fork_child(struct index *x)
{
    void *root = gc_root(x->heap);
    int err;

    if (x->kind == CACHE_HAMT || root == NULL || !gc_frozen(x->heap, root))
        return 0;
    err = table_copy(x->heap, x->type, root, &root);
    return publish(x, err, root);
}
