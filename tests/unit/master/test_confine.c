/* SPDX-License-Identifier: MIT */
/* test_confine.c - what a confined child cannot do, and that it could before: each case
 * is a process that tries one thing, with the locks and without them. */
#include "server/master/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/master/confine_impl.h"
#include "tests/test.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif

static char folder[64];
static struct options *options;
static struct identity nobody; /* not set: stay who we are */

static const char *in_folder(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make(void **state)
{
    struct option_error error;
    int fd;

    (void)state;
    snprintf(folder, sizeof folder, "/tmp/cowshed-confine-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    fd = open(in_folder("file"), O_WRONLY | O_CREAT, 0644);
    close(fd);
    options = options_new();
    return options_set(options, "root", folder, "-o", &error);
}

static int drop(void **state)
{
    (void)state;
    options_free(options);
    unlink(in_folder("file"));
    return rmdir(folder);
}

static void set(const char *name, const char *value)
{
    struct option_error error;

    check_int(options_set(options, name, value, "-o", &error), 0, "%s = %s", name,
              value);
}

/* --- what is tried: 0 or an errno ----------------------------------------------------
 */

static int result_of(long rc)
{
    return rc < 0 ? errno : 0;
}

static int read_the_root(void)
{
    return result_of(open(in_folder("file"), O_RDONLY));
}

static int read_below_proc_self(void)
{
    return result_of(open("/proc/self/smaps_rollup", O_RDONLY));
}

static int write_to_the_root(void)
{
    return result_of(open(in_folder("file"), O_WRONLY));
}

static int make_a_file(void)
{
    return result_of(open(in_folder("file"), O_WRONLY | O_CREAT | O_TRUNC, 0644));
}

static int read_outside(void)
{
    return result_of(open("/etc/passwd", O_RDONLY));
}

static int list_outside(void)
{
    return result_of(open("/etc", O_RDONLY | O_DIRECTORY));
}

static int read_another_process(void)
{
    return result_of(open("/proc/1/status", O_RDONLY));
}

static int signal_the_parent(void)
{
    return result_of(kill(getppid(), 0));
}

static int make_a_socket(void)
{
    return result_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int run_a_program(void)
{
    return result_of(execl("/bin/true", "true", NULL)); /* it ends with 0 */
}

static int fork_a_process(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return result_of(pid);
}

static int trace_oneself(void)
{
    return result_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int make_code(void)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return at == MAP_FAILED ? errno : 0;
}

static int turn_data_into_code(void)
{
    static char data[8192] __attribute__((aligned(4096)));

    return result_of(mprotect(data, 4096, PROT_READ | PROT_EXEC));
}

static int change_a_limit(void)
{
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    return result_of(setrlimit(RLIMIT_NOFILE, &files));
}

static void *do_nothing(void *arg)
{
    return arg;
}

static int run_a_thread(void)
{
    pthread_t id;
    int rc = pthread_create(&id, NULL, do_nothing, NULL);

    return rc != 0 ? rc : pthread_join(id, NULL);
}

static int make_a_memfd(void)
{
    return result_of(memfd_create("x", MFD_CLOEXEC));
}

static int use_memory(void)
{
    char *at = malloc(64 << 20);

    if (at == NULL)
        return ENOMEM;
    memset(at, 1, 64 << 20);
    free(at);
    return 0;
}

enum { FILES = 1, CALLS = 2 };

static const struct attempt {
    const char *what;
    int (*try)(void);
    int want;  /* when confined */
    int locks; /* that refuse it */
} attempts[] = {
    { "read the root", read_the_root, 0, 0 },
    { "read /proc/self", read_below_proc_self, 0, 0 },
    { "run a thread", run_a_thread, 0, 0 },
    { "make a memfd", make_a_memfd, 0, 0 },
    { "use memory", use_memory, 0, 0 },
    { "write to the root", write_to_the_root, EACCES, FILES },
    { "make a file", make_a_file, EACCES, FILES },
    { "read outside", read_outside, EACCES, FILES },
    { "list outside", list_outside, EACCES, FILES },
    { "read another process", read_another_process, EACCES, FILES },
    { "signal the parent", signal_the_parent, EPERM, CALLS },
    { "run a program", run_a_program, EPERM, CALLS },
    { "make a socket", make_a_socket, EPERM, CALLS },
    { "fork", fork_a_process, EPERM, CALLS },
    { "ptrace", trace_oneself, EPERM, CALLS },
    { "make code", make_code, EPERM, CALLS },
    { "turn data into code", turn_data_into_code, EPERM, CALLS },
    { "change a limit", change_a_limit, EPERM, CALLS },
};

/* How a child ends that confines itself and then tries: 0, an errno, or 256 + signal.
 */
static int confined(int (*try)(void))
{
    const struct confine c = { options, &nobody, CONFINE_WORKER, -1 };
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        log_open(LOG_FATAL, STDERR_FILENO);
        _exit(confine(&c) == 0 ? try() : 255);
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void need_locks(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    test_skip("needs a build without a sanitizer");
#endif
    if (landlock_version() < 1 || !seccomp_is_there())
        test_skip("needs Landlock and seccomp filters");
}

static void a_confined_child_can_do_what_it_needs_and_nothing_else(void **state)
{
    (void)state;
    need_locks();
    set("isolate.landlock", "on");
    set("isolate.seccomp", "errno");
    for (size_t i = 0; i < TEST_COUNT(attempts); i++)
        check_int(confined(attempts[i].try), attempts[i].want, "%s", attempts[i].what);
}

static void without_the_locks_it_could(void **state)
{
    (void)state;
    need_locks();
    set("isolate.landlock", "off");
    set("isolate.seccomp", "off");
    for (size_t i = 0; i < TEST_COUNT(attempts); i++)
        check_int(confined(attempts[i].try), 0, "%s", attempts[i].what);
}

static void each_lock_holds_without_the_other(void **state)
{
    (void)state;
    need_locks();
    for (int lock = FILES; lock <= CALLS; lock++) {
        set("isolate.landlock", lock == FILES ? "on" : "off");
        set("isolate.seccomp", lock == CALLS ? "errno" : "off");
        for (size_t i = 0; i < TEST_COUNT(attempts); i++) {
            if (attempts[i].locks == lock)
                check_int(confined(attempts[i].try), attempts[i].want,
                          "%s with lock %d", attempts[i].what, lock);
        }
    }
}

static void a_call_that_kills_is_a_sigsys(void **state)
{
    (void)state;
    need_locks();
    set("isolate.landlock", "on");
    set("isolate.seccomp", "kill");
    for (size_t i = 0; i < TEST_COUNT(attempts); i++) {
        if (attempts[i].locks == CALLS)
            check_int(confined(attempts[i].try), 256 + SIGSYS, "%s", attempts[i].what);
    }
    check_int(confined(use_memory), 0);
}

/* What an older kernel, or a sandbox around us, says to a call that it does not know.
 */
static void forget_call(long number)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { TEST_COUNT(code), code };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        _exit(254);
}

static int confine_without(long number, int (*try)(void))
{
    const struct confine c = { options, &nobody, CONFINE_WORKER, -1 };
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        log_open(LOG_FATAL, STDERR_FILENO);
        forget_call(number);
        _exit(confine(&c) == 0 ? try() : 255);
    }
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static void on_a_kernel_that_lacks_a_lock_the_child_goes_on_with_the_other(void **state)
{
    (void)state;
    need_locks();
    check_int(confine_without(SYS_landlock_create_ruleset, read_outside), 0);
    check_int(confine_without(SYS_landlock_create_ruleset, make_a_socket), EPERM);
    check_int(confine_without(SYS_seccomp, make_a_socket), 0);
    check_int(confine_without(SYS_seccomp, read_outside), EACCES);
}

static int become_root_again(void)
{
    gid_t groups[2];

    if (setuid(0) == 0 || setgid(0) == 0 || setgroups(0, NULL) == 0)
        return 1;
    if (getuid() == 0 || geteuid() == 0 || getgid() == 0 || getegid() == 0)
        return 2;
    for (int i = 0, n = getgroups(2, groups); i < n; i++) {
        if (groups[i] == 0)
            return 3;
    }
    return 0;
}

static void who_was_root_cannot_become_it_again(void **state)
{
    const char *option;

    (void)state;
    if (geteuid() != 0)
        test_skip("needs root");
    set("isolate.landlock", "off");
    set("isolate.seccomp", "off");
    set("user", "65534");
    check_int(identity_find(options, &nobody, &option), 0);
    check_int(confined(become_root_again), 0);
    nobody = (struct identity){ .set = false };
    set("user", "");
    check_int(confined(become_root_again), 1, "root stays root");
}

static void a_user_or_group_that_is_not_there_is_named(void **state)
{
    static const struct {
        const char *user, *group, *option; /* NULL: found */
        bool set;
    } all[] = {
        { "", "", NULL, false },
        { "root", "", NULL, true },
        { "65534", "", NULL, true },
        { "4000000", "", NULL, true },
        { "no such", "", "user", false },
        { "", "no such", "group", false },
        { "root", "12", NULL, true },
        { "-1", "", "user", false },
        { "4294967295", "", "user", false }, /* the "no change" of setresuid() */
    };

    (void)state;
    if (geteuid() != 0)
        test_skip("needs root");
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        struct identity id;
        const char *option = NULL;

        set("user", all[i].user);
        set("group", all[i].group);
        int rc = identity_find(options, &id, &option);
        check_int(rc, all[i].option == NULL ? 0 : -ENOENT, "%s:%s", all[i].user,
                  all[i].group);
        if (rc < 0)
            check_str(option, all[i].option);
        else
            check_int(id.set, all[i].set, "%s:%s", all[i].user, all[i].group);
    }
    set("user", "");
    set("group", "");
}

#define fresh(name) test_with(name, make, drop)
TEST_MAIN(fresh(a_confined_child_can_do_what_it_needs_and_nothing_else),
          fresh(without_the_locks_it_could), fresh(each_lock_holds_without_the_other),
          fresh(a_call_that_kills_is_a_sigsys),
          fresh(on_a_kernel_that_lacks_a_lock_the_child_goes_on_with_the_other),
          fresh(who_was_root_cannot_become_it_again),
          fresh(a_user_or_group_that_is_not_there_is_named))
