/* SPDX-License-Identifier: MIT */
/* hiccup.c - threads that sleep and look at the clock. */
#include "loadtest/hiccup.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "loadtest/tally.h"
#include "server/base/check.h"
#include "server/base/clock.h"

uint64_t hiccup_note(struct hist *hist, uint64_t due_ns, uint64_t now_ns)
{
    uint64_t late = now_ns > due_ns ? now_ns - due_ns : 0;
    hist_record_expected(hist, late, HICCUP_PERIOD_NS);
    return due_ns + late + HICCUP_PERIOD_NS;
}

static void sleep_until(uint64_t at_ns)
{
    struct timespec at = { .tv_sec = (time_t)(at_ns / CLOCK_NS_PER_S),
                           .tv_nsec = (long)(at_ns % CLOCK_NS_PER_S) };
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}

static void *hiccup_main(void *arg)
{
    struct hiccup *hiccup = arg;
    const struct hiccups *all = hiccup->all;
    const struct sched_param param = { .sched_priority = all->priority };
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    if (all->priority > 0)
        (void)sched_setscheduler(0, SCHED_FIFO, &param);
    if (all->cpus != NULL)
        (void)sched_setaffinity(0, sizeof *all->cpus, all->cpus);
    uint64_t due = clock_ns() + HICCUP_PERIOD_NS;
    while (!atomic_load(&all->over)) {
        sleep_until(due);
        uint64_t now = clock_ns();
        if (atomic_load(&all->recording))
            due = hiccup_note(&hiccup->hist, due, now);
        else
            due = now + HICCUP_PERIOD_NS;
    }
    return NULL;
}

int hiccups_start(struct hiccups *hiccups, unsigned n, const cpu_set_t *cpus,
                  int priority)
{
    *hiccups = (struct hiccups){ .cpus = cpus, .priority = priority };
    hiccups->at = calloc(n, sizeof *hiccups->at);
    if (hiccups->at == NULL)
        return -ENOMEM;
    while (hiccups->n < n) {
        struct hiccup *hiccup = &hiccups->at[hiccups->n];
        hiccup->all = hiccups;
        if (hist_init(&hiccup->hist, TALLY_LOWEST, TALLY_HIGHEST, TALLY_DIGITS) < 0)
            return -ENOMEM;
        hist_reset(&hiccup->hist); /* pays the page faults now */
        int err = pthread_create(&hiccup->thread, NULL, hiccup_main, hiccup);
        if (err != 0) {
            hist_free(&hiccup->hist);
            return -err;
        }
        hiccups->n++;
    }
    return 0;
}

void hiccups_record(struct hiccups *hiccups)
{
    atomic_store(&hiccups->recording, true);
}

void hiccups_stop(struct hiccups *hiccups)
{
    if (atomic_exchange(&hiccups->over, true))
        return;
    for (unsigned i = 0; i < hiccups->n; i++)
        pthread_join(hiccups->at[i].thread, NULL);
}

void hiccups_merge(const struct hiccups *hiccups, struct hist *into)
{
    for (unsigned i = 0; i < hiccups->n; i++)
        CHECK(hist_merge(into, &hiccups->at[i].hist) == 0);
}

void hiccups_free(struct hiccups *hiccups)
{
    hiccups_stop(hiccups);
    for (unsigned i = 0; i < hiccups->n; i++)
        hist_free(&hiccups->at[i].hist);
    free(hiccups->at);
    *hiccups = (struct hiccups){ .over = true };
}
