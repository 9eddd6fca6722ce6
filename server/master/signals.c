/* SPDX-License-Identifier: MIT */
/* signals.c - see signals.h. */
#include "server/master/signals.h"

#include <signal.h>
#include <stddef.h>

const int signals_heard[SIGNALS_HEARD] = { SIGCHLD, SIGTERM, SIGQUIT, SIGINT,  SIGHUP,
                                           SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGURG };

static void mask(int how)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < SIGNALS_HEARD; i++)
        sigaddset(&set, signals_heard[i]);
    sigprocmask(how, &set, NULL);
}

void signals_hold(void)
{
    mask(SIG_BLOCK);
}

void signals_let(void)
{
    mask(SIG_UNBLOCK);
}

bool signals_ask_to_end(void)
{
    sigset_t set;

    return sigpending(&set) == 0 &&
           (sigismember(&set, SIGTERM) == 1 || sigismember(&set, SIGQUIT) == 1 ||
            sigismember(&set, SIGINT) == 1);
}
