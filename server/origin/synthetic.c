/* SPDX-License-Identifier: MIT */
/* synthetic.c - see synthetic.h for the formula. */
#include "server/origin/synthetic.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/num.h"
#include "server/base/prng.h"
#include "server/origin/impl.h"

struct synthetic_origin {
    struct origin origin;
    struct synthetic_config config;
};

struct synthetic_fetch {
    struct origin_fetch fetch;
    struct synthetic_origin *origin;
    uint64_t index;
    origin_done_fn *done;
    void *arg;
    struct event *timer;
};

#define INDEX_STEP  UINT64_C(0xd1b54a32d192ed03)
#define STREAM_STEP UINT64_C(0x9e3779b97f4a7c15) /* of splitmix64, per output */

/* --- the formula --- */

static uint64_t key_of(const struct synthetic_config *config, uint64_t index)
{
    uint64_t state = config->seed ^ (index * INDEX_STEP);
    return prng_splitmix64(&state);
}

uint64_t synthetic_size(const struct synthetic_config *config, uint64_t index)
{
    uint64_t most = 4 * config->median > SYNTHETIC_SIZE_MAX ? 4 * config->median
                                                            : SYNTHETIC_SIZE_MAX;
    struct prng r;

    prng_seed(&r, ~key_of(config, index));
    double size = round((double)config->median * exp(config->sigma * prng_normal(&r)));
    if (size < SYNTHETIC_SIZE_MIN) {
        return SYNTHETIC_SIZE_MIN;
    }
    return size > (double)most ? most : (uint64_t)size;
}

void synthetic_body(const struct synthetic_config *config, uint64_t index,
                    uint64_t from, void *to, size_t n)
{
    unsigned char *out = to;
    uint64_t state = key_of(config, index) + from / 8 * STREAM_STEP;
    size_t skip = (size_t)(from % 8);

    for (size_t at = 0; at < n;) {
        uint64_t word = prng_splitmix64(&state);
        unsigned char bytes[8];
        for (int i = 0; i < 8; i++) {
            bytes[i] = (unsigned char)(word >> 8 * i);
        }
        size_t part = 8 - skip < n - at ? 8 - skip : n - at;
        memcpy(out + at, bytes + skip, part);
        at += part;
        skip = 0;
    }
}

struct span synthetic_path(char to[SYNTHETIC_PATH_MAX], uint64_t index)
{
    int n = snprintf(to, SYNTHETIC_PATH_MAX, "/o/%" PRIu64, index);
    return (struct span){ to, (size_t)n };
}

bool synthetic_index(const struct synthetic_config *config, struct span path,
                     uint64_t *ret_index)
{
    struct span digits = span_skip(path, 3);

    if (!span_starts(path, SPAN("/o/")) || (digits.n > 1 && digits.p[0] == '0')) {
        return false;
    }
    return num_parse_u64(digits, 0, config->objects - 1, ret_index) == 0;
}

void synthetic_object(const struct synthetic_config *config, uint64_t index,
                      struct origin_result *r)
{
    char etag[80];

    if (index >= config->objects) {
        origin_result_error(r, 404, "no such object");
        return;
    }
    uint64_t size = synthetic_size(config, index);
    int n = snprintf(etag, sizeof etag, "\"s-%" PRIx64 "-%" PRIx64 "-%" PRIx64 "\"",
                     config->seed, index, size);
    struct response_meta meta = {
        .status = 200,
        .type = SPAN("application/octet-stream"),
        .etag = { etag, (size_t)n },
        .length = size,
        .ranges = true,
    };
    *r = (struct origin_result){ .fd = -1, .cacheable = size <= config->object_max };
    r->body = malloc((size_t)size);
    if (r->body == NULL || origin_result_head(r, &meta) != 0) {
        origin_result_free(r);
        origin_result_error(r, 503, "out of memory");
        return;
    }
    synthetic_body(config, index, 0, r->body, (size_t)size);
}

/* --- the origin --- */

static void free_fetch(struct synthetic_fetch *f)
{
    if (f->timer != NULL) {
        event_free(f->timer);
    }
    free(f);
}

static void cancel_fetch(struct origin_fetch *fetch)
{
    free_fetch((struct synthetic_fetch *)fetch);
}

static void on_delay_over(evutil_socket_t fd, short what, void *arg)
{
    struct synthetic_fetch *f = arg;
    origin_done_fn *done = f->done;
    void *done_arg = f->arg;
    struct origin_result result;

    (void)fd, (void)what;
    synthetic_object(&f->origin->config, f->index, &result);
    free_fetch(f);
    done(&result, done_arg);
}

/* NULL when memory is short. */
static struct synthetic_fetch *start_fetch(struct synthetic_origin *o,
                                           struct event_base *base, uint64_t index)
{
    struct synthetic_fetch *f = malloc(sizeof *f);
    unsigned ms = o->config.delay_ms;
    struct timeval delay = { ms / 1000, ms % 1000 * 1000 };

    if (f == NULL) {
        return NULL;
    }
    *f = (struct synthetic_fetch){ { cancel_fetch }, o, index, NULL, NULL, NULL };
    f->timer = evtimer_new(base, on_delay_over, f);
    if (f->timer == NULL || evtimer_add(f->timer, &delay) != 0) {
        free_fetch(f);
        return NULL;
    }
    return f;
}

static enum origin_progress synthetic_fetch(struct origin *origin,
                                            struct event_base *base, struct span path,
                                            origin_done_fn *done, void *arg,
                                            struct origin_result *r,
                                            struct origin_fetch **ret_fetch)
{
    struct synthetic_origin *o = (struct synthetic_origin *)origin;
    uint64_t index;

    if (!synthetic_index(&o->config, path, &index)) {
        origin_result_error(r, 404, "no such object");
        return ORIGIN_DONE;
    }
    if (o->config.delay_ms == 0) {
        synthetic_object(&o->config, index, r);
        return ORIGIN_DONE;
    }
    struct synthetic_fetch *f = start_fetch(o, base, index);
    if (f == NULL) {
        origin_result_error(r, 503, "out of memory");
        return ORIGIN_DONE;
    }
    f->done = done;
    f->arg = arg;
    *ret_fetch = &f->fetch;
    return ORIGIN_PENDING;
}

static bool synthetic_unchanged(struct origin *origin, struct span path,
                                const struct origin_stamp *stamp)
{
    (void)origin, (void)path, (void)stamp;
    return true;
}

static void synthetic_free(struct origin *origin)
{
    free(origin);
}

static const struct origin_ops synthetic_ops = { synthetic_fetch, synthetic_unchanged,
                                                 synthetic_free, NULL };

uint32_t synthetic_source(const struct synthetic_config *c)
{
    struct {
        uint64_t objects, median, seed;
        double sigma;
    } const all = { c->objects, c->median, c->seed, c->sigma };

    return origin_source_of("synthetic", &all, sizeof all);
}

int origin_synthetic_new(const struct synthetic_config *config,
                         struct origin **ret_origin)
{
    struct synthetic_origin *o = malloc(sizeof *o);

    if (o == NULL) {
        return -ENOMEM;
    }
    *o = (struct synthetic_origin){ { &synthetic_ops, synthetic_source(config) },
                                    *config };
    *ret_origin = &o->origin;
    return 0;
}
