/* SPDX-License-Identifier: MIT */
/* crash.h - what a process leaves behind that a signal ends: where it was.
 *
 * The handler stores return addresses into the scoreboard and calls nothing that takes
 * a lock. A child is a fork of the master and has the same image at the same addresses,
 * so the master can name them in the obituary. A process without a seat (the master,
 * the admin process) writes them to standard error itself.
 */
#ifndef COWSHED_SHARED_CRASH_H
#define COWSHED_SHARED_CRASH_H

#include <stdatomic.h>
#include <stdint.h>

enum { CRASH_FRAMES_MAX = 32, CRASH_FRAME_TEXT_MAX = 256 };

struct crash {                /* by the thread that crashes; read after waitpid() */
    _Atomic(uint64_t) fault;  /* the address, for SIGSEGV and SIGBUS */
    _Atomic(uint32_t) signal; /* 0: none */
    _Atomic(uint32_t) frames;
    _Atomic(uint64_t) at[CRASH_FRAMES_MAX];
};

/* Once in the master: loads what a handler must not load. */
void crash_prepare(void);
/* The handlers of this process, and where the calling thread leaves its crash; NULL:
 * on standard error. `stack` (CRASH_STACK_BYTES, owned by the caller while the thread
 * lives) is what the handler runs on when its own has overflowed; NULL: none. */
enum { CRASH_STACK_BYTES = 64 * 1024 };
void crash_enter(struct crash *, void *stack);
/* The thread is about to free them. */
void crash_leave(void);

/* "cowshed+0x1a2b (worker_run+0x10)" for an address in this image or one like it. What
 * the other process wrote is believed to be a number and no more. Returns out. */
char *crash_name(char out[CRASH_FRAME_TEXT_MAX], uint64_t address);

#endif
