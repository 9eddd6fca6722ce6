/* SPDX-License-Identifier: MIT */
/* test_view.c - readers of a shared heap in other processes, alive and killed.
 *
 * Each reader is a child that obeys commands over a socket pair, so that the order of
 * events is the test's and no test waits for time to pass. A killed reader dies by
 * SIGKILL between two commands, that is: in whatever state the last one left it.
 */
#define CACHE_IMPL
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/cache/cache.h"
#include "server/cache/cache_impl.h"
#include "tests/test.h"
#include "tests/unit/cache/model.h"

enum { LIMIT = 512 << 10, SEATS = 4, CHILD_SECONDS = 60 };

enum op {
    OP_FIND,       /* version, 0: not there, UINT32_MAX: other bytes */
    OP_ENTER_FIND, /* the same, and stays inside */
    OP_LOOK,       /* at what ENTER_FIND or PIN found: version or UINT32_MAX */
    OP_LEAVE,      /* out of the epoch */
    OP_PIN,        /* finds and pins: version */
    OP_UNPIN,
    OP_WRITES,  /* tries every owner's function: 1 when each was refused */
    OP_CHECKED, /* when the name was checked */
    OP_SET_CHECKED,
    OP_LOOP, /* finds names until it is killed; answers once, at the start */
    OP_QUIT,
};

struct command {
    enum op op;
    unsigned name;
    uint32_t value;
};

struct shared_words {
    _Atomic(uint64_t) lookups, wrong;
};

struct reader {
    pid_t pid;
    int fd;
    unsigned seat;
};

static struct cache *cache;
static struct shared_words *words;

/* ---- the child ---- */

struct state {
    struct cache_reader *r;
    const struct entry *e;
    unsigned name;
    int pin;
};

static uint32_t describe(const struct entry *e, unsigned name)
{
    if (e == NULL)
        return 0;
    return model_entry_is(e, name, (uint32_t)e->file_id) ? (uint32_t)e->file_id
                                                         : UINT32_MAX;
}

static const struct entry *find(struct cache_reader *r, unsigned name)
{
    struct span key = model_key(name);

    return cache_find(r, cache_hash(cache, key), key);
}

static bool writes_are_refused(void)
{
    struct cache_record r = model_record(1, 1);
    struct cache_stats stats;

    cache_safepoint(cache);
    cache_collect(cache);
    cache_tick(cache, 1000);
    cache_get_stats(cache, &stats);
    return cache_verify(cache, NULL, NULL) == 0 && stats.entries == 1 &&
           cache_insert(cache, &r, 1) == -EPERM && !cache_remove(cache, r.key) &&
           cache_clear(cache) == 0 && !cache_is_owner(cache) && cache_is_shared(cache);
}

static void loop(struct state *s)
{
    for (unsigned i = 0;; i++) {
        unsigned name = i * 7 % MODEL_NAMES;
        const struct entry *e;
        int pin = -1;

        cache_enter(s->r);
        e = find(s->r, name);
        if (describe(e, name) == UINT32_MAX)
            atomic_fetch_add(&words->wrong, 1);
        if (e != NULL && i % 3 == 0)
            pin = cache_pin(s->r, e);
        cache_leave(s->r);
        if (pin >= 0) {
            if (describe(e, name) == UINT32_MAX)
                atomic_fetch_add(&words->wrong, 1);
            cache_unpin(s->r, pin);
        }
        atomic_fetch_add_explicit(&words->lookups, 1, memory_order_relaxed);
    }
}

static uint32_t find_once(struct state *s, const struct command *c)
{
    uint32_t answer = 0;
    const struct entry *e;

    cache_enter(s->r);
    e = find(s->r, c->name);
    if (c->op == OP_CHECKED)
        answer = (uint32_t)cache_checked_ns(s->r, e);
    else if (c->op == OP_SET_CHECKED)
        cache_set_checked_ns(s->r, e, c->value);
    else
        answer = describe(e, c->name);
    if (c->op == OP_PIN) {
        s->e = e;
        s->name = c->name;
        s->pin = cache_pin(s->r, e);
    }
    cache_leave(s->r);
    return answer;
}

static uint32_t obey(struct state *s, const struct command *c)
{
    switch (c->op) {
    case OP_FIND:
    case OP_PIN:
    case OP_CHECKED:
    case OP_SET_CHECKED:
        return find_once(s, c);
    case OP_ENTER_FIND:
        cache_enter(s->r);
        s->e = find(s->r, c->name);
        s->name = c->name;
        return describe(s->e, s->name);
    case OP_LOOK:
        return describe(s->e, s->name);
    case OP_LEAVE:
        cache_leave(s->r);
        return 0;
    case OP_UNPIN:
        cache_unpin(s->r, s->pin);
        return 0;
    case OP_WRITES:
        return writes_are_refused();
    case OP_LOOP:
    case OP_QUIT:
        return 0;
    }
    return UINT32_MAX;
}

static _Noreturn void serve(int fd, unsigned seat)
{
    struct state s = { .pin = -1 };
    struct command c;

    alarm(CHILD_SECONDS);
    if (cache_fork_child(cache) != 0)
        _exit(1);
    s.r = cache_reader_open(cache, seat);
    if (s.r == NULL)
        _exit(2);
    while (recv(fd, &c, sizeof c, 0) == sizeof c) {
        uint32_t answer = obey(&s, &c);

        if (send(fd, &answer, sizeof answer, MSG_NOSIGNAL) != sizeof answer)
            break;
        if (c.op == OP_LOOP)
            loop(&s);
        if (c.op == OP_QUIT) {
            cache_reader_close(s.r);
            _exit(0);
        }
    }
    _exit(3);
}

/* ---- the owner's side ---- */

static struct reader start_reader(unsigned seat)
{
    struct reader r = { .seat = seat };
    int pair[2];

    check_int(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    cache_fork_prepare(cache);
    r.pid = fork();
    if (r.pid == 0) {
        close(pair[0]);
        serve(pair[1], seat);
    }
    cache_fork_parent(cache, r.pid);
    check_true(r.pid > 0);
    close(pair[1]);
    r.fd = pair[0];
    return r;
}

static uint32_t ask_with(struct reader *r, enum op op, unsigned name, uint32_t value)
{
    struct command c = { op, name, value };
    uint32_t answer = 0;

    check_int(send(r->fd, &c, sizeof c, MSG_NOSIGNAL), sizeof c);
    check_int(recv(r->fd, &answer, sizeof answer, 0), sizeof answer, "op %d", (int)op);
    return answer;
}

static uint32_t ask(struct reader *r, enum op op, unsigned name)
{
    return ask_with(r, op, name, 0);
}

static void stop_reader(struct reader *r)
{
    int status;

    ask(r, OP_QUIT, 0);
    check_int(waitpid(r->pid, &status, 0), r->pid);
    check_int(status, 0);
    close(r->fd);
    cache_seat_clear(cache, r->seat);
}

static void kill_reader(struct reader *r)
{
    int status;

    check_int(kill(r->pid, SIGKILL), 0);
    check_int(waitpid(r->pid, &status, 0), r->pid);
    check_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(r->fd);
}

static int make(void **state)
{
    struct cache_config config = {
        .index = CACHE_HAMT,
        .recency = CACHE_SIDE,
        .bytes = LIMIT,
        .hash_key = "sixteen bytes .",
        .seats = SEATS,
        .heap = { .shared = true,
                  .schedule = GC_INCREMENTAL,
                  .min_heap_bytes = 64 << 10,
                  .max_pause_ns = 50000,
                  .stress = true, /* what is freed is spoiled at once */
                  .reserve_bytes = 256 << 20 },
    };

    (void)state;
    cache = cache_new(&config, NULL);
    words = mmap(NULL, sizeof *words, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return cache == NULL || words == MAP_FAILED;
}

static int unmake(void **state)
{
    (void)state;
    cache_free(cache);
    return munmap(words, sizeof *words);
}

static void insert(unsigned name, uint32_t version)
{
    struct cache_record r = model_record(name, version);

    check_int(cache_insert(cache, &r, version), 0, "name %u", name);
}

static uint64_t live_bytes(void)
{
    struct cache_stats stats;

    cache_collect(cache);
    cache_collect(cache);
    cache_get_stats(cache, &stats);
    return stats.heap.live_bytes;
}

static void readers_find_what_the_owner_publishes_after_the_fork(void **state)
{
    struct reader a, b;

    (void)state;
    insert(1, 100);
    a = start_reader(0);
    b = start_reader(1);
    check_uint(ask(&a, OP_FIND, 1), 100);
    check_uint(ask(&a, OP_FIND, 2), 0);
    insert(2, 200);
    check_uint(ask(&a, OP_FIND, 2), 200);
    check_uint(ask(&b, OP_FIND, 2), 200);
    insert(2, 201);
    cache_collect(cache);
    check_uint(ask(&b, OP_FIND, 2), 201);
    check_true(cache_remove(cache, model_key(2)));
    check_uint(ask(&a, OP_FIND, 2), 0);
    check_uint(ask(&a, OP_FIND, 1), 100);
    stop_reader(&a);
    stop_reader(&b);
    check_uint(cache_verify(cache, NULL, NULL), 0);
}

static void a_reader_cannot_change_the_cache(void **state)
{
    struct reader a;

    (void)state;
    insert(1, 100);
    a = start_reader(0);
    check_uint(ask(&a, OP_WRITES, 0), 1);
    check_uint(ask(&a, OP_FIND, 1), 100);
    check_true(cache_is_owner(cache));
    insert(1, 101);
    stop_reader(&a);
}

static void inside_an_epoch_an_entry_stays_whatever_the_owner_does(void **state)
{
    struct reader a;

    (void)state;
    insert(1, 100);
    a = start_reader(0);
    check_uint(ask(&a, OP_ENTER_FIND, 1), 100);
    check_uint(cache_clear(cache), 1);
    for (unsigned i = 0; i < 50; i++) {
        insert(i, 500 + i); /* would fill freed memory */
        cache_safepoint(cache);
        cache_collect(cache);
    }
    check_uint(ask(&a, OP_LOOK, 0), 100);
    check_uint(ask(&a, OP_LEAVE, 0), 0);
    check_uint(ask(&a, OP_FIND, 1), 501);
    stop_reader(&a);
}

static void a_pinned_entry_survives_removal_and_collection(void **state)
{
    struct reader a;
    uint64_t pinned;

    (void)state;
    insert(1, 100);
    a = start_reader(0);
    check_uint(ask(&a, OP_PIN, 1), 100);
    check_uint(cache_clear(cache), 1);
    for (unsigned i = 0; i < 50; i++) {
        insert(i, 500 + i);
        cache_safepoint(cache);
        cache_collect(cache);
    }
    check_uint(ask(&a, OP_LOOK, 0), 100);
    cache_clear(cache);
    pinned = live_bytes();
    check_true(pinned > 0);
    check_uint(ask(&a, OP_UNPIN, 0), 0);
    check_uint(live_bytes(), 0);
    stop_reader(&a);
}

static void a_reader_killed_inside_an_epoch_leaks_nothing(void **state)
{
    struct reader a;

    (void)state;
    insert(1, 100);
    a = start_reader(0);
    check_uint(ask(&a, OP_ENTER_FIND, 1), 100);
    kill_reader(&a);
    cache_clear(cache);
    check_true(live_bytes() > 0,
               "the epoch of the dead holds memory until it is cleared");
    cache_seat_clear(cache, a.seat);
    check_uint(live_bytes(), 0);
    a = start_reader(0); /* the seat can be used again */
    insert(1, 101);
    check_uint(ask(&a, OP_FIND, 1), 101);
    stop_reader(&a);
}

static void a_reader_killed_with_a_pin_leaks_nothing(void **state)
{
    struct reader a;

    (void)state;
    insert(1, 100);
    a = start_reader(2);
    check_uint(ask(&a, OP_PIN, 1), 100);
    kill_reader(&a);
    cache_clear(cache);
    check_true(live_bytes() > 0);
    cache_seat_clear(cache, a.seat);
    check_uint(live_bytes(), 0);
}

static void hits_of_readers_spare_an_entry_from_eviction(void **state)
{
    struct span spared;
    struct reader a;
    unsigned name = 0;

    (void)state;
    /* the oldest two: one is hit elsewhere, the other is not */
    insert(0, 1);
    insert(1, 2);
    a = start_reader(0);
    check_uint(ask(&a, OP_FIND, 0), 1);
    for (name = 2; cache->evicted == 0; name++) {
        check_true(name < 100000);
        insert(name, name);
        cache_safepoint(cache);
    }
    spared = model_key(0);
    check_not_null(index_find(CACHE_HAMT, gc_root(cache->heap),
                              cache_hash(cache, spared), spared));
    check_uint(ask(&a, OP_FIND, 1), 0);
    stop_reader(&a);
}

static void all_slots_see_when_an_entry_was_checked(void **state)
{
    struct reader a, b;

    (void)state;
    insert(1, 100);
    a = start_reader(0);
    b = start_reader(1);
    check_uint(ask(&b, OP_CHECKED, 1), 100);
    ask_with(&a, OP_SET_CHECKED, 1, 1234);
    check_uint(ask(&b, OP_CHECKED, 1), 1234);
    stop_reader(&a);
    stop_reader(&b);
}

/* Readers look around and die at any moment, the owner goes on inserting and
 * collecting. */
static void
readers_killed_at_random_never_saw_other_bytes_and_leak_nothing(void **state)
{
    enum { READERS = 3, ROUNDS = 24, STEPS = 150 };
    struct reader readers[READERS];
    uint32_t version = 0;

    (void)state;
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = start_reader(i);
        ask(&readers[i], OP_LOOP, 0);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct reader *victim = &readers[round % READERS];
        uint64_t seen = atomic_load(&words->lookups);

        for (unsigned i = 0; i < STEPS || atomic_load(&words->lookups) < seen + 50;
             i++) {
            check_true(i < 1000000, "readers no longer look");
            insert((round * STEPS + i) * 13 % MODEL_NAMES, ++version);
            if (i % 10 == 0)
                cache_remove(cache, model_key(i % MODEL_NAMES));
            cache_safepoint(cache);
            cache_tick(cache, 20000);
        }
        kill_reader(victim);
        cache_seat_clear(cache, victim->seat);
        *victim = start_reader(victim->seat);
        ask(victim, OP_LOOP, 0);
    }
    check_uint(atomic_load(&words->wrong), 0);
    check_uint(cache_verify(cache, NULL, NULL), 0);
    for (unsigned i = 0; i < READERS; i++) {
        kill_reader(&readers[i]);
        cache_seat_clear(cache, readers[i].seat);
    }
    cache_clear(cache);
    check_uint(live_bytes(), 0);
}

/* ---- readers that are threads ---- */

struct looker {
    pthread_t thread;
    unsigned seat;
    atomic_bool *stop;
};

static void *look_around(void *arg)
{
    struct looker *l = arg;
    struct state s = { .r = cache_reader_open(cache, l->seat), .pin = -1 };

    for (unsigned i = 0; !atomic_load(l->stop); i++) {
        unsigned name = i * 7 % MODEL_NAMES;
        const struct entry *e;
        struct span key;
        char text[64];
        int pin;

        /* model_key() has a static buffer: threads need their own */
        key = (struct span){ text,
                             (size_t)snprintf(text, sizeof text, "/thread/%u", name) };
        cache_enter(s.r);
        e = cache_find(s.r, cache_hash(cache, key), key);
        pin = e != NULL ? cache_pin(s.r, e) : -1;
        cache_leave(s.r);
        if (pin >= 0) {
            if (!span_eq(entry_key(e), key) || e->body_len != name + 1 ||
                e->body[name] != (unsigned char)name)
                atomic_fetch_add(&words->wrong, 1);
            cache_unpin(s.r, pin);
        }
        atomic_fetch_add_explicit(&words->lookups, 1, memory_order_relaxed);
    }
    cache_reader_close(s.r);
    return NULL;
}

static void threads_read_while_the_owner_writes(void **state)
{
    enum { THREADS = 2 };
    struct looker lookers[THREADS];
    atomic_bool stop = false;
    char text[64], body[MODEL_NAMES];

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        lookers[i] = (struct looker){ .seat = i, .stop = &stop };
        check_int(pthread_create(&lookers[i].thread, NULL, look_around, &lookers[i]),
                  0);
    }
    for (unsigned i = 0; i < 4000 || atomic_load(&words->lookups) < 4000; i++) {
        unsigned name = i * 13 % MODEL_NAMES;
        int n;

        check_true(i < 10000000, "readers no longer look");
        n = snprintf(text, sizeof text, "/thread/%u", name);
        struct cache_record r = { .key = { text, (size_t)n },
                                  .head = SPAN("HTTP/1.1 200 OK\r\n"),
                                  .body = { body, name + 1 },
                                  .status = 200 };

        memset(body, (int)name, sizeof body);
        if (i % 11 == 0)
            cache_remove(cache, r.key);
        else
            check_int(cache_insert(cache, &r, i), 0);
        cache_safepoint(cache);
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(lookers[i].thread, NULL);
    check_uint(atomic_load(&words->wrong), 0);
    cache_clear(cache);
    check_uint(live_bytes(), 0);
}

#define with_cache(name) test_with(name, make, unmake)

TEST_MAIN(with_cache(readers_find_what_the_owner_publishes_after_the_fork),
          with_cache(a_reader_cannot_change_the_cache),
          with_cache(inside_an_epoch_an_entry_stays_whatever_the_owner_does),
          with_cache(a_pinned_entry_survives_removal_and_collection),
          with_cache(a_reader_killed_inside_an_epoch_leaks_nothing),
          with_cache(a_reader_killed_with_a_pin_leaks_nothing),
          with_cache(hits_of_readers_spare_an_entry_from_eviction),
          with_cache(all_slots_see_when_an_entry_was_checked),
          with_cache(readers_killed_at_random_never_saw_other_bytes_and_leak_nothing),
          with_cache(threads_read_while_the_owner_writes))
