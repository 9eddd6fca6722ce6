/* SPDX-License-Identifier: MIT */
/* open.c - what a slot needs before it serves, in the order in which it is opened.
 *
 * The base has no EVENT_BASE_FLAG_PRECISE_TIMER: with it libevent keeps its timeouts in
 * a timerfd and sets that anew in every turn, one more system call. The only timer here
 * is coarse.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/cache/cache.h"
#include "server/conf/options.h"
#include "server/origin/file.h"
#include "server/origin/synthetic.h"
#include "server/worker/acceptor.h"
#include "server/worker/worker_priv.h"

/* Descriptors that are neither connections nor files: of a process, of a slot. */
enum { FILES_OF_PROCESS = 24, FILES_OF_SLOT = 8 };

static void set_deadlines(struct worker *w)
{
    const struct options *o = w->options;
    const struct {
        enum deadline_kind kind;
        int64_t ms;
    } timeouts[] = {
        { DEADLINE_KEEPALIVE, o->keepalive_timeout_ms },
        { DEADLINE_HEAD, o->header_timeout_ms },
        { DEADLINE_BODY, o->body_timeout_ms },
        { DEADLINE_FETCH, WORKER_FETCH_MS + o->synthetic_delay_ms },
        { DEADLINE_SEND, o->send_timeout_ms },
        { DEADLINE_LINGER, o->linger_timeout_ms },
        { DEADLINE_QUIET, WORKER_QUIET_MS },
    };

    deadlines_init(&w->deadlines);
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++)
        deadlines_set_timeout(&w->deadlines, timeouts[i].kind,
                              (uint64_t)timeouts[i].ms * CLOCK_NS_PER_MS);
}

static int open_loop(struct worker *w)
{
    const struct timeval tick = { .tv_usec = WORKER_TICK_MS * 1000 };
    struct event_config *config = event_config_new();

    if (config == NULL)
        return -ENOMEM;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
    w->base = event_base_new_with_config(config);
    event_config_free(config);
    if (w->base == NULL || event_base_priority_init(w->base, WORKER_PRIORITIES) < 0)
        return -ENOMEM;
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake_fd < 0)
        return -errno;
    event_assign(&w->ev_wake, w->base, w->wake_fd, EV_READ | EV_PERSIST | EV_ET,
                 worker_on_wake, w);
    event_assign(&w->ev_tick, w->base, -1, EV_PERSIST, worker_on_tick, w);
    if (event_add(&w->ev_wake, NULL) < 0 || event_add(&w->ev_tick, &tick) < 0)
        return -ENOMEM;
    return control_start(w);
}

/* A private heap has one owner: a guest beside it begins with a cold cache of its own.
 */
static int choose_cache(struct worker *w)
{
    const char *why = NULL;

    w->cache = w->env->cache;
    if (w->cache == NULL || !w->env->guest || cache_is_shared(w->cache))
        return 0;
    w->own_cache = cache_new_like(w->cache, &why);
    w->cache = w->own_cache;
    if (w->cache != NULL)
        return 0;
    log_err("could not make a cache for a guest: %s", why);
    return -ENOMEM;
}

static int open_cache(struct worker *w)
{
    int rc = choose_cache(w);

    if (rc < 0)
        return rc;
    if (w->cache == NULL)
        return hash_key_random(&w->hash_key);
    w->owns_heap = !cache_is_shared(w->cache) && cache_is_owner(w->cache);
    w->reader = cache_reader_open(w->cache, w->env->seat);
    if (w->reader == NULL)
        return -ENOMEM;
    w->pins.reader = w->reader;
    if (w->owns_heap)
        collect_init(w);
    return 0;
}

static int open_origin(struct worker *w)
{
    const struct options *o = w->options;
    const struct origin_file_config files = {
        .root = o->root, .index = o->index, .object_max = (size_t)o->cache_object_max
    };
    const struct synthetic_config objects = { .objects = (uint64_t)o->synthetic_objects,
                                              .median = (uint64_t)o->synthetic_median,
                                              .sigma = o->synthetic_sigma,
                                              .seed = (uint64_t)o->synthetic_seed,
                                              .delay_ms =
                                                  (unsigned)o->synthetic_delay_ms,
                                              .object_max =
                                                  (size_t)o->cache_object_max };
    const char *why = "out of memory";
    int rc = o->origin == ORIGIN_SYNTHETIC ? origin_synthetic_new(&objects, &w->origin)
                                           : origin_file_new(&files, &w->origin, &why);

    if (rc < 0)
        log_err("could not serve '%s': %s", o->root, why);
    else
        w->source = origin_source(w->origin);
    return rc;
}

/* Connections that the limit of open files allows: each may need a file as well, and
 * the threads of a process share the limit. */
static unsigned connections_max(const struct options *o)
{
    uint64_t slots = o->slots_as == SLOTS_THREADS ? (uint64_t)o->slots : 1;
    uint64_t limit = (uint64_t)o->connections;
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return (unsigned)limit;
    uint64_t others = FILES_OF_PROCESS + FILES_OF_SLOT * slots;
    uint64_t room = files.rlim_cur > others ? files.rlim_cur - others : 0;
    if (room / slots / 2 < limit)
        limit = room / slots / 2;
    return limit > 0 ? (unsigned)limit : 1;
}

/* Who was told to drain before it could accept never does; and in a process that others
 * drain too, the listeners may be closed by then. */
static int open_acceptor(struct worker *w)
{
    const struct acceptor_fair fair = { w->env->region, w->env->seat };
    int rc;

    control_hear(w);
    if (w->stops_accepting)
        return 0;
    rc = acceptor_start(&w->acceptor, w->env->listeners, w->env->listener_count,
                        connections_max(w->options), w->wake_fd, (int)w->env->slot,
                        &fair);
    w->accepts = rc == 0;
    if (rc == -EBADF)
        control_hear(w);
    return rc == -EBADF && w->stops_accepting ? 0 : rc;
}

int worker_open(struct worker *w)
{
    const struct options *o = w->options;
    const struct request_limits limits = { .line = (size_t)o->request_line_max,
                                           .header_bytes = (size_t)o->header_bytes_max,
                                           .headers = (unsigned)o->headers_max,
                                           .body = (uint64_t)o->body_max };
    int rc;

    intake_pool_init(&w->intakes, &limits);
    set_deadlines(w);
    publisher_init(w);
    rc = clients_init(&w->clients, (unsigned)o->client_connections);
    if (rc == 0)
        rc = behind_init(w);
    if (rc == 0)
        rc = open_loop(w);
    if (rc == 0)
        rc = open_cache(w);
    if (rc == 0)
        rc = open_origin(w);
    if (rc == 0)
        rc = access_log_open(&w->log, w->env->access_log_fd);
    w->log.json = o->access_log_format == LOGFORMAT_JSON;
    if (rc == 0)
        rc = open_acceptor(w);
    return rc;
}
