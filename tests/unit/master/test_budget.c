/* SPDX-License-Identifier: MIT */
/* The worst case of memory: what it grows with, and that it is a limit. */
#include "server/master/budget.h"

#include <errno.h>
#include <string.h>

#include "server/cache/policy.h"
#include "tests/test.h"

static const struct worker_costs costs = { .slot = 1000, .idle = 10, .request = 100 };

static void set(struct options *o, const char *name, const char *value)
{
    struct option_error error;

    check_int(options_set(o, name, value, "-o", &error), 0, "%s = %s", name, value);
}

static struct options *options_of(const char *mode)
{
    struct options *o = options_new();
    struct option_error error;

    set(o, "mode", mode);
    set(o, "slots", "3");
    set(o, "connections", "7");
    check_int(options_resolve(o, &error), 0);
    return o;
}

static uint64_t part(const struct budget *b, const char *name)
{
    for (unsigned i = 0; i < b->count; i++) {
        if (strcmp(b->parts[i].name, name) == 0)
            return b->parts[i].bytes;
    }
    return 0;
}

static void each_part_is_counted_for_two_generations(void **state)
{
    static const struct {
        const char *mode;
        unsigned heaps; /* copies and arenas */
    } all[] = {
        { "naive", 6 },
        { "arena", 6 },
        { "shared", 0 },
        { "threads", 0 },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        struct options *o = options_of(all[i].mode);
        struct budget b;
        uint64_t sum = 0, heap = policy_heap_limit(64 << 20, 100);

        budget_of(o, &costs, &b);
        for (unsigned k = 0; k < b.count; k++)
            sum += b.parts[k].bytes;
        check_uint(b.total, sum, "%s", all[i].mode);
        check_uint(part(&b, "cache heap"), heap);
        check_uint(part(&b, "copies and arenas"),
                   all[i].heaps * (heap + part(&b, "its tables")), "%s", all[i].mode);
        check_uint(part(&b, "slots"), 6 * 1000);
        check_uint(part(&b, "connections"), 6 * 7 * 10);
        check_uint(part(&b, "their requests"), 6 * 7 * 100);
        check_true(b.room > 1 << 20);
        options_free(o);
    }
}

static void without_a_cache_there_is_none_to_count(void **state)
{
    struct options *o = options_of("shared");
    struct budget b;

    (void)state;
    set(o, "cache_bytes", "0");
    budget_of(o, &costs, &b);
    check_uint(
        part(&b, "cache heap") + part(&b, "its tables") + part(&b, "page tables"), 0);
    options_free(o);
}

static void more_than_memory_max_is_refused_to_the_byte(void **state)
{
    struct options *o = options_of("shared");
    struct option_error error;
    struct budget b;

    (void)state;
    budget_of(o, &costs, &b);
    check_int(budget_check(&b, o, &error), 0, "without a limit");
    o->memory_max = (int64_t)b.total;
    check_int(budget_check(&b, o, &error), 0);
    o->memory_max--;
    check_int(budget_check(&b, o, &error), -EINVAL);
    check_true(strstr(error.text, "memory_max = ") != NULL, "%s", error.text);
    options_free(o);
}

TEST_MAIN(test(each_part_is_counted_for_two_generations),
          test(without_a_cache_there_is_none_to_count),
          test(more_than_memory_max_is_refused_to_the_byte))
