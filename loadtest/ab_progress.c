/* SPDX-License-Identifier: MIT */
/* ab_progress.c - one line that is written over on a terminal; in a log, a line for
 * each step. */
#include "loadtest/ab.h"
#include "server/base/clock.h"

static void put_left(const struct ab *ab, FILE *out)
{
    uint64_t now = clock_ns();
    if (ab->expected_end_ns <= now)
        return;
    unsigned left = (unsigned)((ab->expected_end_ns - now) / CLOCK_NS_PER_S);
    fprintf(out, ", %um%02us left", left / 60, left % 60);
}

void ab_progress_tick(struct ab *ab)
{
    if (!ab->terminal)
        return;
    fprintf(stderr, "\r\033[K%s", ab->progress);
    put_left(ab, stderr);
}

void ab_progress(struct ab *ab, const char *words)
{
    snprintf(ab->progress, sizeof ab->progress, "%s", words);
    if (ab->terminal) {
        ab_progress_tick(ab);
        return;
    }
    fputs(words, stderr);
    put_left(ab, stderr);
    fputc('\n', stderr);
}

void ab_progress_end(struct ab *ab)
{
    if (ab->terminal)
        fprintf(stderr, "\r\033[K");
}
