/* SPDX-License-Identifier: MIT */
/* check.c - the last words of a process with a bug. */
#include "server/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Thread_local struct {
    check_hook_fn *fn;
    void *arg;
} hook;

void check_set_hook(check_hook_fn *fn, void *arg)
{
    hook.fn = fn;
    hook.arg = arg;
}

void check_failed(const char *expr, const char *file, int line, const char *func)
{
    char words[256];
    check_hook_fn *fn = hook.fn;

    hook.fn = NULL; /* a check that fails inside the hook must not call it again */
    snprintf(words, sizeof words - 1, "check failed: %s in %s at %s:%d", expr, func,
             file, line);
    if (fn != NULL)
        fn(words, hook.arg);
    strcat(words, "\n");
    /* Standard error may be closed or full: the hook has the words as well. */
    (void)!write(STDERR_FILENO, words, strlen(words));
    abort();
}
