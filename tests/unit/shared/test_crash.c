/* SPDX-License-Identifier: MIT */
/* test_crash.c - what a process leaves in memory that it shares, when a signal ends it.
 */
#include "server/shared/crash.h"

#include <ctype.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

static struct crash *crash; /* shared */
static volatile int sink;
static volatile uintptr_t nowhere = 64; /* never mapped; UBSan looks for NULL itself */

static int make(void **state)
{
    (void)state;
    crash_prepare();
    crash = mmap(NULL, sizeof *crash, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return crash == MAP_FAILED ? -1 : 0;
}

static int destroy(void **state)
{
    (void)state;
    return munmap(crash, sizeof *crash);
}

static void by_raise(void)
{
    raise(SIGABRT);
}

static void by_store(void)
{
    *(volatile int *)nowhere = 1;
}

__attribute__((noinline)) static int deeper(int n)
{
    volatile char room[4096];

    room[0] = (char)n;
    return n < 0 ? 0 : deeper(n + 1) + room[0];
}

static void by_overflow(void)
{
    sink = deeper(1);
}

/* The wait status of a child that dies like this, with a stack of its own for it. */
static int die(void (*how)(void))
{
    struct rlimit none = { 0, 0 };
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &none);
        crash_enter(crash, malloc(CRASH_STACK_BYTES));
        how();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void a_signal_leaves_where_it_struck(void **state)
{
    static const struct {
        void (*how)(void);
        int signo;
        const char *name;
    } all[] = {
        { by_raise, SIGABRT, "raise" },
        { by_store, SIGSEGV, "an address that is not there" },
        { by_overflow, SIGSEGV, "a stack that is full" },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        memset(crash, 0, sizeof *crash);
        int status = die(all[i].how);
        check_true(WIFSIGNALED(status), "%s", all[i].name);
        check_int(WTERMSIG(status), all[i].signo, "%s", all[i].name);
        check_int((int)crash->signal, all[i].signo, "%s", all[i].name);
        check_true(crash->frames > 2, "%s", all[i].name);
        if (all[i].how == by_store)
            check_uint(crash->fault, nowhere);
    }
}

static void a_name_is_file_and_offset(void **state)
{
    char name[CRASH_FRAME_TEXT_MAX];
    Dl_info info;

    (void)state;
    crash_name(name, (uint64_t)(uintptr_t)&toupper + 4);
    check_not_null(strstr(name, "libc.so"), "%s", name);
    check_not_null(strstr(name, "toupper+0x4"), "%s", name);
    check_true(dladdr((void *)(uintptr_t)&make, &info) != 0);
    crash_name(name, (uint64_t)(uintptr_t)&make);
    check_int(strncmp(name, "test_crash+0x", 13), 0, "%s", name);
    check_str(crash_name(name, 0x10), "0x10", "no address of ours");
    check_str(crash_name(name, UINT64_MAX), "0xffffffffffffffff");
}

/* A thread that everything is blocked in, as slots in a host begin. */
static void *abort_me(void *arg)
{
    crash_enter(arg, NULL);
    raise(SIGABRT);
    return NULL;
}

static void by_thread(void)
{
    sigset_t all;
    pthread_t id;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    pthread_create(&id, NULL, abort_me, crash + 0);
    pthread_join(id, NULL);
}

static void a_thread_unblocks_what_is_deadly(void **state)
{
    (void)state;
    memset(crash, 0, sizeof *crash);
    int status = die(by_thread);
    check_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    check_int((int)crash->signal, SIGABRT);
}

#define fresh(name) test_with(name, make, destroy)
TEST_MAIN(fresh(a_signal_leaves_where_it_struck), fresh(a_name_is_file_and_offset),
          fresh(a_thread_unblocks_what_is_deadly))
