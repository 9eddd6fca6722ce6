/* SPDX-License-Identifier: MIT */
/* How many connections come from whom, and who is too slow. */
#include "server/worker/clients.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/prng.h"
#include "server/worker/acceptor.h"
#include "server/worker/pace.h"
#include "tests/test.h"

enum { ADDRESSES = 300, OPEN_MAX = 2000, LIMIT = 9, STEPS = 200000 };

static struct peer peer_of(const char *text)
{
    struct peer peer = { .at.any.sa_family = AF_INET };

    if (inet_pton(AF_INET, text, &peer.at.in.sin_addr) == 1)
        return peer;
    peer.at.in6.sin6_family = AF_INET6;
    check_int(inet_pton(AF_INET6, text, &peer.at.in6.sin6_addr), 1, "%s", text);
    return peer;
}

static int enter(struct clients *c, const char *text, uint64_t *ret_id)
{
    const struct peer peer = peer_of(text);

    return clients_enter(c, &peer, ret_id);
}

static void who_has_the_limit_gets_no_more_until_one_ends(void **state)
{
    struct clients c;
    uint64_t id[3], other;

    (void)state;
    check_int(clients_init(&c, 2), 0);
    check_int(enter(&c, "10.0.0.1", &id[0]), 0);
    check_int(enter(&c, "10.0.0.1", &id[1]), 0);
    check_int(enter(&c, "10.0.0.1", &id[2]), -EDQUOT);
    check_int(enter(&c, "10.0.0.2", &other), 0, "another client");
    clients_leave(&c, id[0]);
    check_int(enter(&c, "10.0.0.1", &id[2]), 0, "one has ended");
    clients_free(&c);
}

static void what_is_one_client(void **state)
{
    static const struct {
        const char *a, *b;
        int second;
    } all[] = {
        { "10.0.0.1", "10.0.0.1", -EDQUOT },
        { "10.0.0.1", "10.0.0.2", 0 },
        { "2001:db8::1", "2001:db8::2", -EDQUOT }, /* one network */
        { "2001:db8:0:1::1", "2001:db8:0:2::1", 0 },
        { "::ffff:10.0.0.1", "10.0.0.1", -EDQUOT },
        { "::ffff:10.0.0.1", "::ffff:10.0.0.2", 0 },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        struct clients c;
        uint64_t id;

        check_int(clients_init(&c, 1), 0);
        check_int(enter(&c, all[i].a, &id), 0);
        check_int(enter(&c, all[i].b, &id), all[i].second, "%s, then %s", all[i].a,
                  all[i].b);
        clients_free(&c);
    }
}

static void without_a_limit_nobody_is_counted(void **state)
{
    struct clients c;
    uint64_t id = 7;

    (void)state;
    check_int(clients_init(&c, 0), 0);
    for (int i = 0; i < 1000; i++)
        check_int(enter(&c, "10.0.0.1", &id), 0);
    check_uint(id, 0);
    check_null(c.rows);
    clients_leave(&c, id);
    clients_free(&c);
}

/* Rows are taken out of the middle of runs all the time: a count that gets lost, or is
 * found twice, shows. */
static void the_table_agrees_with_a_simple_count(void **state)
{
    static unsigned count[ADDRESSES];
    static struct {
        unsigned address;
        uint64_t id;
    } open[OPEN_MAX];
    unsigned n = 0;
    struct clients c;
    struct prng r;

    (void)state;
    memset(count, 0, sizeof count);
    prng_seed(&r, 11);
    check_int(clients_init(&c, LIMIT), 0);
    for (int step = 0; step < STEPS; step++) {
        bool grows = prng_below(&r, 100) < (step / 5000 % 2 == 0 ? 60 : 40);

        if (grows && n < OPEN_MAX) {
            unsigned a = (unsigned)prng_below(&r, ADDRESSES);
            struct peer peer = { .at.in = { .sin_family = AF_INET,
                                            .sin_addr.s_addr = a } };
            int rc = clients_enter(&c, &peer, &open[n].id);

            check_int(rc, count[a] < LIMIT ? 0 : -EDQUOT, "step %d, address %u", step,
                      a);
            open[n].address = a;
            count[a] += rc == 0;
            n += rc == 0;
        } else if (n > 0) {
            unsigned i = (unsigned)prng_below(&r, n);

            clients_leave(&c, open[i].id);
            count[open[i].address]--;
            open[i] = open[--n];
        }
    }
    while (n > 0)
        clients_leave(&c, open[--n].id);
    check_uint(c.used, 0);
    clients_free(&c);
}

static void slow_is_who_stays_below_the_rate_after_the_grace(void **state)
{
    static const struct {
        uint64_t rate;
        int64_t bytes;
        uint64_t after_ms;
        bool slow;
    } all[] = {
        { 500, 0, 59999, false },
        { 500, 0, 60000, false },
        { 500, 0, 60999, false },
        { 500, 0, 61000, true },
        { 500, 499, 61000, true },
        { 500, 500, 61000, false },
        { 500, 500, 61999, false },
        { 500, 500, 62000, true },
        { 0, 0, 1000000000, false }, /* any rate will do */
        { 500, -1, 60000, true },    /* what was sent before is still under way */
        { 1u << 30, INT64_MAX, UINT64_C(3600000) * 24 * 365, false },
    };
    struct pace p;

    (void)state;
    pace_begin(&p, 5 * CLOCK_NS_PER_S);
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        uint64_t now = 5 * CLOCK_NS_PER_S + all[i].after_ms * CLOCK_NS_PER_MS;

        check_int(pace_is_slow(&p, all[i].bytes, now, 60 * CLOCK_NS_PER_S, all[i].rate),
                  all[i].slow, "row %zu", i);
    }
}

TEST_MAIN(test(who_has_the_limit_gets_no_more_until_one_ends), test(what_is_one_client),
          test(without_a_limit_nobody_is_counted),
          test(the_table_agrees_with_a_simple_count),
          test(slow_is_who_stays_below_the_rate_after_the_grace))
