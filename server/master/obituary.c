/* SPDX-License-Identifier: MIT */
/* obituary.c - see obituary.h. */
#include "server/master/obituary.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "server/base/num.h"
#include "server/shared/region.h"

char *obituary_status(char out[OBITUARY_MAX], int status)
{
    if (WIFEXITED(status)) {
        snprintf(out, OBITUARY_MAX, "ended with exit code %d", WEXITSTATUS(status));
    } else if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));

        snprintf(out, OBITUARY_MAX, "was killed by SIG%s (%d)%s",
                 name != NULL ? name : "?", WTERMSIG(status),
                 WCOREDUMP(status) ? ", core dumped" : "");
    } else {
        snprintf(out, OBITUARY_MAX, "ended with wait status 0x%x", (unsigned)status);
    }
    return out;
}

/* A string that another process wrote: it may lack its end. */
static void add(char out[OBITUARY_MAX], const char *label, const char *text,
                size_t size)
{
    size_t used = strlen(out), n = strnlen(text, size);

    if (n > 0)
        snprintf(out + used, OBITUARY_MAX - used, "; %s: %.*s", label, (int)n, text);
}

char *obituary_write(char out[OBITUARY_MAX], const char *how, uint64_t age_ns,
                     uint64_t requests, const struct scoreboard *board)
{
    char age[NUM_TEXT_MAX];

    snprintf(out, OBITUARY_MAX, "%s after %s, %" PRIu64 " requests in its seat", how,
             num_human_time(age, age_ns), requests);
    add(out, "last words", board->words, sizeof board->words);
    add(out, "request in hand", board->request, sizeof board->request);
    return out;
}
