/* SPDX-License-Identifier: MIT */
/* hamt.c - a persistent trie: five bits of the hash per level, immutable nodes.
 *
 * Bagwell, "Ideal Hash Trees" (2001), in the layout of Steindorfer and Vinju (CHAMP,
 * OOPSLA 2015): a node has one bitmap for the entries that lie in it and one for its
 * children, and one array that holds first those, then these, without gaps. The form is
 * canonical: the same set of entries makes the same tree, whatever its history, because
 * a child that is left with one entry is replaced by the entry. Thirteen levels use up
 * the hash; below them a node is a list of entries whose hashes are equal, with their
 * number in `data`.
 *
 * A change copies the nodes from the root to the changed place, at most fourteen,
 * usually three or four; everything else is shared between the old tree and the new.
 * Nothing that was published is ever written again, so the collector needs no barrier,
 * readers need no lock, and a forked process copies no page of it.
 */
#include "server/cache/hamt.h"

#include <errno.h>
#include <stddef.h>

enum { BITS = 5, FANOUT_MASK = 31, SHIFT_MAX = 60, NOWHERE = -1 };

struct node {
    uint32_t data; /* which hash digits have an entry here; in a list: how many */
    uint32_t kids; /* which have a child */
    const void *slots[];
};

/* Where a put or remove is going on. */
struct edit {
    struct gc_heap *heap;
    int type;
    const struct entry *e; /* to be put; NULL: remove `key` */
    uint64_t hash;
    struct span key;
};

/* What became of a subtree by a removal: a node, or one entry that its parent takes in,
 * or neither when it is empty. */
struct rest {
    const struct node *node;
    const struct entry *lone;
};

static unsigned bits_in(uint32_t w)
{
    w = w - ((w >> 1) & 0x55555555u);
    w = (w & 0x33333333u) + ((w >> 2) & 0x33333333u);
    return (((w + (w >> 4)) & 0x0f0f0f0fu) * 0x01010101u) >> 24;
}

static bool is_list(unsigned shift)
{
    return shift > SHIFT_MAX;
}

static uint32_t digit_bit(uint64_t hash, unsigned shift)
{
    return (uint32_t)1 << ((hash >> shift) & FANOUT_MASK);
}

static unsigned data_count(const struct node *n, unsigned shift)
{
    return is_list(shift) ? n->data : bits_in(n->data);
}

static unsigned data_at(const struct node *n, uint32_t bit)
{
    return bits_in(n->data & (bit - 1));
}

static unsigned kid_at(const struct node *n, uint32_t bit)
{
    return bits_in(n->data) + bits_in(n->kids & (bit - 1));
}

static void trace(const void *obj, struct gc_visitor *v)
{
    const struct node *n = obj;

    gc_visit_array(v, n->slots,
                   (gc_size(obj) - sizeof(struct node)) / sizeof n->slots[0]);
}

const struct gc_type hamt_type = { .name = "hamt node", .trace = trace };

const struct entry *hamt_find(const void *root, uint64_t hash, struct span key)
{
    const struct node *n = root;
    const struct entry *e;

    if (n == NULL)
        return NULL;
    for (unsigned shift = 0; !is_list(shift); shift += BITS) {
        uint32_t bit = digit_bit(hash, shift);

        if (n->data & bit) {
            e = n->slots[data_at(n, bit)];
            return entry_is(e, hash, key) ? e : NULL;
        }
        if (!(n->kids & bit))
            return NULL;
        n = n->slots[kid_at(n, bit)];
    }
    for (unsigned i = 0; i < n->data; i++) {
        e = n->slots[i];
        if (entry_is(e, hash, key))
            return e;
    }
    return NULL;
}

static struct node *make(const struct edit *x, uint32_t data, uint32_t kids, unsigned n)
{
    struct node *node = gc_alloc(x->heap, x->type, sizeof *node + n * sizeof(void *));

    if (node != NULL) {
        node->data = data;
        node->kids = kids;
    }
    return node;
}

/* A copy of a node of `n` slots with other bitmaps: without slot `drop`, then with
 * `value` put before slot `add` of what is left. NOWHERE leaves a step out. */
static const struct node *splice(const struct edit *x, const struct node *old,
                                 unsigned n, uint32_t data, uint32_t kids, int drop,
                                 int add, const void *value)
{
    unsigned left = n - (drop != NOWHERE);
    struct node *copy = make(x, data, kids, left + (add != NOWHERE));
    unsigned to = 0;

    if (copy == NULL)
        return NULL;
    for (unsigned from = 0; from < n; from++) {
        if ((int)from == drop)
            continue;
        if ((int)to == add)
            copy->slots[to++] = value;
        copy->slots[to++] = old->slots[from];
    }
    if ((int)to == add)
        copy->slots[to] = value;
    return copy;
}

/* The smallest tree of two different entries whose hashes agree below `shift`. */
static const struct node *pair(const struct edit *x, const struct entry *a,
                               const struct entry *b, unsigned shift)
{
    uint32_t bit_a, bit_b;
    const struct node *below;
    struct node *n;

    if (is_list(shift)) {
        n = make(x, 2, 0, 2);
        if (n != NULL) {
            n->slots[0] = a;
            n->slots[1] = b;
        }
        return n;
    }
    bit_a = digit_bit(a->hash, shift);
    bit_b = digit_bit(b->hash, shift);
    if (bit_a != bit_b) {
        n = make(x, bit_a | bit_b, 0, 2);
        if (n != NULL) {
            n->slots[0] = bit_a < bit_b ? a : b;
            n->slots[1] = bit_a < bit_b ? b : a;
        }
        return n;
    }
    below = pair(x, a, b, shift + BITS);
    if (below == NULL)
        return NULL;
    n = make(x, 0, bit_a, 1);
    if (n != NULL)
        n->slots[0] = below;
    return n;
}

/* Place of the entry in a list, or NOWHERE. */
static int list_place(const struct node *n, uint64_t hash, struct span key)
{
    for (unsigned i = 0; i < n->data; i++)
        if (entry_is(n->slots[i], hash, key))
            return (int)i;
    return NOWHERE;
}

static const struct node *put_in_list(const struct edit *x, const struct node *n)
{
    int at = list_place(n, x->hash, x->key);

    if (at != NOWHERE)
        return splice(x, n, n->data, n->data, 0, at, at, x->e);
    return splice(x, n, n->data, n->data + 1, 0, NOWHERE, (int)n->data, x->e);
}

/* The subtree with x->e in it; NULL when memory is short. */
static const struct node *put(const struct edit *x, const struct node *n,
                              unsigned shift)
{
    uint32_t bit = digit_bit(x->hash, shift & 63);
    unsigned count;
    int at;

    if (is_list(shift))
        return put_in_list(x, n);
    count = bits_in(n->data) + bits_in(n->kids);
    if (n->kids & bit) {
        const struct node *kid;

        at = (int)kid_at(n, bit);
        kid = put(x, n->slots[at], shift + BITS);
        return kid == NULL ? NULL : splice(x, n, count, n->data, n->kids, at, at, kid);
    }
    at = (int)data_at(n, bit);
    if (n->data & bit) {
        const struct entry *there = n->slots[at];
        const struct node *both;

        if (entry_is(there, x->hash, x->key))
            return splice(x, n, count, n->data, n->kids, at, at, x->e);
        both = pair(x, there, x->e, shift + BITS);
        if (both == NULL)
            return NULL;
        /* kid_at() counts the entry that is about to leave */
        return splice(x, n, count, n->data ^ bit, n->kids | bit, at,
                      (int)kid_at(n, bit) - 1, both);
    }
    return splice(x, n, count, n->data | bit, n->kids, NOWHERE, at, x->e);
}

int hamt_put(struct gc_heap *heap, int type, const void *root, const struct entry *e,
             void **ret)
{
    struct edit x = { heap, type, e, e->hash, entry_key(e) };
    const struct node *n;

    if (root != NULL) {
        n = put(&x, root, 0);
    } else {
        struct node *first = make(&x, digit_bit(e->hash, 0), 0, 1);

        if (first != NULL)
            first->slots[0] = e;
        n = first;
    }
    if (n == NULL)
        return -ENOSPC;
    *ret = (void *)(uintptr_t)n;
    return 0;
}

/* The subtree without entry number `at` of its entries. Below the root an entry that is
 * left alone moves up. */
static int without_entry(const struct edit *x, const struct node *n, unsigned shift,
                         int at, uint32_t bit, struct rest *ret)
{
    unsigned entries = data_count(n, shift);
    unsigned kids = is_list(shift) ? 0 : bits_in(n->kids);
    uint32_t data = is_list(shift) ? n->data - 1 : n->data ^ bit;

    *ret = (struct rest){ NULL, NULL };
    if (entries + kids == 1)
        return 0;
    if (entries == 2 && kids == 0 && shift != 0) {
        ret->lone = n->slots[at == 0 ? 1 : 0];
        return 0;
    }
    ret->node = splice(x, n, entries + kids, data, n->kids, at, NOWHERE, NULL);
    return ret->node == NULL ? -ENOSPC : 0;
}

/* The subtree in which the child of `bit` has become `kid`. */
static int with_kid(const struct edit *x, const struct node *n, unsigned shift,
                    uint32_t bit, struct rest kid, struct rest *ret)
{
    unsigned entries = bits_in(n->data);
    unsigned kids = bits_in(n->kids);
    int at = (int)kid_at(n, bit);

    *ret = (struct rest){ NULL, NULL };
    if (kid.lone == NULL) {
        ret->node = splice(x, n, entries + kids, n->data, n->kids, at, at, kid.node);
    } else if (entries + kids == 1 && shift != 0) {
        ret->lone = kid.lone;
        return 0;
    } else {
        ret->node = splice(x, n, entries + kids, n->data | bit, n->kids ^ bit, at,
                           (int)data_at(n, bit), kid.lone);
    }
    return ret->node == NULL ? -ENOSPC : 0;
}

static int take(const struct edit *x, const struct node *n, unsigned shift,
                struct rest *ret)
{
    uint32_t bit = digit_bit(x->hash, shift & 63);
    struct rest below;
    int at, err;

    if (is_list(shift)) {
        at = list_place(n, x->hash, x->key);
        return at == NOWHERE ? -ENOENT : without_entry(x, n, shift, at, 0, ret);
    }
    if (n->data & bit) {
        at = (int)data_at(n, bit);
        if (!entry_is(n->slots[at], x->hash, x->key))
            return -ENOENT;
        return without_entry(x, n, shift, at, bit, ret);
    }
    if (!(n->kids & bit))
        return -ENOENT;
    err = take(x, n->slots[kid_at(n, bit)], shift + BITS, &below);
    return err != 0 ? err : with_kid(x, n, shift, bit, below, ret);
}

int hamt_remove(struct gc_heap *heap, int type, const void *root, uint64_t hash,
                struct span key, void **ret)
{
    struct edit x = { heap, type, NULL, hash, key };
    struct rest rest;
    int err;

    if (root == NULL)
        return -ENOENT;
    err = take(&x, root, 0, &rest);
    if (err != 0)
        return err;
    *ret = (void *)(uintptr_t)rest.node;
    return 0;
}

static void each(const struct node *n, unsigned shift, index_visit_fn *visit, void *arg)
{
    unsigned entries = data_count(n, shift);
    unsigned kids = is_list(shift) ? 0 : bits_in(n->kids);

    for (unsigned i = 0; i < entries; i++)
        visit(arg, n->slots[i]);
    for (unsigned i = 0; i < kids; i++)
        each(n->slots[entries + i], shift + BITS, visit, arg);
}

void hamt_each(const void *root, index_visit_fn *visit, void *arg)
{
    if (root != NULL)
        each(root, 0, visit, arg);
}

/* What one node says about itself and its entries; `path` are the digits that lead to
 * it. */
static const char *node_fault(const struct node *n, unsigned shift, uint64_t path)
{
    unsigned entries = data_count(n, shift);
    unsigned kids = is_list(shift) ? 0 : bits_in(n->kids);
    uint64_t known = is_list(shift) ? UINT64_MAX : ((uint64_t)1 << shift) - 1;

    if (!is_list(shift) && (n->data & n->kids) != 0)
        return "hamt: a digit has an entry and a child";
    if (is_list(shift) && (n->kids != 0 || entries < 2))
        return "hamt: a list of fewer than two entries";
    if (entries + kids == 0)
        return "hamt: an empty node";
    if (shift != 0 && kids == 0 && entries < 2)
        return "hamt: not canonical, a child with a single entry";
    if (gc_size(n) != sizeof *n + (entries + kids) * sizeof(void *))
        return "hamt: the bitmaps do not fit the size";
    for (unsigned i = 0; i < entries; i++) {
        const struct entry *e = n->slots[i];

        if ((e->hash & known) != path)
            return "hamt: an entry on a path that is not its hash";
        if (!is_list(shift) && (!(n->data & digit_bit(e->hash, shift)) ||
                                data_at(n, digit_bit(e->hash, shift)) != i))
            return "hamt: an entry in the slot of another digit";
    }
    return NULL;
}

static unsigned faults(const struct node *n, unsigned shift, uint64_t path,
                       index_tell_fn *tell, void *arg)
{
    const char *what = node_fault(n, shift, path);
    unsigned count = 0;

    if (what != NULL) {
        tell(what, arg);
        return 1;
    }
    for (uint64_t digit = 0; !is_list(shift) && digit <= FANOUT_MASK; digit++) {
        uint32_t bit = (uint32_t)1 << digit;

        if (n->kids & bit)
            count += faults(n->slots[kid_at(n, bit)], shift + BITS,
                            path | digit << shift, tell, arg);
    }
    return count;
}

unsigned hamt_faults(const void *root, index_tell_fn *tell, void *arg)
{
    return root == NULL ? 0 : faults(root, 0, 0, tell, arg);
}
