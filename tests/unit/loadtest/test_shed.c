/* SPDX-License-Identifier: MIT */
/* test_shed.c - servers that start badly and stop badly. The server is this very
 * program: its mode (-m) says how it behaves. */
#include "loadtest/shed.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
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

/* --- other servers --- */

static int start_command(struct shed *shed, const char *command, uint64_t timeout_ns,
                         char *error)
{
    struct shed_config config = { .command = command, .start_timeout_ns = timeout_ns };
    return shed_start(shed, &config, error);
}

/* Is there a process of this group? */
static bool group_is_gone(pid_t group)
{
    uint64_t deadline = clock_ns() + 20 * SECOND;
    while (kill(-group, 0) == 0 && clock_ns() < deadline)
        poll(NULL, 0, 5);
    return kill(-group, 0) < 0 && errno == ESRCH;
}

static void a_command_is_ready_when_its_port_is_and_its_children_end_too(void **state)
{
    (void)state;
    struct shed shed;
    char error[SHED_ERROR_MAX] = "", command[700], self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    check_true(n > 0);
    self[n] = '\0';
    snprintf(command, sizeof command, "%s -p {port}", self);
    check_int(start_command(&shed, command, 20 * SECOND, error), 0, "%s", error);
    check_int(strncmp(shed.listen, "127.0.0.1:", 10), 0, "%s", shed.listen);
    check_str(shed.admin, "");
    check_true(shed_alive(&shed));
    pid_t group = shed.pid;
    check_int(shed_stop(&shed, 20 * SECOND, error), 0, "%s", error);
    check_true(group_is_gone(group), "what it has forked");
}

static void a_command_that_does_not_listen_is_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *command, *words;
        int want;
    } cases[] = {
        { "sleep 100 {port}", "sleep 100 {port} did not become ready", -ETIMEDOUT },
        { "/nope {port}", "/nope {port} ended before it was ready", -ECHILD },
        { "sh -c 'echo no port {port}; exit 3' >&2", "ended before it was", -ECHILD },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct shed shed;
        char error[SHED_ERROR_MAX] = "";
        uint64_t limit = cases[i].want == -ETIMEDOUT ? SECOND / 5 : 20 * SECOND;
        check_int(start_command(&shed, cases[i].command, limit, error), cases[i].want,
                  "%s", cases[i].command);
        check_not_null(strstr(error, cases[i].words), "%s", error);
        check_int(shed.pid, 0, "reaped");
    }
}

static void who_is_adopted_is_neither_watched_nor_stopped(void **state)
{
    (void)state;
    struct shed shed;
    char error[SHED_ERROR_MAX] = "";
    shed_adopt(&shed, "10.0.0.1:80");
    check_str(shed.listen, "10.0.0.1:80");
    check_true(shed_alive(&shed));
    shed_drain(&shed);
    check_int(shed_stop(&shed, SECOND, error), 0, "%s", error);
    check_true(shed_alive(&shed));
}

/* A server with a child that does not leave with it. */
static int serve_port(const char *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(port)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
        listen(fd, 8) < 0)
        return 1;
    if (fork() == 0) {
        signal(SIGTERM, SIG_IGN);
        for (;;)
            pause();
    }
    for (;;)
        pause();
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
        test(a_command_is_ready_when_its_port_is_and_its_children_end_too),
        test(a_command_that_does_not_listen_is_an_error),
        test(who_is_adopted_is_neither_watched_nor_stopped),
    };
    if (argc > 2 && strcmp(argv[1], "-p") == 0)
        return serve_port(argv[2]);
    if (argc > 2 && strcmp(argv[1], "-m") == 0)
        return play(argv[2]);
    return test_run(argc, argv, __FILE__, tests, TEST_COUNT(tests));
}
