/* SPDX-License-Identifier: MIT */
/* How many slots `auto` means. */
#include "server/conf/slots.h"

#include <errno.h>
#include <string.h>

#include "server/conf/options.h"
#include "tests/test.h"

#define NO UINT64_MAX

static void auto_is_the_least_of_what_there_is(void **state)
{
    static const struct {
        struct slots_room room;
        int64_t want;
        const char *why;
    } all[] = {
        { { 1, NO, NO, NO }, 1, "one for each CPU" },
        { { 8, NO, NO, NO }, 8, "one for each CPU" },
        { { 128, NO, NO, NO }, 128, "one for each CPU" },
        { { 129, NO, NO, NO }, 128, "the most there can be" },
        { { 8, 8000, NO, NO }, 8, "one for each CPU" },
        { { 8, 7001, NO, NO }, 8, "one for each CPU" },
        { { 8, 7000, NO, NO }, 7, "cpu.max" },
        { { 64, 1500, NO, NO }, 2, "cpu.max" },
        { { 64, 50, NO, NO }, 1, "cpu.max" },
        { { 64, 1, NO, NO }, 1, "cpu.max" },
        { { 64, NO, 128u << 20, NO }, 4, "memory.max" },
        { { 64, NO, 1u << 20, NO }, 1, "memory.max" },
        { { 64, NO, NO, 24 }, 5, "pids.max" },
        { { 64, NO, NO, 3 }, 1, "pids.max" },
        { { 64, 4000, 96u << 20, 100 }, 3, "memory.max" },
    };
    char why[SLOTS_WHY_MAX];

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        check_int(slots_auto(&all[i].room, 128, why), all[i].want, "row %zu", i);
        check_true(strstr(why, all[i].why) != NULL, "row %zu: %s", i, why);
    }
}

static void this_machine_has_room_for_one(void **state)
{
    const struct slots_room room = slots_room();

    (void)state;
    check_true(room.cpus >= 1 && room.memory > 1 << 20 && room.cpu_milli > 0);
}

static void auto_is_a_word_for_slots_alone(void **state)
{
    struct option_error error;
    struct options *o = options_new();

    (void)state;
    check_int(options_set(o, "slots", "auto", "-o", &error), 0);
    check_int(o->slots, 0);
    check_int(options_set(o, "connections", "auto", "-o", &error), -EINVAL);
    check_int(options_resolve(o, &error), 0);
    check_true(o->slots >= 1);
    options_free(o);
}

TEST_MAIN(test(auto_is_the_least_of_what_there_is), test(this_machine_has_room_for_one),
          test(auto_is_a_word_for_slots_alone))
