/* SPDX-License-Identifier: MIT */
/* Lines go to a pipe, which shows each write() as it was made. */
#include "server/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/test.h"

static int out[2];

static int open_pipe(void **state)
{
    (void)state;
    if (pipe(out) != 0)
        return -1;
    log_open(LOG_DEBUG, out[1]);
    log_set_role("main", -1);
    return 0;
}

static int close_pipe(void **state)
{
    (void)state;
    log_open(LOG_INFO, STDERR_FILENO);
    close(out[0]);
    close(out[1]);
    return 0;
}

/* The line that was written, without its newline, from the level on. */
static const char *logged(void)
{
    static char line[8192];
    ssize_t n = read(out[0], line, sizeof line - 1);

    check_true(n > 0 && line[n - 1] == '\n');
    line[n - 1] = '\0';
    check_null(strchr(line, '\n'), "one line: %s", line);
    check_true(line[4] == '-' && line[10] == 'T' && line[23] == 'Z', "%s", line);
    return line + 25;
}

static void a_line_has_level_role_and_pid(void **state)
{
    (void)state;
    char want[128];

    log_warn("could not open '%s'", "x");
    snprintf(want, sizeof want, "warn main[%d] could not open 'x'", (int)getpid());
    check_str(logged(), want);

    log_set_role("worker", 3);
    log_info("ready");
    snprintf(want, sizeof want, "info worker.3[%d] ready", (int)getpid());
    check_str(logged(), want);
}

static void what_a_peer_sent_cannot_make_a_second_line(void **state)
{
    (void)state;
    log_err("path '%s'", "a\nb\r\x1b[31m\\ \xc3\xa4\x7f");
    check_not_null(strstr(logged(), "path 'a\\nb\\x0d\\x1b[31m\\\\ \\xc3\\xa4\\x7f'"));
}

static void a_long_line_is_cut_and_says_so(void **state)
{
    (void)state;
    char text[3 * LOG_LINE_MAX];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_warn_errno(ENOENT, "%s", text);
    const char *line = logged();
    check_true(strlen(line) + 25 + 1 <= LOG_LINE_MAX);
    check_true(strcmp(line + strlen(line) - 4, "x...") == 0, "%s", line);

    memset(text, '\n', sizeof text - 1); /* each becomes two */
    log_warn("%s", text);
    line = logged();
    check_true(strlen(line) + 25 + 1 <= LOG_LINE_MAX);
    check_true(strcmp(line + strlen(line) - 3, "...") == 0, "%s", line);
}

static void errno_is_explained_and_kept(void **state)
{
    (void)state;
    errno = EBADF;
    log_warn_errno(-ENOENT, "could not open 'x'");
    check_int(errno, EBADF);
    check_not_null(strstr(logged(), "could not open 'x': no such file or directory"));
    log_warn_errno(EACCES, "y");
    check_not_null(strstr(logged(), "y: permission denied"));
}

static void lines_below_the_level_are_dropped(void **state)
{
    (void)state;
    log_open(LOG_WARN, out[1]);
    check_false(log_enabled(LOG_INFO));
    check_true(log_enabled(LOG_WARN));
    log_debug("no");
    log_info("no");
    log_fatal("yes");
    check_not_null(strstr(logged(), "fatal main"));
}

static void *log_many(void *arg)
{
    log_set_role("thread", *(int *)arg);
    for (int i = 0; i < 200; i++)
        log_info("%s", "abcdefghijklmnopqrstuvwxyz");
    return NULL;
}

/* 800 lines of some 70 bytes fit into a pipe, so that nobody has to read meanwhile. */
static void lines_of_several_threads_do_not_mix(void **state)
{
    (void)state;
    pthread_t threads[4];
    int slots[4] = { 0, 1, 2, 3 };
    static char text[100000];
    size_t n = 0;
    int lines = 0;

    for (int i = 0; i < 4; i++)
        check_int(pthread_create(&threads[i], NULL, log_many, &slots[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    log_open(LOG_INFO, STDERR_FILENO);
    close(out[1]);
    for (ssize_t got; (got = read(out[0], text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        check_true(strcmp(line + strlen(line) - 27, " abcdefghijklmnopqrstuvwxyz") == 0,
                   "%s", line);
        check_not_null(strstr(line, " info thread."), "%s", line);
        lines++;
    }
    check_int(lines, 800);
    out[1] = dup(STDERR_FILENO);
}

TEST_MAIN(test_with(a_line_has_level_role_and_pid, open_pipe, close_pipe),
          test_with(what_a_peer_sent_cannot_make_a_second_line, open_pipe, close_pipe),
          test_with(a_long_line_is_cut_and_says_so, open_pipe, close_pipe),
          test_with(errno_is_explained_and_kept, open_pipe, close_pipe),
          test_with(lines_below_the_level_are_dropped, open_pipe, close_pipe),
          test_with(lines_of_several_threads_do_not_mix, open_pipe, close_pipe))
