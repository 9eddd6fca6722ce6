/* SPDX-License-Identifier: MIT */
/* A bounded, repeatable walk over configuration files that are nearly right. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz_conf.h"
#include "tests/fuzz/mutate.h"
#include "tests/test.h"

enum { RUNS = 3000, BYTES_MAX = 800 };

static const struct span seeds[] = {
    WORD("slots = 2\nroot = /srv\n"),
    WORD("gc {\n  percent = 50\n  schedule = stw\n}\n"),
    WORD("listen = \"[::]:80\" # all\naccess_log = -\n"),
    WORD("cache { recency = side index = hamt }\nmode = arena\n"),
    WORD("synthetic { sigma = 0.5 median = 8k delay = 5ms }\norigin = synthetic\n"),
    WORD("root = \"${HOME:-/x}/www\"\n/* a\nb */ // c\n"),
    WORD("-slots=3\nmode=naive\ngc.percent=1\nroot=a b # c\n"),
    WORD("-cache_bytes=1g\nidle=5\nkeepalive_timeout=5s\nheap=shared\n"),
};

static const struct span words[] = {
    WORD("\n"),      WORD("="),    WORD("{"),      WORD("}"),
    WORD("\""),      WORD("'"),    WORD("#"),      WORD("//"),
    WORD("/*"),      WORD("*/"),   WORD("\\"),     WORD("${"),
    WORD("${X:-"),   WORD("\0"),   WORD("\xff"),   WORD("gc"),
    WORD("+="),      WORD("0"),    WORD("-1"),     WORD("999999999999g"),
    WORD("1e9"),     WORD("nan"),  WORD("on"),     WORD("ms"),
    WORD(" \t "),    WORD("root"), WORD("slots="), WORD("gc.thp="),
    WORD("mode = "), WORD(","),
};

static const struct walk walk = { seeds, words, TEST_COUNT(seeds), TEST_COUNT(words),
                                  2,     4 };

/* fuzz_conf() aborts when something does not hold. */
static void
files_that_are_nearly_right_are_read_or_refused_with_a_sentence(void **state)
{
    (void)state;
    walk_through(&walk, 2, RUNS, BYTES_MAX, fuzz_conf);
}

static void what_the_fuzzer_found_worth_keeping_still_holds(void **state)
{
    (void)state;
    check_true(replay("tests/fuzz/corpus-conf", fuzz_conf) > 50);
}

TEST_MAIN(test(files_that_are_nearly_right_are_read_or_refused_with_a_sentence),
          test(what_the_fuzzer_found_worth_keeping_still_holds))
