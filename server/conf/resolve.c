/* SPDX-License-Identifier: MIT */
/* resolve.c - the mode fills in what nobody set; what cannot work is refused. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/peer.h"
#include "server/conf/option_table.h"
#include "server/conf/options.h"
#include "server/conf/slots.h"

/* The knobs of one mode, in the order of modes.def. */
struct mode_values {
    int slots_as, heap, after_fork, pretouch, marks, recency, index, reuse, schedule;
    int64_t fork_rate, fork_burst, fork_max_unready;
};

#define MODE(mode, slots_as, heap, after_fork, pretouch, marks, recency, index, reuse, \
             schedule, rate, burst, unready)                                           \
    [MODE_##mode] = { SLOTS_##slots_as,                                                \
                      HEAP_##heap,                                                     \
                      AFTER_FORK_##after_fork,                                         \
                      PRETOUCH_##pretouch,                                             \
                      MARKS_##marks,                                                   \
                      RECENCY_##recency,                                               \
                      INDEX_##index,                                                   \
                      REUSE_##reuse,                                                   \
                      SCHEDULE_##schedule,                                             \
                      rate,                                                            \
                      burst,                                                           \
                      unready },
static const struct mode_values modes[] = {
#include "server/conf/modes.def"
};
#undef MODE

/* Two values that exclude each other.  needs_heap: only with that kind of heap. */
static const struct conflict {
    const char *a;
    int a_value;
    const char *b;
    int b_value;
    int needs_heap;
    const char *why;
} conflicts[] = {
    { "slots_as", SLOTS_THREADS, "heap", HEAP_PRIVATE, HEAP_UNSET,
      "a private heap has one owner, and the threads of a process are several" },
    { "slots_as", SLOTS_THREADS, "fork.fallback", FALLBACK_THREADS, HEAP_UNSET,
      "slots are threads already, and there is no fork of a slot that could fail" },
    { "cache.index", INDEX_TABLE, "heap", HEAP_SHARED, HEAP_UNSET,
      "slots read while the master writes, and a table that changes in place cannot be "
      "read meanwhile" },
    { "cache.recency", RECENCY_INLINE, "heap", HEAP_SHARED, HEAP_UNSET,
      "a hit would write to the entry, and slots may only read a shared heap" },
    { "gc.marks", MARKS_HEADER, "heap", HEAP_SHARED, HEAP_UNSET,
      "the collector would write to objects that slots are reading" },
    { "gc.schedule", SCHEDULE_SNAPSHOT, "heap", HEAP_SHARED, HEAP_UNSET,
      "the child that marks would see a shared heap change meanwhile" },
    { "gc.schedule", SCHEDULE_SNAPSHOT, "gc.marks", MARKS_HEADER, HEAP_UNSET,
      "marks in headers would stay in the child that marks; it needs gc.marks = side" },
    { "pretouch", PRETOUCH_CHILD, "heap", HEAP_SHARED, HEAP_UNSET,
      "a child may only read a shared heap; pretouch = map fills its page tables" },
    { "pretouch", PRETOUCH_PARENT, "heap", HEAP_SHARED, HEAP_UNSET,
      "pages of a shared heap are not copied on write, so there is nothing to touch "
      "before a fork" },
    { "pretouch", PRETOUCH_MAP, "heap", HEAP_PRIVATE, HEAP_UNSET,
      "a fork copies the page tables of a private heap; map is for a shared one" },
    { "cache.index", INDEX_TABLE, "after_fork", AFTER_FORK_ARENA, HEAP_PRIVATE,
      "what was inherited does not change in an arena, and a table changes in place" },
    { "gc.reuse", REUSE_ANY, "after_fork", AFTER_FORK_ARENA, HEAP_PRIVATE,
      "an arena never allocates in inherited pages; leave gc.reuse = none" },
    { "gc.reuse", REUSE_PAGE, "after_fork", AFTER_FORK_ARENA, HEAP_PRIVATE,
      "an arena never allocates in inherited pages; leave gc.reuse = none" },
};

static const char *source_of(const struct options *o, const struct option_desc *d)
{
    return options_where(o, d->name);
}

static int set_source(struct options *o, const struct option_desc *d, const char *where)
{
    struct option_source *source = &o->sources[d - option_table];
    char *copy = strdup(where);

    if (copy == NULL)
        return -ENOMEM;
    free(source->where);
    source->where = copy;
    return 0;
}

/* `value` is an enum constant or a number, as the option is. */
static int fill(struct options *o, const char *name, int64_t value)
{
    const struct option_desc *d = option_find(name);
    char where[64];

    CHECK(d != NULL && d->knob);
    if (option_is_set(o, d))
        return 0;
    snprintf(where, sizeof where, "mode %s", option_name_mode(o->mode));
    int err = set_source(o, d, where);
    if (err != 0)
        return err;
    if (d->kind == OPTION_ENUM) {
        int constant = (int)value;

        memcpy(option_field(o, d), &constant, sizeof constant);
    } else {
        memcpy(option_field(o, d), &value, sizeof value);
    }
    return 0;
}

static int fill_from_mode(struct options *o)
{
    const struct mode_values *m = &modes[o->mode];
    const struct {
        const char *name;
        int64_t value;
    } values[] = {
        { "slots_as", m->slots_as },     { "heap", m->heap },
        { "after_fork", m->after_fork }, { "pretouch", m->pretouch },
        { "gc.marks", m->marks },        { "cache.recency", m->recency },
        { "cache.index", m->index },     { "gc.reuse", m->reuse },
        { "gc.schedule", m->schedule },  { "fork.rate", m->fork_rate },
        { "fork.burst", m->fork_burst }, { "fork.max_unready", m->fork_max_unready },
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        int err = fill(o, values[i].name, values[i].value);

        if (err != 0)
            return err;
    }
    return 0;
}

static int fill_automatic(struct options *o)
{
    const struct option_desc *d = option_find("slots");
    char why[SLOTS_WHY_MAX];

    if (o->slots != 0)
        return 0;
    const struct slots_room room = slots_room();
    o->slots = slots_auto(&room, d->max, why);
    return set_source(o, d, why);
}

static bool applies(const struct options *o, const struct conflict *c)
{
    if (c->needs_heap != HEAP_UNSET && (int)o->heap != c->needs_heap)
        return false;
    return option_enum(o, option_find(c->a)) == c->a_value &&
           option_enum(o, option_find(c->b)) == c->b_value;
}

static int find_conflict(const struct options *o, struct option_error *ret_error)
{
    for (size_t i = 0; i < sizeof conflicts / sizeof conflicts[0]; i++) {
        const struct conflict *c = &conflicts[i];
        const struct option_desc *a = option_find(c->a);
        const struct option_desc *b = option_find(c->b);

        if (!applies(o, c))
            continue;
        snprintf(ret_error->text, sizeof ret_error->text,
                 "%s = %s (%s) does not go with %s = %s (%s): %s", c->a,
                 a->values[c->a_value], source_of(o, a), c->b, b->values[c->b_value],
                 source_of(o, b), c->why);
        return -EINVAL;
    }
    if (o->origin == ORIGIN_SYNTHETIC && o->synthetic_preload && o->cache_bytes == 0) {
        snprintf(ret_error->text, sizeof ret_error->text,
                 "synthetic.preload = on (%s) does not go with cache_bytes = 0 (%s): "
                 "there is no cache to fill",
                 source_of(o, option_find("synthetic.preload")),
                 source_of(o, option_find("cache_bytes")));
        return -EINVAL;
    }
    return 0;
}

/* A loop turns at each tick of 100 ms at the latest, on a machine that has time. */
static int check_hang_timeout(const struct options *o, struct option_error *ret_error)
{
    const struct option_desc *d = option_find("hang_timeout");

    if (o->hang_timeout_ms == 0 || o->hang_timeout_ms >= 1000)
        return 0;
    snprintf(ret_error->text, sizeof ret_error->text,
             "hang_timeout = %" PRId64 "ms (%s): 0 or at least 1s", o->hang_timeout_ms,
             source_of(o, d));
    return -EINVAL;
}

static int check_peers(const struct options *o, const char *name, const char *value,
                       struct option_error *ret_error)
{
    struct span bad = SPAN("");
    struct peer_list list;
    int rc = peer_list_parse(value, &list, &bad);

    if (rc == -E2BIG)
        snprintf(ret_error->text, sizeof ret_error->text,
                 "%s (%s): more than %d addresses and networks", name,
                 source_of(o, option_find(name)), PEER_LIST_MAX);
    else if (rc < 0)
        snprintf(ret_error->text, sizeof ret_error->text,
                 "%s (%s): '%.*s' is no address and no network, such as 192.0.2.1, "
                 "10.0.0.0/8 or 2001:db8::/32",
                 name, source_of(o, option_find(name)), (int)bad.n, bad.p);
    return rc;
}

int options_resolve(struct options *o, struct option_error *ret_error)
{
    CHECK(o->mode != MODE_UNSET);
    int err = fill_from_mode(o);

    if (err == 0)
        err = fill_automatic(o);
    if (err != 0) {
        snprintf(ret_error->text, sizeof ret_error->text, "out of memory");
        return err;
    }
    err = check_hang_timeout(o, ret_error);
    if (err == 0)
        err = check_peers(o, "proxy_from", o->proxy_from, ret_error);
    if (err == 0)
        err = check_peers(o, "trusted_peers", o->trusted_peers, ret_error);
    return err != 0 ? err : find_conflict(o, ret_error);
}
