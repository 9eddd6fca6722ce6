/* SPDX-License-Identifier: MIT */
/* status.c - reading /status; DESIGN section 9 names its fields. */
#include "loadtest/status.h"

#include <errno.h>
#include <jansson.h>

#include "loadtest/fetch.h"
#include "server/base/clock.h"

#define TIMEOUT_NS (10 * CLOCK_NS_PER_S)

static uint64_t number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_integer(value) && json_integer_value(value) > 0)
        return (uint64_t)json_integer_value(value);
    return json_is_real(value) && json_real_value(value) > 0
               ? (uint64_t)json_real_value(value)
               : 0;
}

static void keep_max(uint64_t *into, uint64_t value)
{
    if (value > *into)
        *into = value;
}

/* {slices, pause_max_us} of a slot or of the master; null without a collector. */
static void add_collector(struct status *status, const json_t *gc)
{
    status->gc_pauses += number(gc, "slices");
    keep_max(&status->gc_pause_max_ns, number(gc, "pause_max_us") * CLOCK_NS_PER_US);
}

static void add_slot(struct status *status, const json_t *slot)
{
    status->requests += number(slot, "requests");
    status->hits += number(slot, "hits");
    status->faults += number(slot, "faults");
    status->inherited_pages += number(slot, "inherited_pages");
    status->copied_pages += number(slot, "copied_pages");
    status->pss_bytes += number(slot, "pss");
    add_collector(status, json_object_get(slot, "gc"));
}

static int read_root(const json_t *root, struct status *status)
{
    const json_t *slots = json_object_get(root, "slots");
    const json_t *forks = json_object_get(root, "forks");
    if (!json_is_array(slots))
        return -EBADMSG;
    for (size_t i = 0; i < json_array_size(slots); i++)
        add_slot(status, json_array_get(slots, i));
    add_collector(status, json_object_get(root, "gc"));
    status->forks = number(forks, "count");
    status->fork_max_ns = number(forks, "max_us") * CLOCK_NS_PER_US;
    keep_max(&status->fork_max_ns, number(forks, "last_us") * CLOCK_NS_PER_US);
    return 0;
}

int status_parse(const char *bytes, size_t n, struct status *ret_status)
{
    struct status status = { 0 };
    json_t *root = json_loadb(bytes, n, 0, NULL);
    if (root == NULL)
        return -EBADMSG;
    int err = read_root(root, &status);
    json_decref(root);
    if (err == 0)
        *ret_status = status;
    return err;
}

int status_read(const char *address, struct status *ret_status)
{
    struct buf body;
    int err = fetch_get(address, "/status", TIMEOUT_NS, &body);
    if (err == 0)
        err = status_parse(buf_span(&body).p, buf_span(&body).n, ret_status);
    buf_free(&body);
    return err;
}

/* A total that went back belongs to a server that was replaced: count from zero. */
static uint64_t difference(uint64_t before, uint64_t after)
{
    return after >= before ? after - before : after;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

struct status status_between(const struct status *before, const struct status *after)
{
    struct status result;
#define TOTAL(name)         difference(before->name, after->name)
#define NOW(name)           after->name
#define PEAK(name)          after->name
#define X(kind, name, text) result.name = kind(name);
    STATUS_FIELDS(X)
#undef X
#undef TOTAL
#undef NOW
#undef PEAK
    return result;
}

void status_add(struct status *into, const struct status *more)
{
#define TOTAL(name)         into->name + more->name
#define NOW(name)           larger(into->name, more->name)
#define PEAK(name)          larger(into->name, more->name)
#define X(kind, name, text) into->name = kind(name);
    STATUS_FIELDS(X)
#undef X
#undef TOTAL
#undef NOW
#undef PEAK
}
