/* SPDX-License-Identifier: MIT */
/* request.h - one HTTP/1.x request after the other out of the bytes of a connection.
 *
 *   1 made    request_init()   once per connection; no allocation
 *   2 fed     request_feed()   with what has arrived and was not yet consumed
 *   3 next    request_next()   after the answer: ready for the head that follows
 *   4 gone    request_free()   at any time
 *
 * The head is taken in one piece: until its empty line is there, feed() answers MORE
 * and consumes nothing (but empty lines in front), and the caller feeds the same bytes
 * again with more behind them, wherever they then lie; what was scanned is not scanned
 * twice. So it cannot matter how the network cut the request. A buffer of
 * request_head_max() bytes always suffices: a longer head is refused.
 *
 * The spans of a head point into the bytes that were fed (`path` sometimes into memory
 * of the request's own). They are good while those bytes stay where they are, at most
 * until request_next().
 *
 * A refused request (400, 413, 414, 417, 431, 501, 505) ends the connection: where the
 * next one would begin is not known. Send the status with `Connection: close`, then
 * linger. What is wrong with the path alone is in path_status; the framing is good
 * then.
 */
#ifndef COWSHED_REQUEST_H
#define COWSHED_REQUEST_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/span.h"

enum method {
#define METHOD(name, served) METHOD_##name,
#include "server/http/methods.def"
#undef METHOD
    METHOD_UNKNOWN
};

enum request_field {
#define FIELD(id, name, twice) FIELD_##id,
#include "server/http/fields.def"
#undef FIELD
    FIELD_N
};

struct request_limits {
    size_t line;         /* bytes of the request line without its end; more: 414 */
    size_t header_bytes; /* bytes of all header fields with their ends; more: 431 */
    unsigned headers;    /* number of header fields; more: 431 */
    uint64_t body;       /* bytes of a body, decoded; more: 413 */
};

enum request_event {
    REQUEST_MORE,    /* feed again when more bytes are there */
    REQUEST_HEAD,    /* the head is complete: the public members below are set */
    REQUEST_BODY,    /* a piece of the body: fed.body */
    REQUEST_DONE,    /* the message is complete; what follows belongs to the next one */
    REQUEST_REFUSED, /* status and reason are set; the same answer from now on */
};

struct request_fed {
    enum request_event event;
    size_t consumed;  /* bytes that must not be fed again */
    struct span body; /* REQUEST_BODY: inside the bytes just fed */
};

struct request {
    /* Known since the request line, so that HEAD is refused without a body. */
    enum method method; /* never METHOD_UNKNOWN from REQUEST_HEAD on */

    /* From REQUEST_HEAD to request_next(). */
    unsigned minor;     /* HTTP/1.minor: 0 or 1 */
    struct span line;   /* the request line, for the log */
    struct span target; /* as sent */
    struct span path;  /* decoded, normalised: the key; empty unless path_status is 0 */
    struct span query; /* behind the '?', as sent */
    struct span host;  /* from an absolute target or Host; as sent; may be empty */
    struct span field[FIELD_N]; /* p == NULL: not sent */
    uint64_t content_length;    /* 0 when chunked */
    size_t head_size;           /* bytes of the head with its empty line */
    uint16_t path_status;       /* not 0: answer this instead of looking the path up */
    bool has_body;              /* false: this request is complete with its head */
    bool chunked;
    bool keep_alive;      /* what the client wants */
    bool expect_continue; /* it waits for "100 Continue" before it sends the body */
    bool plain; /* no conditional field and no Range: answer the whole thing */

    /* From REQUEST_REFUSED on. */
    uint16_t status;
    const char *reason; /* for the log: plain words, static */

    /* private */
    struct request_limits limits;
    unsigned state;
    size_t scanned,
        line_at;      /* of the head: bytes seen, where the current line begins */
    size_t fields_at; /* where the header fields begin; 0: the line is not complete */
    unsigned fields, blank; /* fields (or trailers) ended; empty lines in front */
    struct span name, value, piece; /* what llhttp is in the middle of telling */
    uint32_t twice;                 /* bit set of LIST fields that were there again */
    uint64_t body_left, body_seen, raw_seen;
    size_t trailer_bytes, extension_bytes;
    char *own; /* memory for what cannot stay as sent: path, joined lists */
    size_t own_cap;
    llhttp_t parser;
};

void request_init(struct request *, const struct request_limits *);
void request_free(struct request *); /* takes a zeroed one too */

/* One step; at most one event. `data` holds `n` bytes that were not consumed before, n
 * may be 0. After REQUEST_HEAD feed on until REQUEST_DONE when has_body; it comes at
 * once otherwise. */
struct request_fed request_feed(struct request *, const char *data, size_t n);
/* Begins with the next request, before its first byte is fed. */
void request_next(struct request *);

/* Bytes within which a head ends or is refused. */
size_t request_head_max(const struct request_limits *);
/* True when a byte of a head has come that is not complete: its deadline runs. */
bool request_begun(const struct request *);

enum method method_find(struct span token); /* METHOD_UNKNOWN */
const char *method_name(enum method);       /* "?" for METHOD_UNKNOWN */
/* 0 when files and cached responses can answer it (GET, HEAD), else 405 (with
 * METHOD_ALLOW) or 501. */
unsigned method_status(enum method);
#define METHOD_ALLOW "Allow: GET, HEAD\r\n"

#endif
