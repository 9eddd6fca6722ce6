/* SPDX-License-Identifier: MIT */
/* pages.h - the bodies of the admin listener's answers. Each appends to a buffer of
 * libevent; 0 or -ENOMEM.
 */
#ifndef COWSHED_ADMIN_PAGES_H
#define COWSHED_ADMIN_PAGES_H

#include <stdint.h>

struct calibration;
struct evbuffer;
struct options;
struct region;
struct view;

struct page_source {
    const struct options *options;
    const struct region *region;
    const struct view *view;
    const struct calibration *calibration;
};

/* JSON: the fields of the README, and more. */
int page_status(struct evbuffer *, const struct page_source *);
/* Prometheus text format 0.0.4. */
int page_metrics(struct evbuffer *, const struct page_source *);
/* JSON lines of all seats and the master, by the time at which they ended. With
 * since_ns > 0 the oldest `limit` that ended after it, else the newest. */
int page_events(struct evbuffer *, const struct region *, uint64_t since_ns,
                uint64_t limit);
/* HTML that shows /status and refreshes itself. */
extern const char page_dashboard[];

enum { READY_WORDS_MAX = 192 };

/* Is the server ready for a load balancer? 0 or a negative errno, and words for people.
 */
int page_ready(const struct page_source *, char ret_words[READY_WORDS_MAX]);

#endif
