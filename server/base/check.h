/* SPDX-License-Identifier: MIT */
/* check.h - what to do about a bug: say what was wrong and abort.
 *
 * CHECK() is for what cannot happen unless this program is wrong.  It is on in
 * release builds.  What the peer, a file, the kernel or memory can cause is not a
 * bug: such functions return a negative errno.
 *
 * Before it aborts, a failed check gives its words to the hook of the thread, which
 * leaves them where somebody else can read them (the scoreboard, for the obituary).
 */
#ifndef COWSHED_CHECK_H
#define COWSHED_CHECK_H

#include <stdint.h>

#define CHECK(expr) \
    ((expr) ? (void)0 : check_failed(#expr, __FILE__, __LINE__, __func__))

/* For structs that travel through a void pointer.  The first use after the struct was
 * freed (its magic cleared) or a pointer to something else stops here. */
#define CHECK_MAGIC(ptr, want)                 \
    (((ptr) != NULL && (ptr)->magic == (want)) \
         ? (void)0                             \
         : check_failed(#ptr " is a live " #want, __FILE__, __LINE__, __func__))

/* Called once with the words of the failed check, just before abort(); it must not
 * take locks or allocate. */
typedef void check_hook_fn(const char *words, void *arg);

/* Per thread; NULL removes it.  A forked child inherits its parent's hook. */
void check_set_hook(check_hook_fn *fn, void *arg);

/* Writes "check failed: EXPR in FUNC at FILE:LINE" to standard error and to the hook.
 */
_Noreturn void check_failed(const char *expr, const char *file, int line,
                            const char *func);

#endif
