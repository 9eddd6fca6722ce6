/* SPDX-License-Identifier: MIT */
/* test_pid_file.c - one owner, written when ready, removed by its owner alone. */
#include "server/shared/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/test.h"

static char folder[64], path[96];

static int make(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/pid-file-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/pid", folder);
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static bool exists(void)
{
    struct stat st;

    return stat(path, &st) == 0;
}

static void no_path_means_no_file(void **state)
{
    struct pid_file f;

    (void)state;
    check_int(pid_file_lock(&f, ""), 0);
    check_int(pid_file_write(&f, 1), 0);
    pid_file_remove(&f);
}

static void it_is_readable_while_its_owner_lives(void **state)
{
    struct pid_file f;
    pid_t pid = 0;

    (void)state;
    check_int(pid_file_read(path, &pid), -ENOENT);
    check_int(pid_file_lock(&f, path), 0);
    check_int(pid_file_read(path, &pid), -EINVAL, "not ready yet");
    check_int(pid_file_write(&f, 4711), 0);
    check_int(pid_file_read(path, &pid), 0);
    check_int(pid, 4711);
    pid_file_remove(&f);
    check_false(exists());
}

static void a_second_owner_is_refused_and_harms_nothing(void **state)
{
    struct pid_file f, second;
    pid_t pid = 0;

    (void)state;
    check_int(pid_file_lock(&f, path), 0);
    check_int(pid_file_write(&f, 1234567), 0);
    check_int(pid_file_lock(&second, path), -EWOULDBLOCK);
    pid_file_remove(&second);
    check_true(exists());
    check_int(pid_file_write(&f, 12), 0, "shorter than before");
    check_int(pid_file_read(path, &pid), 0);
    check_int(pid, 12);
    pid_file_remove(&f);
}

static void what_a_dead_owner_left_is_taken_over(void **state)
{
    struct pid_file f;
    pid_t pid = 7;
    int fd = open(path, O_CREAT | O_WRONLY, 0644);

    (void)state;
    check_int(write(fd, "99\n", 3), 3);
    close(fd);
    check_int(pid_file_read(path, &pid), -ESRCH);
    check_int(pid, 7, "untouched");
    check_int(pid_file_lock(&f, path), 0);
    check_int(pid_file_write(&f, 42), 0);
    check_int(pid_file_read(path, &pid), 0);
    check_int(pid, 42);
    pid_file_remove(&f);
}

static void somebody_elses_file_is_not_removed(void **state)
{
    struct pid_file f;

    (void)state;
    check_int(pid_file_lock(&f, path), 0);
    check_int(unlink(path), 0);
    close(open(path, O_CREAT | O_WRONLY, 0644));
    pid_file_remove(&f);
    check_true(exists());
}

static void a_link_or_a_missing_folder_is_refused(void **state)
{
    char missing[128];
    struct pid_file f;

    (void)state;
    check_int(symlink("/etc/passwd", path), 0);
    check_int(pid_file_lock(&f, path), -ELOOP);
    snprintf(missing, sizeof missing, "%s/none/pid", folder);
    check_int(pid_file_lock(&f, missing), -ENOENT);
}

/* They would be overwritten and, at the end, removed. */
static void a_device_a_pipe_or_a_file_with_other_content_is_left_alone(void **state)
{
    static const char words[] = "root:x:0:0\n";
    struct pid_file f;
    struct stat st;

    (void)state;
    check_int(pid_file_lock(&f, "/dev/null"), -ENXIO);
    pid_file_remove(&f);
    check_int(stat("/dev/null", &st), 0);
    check_true(S_ISCHR(st.st_mode));
    check_int(mkfifo(path, 0600), 0);
    check_int(pid_file_lock(&f, path), -ENXIO);
    check_int(unlink(path), 0);
    int fd = open(path, O_CREAT | O_WRONLY, 0644);
    check_int(write(fd, words, sizeof words - 1), sizeof words - 1);
    close(fd);
    check_int(pid_file_lock(&f, path), -EEXIST);
    pid_file_remove(&f);
    check_int(stat(path, &st), 0);
    check_int(st.st_size, sizeof words - 1);
}

#define fresh(name) test_with(name, make, destroy)
TEST_MAIN(fresh(no_path_means_no_file), fresh(it_is_readable_while_its_owner_lives),
          fresh(a_second_owner_is_refused_and_harms_nothing),
          fresh(what_a_dead_owner_left_is_taken_over),
          fresh(somebody_elses_file_is_not_removed),
          fresh(a_device_a_pipe_or_a_file_with_other_content_is_left_alone),
          fresh(a_link_or_a_missing_folder_is_refused))
