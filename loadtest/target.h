/* SPDX-License-Identifier: MIT */
/* target.h - where requests go and what they say, made ready before the first is sent.
 *
 * A request is bytes with at most one gap, which takes the number of a key. Which
 * request and which key are drawn in the order of the plan from a stream of their own:
 * the n-th request of a thread is the same whatever the server does (README rule 5).
 */
#ifndef LOADTEST_TARGET_H
#define LOADTEST_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "loadtest/alias.h"
#include "loadtest/dial.h"
#include "loadtest/replay.h"
#include "loadtest/tls.h"
#include "server/base/span.h"

enum {
    TARGET_HEAD_MAX = 16384,      /* bytes of one request without its body, */
    TARGET_REQUEST_MAX = 1 << 20, /* and with it */
    TARGET_TEMPLATES_MAX = 10000, /* of a mix */
    TARGET_ERROR_MAX = LINES_ERROR_MAX,
};

struct target_config {
    const char *url;
    const char *const *headers; /* "Name: value" */
    size_t n_headers;
    const char *mix_path; /* NULL: the URL alone, with */
    const char *method;   /* NULL: GET, */
    const char *body;     /* and this body, @FILE or text; NULL: none */
    uint32_t zipf_keys;   /* 0: no keys */
    double zipf_exponent;
    struct dial_config dial;
    const char *replay_path; /* an access log instead of all of these; NULL: none */
    struct tls_config tls;   /* of an https URL */
};

struct target_template {
    char *bytes; /* owned */
    size_t len;
    size_t gap; /* where the key goes; len + 1 when there is no key */
    bool head;  /* its response has no body */
};

struct target {
    struct dial dial;
    struct replay replay; /* n 0: none */
    struct tls tls;       /* ctx is NULL for http */
    struct target_template *templates;
    uint32_t n_templates;
    struct alias mix;  /* of templates; no cells when there is one */
    struct alias keys; /* no cells without keys */
};

/* Resolves the name, reads the mix. Returns 0, or a negative errno with a message for
 * people in `error`; ret_target is untouched then. */
int target_init(struct target *ret_target, const struct target_config *config,
                char error[TARGET_ERROR_MAX]);
void target_free(struct target *target);

/* Which request it is. */
struct target_pick {
    bool head;      /* its response has no body */
    uint64_t which; /* the same number for the same request */
};

/* The next request into `out`, TARGET_REQUEST_MAX bytes; returns its length. */
size_t target_next(const struct target *target, struct prng *prng, char *out,
                   struct target_pick *ret_pick);

/* The one of a line of the log that is replayed. */
size_t target_replay(const struct target *target, size_t line, char *out,
                     struct target_pick *ret_pick);

#endif
