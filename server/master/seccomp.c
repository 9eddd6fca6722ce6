/* SPDX-License-Identifier: MIT */
/* seccomp.c - step 4 of confine.h: a filter over the numbers of system calls.
 *
 * The program is put together in memory: first the calls whose arguments matter, then
 * the table. The kernel keeps in a bitmap what is allowed whatever the arguments are
 * (Linux 5.11), so most calls do not run it. What is refused becomes a SIGSYS that is
 * sent to the thread itself; its handler writes a line and makes the call return EPERM.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/master/confine.h"
#include "server/master/confine_impl.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#ifndef ARCH

bool seccomp_is_there(void)
{
    return false; /* no table was ever tried on this architecture */
}

int seccomp_confine(const struct confine *c)
{
    (void)c;
    return -ENOSYS;
}

#else

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

enum { PROGRAM_MAX = 512, TELL_AGAIN_S = 10 };

struct program {
    struct sock_filter at[PROGRAM_MAX];
    unsigned short n;
};

#define NR         offsetof(struct seccomp_data, nr)
#define ARG(i)     (offsetof(struct seccomp_data, args) + 8 * (i)) /* the low half */
#define REFUSE     SECCOMP_RET_TRAP
#define NO_SUCH    (SECCOMP_RET_ERRNO | ENOSYS)
/* Without a signal, and so without a line: libc (2.41) blocks all of them around a
 * fork, and a trap that cannot be delivered kills. */
#define FORBIDDEN  (SECCOMP_RET_ERRNO | EPERM)

static void put(struct program *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
    CHECK(p->n < PROGRAM_MAX);
    p->at[p->n++] = (struct sock_filter){ code, jt, jf, k };
}

static void load(struct program *p, size_t offset)
{
    put(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void end(struct program *p, uint32_t verdict)
{
    put(p, BPF_RET | BPF_K, verdict, 0, 0);
}

/* The number is loaded: who has it gets the verdict. */
static void verdict_for(struct program *p, long nr, uint32_t verdict)
{
    put(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1);
    end(p, verdict);
}

/* A call is allowed if argument i & mask is one of the values; else `refusal`. */
static void allow_if(struct program *p, long nr, unsigned i, uint32_t mask,
                     const uint32_t *values, uint8_t n, uint32_t refusal)
{
    put(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, (uint8_t)(2 * n + 3));
    load(p, ARG(i));
    put(p, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
    for (uint8_t k = 0; k < n; k++) {
        put(p, BPF_JMP | BPF_JEQ | BPF_K, values[k], 0, 1);
        end(p, SECCOMP_RET_ALLOW);
    }
    end(p, refusal);
}

static void put_arguments(struct program *p, const struct confine *c, uint32_t refuse)
{
    const uint32_t zero = 0, self = (uint32_t)getpid(), thread = CLONE_THREAD;
    static const uint32_t names[] = { PR_SET_NAME, PR_GET_NAME, PR_SET_PDEATHSIG,
                                      PR_SET_VMA };

    allow_if(p, SYS_mmap, 2, PROT_EXEC, &zero, 1, refuse);
    allow_if(p, SYS_mprotect, 2, PROT_EXEC, &zero, 1, refuse);
    allow_if(p, SYS_tgkill, 0, UINT32_MAX, &self, 1, refuse);
    allow_if(p, SYS_prctl, 0, UINT32_MAX, names, 4, refuse);
    allow_if(p, SYS_prlimit64, 2, UINT32_MAX, &zero, 1, refuse);
    verdict_for(p, SYS_clone3, NO_SUCH); /* its flags are in memory: libc falls back */
    if (c->options->gc_schedule != SCHEDULE_SNAPSHOT) {
        allow_if(p, SYS_clone, 0, CLONE_THREAD, &thread, 1,
                 refuse == REFUSE ? FORBIDDEN : refuse);
        return;
    }
    verdict_for(p, SYS_clone, SECCOMP_RET_ALLOW); /* a child that marks */
    verdict_for(p, SYS_wait4, SECCOMP_RET_ALLOW);
    verdict_for(p, SYS_waitid, SECCOMP_RET_ALLOW);
    verdict_for(p, SYS_pidfd_send_signal, SECCOMP_RET_ALLOW);
}

static void put_table(struct program *p)
{
    static const long calls[] = {
#define CALL(name) SYS_##name,
#include "server/master/syscalls.def"
#undef CALL
    };

    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        verdict_for(p, calls[i], SECCOMP_RET_ALLOW);
}

static void build(struct program *p, const struct confine *c)
{
    uint32_t refuse =
        c->options->isolate_seccomp == FILTER_KILL ? SECCOMP_RET_KILL_PROCESS : REFUSE;

    p->n = 0;
    load(p, offsetof(struct seccomp_data, arch));
    put(p, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    end(p, SECCOMP_RET_KILL_PROCESS);
    load(p, NR);
#ifdef __x86_64__
    put(p, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1); /* x32: other numbers */
    end(p, refuse);
#endif
    put_arguments(p, c, refuse);
    put_table(p);
    end(p, refuse);
}

/* --- what was refused ----------------------------------------------------------------
 */

static _Atomic(uint64_t) told_ns;
static _Atomic(unsigned) left_out;

/* Called by a handler, but not out of nowhere: the signal comes to the thread that made
 * the call, at the call, and the log makes none that is refused. */
static void tell(int number)
{
    uint64_t now = clock_ns(), before = atomic_load(&told_ns);

    if ((before != 0 && now - before < TELL_AGAIN_S * CLOCK_NS_PER_S) ||
        !atomic_compare_exchange_strong(&told_ns, &before, now)) {
        atomic_fetch_add(&left_out, 1);
        return;
    }
    log_err("refused system call number %d (isolate.seccomp); %u more since the last "
            "such line",
            number, atomic_exchange(&left_out, 0));
}

static void on_refused(int signo, siginfo_t *info, void *context)
{
    ucontext_t *at = context;
    int saved = errno;

    (void)signo;
    tell(info->si_syscall);
#ifdef __x86_64__
    at->uc_mcontext.gregs[REG_RAX] = -EPERM;
#else
    at->uc_mcontext.regs[0] = (uint64_t)-EPERM;
#endif
    errno = saved;
}

bool seccomp_is_there(void)
{
    uint32_t wanted = SECCOMP_RET_TRAP;

    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &wanted) == 0;
}

int seccomp_confine(const struct confine *c)
{
    struct sigaction act = { .sa_sigaction = on_refused, .sa_flags = SA_SIGINFO };
    struct program program;
    struct sock_fprog prog;

    sigemptyset(&act.sa_mask);
    if (c->options->isolate_seccomp != FILTER_KILL && sigaction(SIGSYS, &act, NULL) < 0)
        return -errno;
    build(&program, c);
    prog = (struct sock_fprog){ program.n, program.at };
    /* Its slow-down of speculation would be paid by every call, and guards nothing
     * here. */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                &prog) < 0)
        return -errno;
    return 0;
}

#endif
