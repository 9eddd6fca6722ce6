/* SPDX-License-Identifier: MIT */
/* crash.c - see crash.h. */
#include "server/shared/crash.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const int deadly[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP };
enum { DEADLY = sizeof deadly / sizeof deadly[0] };

static _Thread_local struct crash *mine;

/* The file of the program: what the loader has for it is argv[0], where the title of
 * the process is written. */
static char program[64] = "?";

void crash_prepare(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    void *at[1];

    backtrace(at, 1); /* the first call loads libgcc_s */
    if (n <= 0)
        return;
    path[n] = '\0';
    snprintf(program, sizeof program, "%.63s", strrchr(path, '/') + 1);
}

static const char *file_of(const Dl_info *info)
{
    const char *slash;
    Dl_info mine_too;

    if (dladdr((const void *)(uintptr_t)&crash_name, &mine_too) != 0 &&
        mine_too.dli_fbase == info->dli_fbase)
        return program;
    slash = strrchr(info->dli_fname, '/');
    return slash != NULL ? slash + 1 : info->dli_fname;
}

char *crash_name(char out[CRASH_FRAME_TEXT_MAX], uint64_t address)
{
    const void *at = (const void *)(uintptr_t)address;
    Dl_info info;

    if (dladdr(at, &info) == 0 || info.dli_fname == NULL)
        snprintf(out, CRASH_FRAME_TEXT_MAX, "0x%" PRIx64, address);
    else if (info.dli_sname != NULL)
        snprintf(out, CRASH_FRAME_TEXT_MAX, "%s+0x%" PRIx64 " (%s+0x%" PRIx64 ")",
                 file_of(&info), address - (uintptr_t)info.dli_fbase, info.dli_sname,
                 address - (uintptr_t)info.dli_saddr);
    else
        snprintf(out, CRASH_FRAME_TEXT_MAX, "%s+0x%" PRIx64, file_of(&info),
                 address - (uintptr_t)info.dli_fbase);
    return out;
}

static void leave_trace(struct crash *crash, int signo, const siginfo_t *info,
                        void *const *at, int n)
{
    bool has_address = signo == SIGSEGV || signo == SIGBUS;

    for (int i = 0; i < n; i++)
        atomic_store_explicit(&crash->at[i], (uint64_t)(uintptr_t)at[i],
                              memory_order_relaxed);
    atomic_store_explicit(&crash->fault,
                          has_address ? (uint64_t)(uintptr_t)info->si_addr : 0,
                          memory_order_relaxed);
    atomic_store_explicit(&crash->frames, (uint32_t)n, memory_order_relaxed);
    atomic_store_explicit(&crash->signal, (uint32_t)signo, memory_order_relaxed);
}

/* By snprintf() and write(): dprintf() allocates, and the signal may have come in the
 * middle of an allocation. */
static void write_trace(void *const *at, int n)
{
    char name[CRASH_FRAME_TEXT_MAX], line[CRASH_FRAME_TEXT_MAX + 64];
    int length = snprintf(line, sizeof line, "cowshed: %d is killed by a signal\n",
                          (int)getpid());
    ssize_t rc = write(STDERR_FILENO, line, (size_t)length);

    for (int i = 0; i < n && rc > 0; i++) {
        length = snprintf(line, sizeof line, "cowshed: %d #%d %s\n", (int)getpid(), i,
                          crash_name(name, (uint64_t)(uintptr_t)at[i]));
        rc = write(STDERR_FILENO, line, (size_t)length);
    }
}

/* SA_RESETHAND has put the default back, which raise() then means. */
static void on_deadly(int signo, siginfo_t *info, void *context)
{
    void *at[CRASH_FRAMES_MAX];
    int n = backtrace(at, CRASH_FRAMES_MAX);

    (void)context;
    if (mine != NULL)
        leave_trace(mine, signo, info, at, n);
    else
        write_trace(at, n);
    raise(signo);
}

void crash_enter(struct crash *crash, void *stack)
{
    const stack_t other = { .ss_sp = stack,
                            .ss_size = CRASH_STACK_BYTES,
                            .ss_flags = stack == NULL ? SS_DISABLE : 0 };
    struct sigaction act = { .sa_sigaction = on_deadly,
                             .sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND |
                                         SA_NODEFER };
    sigset_t let;

    mine = crash;
    sigaltstack(&other, NULL);
    sigemptyset(&act.sa_mask);
    sigemptyset(&let);
    for (int i = 0; i < DEADLY; i++) {
        sigaction(deadly[i], &act, NULL);
        sigaddset(&let, deadly[i]);
    }
    pthread_sigmask(SIG_UNBLOCK, &let, NULL);
}

void crash_leave(void)
{
    const stack_t none = { .ss_flags = SS_DISABLE };

    sigaltstack(&none, NULL);
    mine = NULL;
}
