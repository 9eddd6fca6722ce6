/* SPDX-License-Identifier: MIT */
#include "server/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

static void flags_are_set_without_losing_others(void **state)
{
    (void)state;
    int fds[2];

    check_int(pipe(fds), 0);
    check_int(fd_set_nonblock(fds[0]), 0);
    check_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    check_int(fcntl(fds[0], F_GETFL) & O_ACCMODE, O_RDONLY);
    check_int(fd_set_block(fds[0]), 0);
    check_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    check_int(fd_set_cloexec(fds[0]), 0);
    check_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    fd_close(&fds[0]);
    check_int(fds[0], -1);
    fd_close(&fds[0]);
    fd_close(&fds[1]);
    check_int(fd_set_nonblock(-1), -EBADF);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* In a child, which closes everything it has: bits of the exit code say what was wrong.
 */
static int close_all_but_two(void)
{
    int low = dup(0), middle = dup(0), high = dup2(0, 200), highest = dup2(0, 201);
    int keep[] = { high, -1, middle, 1, middle };

    if (fd_close_others(keep, 5) != 0)
        return 1;
    return (is_open(low) ? 2 : 0) | (is_open(highest) ? 4 : 0) |
           (is_open(middle) ? 0 : 8) | (is_open(high) ? 0 : 16) |
           (is_open(0) && is_open(1) && is_open(2) ? 0 : 32) |
           (fd_count() == 5 ? 0 : 64);
}

static void only_the_descriptors_of_the_list_stay_open(void **state)
{
    (void)state;
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(close_all_but_two());
    check_int(waitpid(pid, &status, 0), pid);
    check_true(WIFEXITED(status));
    check_int(WEXITSTATUS(status), 0, "bits of what went wrong");
}

static void too_long_a_list_is_refused_before_anything_is_closed(void **state)
{
    (void)state;
    static int keep[FD_KEEP_MAX + 1];
    int fd = dup(0);

    check_int(fd_close_others(keep, FD_KEEP_MAX + 1), -E2BIG);
    check_true(is_open(fd));
    close(fd);
}

static void descriptors_are_counted_without_the_counters_own(void **state)
{
    (void)state;
    int before = fd_count();
    int fd = dup(0);

    check_true(before >= 3);
    check_int(fd_count(), before + 1);
    close(fd);
    check_int(fd_count(), before);
}

static void a_file_is_read_up_to_the_limit(void **state)
{
    (void)state;
    char path[] = "/tmp/cowshed-test-XXXXXX";
    int fd = mkstemp(path);
    char room[8] = "";
    size_t n = 99;

    check_true(fd >= 0);
    check_int(fd_write_all(fd, "12345678", 8), 0);
    check_int(fd_read_file(path, room, 8, &n), 0);
    check_mem(room, n, "12345678", 8);
    n = 99;
    check_int(fd_read_file(path, room, 7, &n), -EFBIG);
    check_uint(n, 99);
    close(fd);
    unlink(path);
    check_int(fd_read_file(path, room, 8, &n), -ENOENT);
}

static void writing_reports_the_error_of_the_kernel(void **state)
{
    (void)state;
    int fd = open("/dev/full", O_WRONLY);

    check_true(fd >= 0);
    check_int(fd_write_all(fd, "x", 1), -ENOSPC);
    check_int(fd_write_all(fd, "x", 0), 0);
    close(fd);
    check_int(fd_write_all(-1, "x", 1), -EBADF);
}

TEST_MAIN(test(flags_are_set_without_losing_others),
          test(only_the_descriptors_of_the_list_stay_open),
          test(too_long_a_list_is_refused_before_anything_is_closed),
          test(descriptors_are_counted_without_the_counters_own),
          test(a_file_is_read_up_to_the_limit),
          test(writing_reports_the_error_of_the_kernel))
