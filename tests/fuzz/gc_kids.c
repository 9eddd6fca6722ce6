/* SPDX-License-Identifier: MIT */
/* gc_kids.c - children of a world.
 *
 * An image is a child that looks at all that it inherited and, on a private heap, goes
 * on playing operations on its copy. A reader is a child of a shared heap that obeys
 * one letter at a time, or runs free for some rounds; it does not know the model, but
 * every entry says under which key it lies and what its bytes are, so it sees at once
 * when something was taken away under it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fuzz/gc_world.h"

/* A fuzzer has a timer of its own, which interrupts calls. */
#define again(call) TEMP_FAILURE_RETRY(call)

static void become_child(struct world *w)
{
    static const int caught[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < sizeof caught / sizeof caught[0]; i++)
        signal(caught[i], SIG_DFL); /* a fuzzer's or a runner's */
    w->is_child = true;
    for (unsigned i = 0; i < KIDS; i++)
        w->kids[i] = (struct kid){ 0 };
    w->forks_left = w->forks_left > 1 ? 1 : 0;
    if (gc_fork_child(w->heap))
        world_fail(w, "gc_fork_child() failed");
}

/* ---- images --------------------------------------------------------------------- */

static void look_at_shared(struct world *w)
{
    struct gc_reader *r = gc_reader_open(w->heap, IMAGE_SEAT);
    if (!r)
        world_fail(w, "no seat for an image");
    const void *root = gc_reader_enter(r);
    int pin = -1;
    for (unsigned key = 0; key < KEYS; key++) {
        const struct entry *e = map_get(w, root, key);
        check_entry(w, e, w->map.id[key]);
        if (e && pin < 0)
            pin = gc_pin(r, e);
    }
    gc_reader_leave(r);
    if (pin >= 0)
        gc_unpin(r, pin);
    gc_reader_close(r);
}

static void freeze_model(struct world *w)
{
    w->frozen = w->n_objects;
    w->root_mine = false;
    for (unsigned i = 0; i < LEAF; i++)
        w->leaf_mine[i] = false;
    for (unsigned i = 0; i < HELD; i++)
        w->held[i].mine = false;
}

static void live_as_image(struct world *w, size_t ops)
{
    w->reader = NULL; /* the parent's: its pins are no roots here */
    for (unsigned i = 0; i < PINS; i++)
        w->pins[i].id = 0;
    if (w->config.after_fork == GC_ARENA)
        freeze_model(w);
    check_all(w);
    world_play(w, ops < w->size ? ops : w->size);
    world_settle(w);
}

void kids_fork(struct world *w, size_t ops, bool wait)
{
    struct kid *kid = w->kids;
    while (kid < w->kids + KIDS && kid->pid)
        kid++;
    if (kid == w->kids + KIDS || w->forks_left == 0)
        return;
    w->forks_left--;
    gc_fork_prepare(w->heap);
    pid_t pid = fork();
    if (pid == 0) {
        become_child(w);
        if (w->config.shared)
            look_at_shared(w);
        else
            live_as_image(w, ops);
        _exit(0);
    }
    gc_fork_parent(w->heap);
    if (pid < 0)
        return;
    *kid = (struct kid){ .pid = pid, .seat = IMAGE_SEAT, .to = -1, .from = -1 };
    if (!w->config.shared) {
        size_t skip = ops < w->size ? ops : w->size;
        w->data += skip; /* they were the child's */
        w->size -= skip;
    }
    if (wait || w->config.shared)
        kids_wait(w, (unsigned)(kid - w->kids));
}

/* ---- readers -------------------------------------------------------------------- */

struct eye {
    struct world *w;
    struct gc_reader *reader;
    const void *root; /* inside */
    const struct entry *pinned;
    int pin;
};

static void see_entry(const struct world *w, const struct entry *e, unsigned key)
{
    if (gc_size(e) != sizeof *e || gc_type_of(e) != w->entry_type)
        world_fail(w, "a reader met %p under key %u", (const void *)e, key);
    if (e->key != key || !bytes_are(e->bytes, e->size, e->id))
        world_fail(w, "a reader found object %u of key %u under key %u", e->id, e->key,
                   key);
    if (e->link && (gc_type_of(e->link) != w->entry_type ||
                    !bytes_are(e->link->bytes, e->link->size, e->link->id)))
        world_fail(w, "a reader found a bad link of object %u", e->id);
}

static void see_all(const struct eye *eye)
{
    if (gc_size(eye->root) != LEAF * sizeof(void *))
        world_fail(eye->w, "a reader met a root of %zu bytes", gc_size(eye->root));
    for (unsigned key = 0; key < KEYS; key++) {
        const struct entry *e = map_get(eye->w, eye->root, key);
        if (e)
            see_entry(eye->w, e, key);
    }
}

static void unpin(struct eye *eye)
{
    if (!eye->pinned)
        return;
    see_entry(eye->w, eye->pinned, eye->pinned->key);
    gc_unpin(eye->reader, eye->pin);
    eye->pinned = NULL;
}

static void pin_key(struct eye *eye, unsigned key)
{
    const struct entry *e = map_get(eye->w, eye->root, key);
    if (!e || eye->pinned)
        return;
    eye->pin = gc_pin(eye->reader, e);
    eye->pinned = e;
}

static void leave(struct eye *eye)
{
    gc_reader_leave(eye->reader);
    eye->root = NULL;
}

static void obey(struct eye *eye, char command, unsigned char operand)
{
    if (command == 'e' && !eye->root) {
        eye->root = gc_reader_enter(eye->reader);
    } else if (command == 'l' && eye->root) {
        leave(eye);
    } else if (command == 'p' && eye->root) {
        pin_key(eye, operand);
    } else if (command == 'u') {
        unpin(eye);
    } else if (command == 'w' && eye->root) {
        see_all(eye);
    } else if (command == 'g' && !eye->root) {
        for (unsigned round = 0; round <= operand % 64u; round++) {
            eye->root = gc_reader_enter(eye->reader);
            see_all(eye);
            if (round % 4 == 0)
                unpin(eye);
            pin_key(eye, operand * 31u % KEYS);
            leave(eye);
        }
    }
}

static void live_as_reader(struct world *w, unsigned seat, int in, int out)
{
    struct eye eye = { .w = w, .reader = gc_reader_open(w->heap, seat) };
    char command[2], answer = 'y';
    if (!eye.reader)
        world_fail(w, "seat %u is not clean", seat);
    while (again(read(in, command, 2)) == 2 && command[0] != 'q') {
        obey(&eye, command[0], (unsigned char)command[1]);
        if (again(write(out, &answer, 1)) != 1)
            _exit(BROKEN);
    }
    unpin(&eye);
    gc_reader_close(eye.reader);
}

void kids_start_reader(struct world *w, unsigned at)
{
    struct kid *kid = &w->kids[at];
    int fds[2];
    if (kid->pid || w->forks_left == 0 || !w->config.shared)
        return;
    w->forks_left--;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
        world_fail(w, "socketpair: %d", errno);
    gc_fork_prepare(w->heap);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        become_child(w);
        live_as_reader(w, at + 1, fds[1], fds[1]);
        _exit(0);
    }
    gc_fork_parent(w->heap);
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return;
    }
    *kid = (struct kid){
        .pid = pid, .reader = true, .seat = at + 1, .to = fds[0], .from = fds[0]
    };
}

static void read_answers(struct world *w, struct kid *kid)
{
    char c;
    for (; kid->answers; kid->answers--)
        if (again(read(kid->from, &c, 1)) != 1)
            world_fail(w, "reader %d (seat %u) is gone", (int)kid->pid, kid->seat);
}

void kids_command(struct world *w, unsigned at, char command, unsigned char operand,
                  bool wait)
{
    struct kid *kid = &w->kids[at];
    char text[2] = { command, (char)operand };
    if (!kid->pid || !kid->reader || kid->answers > 20)
        return;
    if (again(write(kid->to, text, 2)) != 2)
        world_fail(w, "reader %d (seat %u) is gone", (int)kid->pid, kid->seat);
    kid->answers++;
    if (wait && !kid->stopped)
        read_answers(w, kid);
}

/* ---- their end ------------------------------------------------------------------- */

static void bury(struct world *w, struct kid *kid, int status)
{
    if (kid->reader)
        close(kid->to);
    gc_reader_clear(w->heap, kid->seat); /* a private heap has nothing to clear */
    kid->pid = 0;
    if (status)
        world_fail(w, "a child ended with status %#x", status);
}

void kids_signal(struct world *w, unsigned at, int sig)
{
    struct kid *kid = &w->kids[at];
    int status = 0;
    if (!kid->pid || (sig == SIGSTOP && kid->stopped) || kill(kid->pid, sig))
        return;
    if (sig == SIGSTOP && again(waitpid(kid->pid, &status, WUNTRACED)) == kid->pid) {
        kid->stopped = WIFSTOPPED(status);
        if (!kid->stopped)
            bury(w, kid, status); /* it had come to its end before */
    } else if (sig == SIGCONT) {
        kid->stopped = false;
    } else if (sig == SIGKILL && again(waitpid(kid->pid, &status, 0)) == kid->pid) {
        bury(w, kid, WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 0 : status);
    }
}

void kids_wait(struct world *w, unsigned at)
{
    struct kid *kid = &w->kids[at];
    int status;
    if (!kid->pid)
        return;
    if (kid->stopped)
        kids_signal(w, at, SIGCONT);
    if (kid->reader) {
        read_answers(w, kid);
        if (again(write(kid->to, "q", 2)) != 2)
            world_fail(w, "reader %d is gone", (int)kid->pid);
    }
    if (again(waitpid(kid->pid, &status, 0)) != kid->pid)
        world_fail(w, "waitpid: %d", errno);
    bury(w, kid, status);
}

bool kids_alive(const struct world *w)
{
    for (unsigned i = 0; i < KIDS; i++)
        if (w->kids[i].pid)
            return true;
    return false;
}
