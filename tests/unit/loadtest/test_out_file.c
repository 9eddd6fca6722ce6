/* SPDX-License-Identifier: MIT */
/* test_out_file.c - a file of results is whole under its name, or not there. */
#include "loadtest/out_file.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/fd.h"
#include "tests/test.h"

enum { ROOM = 4096 };

static char folder[] = "/tmp/cowload-test-XXXXXX";
static char name[PATH_MAX], partial[PATH_MAX], target[PATH_MAX];

static int make(void **state)
{
    (void)state;
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(name, sizeof name, "%s/name", folder);
    snprintf(partial, sizeof partial, "%s/name.partial", folder);
    snprintf(target, sizeof target, "%s/target", folder);
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    unlink(name);
    unlink(partial);
    unlink(target);
    return rmdir(folder);
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    check_not_null(f);
    fputs(text, f);
    check_int(fclose(f), 0);
}

static void check_holds(const char *path, const char *want)
{
    static char text[2 * ROOM];
    size_t n = 0;

    check_int(fd_read_file(path, text, sizeof text - 1, &n), 0, "%s", path);
    text[n] = '\0';
    check_str(text, want, "%s", path);
}

/* RLIMIT_FSIZE makes a write fail in the middle, as a full disk does. */
static void with_little_room(bool on)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    check_int(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = on ? ROOM : limit.rlim_max;
    check_int(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void until_it_is_whole_the_name_has_what_it_had(void **state)
{
    struct out_file out;

    (void)state;
    put(name, "old");
    check_int(out_open(&out, name, OUT_WHOLE), 0);
    fputs("new", out.stream);
    fflush(out.stream);
    check_holds(name, "old");
    check_holds(partial, "new");
    check_int(out_commit(&out), 0);
    check_holds(name, "new");
    check_int(access(partial, F_OK), -1);
}

static void what_is_given_up_leaves_nothing(void **state)
{
    struct out_file out = { 0 };

    (void)state;
    out_abort(&out);
    check_int(out_open(&out, name, OUT_WHOLE), 0);
    fputs("new", out.stream);
    out_abort(&out);
    check_int(access(name, F_OK), -1);
    check_int(access(partial, F_OK), -1);
    out_abort(&out);
    check_false(out_is_open(&out));
}

/* The write fails inside fputc(); stdio alone would not know why any more. */
static void the_first_error_is_told_and_lines_are_kept(void **state)
{
    static const struct {
        enum out_how how;
        bool stays;
    } cases[] = { { OUT_WHOLE, false }, { OUT_LINES, true } };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct out_file out;

        put(name, "old");
        check_int(out_open(&out, name, cases[i].how), 0);
        with_little_room(true);
        for (int k = 0; k < 4 * ROOM; k++)
            fputc('x', out.stream);
        check_int(out_commit(&out), -EFBIG, "how %d", (int)cases[i].how);
        with_little_room(false);
        check_holds(name, "old");
        check_int(access(partial, F_OK) == 0, cases[i].stays, "how %d",
                  (int)cases[i].how);
    }
}

static void a_link_stays_and_its_target_is_written(void **state)
{
    struct out_file out;
    struct stat st;

    (void)state;
    put(target, "old");
    check_int(symlink(target, name), 0);
    check_int(out_open(&out, name, OUT_WHOLE), 0);
    fputs("new", out.stream);
    check_int(out_commit(&out), 0);
    check_int(lstat(name, &st), 0);
    check_true(S_ISLNK(st.st_mode));
    check_holds(target, "new");
}

static void a_device_is_written_in_place(void **state)
{
    struct out_file out;
    struct stat st;

    (void)state;
    check_int(out_open(&out, "/dev/full", OUT_WHOLE), 0);
    fputs("text", out.stream);
    check_int(out_commit(&out), -ENOSPC);
    check_int(stat("/dev/full", &st), 0);
    check_true(S_ISCHR(st.st_mode));
    check_int(out_open(&out, "/dev/null", OUT_LINES), 0);
    fputs("text", out.stream);
    check_int(out_commit(&out), 0);
}

static void a_folder_that_is_not_there_is_an_error_of_the_opening(void **state)
{
    struct out_file out;

    (void)state;
    check_int(out_open(&out, "/nowhere/at/all", OUT_WHOLE), -ENOENT);
    check_false(out_is_open(&out));
    check_int(out_open(&out, folder, OUT_WHOLE), -EISDIR);
}

static void to_ask_whether_it_can_be_written_changes_nothing(void **state)
{
    (void)state;
    put(name, "before");
    check_int(out_probe(name), 0);
    check_holds(name, "before");
    check_int(access(partial, F_OK), -1, "nothing is left of it");
    check_int(unlink(name), 0);
    check_int(out_probe(name), 0);
    check_int(access(name, F_OK), -1, "it was not made");
    check_int(mkfifo(name, 0600), 0);
    check_int(out_probe(name), 0, "nobody reads it, and nobody waits for that");
    check_int(out_probe(folder), -EISDIR);
    check_int(out_probe("/none/such"), -ENOENT);
    check_int(out_probe("/dev/full"), 0, "that shows when it is written");
}

#define fresh(name) test_with(name, make, destroy)

TEST_MAIN(fresh(until_it_is_whole_the_name_has_what_it_had),
          fresh(what_is_given_up_leaves_nothing),
          fresh(the_first_error_is_told_and_lines_are_kept),
          fresh(a_link_stays_and_its_target_is_written),
          fresh(a_device_is_written_in_place),
          fresh(a_folder_that_is_not_there_is_an_error_of_the_opening),
          fresh(to_ask_whether_it_can_be_written_changes_nothing))
