/* SPDX-License-Identifier: MIT */
/* disturb.c - orders to the admin listener, and a signal. */
#include "loadtest/disturb.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>

#include "loadtest/fetch.h"
#include "server/base/clock.h"
#include "server/base/num.h"
#include "server/base/span.h"

#define ANSWER_NS (10 * CLOCK_NS_PER_S)

static const char *const names[] = {
    [DISTURB_GC] = "gc", [DISTURB_REFORK] = "refork", [DISTURB_KILL] = "kill"
};

bool disturb_parse(const char *text, struct disturb *ret_disturb)
{
    struct span name, time;
    if (!span_cut(span_of(text), ',', &name, &time) ||
        num_parse_time(time, CLOCK_NS_PER_S, 10 * CLOCK_NS_PER_MS,
                       3600 * CLOCK_NS_PER_S, &ret_disturb->every_ns) < 0)
        return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (span_eq(name, span_of(names[i]))) {
            ret_disturb->what = (enum disturb_what)i;
            return true;
        }
    }
    return false;
}

static int order(const char *admin, const char *path)
{
    struct buf answer;
    int err = fetch_post(admin, path, ANSWER_NS, &answer);
    buf_free(&answer);
    return err;
}

/* The pid of a slot that is served, another one each time. */
static int pick_worker(const char *admin, uint64_t turn, pid_t *ret_pid)
{
    struct buf body;
    int err = fetch_get(admin, "/status", ANSWER_NS, &body);
    json_t *status =
        err == 0 ? json_loadb(buf_span(&body).p, buf_span(&body).n, 0, NULL) : NULL;
    const json_t *slots = json_object_get(status, "slots");
    size_t n = json_array_size(slots);
    *ret_pid = 0;
    for (size_t i = 0; i < n && *ret_pid <= 0; i++)
        *ret_pid = (pid_t)json_integer_value(
            json_object_get(json_array_get(slots, (turn + i) % n), "pid"));
    json_decref(status);
    buf_free(&body);
    return err == 0 && *ret_pid <= 0 ? -ESRCH : err;
}

static int disturb(enum disturb_what what, uint64_t turn, const char *admin)
{
    pid_t pid;
    int err = 0;
    switch (what) {
    case DISTURB_GC:
        return order(admin, "/ctl/gc");
    case DISTURB_REFORK:
        return order(admin, "/ctl/refork");
    case DISTURB_KILL:
        err = pick_worker(admin, turn, &pid);
        return err == 0 && kill(pid, SIGKILL) < 0 ? -errno : err;
    }
    return -EINVAL;
}

void disturb_tick(const struct disturb *list, size_t n, struct disturb_state *state,
                  double elapsed_s, const char *admin)
{
    for (size_t i = 0; i < n; i++) {
        double due_s = (double)list[i].every_ns / 1e9 * (double)(state->done[i] + 1);
        if (elapsed_s < due_s)
            continue;
        int err = disturb(list[i].what, state->done[i]++, admin);
        if (err < 0) {
            state->failed++;
            state->err = err;
        }
    }
}
