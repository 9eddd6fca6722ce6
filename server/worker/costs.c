/* SPDX-License-Identifier: MIT */
/* costs.c - what a slot may need at the most; a test counts the first of these. */
#include <stdbool.h>
#include <string.h>

#include "server/cache/record.h"
#include "server/conf/options.h"
#include "server/http/response.h"
#include "server/shared/region.h"
#include "server/worker/access_log.h"
#include "server/worker/conn.h"
#include "server/worker/intake.h"
#include "server/worker/publish.h"
#include "server/worker/worker.h"

enum {
    ALLOCATOR_BYTES = 16,      /* of malloc(), per piece */
    EVENT_BYTES = 64,          /* libevent's, per descriptor */
    ACCEPTOR_STACK = 32 << 10, /* touched, of each acceptor */
    LOOP_BYTES = 512 << 10,    /* event base, buckets of fetches, stack of the loop */
    /* OpenSSL's (3.5 takes more than 3.0): the session; both buffers, or a handshake. A
     * test measures them. */
    TLS_SESSION = 28 << 10,
    TLS_BUFFERS = 48 << 10,
};

/* What is on its way to the master, beside the ring. */
static uint64_t publish_files_max(const struct options *o)
{
    uint64_t largest = (uint64_t)o->cache_object_max + RECORD_KEY_MAX + RECORD_HEAD_MAX;

    if (o->cache_bytes == 0 || largest < PUBLISH_MEMFD_FROM)
        return 0;
    return largest > PUBLISH_FILES_BYTES ? largest : PUBLISH_FILES_BYTES;
}

struct worker_costs worker_costs(const struct options *o)
{
    const struct request_limits limits = { .line = (size_t)o->request_line_max,
                                           .header_bytes =
                                               (size_t)o->header_bytes_max };
    uint64_t head = request_head_max(&limits);
    uint64_t buffer = head + INTAKE_BODY_ROOM;
    bool tls = strcmp(o->tls_listen, "off") != 0;

    if (buffer < INTAKE_BYTES)
        buffer = INTAKE_BYTES;
    return (struct worker_costs){
        .slot = (uint64_t)o->miss_bytes + publish_files_max(o) + ACCESS_LOG_BYTES +
                ACCEPTOR_STACK + LOOP_BYTES +
                (uint64_t)INTAKE_SPARE_MAX * (sizeof(struct intake) + INTAKE_BYTES),
        .idle = sizeof(struct conn) + ALLOCATOR_BYTES + EVENT_BYTES +
                (tls ? TLS_SESSION : 0),
        /* the buffer; fields that are joined or a path that is decoded; the rest of a
         * head of our own that the socket did not take; the event for its room */
        .request = sizeof(struct intake) + buffer + 2 * head + RESPONSE_HEAD_MAX +
                   sizeof(struct event) + 4 * ALLOCATOR_BYTES + (tls ? TLS_BUFFERS : 0),
    };
}
