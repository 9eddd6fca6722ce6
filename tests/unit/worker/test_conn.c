/* SPDX-License-Identifier: MIT */
/* The table of connection states. Exhaustive: there are only 7 x 7 moves, so all are
 * tried, the forbidden ones in a child, since they abort. */
#include "server/worker/conn.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

/* Written again by hand, so that a slip in the table is seen. */
static const char *const moves[CONN_STATE_N] = {
    /*                  proxy head body handle wait send linger closing */
    [CONN_READ_PROXY] = "-R-----C", [CONN_READ_HEAD] = "--BH-S-C",
    [CONN_READ_BODY] = "---H-S-C",  [CONN_HANDLE] = "----WS-C",
    [CONN_WAIT] = "-----S-C",       [CONN_SEND] = "-RB---LC",
    [CONN_LINGER] = "-------C",     [CONN_CLOSING] = "--------",
};

static void every_move_is_allowed_or_forbidden_as_listed(void **state)
{
    (void)state;
    for (unsigned from = 0; from < CONN_STATE_N; from++) {
        check_uint(strlen(moves[from]), CONN_STATE_N);
        for (unsigned to = 0; to < CONN_STATE_N; to++)
            check_int(conn_may_follow((enum conn_state)from, (enum conn_state)to),
                      moves[from][to] != '-', "%s to %s",
                      conn_state_name((enum conn_state)from),
                      conn_state_name((enum conn_state)to));
    }
}

/* How a process ends that makes the move: 0, or the signal that killed it. */
static int try_move(enum conn_state from, enum conn_state to)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        struct conn c = { .state = (uint8_t)from };

        close(2); /* the words of the failed check are not for this log */
        conn_goto(&c, to);
        _exit(c.state == to ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void a_forbidden_move_aborts(void **state)
{
    (void)state;
    for (unsigned from = 0; from < CONN_STATE_N; from++) {
        for (unsigned to = 0; to < CONN_STATE_N; to++)
            check_int(try_move((enum conn_state)from, (enum conn_state)to),
                      moves[from][to] != '-' ? 0 : SIGABRT, "%s to %s",
                      conn_state_name((enum conn_state)from),
                      conn_state_name((enum conn_state)to));
    }
}

static void every_state_has_a_step_and_says_what_it_waits_for(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CONN_STATE_N; i++) {
        check_not_null(conn_state_name((enum conn_state)i));
        check_not_null(conn_waits_for((enum conn_state)i));
        check_true(conn_steps[i] != NULL, "%s", conn_state_name((enum conn_state)i));
    }
}

TEST_MAIN(test(every_move_is_allowed_or_forbidden_as_listed),
          test(a_forbidden_move_aborts),
          test(every_state_has_a_step_and_says_what_it_waits_for))
