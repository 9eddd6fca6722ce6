/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz_gc.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/gc_world.h"

enum { OPS_MAX = 3000, FORKS = 5, HUGE = 2500000, BALLAST = 5000 };

static uint64_t ticking_clock(void *arg)
{
    struct world *w = arg;
    return w->time_ns += w->tick_ns;
}

static void trace_entry(const void *obj, struct gc_visitor *v)
{
    const struct entry *e = obj;
    gc_visit(v, e->link);
    gc_visit(v, e->bytes);
}

static const struct gc_type entry_type = { .name = "entry", .trace = trace_entry };

static void trace_array(const void *obj, struct gc_visitor *v)
{
    gc_visit_array(v, obj, gc_size(obj) / sizeof(void *));
}

static const struct gc_type array_type = { .name = "array", .trace = trace_array };

static uint8_t next_byte(struct world *w)
{
    if (w->size == 0)
        return 0;
    w->size--;
    return *w->data++;
}

/* Few keys, so that operations meet; but all of them now and then. */
static unsigned next_key(struct world *w)
{
    uint8_t b = next_byte(w);
    return b < 224 ? b % 20 : b * 11u % KEYS;
}

/* ---- objects --------------------------------------------------------------------- */

static uint32_t size_for(struct world *w)
{
    uint32_t a = next_byte(w), b = next_byte(w);
    if (a < 160)
        return a * (b & 3);
    if (a < 220)
        return a * b / 8;
    if (a < 255)
        return b * 300;
    return w->bytes_left > 3 * HUGE ? HUGE + b : 0;
}

static void check_refusal(struct world *w, uint64_t bytes)
{
    struct gc_stats s;
    gc_get_stats(w->heap, &s);
    uint64_t pages = (gc_cost(bytes) + 4095) / 4096 * 4096;
    if (pages <= 8192)
        pages = 65536;
    if (!w->is_child && s.held_bytes + pages <= s.limit_bytes)
        world_fail(w, "%ju bytes refused at %ju of %ju", (uintmax_t)bytes,
                   (uintmax_t)s.held_bytes, (uintmax_t)s.limit_bytes);
}

static struct entry *make_entry(struct world *w, unsigned key, uint32_t size)
{
    if (w->n_objects + 1 >= OBJECTS || w->bytes_left < size)
        return NULL;
    w->bytes_left -= size;
    struct entry *e = gc_alloc(w->heap, w->entry_type, sizeof *e);
    if (!e) {
        check_refusal(w, sizeof *e);
        return NULL;
    }
    uint32_t id = w->n_objects + 1;
    *e = (struct entry){ .id = id, .key = key, .size = size };
    e->bytes = gc_alloc(w->heap, GC_BYTES, size);
    if (!e->bytes) {
        check_refusal(w, size);
        return NULL;
    }
    fill_bytes(e->bytes, size, id);
    w->n_objects++;
    w->objects[id] = (struct object){ .key = key, .size = size };
    return e;
}

static void op_insert(struct world *w)
{
    unsigned key = next_key(w), other = next_key(w);
    struct entry *e = make_entry(w, key, size_for(w));
    if (!e)
        return;
    uint32_t id = e->id;
    if (next_byte(w) & 1) { /* the entry is new: a plain store */
        e->link = map_get(w, world_root(w), other);
        w->objects[id].link = w->map.id[other];
    }
    if (map_set(w, key, e))
        w->map.id[key] = id;
}

static void op_erase(struct world *w)
{
    unsigned key = next_key(w);
    if (map_set(w, key, NULL))
        w->map.id[key] = 0;
}

static void op_look_up(struct world *w)
{
    unsigned key = next_key(w);
    check_entry(w, map_get(w, world_root(w), key), w->map.id[key]);
}

/* Changes a field of an object that may be older than the cycle. */
static void op_link(struct world *w)
{
    unsigned key = next_key(w), other = next_key(w);
    struct entry *e = map_get(w, world_root(w), key);
    if (w->config.shared || !e || gc_frozen(w->heap, e))
        return;
    bool cut = next_byte(w) % 5 == 0;
    world_store(w, e, &e->link, cut ? NULL : map_get(w, world_root(w), other));
    w->objects[e->id].link = cut ? 0 : w->map.id[other];
}

/* A new, empty map. */
static void op_clear(struct world *w)
{
    size_t bytes = (w->is_table ? KEYS : LEAF) * sizeof(void *);
    void *top = gc_alloc(w->heap, w->array_type, bytes);
    if (!top)
        return;
    memset(top, 0, bytes);
    gc_publish(w->heap, top);
    w->root_mine = true;
    memset(&w->map, 0, sizeof w->map);
    memset(w->leaf, 0, sizeof w->leaf);
    memset(w->leaf_mine, 0, sizeof w->leaf_mine);
}

static void op_garbage(struct world *w)
{
    unsigned n = next_byte(w);
    for (unsigned i = 0; i < n; i++)
        gc_alloc(w->heap, i % 3 ? GC_BYTES : w->array_type, 0);
}

/* Until nothing fits: the next collection must make room again. */
static void op_fill(struct world *w)
{
    if (w->config.limit_bytes > 2 << 20)
        return;
    while (gc_alloc(w->heap, GC_BYTES, 3000))
        continue;
    check_refusal(w, 3000);
}

/* ---- roots ----------------------------------------------------------------------- */

static void op_hold(struct world *w)
{
    struct held *h = &w->held[next_byte(w) % HELD];
    unsigned key = next_key(w);
    check_entry(w, h->wide ? NULL : gc_handle_get(h->handle), h->id);
    gc_handle_set(h->handle, map_get(w, world_root(w), key));
    h->id = w->map.id[key];
    h->wide = 0;
}

/* An array that is marked in pieces, and a large object if it is long enough. */
static void hold_wide(struct world *w, struct held *h, uint32_t n)
{
    if (w->bytes_left < n * sizeof(void *))
        return;
    w->bytes_left -= n * sizeof(void *);
    void **wide = gc_alloc(w->heap, w->array_type, n * sizeof *wide);
    if (!wide)
        return;
    for (uint32_t i = 0; i < n; i++)
        wide[i] = map_get(w, world_root(w), i % KEYS);
    gc_handle_set(h->handle, wide);
    h->id = 0;
    h->wide = n;
    h->mine = true;
    h->of = w->map;
}

static void op_wide(struct world *w)
{
    struct held *h = &w->held[next_byte(w) % HELD];
    hold_wide(w, h, 1 + next_byte(w) * 29u);
}

static void op_drop(struct world *w)
{
    struct held *h = &w->held[next_byte(w) % HELD];
    if (next_byte(w) & 1) {
        gc_handle_free(w->heap, h->handle);
        h->handle = gc_handle_new(w->heap, NULL);
    }
    if (w->mistake != FUZZ_GC_LEAK)
        gc_handle_set(h->handle, NULL);
    h->id = h->wide = 0;
}

static void op_slot(struct world *w)
{
    unsigned i = next_byte(w) % SLOTS, key = next_key(w);
    if (w->slot_on[i]) {
        check_entry(w, w->slots[i], w->slot_id[i]);
        gc_root_remove(w->heap, &w->slots[i]);
        w->slot_on[i] = false;
    } else if (gc_root_add(w->heap, &w->slots[i]) == 0) {
        w->slots[i] = map_get(w, world_root(w), key);
        w->slot_id[i] = w->map.id[key];
        w->slot_on[i] = true;
    }
}

/* ---- the owner's own seat ---------------------------------------------------------
 */

static bool has_reader(struct world *w)
{
    if (!w->reader)
        w->reader = gc_reader_open(w->heap, 0);
    return w->reader;
}

static void op_enter(struct world *w)
{
    if (w->inside || !has_reader(w))
        return;
    const void *root = gc_reader_enter(w->reader);
    if (root != world_root(w))
        world_fail(w, "the reader's root is %p, ours %p", root, world_root(w));
    if (!w->config.shared)
        return;
    if (w->mistake == FUZZ_GC_NO_EPOCH)
        gc_reader_leave(w->reader);
    w->inside = true;
    w->inside_root = root;
    w->inside_map = w->map;
}

static void op_leave(struct world *w)
{
    if (w->inside)
        gc_reader_leave(w->reader);
    w->inside = false;
}

static void op_pin(struct world *w)
{
    unsigned i = next_byte(w) % PINS, key = next_key(w);
    bool was_inside = w->inside;
    if (w->pins[i].id || !has_reader(w))
        return;
    op_enter(w);
    const struct version *map = w->inside ? &w->inside_map : &w->map;
    const struct entry *e = map_get(w, w->inside ? w->inside_root : world_root(w), key);
    if (e) {
        w->pins[i].pin = gc_pin(w->reader, e);
        if (w->pins[i].pin < 0)
            world_fail(w, "a pin is refused: %d", w->pins[i].pin);
        if (w->mistake == FUZZ_GC_NO_PIN)
            gc_unpin(w->reader, w->pins[i].pin);
        w->pins[i].id = map->id[key];
        w->pins[i].entry = e;
    }
    if (!was_inside)
        op_leave(w);
}

static void op_unpin(struct world *w)
{
    unsigned i = next_byte(w) % PINS;
    if (!w->pins[i].id)
        return;
    check_entry(w, w->pins[i].entry, w->pins[i].id);
    if (w->mistake != FUZZ_GC_NO_PIN)
        gc_unpin(w->reader, w->pins[i].pin);
    w->pins[i].id = 0;
}

static void op_close(struct world *w)
{
    gc_reader_close(w->reader);
    w->reader = NULL;
    w->inside = false;
    for (unsigned i = 0; i < PINS; i++)
        w->pins[i].id = 0;
}

/* ---- collecting -------------------------------------------------------------------
 */

static void tell(void *arg, const char *rule, const void *where)
{
    world_fail(arg, "%s (at %p)", rule, where);
}

static void op_safepoint(struct world *w)
{
    gc_safepoint(w->heap);
}

static void op_step(struct world *w)
{
    gc_step(w->heap, next_byte(w) * 100u);
}

static void check_live(struct world *w)
{
    struct gc_stats s;
    gc_get_stats(w->heap, &s);
    uint64_t want = model_live(w);
    bool alone = !w->config.shared || !kids_alive(w); /* or else there are more pins */
    if (s.live_bytes < want || (alone && s.live_bytes != want))
        world_fail(w, "%ju bytes live, want %ju", (uintmax_t)s.live_bytes,
                   (uintmax_t)want);
    if (s.live_bytes > s.held_bytes || s.held_bytes > s.limit_bytes)
        world_fail(w, "live %ju, held %ju, limit %ju", (uintmax_t)s.live_bytes,
                   (uintmax_t)s.held_bytes, (uintmax_t)s.limit_bytes);
    if (s.phase != GC_IDLE)
        world_fail(w, "a full collection ended in %s", gc_phase_name(s.phase));
}

static void op_collect(struct world *w)
{
    int err = gc_collect(w->heap, GC_REASON_ASKED);
    if (!err)
        check_live(w);
    else if (err != -EAGAIN || !(w->inside || (w->config.shared && kids_alive(w))))
        world_fail(w, "gc_collect: %d, and nobody is inside", err);
    else if (w->inside && gc_reader_lag(w->heap, 0) == 0)
        world_fail(w, "a reader in an old epoch has no lag");
}

static void op_decay(struct world *w)
{
    w->time_ns += UINT64_C(10000) << next_byte(w) % 12;
    gc_step(w->heap, next_byte(w) * 100u);
}

static void op_check(struct world *w)
{
    check_all(w);
}

static void op_verify(struct world *w)
{
    gc_verify(w->heap, 3, tell, w);
}

/* ---- processes --------------------------------------------------------------------
 */

static void op_fork(struct world *w)
{
    uint8_t a = next_byte(w);
    kids_fork(w, a & 63, a & 64);
}

static void op_wait(struct world *w)
{
    kids_wait(w, next_byte(w) % KIDS);
}

static void op_alone(struct world *w)
{
    if (!kids_alive(w) && !w->is_child)
        gc_fork_alone(w->heap);
}

static void op_reader(struct world *w)
{
    kids_start_reader(w, next_byte(w) % KIDS);
}

static void op_command(struct world *w)
{
    static const char commands[8] = { 'e', 'w', 'p', 'l', 'u', 'g', 'g', 'w' };
    uint8_t a = next_byte(w);
    kids_command(w, a % KIDS, commands[a / KIDS % 8], next_byte(w), a & 128);
}

static void op_signal(struct world *w)
{
    static const int signals[4] = { SIGKILL, SIGSTOP, SIGCONT, SIGCONT };
    uint8_t a = next_byte(w);
    kids_signal(w, a % KIDS, signals[a / KIDS % 4]);
}

static void op_pretouch(struct world *w)
{
    if (gc_pretouch(w->heap, (enum gc_pretouch)(next_byte(w) & 1)) < 0)
        world_fail(w, "gc_pretouch failed");
}

struct operation {
    const char *name;
    void (*run)(struct world *w);
    unsigned share; /* of 64 */
};

static const struct operation operations[] = {
    { "insert", op_insert, 14 },      { "erase", op_erase, 4 },
    { "look_up", op_look_up, 2 },     { "link", op_link, 4 },
    { "clear", op_clear, 1 },         { "garbage", op_garbage, 2 },
    { "fill", op_fill, 1 },           { "hold", op_hold, 3 },
    { "wide", op_wide, 2 },           { "drop", op_drop, 2 },
    { "slot", op_slot, 2 },           { "enter", op_enter, 1 },
    { "leave", op_leave, 1 },         { "pin", op_pin, 2 },
    { "unpin", op_unpin, 1 },         { "close", op_close, 1 },
    { "safepoint", op_safepoint, 4 }, { "step", op_step, 4 },
    { "collect", op_collect, 1 },     { "decay", op_decay, 2 },
    { "check", op_check, 1 },         { "verify", op_verify, 1 },
    { "fork", op_fork, 1 },           { "wait", op_wait, 1 },
    { "alone", op_alone, 1 },         { "reader", op_reader, 1 },
    { "command", op_command, 2 },     { "signal", op_signal, 1 },
    { "pretouch", op_pretouch, 1 },
};

static const struct operation *operation_for(uint8_t byte)
{
    unsigned at = byte % 64, i = 0;
    for (; at >= operations[i].share && i + 1 < COUNT(operations); i++)
        at -= operations[i].share;
    return &operations[i];
}

/* ---- a whole run ------------------------------------------------------------------
 */

void world_play(struct world *w, size_t bytes)
{
    size_t rest = w->size - bytes;
    while (w->size > rest && w->ops++ < OPS_MAX) {
        const struct operation *o = operation_for(next_byte(w));
        w->op = o->name;
        o->run(w);
    }
}

static void drop_all(struct world *w)
{
    gc_publish(w->heap, NULL);
    op_close(w);
    for (unsigned i = 0; i < HELD; i++)
        gc_handle_set(w->held[i].handle, NULL);
    for (unsigned i = 0; i < SLOTS; i++)
        if (w->slot_on[i])
            gc_root_remove(w->heap, &w->slots[i]);
}

void world_settle(struct world *w)
{
    struct gc_stats s;
    w->op = "settle";
    for (unsigned i = 0; i < KIDS; i++)
        kids_wait(w, i);
    op_leave(w);
    op_collect(w);
    check_all(w);
    op_verify(w);
    drop_all(w);
    if (gc_collect(w->heap, GC_REASON_ASKED))
        world_fail(w, "the last collection is held up");
    gc_get_stats(w->heap, &s);
    if (s.live_bytes || s.held_bytes || s.blocks || s.runs)
        world_fail(w, "%ju bytes live and %ju held at the end", (uintmax_t)s.live_bytes,
                   (uintmax_t)s.held_bytes);
    op_verify(w);
}

static void world_open(struct world *w, uint8_t flags)
{
    static const uint64_t ticks[] = { 0, 300, 2000, 100 };
    const char *why;
    knobs_get(w->number, flags, &w->config);
    w->is_table = flags & 32 && !w->config.shared;
    w->tick_ns = ticks[flags >> 6];
    w->config.clock_ns = ticking_clock;
    w->config.arg = w;
    w->op = "open";
    w->forks_left = FORKS;
    w->bytes_left = 24 << 20;
    w->heap = gc_new(&w->config, &why);
    if (!w->heap)
        world_fail(w, "%s", why);
    w->entry_type = gc_type_add(w->heap, &entry_type);
    w->array_type = gc_type_add(w->heap, &array_type);
    for (unsigned i = 0; i < HELD; i++)
        w->held[i].handle = gc_handle_new(w->heap, NULL);
    op_clear(w);
    /* Traced before the map, it keeps a small map from being marked in one step. */
    hold_wide(w, &w->held[HELD - 1], BALLAST);
}

void fuzz_gc_play(unsigned world, enum fuzz_gc_mistake mistake, const uint8_t *data,
                  size_t size)
{
    struct world *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    w->number = world;
    w->mistake = mistake;
    w->data = data;
    w->size = size;
    world_open(w, next_byte(w));
    world_play(w, w->size);
    world_settle(w);
    gc_free(w->heap);
    free(w);
}
