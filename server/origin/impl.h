/* SPDX-License-Identifier: MIT */
/* impl.h - what an origin is made of; for the files of this folder. */
#ifndef COWSHED_ORIGIN_IMPL_H
#define COWSHED_ORIGIN_IMPL_H

#include "server/http/response.h"
#include "server/origin/origin.h"

/* The first member of each origin. */
struct origin {
    const struct origin_ops *ops;
    uint32_t source;
};

/* The first member of each pending fetch. */
struct origin_fetch {
    void (*cancel)(struct origin_fetch *);
};

struct origin_ops {
    enum origin_progress (*fetch)(struct origin *, struct event_base *,
                                  struct span path, origin_done_fn *, void *arg,
                                  struct origin_result *ret_result,
                                  struct origin_fetch **ret_fetch);
    bool (*unchanged)(struct origin *, struct span path, const struct origin_stamp *);
    void (*free)(struct origin *);
    void (*spare)(struct origin *, bool); /* NULL: it cannot */
};

/* Of a kind of origin, and what makes its contents. */
uint32_t origin_source_of(const char *kind, const void *what, size_t n);
/* An empty result with an error status. */
void origin_result_error(struct origin_result *, unsigned status, const char *why);
/* Writes the head from `meta` and sets status, length and the spans of an empty result.
 * 0 or -ENOMEM. */
int origin_result_head(struct origin_result *, const struct response_meta *);

#endif
