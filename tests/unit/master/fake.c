/* SPDX-License-Identifier: MIT */
/* fake.c - see fake.h. */
#include "tests/unit/master/fake.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/conf/options.h"
#include "tests/test.h"

struct supervisor sup;
struct region *region;
struct options *options;
uint64_t now_ns;

/* what the fake did */
static pid_t next_pid;
int forks, hosts, threads, gone, released, fork_error;
pid_t killed[KILLS_MAX];
int kills;
static struct channel far_end[SEATS_MAX]; /* the worker's side of each channel */
uint64_t available;

static int fake_channel(struct instance *inst)
{
    int fd[2], rc = channel_pair(fd);

    if (rc < 0)
        return rc;
    channel_init(&inst->channel, fd[0], inst->slot, inst->generation);
    channel_init(&far_end[inst->seat], fd[1], inst->slot, inst->generation);
    supervisor_greet(inst);
    return 0;
}

static int fake_fork_worker(void *arg, struct instance *inst, pid_t *ret_pid)
{
    (void)arg;
    if (fork_error != 0)
        return fork_error;
    forks++;
    *ret_pid = next_pid++;
    return fake_channel(inst);
}

static int fake_fork_host(void *arg, struct child *child)
{
    int fd[2];

    (void)arg;
    if (fork_error != 0)
        return fork_error;
    hosts++;
    if (channel_pair(fd) < 0)
        return -EMFILE;
    close(fd[1]);
    child->pid = next_pid++;
    channel_init(&child->channel, fd[0], 0xfffe, child->generation);
    return 0;
}

static int fake_start_thread(void *arg, struct instance *inst, struct child *child)
{
    (void)arg;
    (void)child;
    threads++;
    return fake_channel(inst);
}

static void fake_kill(void *arg, pid_t pid, int signo)
{
    (void)arg;
    (void)signo;
    if (kills < KILLS_MAX)
        killed[kills++] = pid;
}

static void fake_abort(void *arg, pid_t pid, pid_t tid)
{
    (void)tid;
    fake_kill(arg, pid, SIGABRT);
}

static uint64_t fake_available(void *arg)
{
    (void)arg;
    return available;
}

static void fake_gone(void *arg, struct instance *inst)
{
    (void)arg;
    gone++;
    if (inst->channel.fd >= 0)
        close(inst->channel.fd);
    if (far_end[inst->seat].fd >= 0)
        close(far_end[inst->seat].fd);
    far_end[inst->seat].fd = -1;
}

static void fake_host_gone(void *arg, struct child *child)
{
    (void)arg;
    close(child->channel.fd);
}

static void fake_release(void *arg, const struct options *o)
{
    (void)arg;
    released++;
    options_free((struct options *)(uintptr_t)o);
}

static const char *fake_limits(void *arg, int err)
{
    (void)arg;
    (void)err;
    return "";
}

static const struct supervisor_ops ops = {
    .fork_worker = fake_fork_worker,
    .fork_host = fake_fork_host,
    .start_thread = fake_start_thread,
    .kill = fake_kill,
    .abort = fake_abort,
    .available = fake_available,
    .limits = fake_limits,
    .gone = fake_gone,
    .host_gone = fake_host_gone,
    .release = fake_release,
};

/* --- what happens to workers ---------------------------------------------------------
 */

struct options *make_options(const char *mode)
{
    struct option_error error;
    struct options *o = options_new();

    if (options_set(o, "mode", mode, "test", &error) < 0 ||
        options_set(o, "fork.rate", "0", "test", &error) < 0 ||
        options_set(o, "fork.max_unready", "0", "test", &error) < 0 ||
        options_set(o, "breaker", "3", "test", &error) < 0 ||
        options_resolve(o, &error) < 0)
        fail_msg("%s", error.text);
    return o;
}

void begin(const char *mode, unsigned slots)
{
    log_open(LOG_FATAL, 2);
    options = make_options(mode);
    region = region_new();
    now_ns = 100 * S;
    next_pid = 1000;
    forks = hosts = threads = gone = released = fork_error = kills = 0;
    available = UINT64_MAX;
    for (size_t i = 0; i < TEST_COUNT(far_end); i++)
        far_end[i].fd = -1;
    supervisor_init(&sup, &ops, NULL, region, options, slots);
}

uint64_t settle(void)
{
    return supervisor_settle(&sup, now_ns);
}

void end(void)
{
    supervisor_quit(&sup, now_ns);
    for (unsigned i = 0; i < SEATS_MAX; i++) {
        struct instance *inst = supervisor_instance(&sup, i);

        if (inst->state != SEAT_FREE)
            supervisor_reaped(&sup, inst->child->pid, SIGKILL, now_ns);
    }
    while (!supervisor_is_empty(&sup))
        supervisor_reaped(
            &sup, list_entry(list_first(&sup.children), struct child, link)->pid, 0,
            now_ns);
    if (sup.options_before != sup.options)
        options_free((struct options *)(uintptr_t)sup.options_before);
    options_free((struct options *)(uintptr_t)sup.options_wait);
    options_free((struct options *)(uintptr_t)sup.options);
    region_free(region);
}

struct instance *at(unsigned slot, enum seat_state state)
{
    for (unsigned i = 0; i < SEATS_PER_SLOT; i++)
        if (sup.slots[slot].at[i].state == state)
            return &sup.slots[slot].at[i];
    fail_msg("slot %u has no instance in state %s", slot, seat_state_name(state));
    return NULL;
}

void say(struct instance *inst, enum message_kind kind, uint64_t arg)
{
    static struct message m;

    m = (struct message){ .kind = kind, .arg = { arg } };
    supervisor_heard(&sup, inst, &m, now_ns);
    settle();
}

void become_ready(unsigned slot)
{
    say(at(slot, SEAT_STARTING), MESSAGE_READY, 0);
}

void die(struct instance *inst, int status)
{
    check_true(supervisor_reaped(&sup, inst->child->pid, status, now_ns));
    settle();
}

/* The next message that the worker would read; NONE when there is none. */
enum message_kind told(const struct instance *inst)
{
    static struct message m;
    int fd;

    return channel_receive(&far_end[inst->seat], &m, &fd) == 1
               ? (enum message_kind)m.kind
               : MESSAGE_NONE;
}

void start(const char *mode, unsigned slots)
{
    begin(mode, slots);
    settle();
    for (unsigned i = 0; i < slots; i++)
        become_ready(i);
}
