/* SPDX-License-Identifier: MIT */
/* Failed checks end the process: each case fails in a child, which leaves its words in
 * a mapping that the parent can read. */
#include "server/base/check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

enum { THING_MAGIC = 0x7417abcd };

struct thing {
    unsigned magic;
};

struct words {
    int calls;
    char text[256];
};

static void keep_words(const char *words, void *arg)
{
    struct words *kept = arg;

    kept->calls++;
    strncpy(kept->text, words, sizeof kept->text - 1);
    CHECK(kept->calls == 7); /* fails: the hook must not be called for it */
}

static void fail_plainly(void)
{
    int apples = 3;

    CHECK(apples == 4);
}

static void use_a_freed_thing(void)
{
    struct thing t = { 0 };
    const struct thing *p = &t;

    CHECK_MAGIC(p, THING_MAGIC);
}

static void use_no_thing(void)
{
    const struct thing *p = NULL;

    CHECK_MAGIC(p, THING_MAGIC);
}

static void pass(void)
{
    struct thing t = { THING_MAGIC };
    const struct thing *p = &t;

    CHECK_MAGIC(p, THING_MAGIC);
    CHECK(1 + 1 == 2);
}

/* The wait status of a child that runs `fn`; what its hook was told is in *kept. */
static int run_in_child(void (*fn)(void), struct words *kept)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        signal(SIGABRT, SIG_DFL); /* the sanitizers and cmocka may have theirs */
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        check_set_hook(keep_words, kept);
        fn();
        _exit(0);
    }
    check_int(waitpid(pid, &status, 0), pid);
    return status;
}

static void a_failed_check_aborts_and_leaves_its_words(void **state)
{
    (void)state;
    static const struct {
        void (*fn)(void);
        const char *words;
    } cases[] = {
        { fail_plainly, "check failed: apples == 4 in fail_plainly at " },
        { use_a_freed_thing,
          "check failed: p is a live THING_MAGIC in use_a_freed_thing at " },
        { use_no_thing, "check failed: p is a live THING_MAGIC in use_no_thing at " },
    };
    struct words *kept = mmap(NULL, sizeof *kept, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    check_true(kept != MAP_FAILED);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        memset(kept, 0, sizeof *kept);
        int status = run_in_child(cases[i].fn, kept);

        check_true(WIFSIGNALED(status), "%s", cases[i].words);
        check_int(WTERMSIG(status), SIGABRT, "%s", cases[i].words);
        check_int(kept->calls, 1, "%s", cases[i].words);
        check_mem(kept->text, strlen(cases[i].words), cases[i].words,
                  strlen(cases[i].words));
        check_not_null(strstr(kept->text, "test_check.c:"), "%s", kept->text);
    }
    check_int(run_in_child(pass, kept), 0);
    munmap(kept, sizeof *kept);
}

TEST_MAIN(test(a_failed_check_aborts_and_leaves_its_words))
