/* SPDX-License-Identifier: MIT */
/* test_obituary.c - wait statuses and last words as people read them. */
#include "server/master/obituary.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "server/base/clock.h"
#include "server/shared/region.h"
#include "tests/test.h"

static char out[OBITUARY_MAX];

static void wait_statuses_have_words(void **state)
{
    static const struct {
        int status;
        const char *want;
    } cases[] = {
        { 0, "ended with exit code 0" },
        { 71 << 8, "ended with exit code 71" },
        { SIGKILL, "was killed by SIGKILL (9)" },
        { SIGSEGV | 0x80, "was killed by SIGSEGV (11), core dumped" },
        { 63, "was killed by SIG? (63)" },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        check_str(obituary_status(out, cases[i].status), cases[i].want, "status 0x%x",
                  (unsigned)cases[i].status);
}

static void the_dead_speak(void **state)
{
    struct scoreboard board = { 0 };

    (void)state;
    check_str(obituary_write(out, "ended", CLOCK_NS_PER_S, 5, &board),
              "ended after 1.00s, 5 requests in its seat");
    strcpy(board.words, "check failed: x > 0");
    strcpy(board.request, "GET /a");
    check_str(
        obituary_write(out, "ended", CLOCK_NS_PER_S, 5, &board),
        "ended after 1.00s, 5 requests in its seat; last words: check failed: x > 0; "
        "request in hand: GET /a");
}

/* Its writer died in the middle, or never meant well. */
static void a_scoreboard_without_an_end_is_cut(void **state)
{
    struct scoreboard board;

    (void)state;
    memset(&board, 'x', sizeof board);
    obituary_write(out, "ended", 0, UINT64_MAX, &board);
    check_true(strlen(out) < OBITUARY_MAX);
    check_not_null(strstr(out, "last words: xxx"));
}

TEST_MAIN(test(wait_statuses_have_words), test(the_dead_speak),
          test(a_scoreboard_without_an_end_is_cut))
