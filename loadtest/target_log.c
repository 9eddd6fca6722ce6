/* SPDX-License-Identifier: MIT */
/* target_log.c - a hash table of requests, while the log is read. */
#include "loadtest/target_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loadtest/mix.h"
#include "server/base/prng.h"

struct seen {
    struct target *target;
    const struct target_config *config;
    const struct url *url;
    uint32_t *at; /* template plus one, 0: free; open addressing */
    size_t size;
};

static uint64_t hash(struct span method, struct span path)
{
    uint64_t state = method.n;
    for (size_t i = 0; i < path.n; i++)
        state = (state ^ (unsigned char)path.p[i]) * UINT64_C(0x100000001b3);
    return prng_splitmix64(&state);
}

/* A template begins with its method and its path. */
static bool is_same(const struct target_template *t, struct span method,
                    struct span path)
{
    size_t n = method.n + 1 + path.n;
    return t->len > n && memcmp(t->bytes, method.p, method.n) == 0 &&
           t->bytes[method.n] == ' ' &&
           memcmp(t->bytes + method.n + 1, path.p, path.n) == 0 && t->bytes[n] == ' ';
}

static struct span path_of(const struct target_template *t, struct span *ret_method)
{
    struct span rest = span_make(t->bytes, t->len), path;
    span_cut(rest, ' ', ret_method, &rest);
    span_cut(rest, ' ', &path, &rest);
    return path;
}

static int make_room(struct seen *seen)
{
    size_t n = seen->target->n_templates;
    if (4 * (n + 1) <= 3 * seen->size)
        return 0;
    size_t size = seen->size > 0 ? 2 * seen->size : 1024;
    uint32_t *at = calloc(size, sizeof *at);
    if (at == NULL)
        return -ENOMEM;
    for (uint32_t t = 0; t < n; t++) {
        struct span method, path = path_of(&seen->target->templates[t], &method);
        size_t i = hash(method, path) & (size - 1);
        while (at[i] != 0)
            i = (i + 1) & (size - 1);
        at[i] = t + 1;
    }
    free(seen->at);
    seen->at = at;
    seen->size = size;
    return 0;
}

static int add(void *arg, struct span method, struct span path, uint32_t *ret_which)
{
    struct seen *seen = arg;
    struct target *target = seen->target;
    int err = make_room(seen);
    if (err < 0)
        return err;
    size_t i = hash(method, path) & (seen->size - 1);
    for (; seen->at[i] != 0; i = (i + 1) & (seen->size - 1)) {
        if (is_same(&target->templates[seen->at[i] - 1], method, path)) {
            *ret_which = seen->at[i] - 1;
            return 0;
        }
    }
    const char *wrong = NULL;
    struct mix_line line = { .method = method, .path = path };
    err = target_add_template(target, seen->config, seen->url, &line, &wrong);
    if (err < 0)
        return err;
    seen->at[i] = target->n_templates;
    *ret_which = target->n_templates - 1;
    return 0;
}

int target_read_log(struct target *target, const struct target_config *config,
                    const struct url *url, char error[TARGET_ERROR_MAX])
{
    struct seen seen = { .target = target, .config = config, .url = url };
    int err = replay_read(&target->replay, config->replay_path, add, &seen, error);
    free(seen.at);
    return err;
}
