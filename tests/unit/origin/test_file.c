/* SPDX-License-Identifier: MIT */
/* Each test has a folder of its own:  T/root is served, T/secret is not. */
#include "server/origin/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/fd.h"
#include "tests/test.h"

enum { OBJECT_MAX = 1000 };

struct fixture {
    char dir[64];
    struct origin *origin;
    int fds; /* open when the test began */
};

static void put(const char *dir, const char *name, size_t n)
{
    char path[256], *bytes = malloc(n + 1);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (char)('a' + i % 26);
    }
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
    check_true(fd >= 0, "%s", path);
    check_int(fd_write_all(fd, bytes, n), 0);
    /* long ago, but for tests that want it otherwise */
    struct timespec old[2] = { { 784111777, 5 }, { 784111777, 5 } };
    check_int(futimens(fd, old), 0);
    close(fd);
    free(bytes);
}

static void make_dir(const char *dir, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    check_int(mkdir(path, 0755), 0, "%s", path);
}

static void make_link(const char *dir, const char *to, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    check_int(symlink(to, path), 0, "%s", path);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char root[128];
    const char *why = "";

    f->fds = fd_count();
    strcpy(f->dir, "/tmp/cowshed-test-XXXXXX");
    check_not_null(mkdtemp(f->dir));
    make_dir(f->dir, "root");
    put(f->dir, "secret", 10);
    snprintf(root, sizeof root, "%s/root", f->dir);
    struct origin_file_config config = { root, "index.html", OBJECT_MAX };
    check_int(origin_file_new(&config, &f->origin, &why), 0, "%s", why);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];

    origin_free(f->origin);
    int left = fd_count() - f->fds;
    snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    int rc = system(command);
    free(f);
    if (left != 0) {
        print_error("%d descriptors were left open\n", left);
    }
    return rc != 0 || left != 0 ? -1 : 0;
}

static struct origin_result fetch(const struct fixture *f, const char *path)
{
    struct origin_result r = { 0 };
    struct origin_fetch *pending = NULL;
    check_int(origin_fetch(f->origin, NULL, span_of(path), NULL, NULL, &r, &pending),
              ORIGIN_DONE, "%s", path);
    return r;
}

static char *in_root(const struct fixture *f, const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/root/%s", f->dir, name);
    return path;
}

static void a_file_comes_whole_with_its_head(void **state)
{
    struct fixture *f = *state;
    make_dir(in_root(f, ""), "d");
    put(in_root(f, "d"), "x.html", 30);
    struct origin_result r = fetch(f, "/d/x.html");
    check_uint(r.status, 200);
    check_span(r.head,
               "HTTP/1.1 200 OK\r\nServer: cowshed\r\n"
               "Content-Type: text/html; charset=utf-8\r\nContent-Length: 30\r\n"
               "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
               "ETag: \"ae1b981bc490a05-1e\"\r\nAccept-Ranges: bytes\r\n");
    check_span(r.type, "text/html; charset=utf-8");
    check_span(r.etag, "\"ae1b981bc490a05-1e\"");
    check_mem(r.body, r.length, "abcdefghijklmnopqrstuvwxyzabcd", 30);
    check_int(r.mtime_s, 784111777);
    check_int(r.stamp.mtime_ns, 784111777000000005);
    check_uint(r.stamp.size, 30);
    check_int(r.fd, -1);
    check_true(r.cacheable);
    check_true(r.is_file);
    origin_result_free(&r);
    origin_result_free(&r); /* takes an empty one */
}

static void only_up_to_the_limit_is_read_into_memory(void **state)
{
    struct fixture *f = *state;
    static const struct {
        size_t size;
        bool in_memory;
    } cases[] = {
        { 0, true }, { 1, true }, { OBJECT_MAX, true }, { OBJECT_MAX + 1, false }
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        put(in_root(f, ""), "file", cases[i].size);
        struct origin_result r = fetch(f, "/file");
        check_uint(r.status, 200, "%zu bytes", cases[i].size);
        check_uint(r.length, cases[i].size);
        check_int(r.cacheable, cases[i].in_memory, "%zu bytes", cases[i].size);
        check_int(r.fd >= 0, !cases[i].in_memory, "%zu bytes", cases[i].size);
        check_int(r.body != NULL, cases[i].in_memory, "%zu bytes", cases[i].size);
        if (r.fd >= 0) {
            char byte;
            check_int(pread(r.fd, &byte, 1, OBJECT_MAX), 1);
            check_int(fcntl(r.fd, F_GETFD), FD_CLOEXEC);
        }
        struct origin_result moved = origin_result_take(&r);
        check_int(r.fd, -1, "a result that was taken is empty");
        check_null(r.body);
        origin_result_free(&r);
        origin_result_free(&moved);
    }
}

static void a_folder_is_its_index(void **state)
{
    struct fixture *f = *state;
    make_dir(in_root(f, ""), "d");
    make_dir(in_root(f, ""), "e");
    make_dir(in_root(f, ""), "odd \"name\"?\xc3\xa9");
    make_dir(in_root(f, "e"), "index.html");
    put(in_root(f, ""), "index.html", 5);
    put(in_root(f, "d"), "index.html", 6);
    static const struct {
        const char *path;
        unsigned status;
        uint64_t length;
        const char *location;
    } cases[] = {
        { "/", 200, 5, NULL },
        { "/d/", 200, 6, NULL },
        { "/d/index.html", 200, 6, NULL },
        { "/d", 301, 0, "/d/" },
        { "/odd \"name\"?\xc3\xa9", 301, 0, "/odd%20%22name%22%3F%C3%A9/" },
        { "/e/", 404, 0, NULL }, /* its index is a folder */
        { "/index.html/", 404, 0, NULL },
        { "/d/index.html/x", 404, 0, NULL },
        { "/x/", 404, 0, NULL },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct origin_result r = fetch(f, cases[i].path);
        check_uint(r.status, cases[i].status, "%s", cases[i].path);
        check_uint(r.length, cases[i].length, "%s", cases[i].path);
        if (cases[i].location != NULL) {
            char want[256];
            snprintf(want, sizeof want, "\r\nLocation: %s\r\n", cases[i].location);
            check_true(memmem(r.head.p, r.head.n, want, strlen(want)) != NULL, "%.*s",
                       SPAN_ARG(r.head));
            check_false(r.cacheable);
        }
        check_true(r.status < 400 || (r.head.n == 0 && r.why != NULL), "%s",
                   cases[i].path);
        origin_result_free(&r);
    }
}

static void nothing_outside_the_root_is_reached(void **state)
{
    struct fixture *f = *state;
    const char *root = in_root(f, "");
    put(root, "inside", 7);
    make_link(root, "inside", "good");
    make_link(root, "../secret", "bad");
    make_link(root, "..", "up");
    make_link(root, "/etc/passwd", "absolute");
    make_link(root, "/proc/self/root/etc/passwd", "magic");
    make_link(root, "loop", "loop");
    make_link(root, "nowhere", "dangling");
    static const struct {
        const char *path;
        unsigned status;
    } cases[] = {
        { "/good", 200 },      { "/bad", 404 },  { "/up/secret", 404 },
        { "/up", 404 },        { "/up/", 404 },  { "/absolute", 404 },
        { "/magic", 404 },     { "/loop", 404 }, { "/dangling", 404 },
        { "/../secret", 404 }, /* http/path.c would not let it through */
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct origin_result r = fetch(f, cases[i].path);
        check_uint(r.status, cases[i].status, "%s", cases[i].path);
        origin_result_free(&r);
    }
}

static void only_regular_files_are_served(void **state)
{
    struct fixture *f = *state;
    check_int(mkfifo(in_root(f, "fifo"), 0644), 0);
    struct origin_result r = fetch(f, "/fifo"); /* would block without O_NONBLOCK */
    check_uint(r.status, 404, "a fifo");
    make_link(in_root(f, ""), "fifo", "to-fifo");
    r = fetch(f, "/to-fifo");
    check_uint(r.status, 404, "a link to a fifo");
}

static void a_name_that_is_too_long_is_not_found(void **state)
{
    struct fixture *f = *state;
    char path[6000];
    for (size_t n = 250; n < sizeof path; n += 1) {
        memset(path, 'a', sizeof path);
        for (size_t i = 0; i < n; i += 200) {
            path[i] = '/';
        }
        path[n - 1] = n % 2 == 0 ? '/' : 'a';
        path[n] = '\0';
        struct origin_result r = fetch(f, path);
        check_uint(r.status, 404, "%zu bytes", n);
        n += n > 270 && n < 4080 ? 100 : 0;
    }
}

static void a_file_that_may_not_be_read_is_forbidden(void **state)
{
    struct fixture *f = *state;
    put(in_root(f, ""), "mine", 5);
    check_int(chmod(in_root(f, "mine"), 0), 0);
    pid_t pid = fork();
    if (pid == 0) { /* root reads everything, so it becomes somebody else */
        if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) {
            _exit(2);
        }
        struct origin_result r;
        struct origin_fetch *pending;
        origin_fetch(f->origin, NULL, SPAN("/mine"), NULL, NULL, &r, &pending);
        _exit(r.status == 403 ? 0 : 1);
    }
    int status;
    check_true(pid > 0);
    check_int(waitpid(pid, &status, 0), pid);
    check_int(status, 0);
}

static void without_descriptors_the_answer_is_503(void **state)
{
    struct fixture *f = *state;
    struct rlimit old, none;
    put(in_root(f, ""), "file", 5);
    check_int(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 0;
    check_int(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct origin_result r = fetch(f, "/file");
    check_int(setrlimit(RLIMIT_NOFILE, &old), 0);
    check_uint(r.status, 503);
}

static void a_change_on_disk_is_noticed(void **state)
{
    struct fixture *f = *state;
    make_dir(in_root(f, ""), "d");
    put(in_root(f, "d"), "index.html", 20);
    struct origin_result r = fetch(f, "/d/");
    struct origin_stamp stamp = r.stamp;
    origin_result_free(&r);
    check_true(origin_unchanged(f->origin, SPAN("/d/"), &stamp));
    check_false(origin_unchanged(f->origin, SPAN("/d"), &stamp), "a folder");
    check_false(origin_unchanged(f->origin, SPAN("/x"), &stamp), "gone");

    struct timespec later[2] = { { 784111777, 6 }, { 784111777, 6 } };
    check_int(utimensat(AT_FDCWD, in_root(f, "d/index.html"), later, 0), 0);
    check_false(origin_unchanged(f->origin, SPAN("/d/"), &stamp), "one nanosecond");
    put(in_root(f, "d"), "index.html", 21);
    check_false(origin_unchanged(f->origin, SPAN("/d/"), &stamp), "one byte");
    put(in_root(f, "d"), "other", 20);
    char from[256];
    strcpy(from, in_root(f, "d/other"));
    check_int(rename(from, in_root(f, "d/index.html")), 0);
    check_false(origin_unchanged(f->origin, SPAN("/d/"), &stamp), "another file");
}

/* What changes from here on has another ctime than what changed before. */
static void await_tick(void)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_REALTIME_COARSE, &begin);
    do
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
    while (now.tv_sec == begin.tv_sec && now.tv_nsec == begin.tv_nsec);
}

/* Without a trace in inode, size and mtime: those of a copy that keeps its times. */
static void what_only_the_ctime_tells_is_seen(void **state)
{
    struct fixture *f = *state;
    char path[256], aside[256];
    make_dir(in_root(f, ""), "d");
    put(in_root(f, "d"), "index.html", 20);
    struct origin_result r = fetch(f, "/d/");
    struct origin_stamp stamp = r.stamp;
    origin_result_free(&r);
    strcpy(path, in_root(f, "d/index.html"));

    await_tick();
    check_int(chmod(path, 0), 0);
    check_false(origin_unchanged(f->origin, SPAN("/d/"), &stamp), "its mode");

    check_int(chmod(path, 0644), 0);
    r = fetch(f, "/d/");
    stamp = r.stamp;
    origin_result_free(&r);
    struct stat st;
    check_int(stat(path, &st), 0);
    await_tick();
    int fd = open(path, O_WRONLY);
    check_int(pwrite(fd, "?", 1, 0), 1);
    const struct timespec old[2] = { st.st_mtim, st.st_mtim };
    check_int(futimens(fd, old), 0);
    close(fd);
    check_false(origin_unchanged(f->origin, SPAN("/d/"), &stamp), "its bytes");

    r = fetch(f, "/d/");
    stamp = r.stamp;
    origin_result_free(&r);
    strcpy(path, in_root(f, "d"));
    snprintf(aside, sizeof aside, "%s/aside", f->dir); /* beside the root */
    check_int(rename(path, aside), 0);
    check_int(symlink(aside, path), 0);
    check_false(origin_unchanged(f->origin, SPAN("/d/"), &stamp),
                "a link out of the root");
    check_int(unlink(path), 0);
    check_int(rename(aside, path), 0);
    check_true(origin_unchanged(f->origin, SPAN("/d/"), &stamp));
}

/* A second write within the tick of the first would leave the stamp as it is. */
static void what_was_written_just_now_is_not_cached(void **state)
{
    struct fixture *f = *state;
    struct origin_result r;
    put(in_root(f, ""), "file", 5);
    struct timespec now[2];
    clock_gettime(CLOCK_REALTIME, &now[0]);
    now[0].tv_sec += 3600; /* far from now: whoever wrote now would move it */
    now[1] = now[0];
    check_int(utimensat(AT_FDCWD, in_root(f, "file"), now, 0), 0);
    r = fetch(f, "/file");
    check_true(r.cacheable, "in the future");
    check_true(r.mtime_s <= clock_wall_s(), "Last-Modified is never later than Date");
    origin_result_free(&r);
    clock_gettime(CLOCK_REALTIME, &now[0]);
    now[1] = now[0];
    check_int(utimensat(AT_FDCWD, in_root(f, "file"), now, 0), 0);
    r = fetch(f, "/file");
    uint64_t age_ns = clock_wall_ns() - ((uint64_t)now[0].tv_sec * CLOCK_NS_PER_S +
                                         (uint64_t)now[0].tv_nsec);
    check_true(!r.cacheable || age_ns > 20 * CLOCK_NS_PER_MS, "just now");
    check_uint(r.status, 200, "but served");
    origin_result_free(&r);
}

static void a_root_that_cannot_be_served_is_refused(void **state)
{
    struct fixture *f = *state;
    char file[256], gone[256];
    put(in_root(f, ""), "file", 1);
    strcpy(file, in_root(f, "file"));
    strcpy(gone, in_root(f, "gone"));
    const struct {
        struct origin_file_config config;
        int want;
    } cases[] = {
        { { gone, "index.html", 1 }, -ENOENT },
        { { file, "index.html", 1 }, -ENOTDIR },
        { { f->dir, "", 1 }, -EINVAL },
        { { f->dir, "..", 1 }, -EINVAL },
        { { f->dir, "../secret", 1 }, -EINVAL },
        { { f->dir, ".", 1 }, -EINVAL },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct origin *origin = NULL;
        const char *why = NULL;
        check_int(origin_file_new(&cases[i].config, &origin, &why), cases[i].want,
                  "root '%s', index '%s'", cases[i].config.root, cases[i].config.index);
        check_null(origin);
        check_not_null(why);
    }
    origin_free(NULL);
}

TEST_MAIN(test_with(a_file_comes_whole_with_its_head, setup, teardown),
          test_with(only_up_to_the_limit_is_read_into_memory, setup, teardown),
          test_with(a_folder_is_its_index, setup, teardown),
          test_with(nothing_outside_the_root_is_reached, setup, teardown),
          test_with(only_regular_files_are_served, setup, teardown),
          test_with(a_name_that_is_too_long_is_not_found, setup, teardown),
          test_with(a_file_that_may_not_be_read_is_forbidden, setup, teardown),
          test_with(without_descriptors_the_answer_is_503, setup, teardown),
          test_with(a_change_on_disk_is_noticed, setup, teardown),
          test_with(what_only_the_ctime_tells_is_seen, setup, teardown),
          test_with(what_was_written_just_now_is_not_cached, setup, teardown),
          test_with(a_root_that_cannot_be_served_is_refused, setup, teardown))
