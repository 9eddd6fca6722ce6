/* SPDX-License-Identifier: MIT */
/* test_shed.c - servers that start badly and stop badly. The server is this very
 * program: its mode (-m) says how it behaves. */
#include "loadtest/shed.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "tests/test.h"

#define SECOND CLOCK_NS_PER_S

/* --- the server --- */

static void say(const char *words)
{
    if (write(STDERR_FILENO, words, strlen(words)) < 0)
        _exit(99);
}

static void say_ready(void)
{
    say("ready listen=127.0.0.1:1 admin=127.0.0.1:2 mode=x slots=1 pid=3\n");
}

static void wait_for_term(void)
{
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigwait(&set, &number);
}

static int play(const char *mode)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (strcmp(mode, "dead") == 0) {
        say("first words\nlast words\n");
        return 2;
    }
    if (strcmp(mode, "mute") == 0)
        say("ready, but not quite");
    else if (strcmp(mode, "wordy") == 0)
        for (unsigned i = 0; i < 5000; i++)
            say("a line that nobody reads until it is too late for a small pipe\n");
    if (strcmp(mode, "mute") != 0)
        say_ready();
    if (strcmp(mode, "leaves") == 0)
        return 7;
    wait_for_term();
    if (strcmp(mode, "stubborn") == 0)
        wait_for_term();
    return strcmp(mode, "grumpy") == 0 ? 3 : 0;
}

/* --- the tests --- */

static int start(struct shed *shed, const char *mode, uint64_t timeout_ns, char *error)
{
    static char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    check_true(n > 0);
    struct shed_config config = { .program = self,
                                  .mode = mode,
                                  .start_timeout_ns = timeout_ns };
    return shed_start(shed, &config, error);
}

static void a_server_starts_tells_its_addresses_and_stops(void **state)
{
    (void)state;
    static const char *const modes[] = { "good", "wordy" };
    for (size_t i = 0; i < TEST_COUNT(modes); i++) {
        struct shed shed;
        char error[SHED_ERROR_MAX] = "";
        check_int(start(&shed, modes[i], 20 * SECOND, error), 0, "%s: %s", modes[i],
                  error);
        check_str(shed.listen, "127.0.0.1:1", "%s", modes[i]);
        check_str(shed.admin, "127.0.0.1:2", "%s", modes[i]);
        check_true(shed_alive(&shed), "%s", modes[i]);
        check_int(shed_stop(&shed, 20 * SECOND, error), 0, "%s: %s", modes[i], error);
        check_false(shed_alive(&shed), "%s", modes[i]);
    }
}

static void a_server_that_does_not_start_leaves_its_last_words(void **state)
{
    (void)state;
    struct shed shed;
    char error[SHED_ERROR_MAX] = "";
    check_int(start(&shed, "dead", 20 * SECOND, error), -ECHILD);
    check_not_null(strstr(error, "ended before it was ready"), "%s", error);
    check_not_null(strstr(shed.tail, "last words\n"), "%s", shed.tail);
    check_int(shed.pid, 0, "reaped");
}

static void a_server_that_is_never_ready_is_ended_at_the_deadline(void **state)
{
    (void)state;
    struct shed shed;
    char error[SHED_ERROR_MAX] = "";
    check_int(start(&shed, "mute", SECOND / 5, error), -ETIMEDOUT);
    check_not_null(strstr(error, "did not become ready in time"), "%s", error);
    check_int(shed.pid, 0, "reaped");
}

static void a_program_that_cannot_be_run_says_why(void **state)
{
    (void)state;
    struct shed shed;
    char error[SHED_ERROR_MAX] = "";
    struct shed_config config = { .program = "/nope",
                                  .mode = "x",
                                  .start_timeout_ns = 20 * SECOND };
    check_int(shed_start(&shed, &config, error), -ECHILD);
    check_not_null(strstr(shed.tail, "could not run /nope: No such file"), "%s",
                   shed.tail);
}

static void an_exit_that_is_not_clean_is_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *mode, *words;
        int want;
    } cases[] = { { "grumpy", "stopped with exit code 3", -ECHILD },
                  { "stubborn", "did not stop in time", -ETIMEDOUT } };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct shed shed;
        char error[SHED_ERROR_MAX] = "";
        uint64_t limit = cases[i].want == -ETIMEDOUT ? SECOND / 5 : 20 * SECOND;
        check_int(start(&shed, cases[i].mode, 20 * SECOND, error), 0, "%s", error);
        check_int(shed_stop(&shed, limit, error), cases[i].want, "%s", cases[i].mode);
        check_not_null(strstr(error, cases[i].words), "%s", error);
        check_int(shed.pid, 0, "reaped");
    }
}

static void a_server_that_left_by_itself_is_noticed(void **state)
{
    (void)state;
    struct shed shed;
    char error[SHED_ERROR_MAX] = "";
    check_int(start(&shed, "leaves", 20 * SECOND, error), 0, "%s", error);
    uint64_t deadline = clock_ns() + 20 * SECOND;
    while (shed_alive(&shed) && clock_ns() < deadline)
        shed_drain(&shed);
    check_false(shed_alive(&shed));
    check_int(shed_stop(&shed, SECOND, error), -ECHILD);
    check_not_null(strstr(error, "ended by itself with exit code 7"), "%s", error);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        test(a_server_starts_tells_its_addresses_and_stops),
        test(a_server_that_does_not_start_leaves_its_last_words),
        test(a_server_that_is_never_ready_is_ended_at_the_deadline),
        test(a_program_that_cannot_be_run_says_why),
        test(an_exit_that_is_not_clean_is_an_error),
        test(a_server_that_left_by_itself_is_noticed),
    };
    if (argc > 2 && strcmp(argv[1], "-m") == 0)
        return play(argv[2]);
    return test_run(argc, argv, __FILE__, tests, TEST_COUNT(tests));
}
