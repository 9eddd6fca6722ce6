/* SPDX-License-Identifier: MIT */
/* request.c - the head line by line, then llhttp over all of it; the body by count or
 * llhttp.
 *
 *   - HEAD: looks for the empty line and judges each line, until REQUEST_HEAD
 *   - LENGTH: hands on as many bytes as Content-Length said
 *   - CHUNKED: llhttp decodes; sizes, extensions and trailers are bounded
 *   - DONE: takes none, they belong to the next request, until request_next()
 *   - REFUSED: takes none any more
 *
 * llhttp runs strict and sees a head in one piece, so its callbacks get whole names and
 * values there; in a chunked body they come in any pieces. What it leaves to its user
 * is done here: one Host, what Transfer-Encoding may say, Content-Length to the digit,
 * line folding. It stops for upgrades: we never upgrade, so its flag is cleared before
 * it can.
 */
#include "server/http/request.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/http/request_head.h"
#include "server/http/request_line.h"

enum { HEAD, LENGTH, CHUNKED, DONE, REFUSED };
enum { FIRST, REFUSE, SPOIL, LIST }; /* fields.def */

enum {
    BLANK_MAX = 4,        /* empty lines in front of a request line */
    EXTENSION_MAX = 4096, /* bytes of all chunk extensions of a body */
    OWN_KEEP = 4096,      /* memory kept from one request to the next */
};

static const struct field_row {
    struct span name;
    int twice;
} rows[] = {
#define FIELD(id, name, twice) { { name, sizeof name - 1 }, twice },
#include "server/http/fields.def"
#undef FIELD
};

static struct request_fed refuse(struct request *req, unsigned status, const char *why)
{
    if (req->state != REFUSED) {
        req->state = REFUSED;
        req->status = (uint16_t)status;
        req->reason = why;
        req->keep_alive = false;
    }
    return (struct request_fed){ .event = REQUEST_REFUSED };
}

/* --- what llhttp tells --- */

/* Refuses and gives the value that stops llhttp. */
static int stop(struct request *req, unsigned status, const char *why)
{
    refuse(req, status, why);
    return HPE_USER;
}

static int add_piece(struct request *req, struct span *to, const char *at, size_t n)
{
    if (req->state == HEAD) {
        *to = to->n > 0 ? (struct span){ to->p, to->n + n } : (struct span){ at, n };
        return 0;
    }
    req->trailer_bytes += n;
    return req->trailer_bytes > req->limits.header_bytes
               ? stop(req, 431, "trailers are too long")
               : 0;
}

static int on_name(llhttp_t *p, const char *at, size_t n)
{
    struct request *req = p->data;
    return add_piece(req, &req->name, at, n);
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
    struct request *req = p->data;
    return add_piece(req, &req->value, at, n);
}

static int find_field(struct span name)
{
    for (int i = 0; i < FIELD_N; i++) {
        if (name.n == rows[i].name.n && span_eq_nocase(name, rows[i].name)) {
            return i;
        }
    }
    return -1;
}

static int keep_field(struct request *req, int id, struct span value)
{
    struct span *kept = &req->field[id];

    if (kept->p == NULL) {
        *kept = value;
        return 0;
    }
    switch (rows[id].twice) {
    case REFUSE:
        return stop(req, 400, "a field that must be single came twice");
    case SPOIL:
        *kept = SPAN("?");
        break;
    case LIST:
        req->twice |= UINT32_C(1) << id;
        break;
    default: /* FIRST */
        break;
    }
    return 0;
}

static int on_field_end(llhttp_t *p)
{
    struct request *req = p->data;

    if (req->state != HEAD) {
        req->fields++;
        return req->fields > req->limits.headers ? stop(req, 431, "too many trailers")
                                                 : 0;
    }
    int id = find_field(req->name);
    struct span value = span_trim(req->value);
    if (value.n == 0) {
        value = SPAN(""); /* there, though empty */
    }
    req->name = (struct span){ 0 };
    req->value = (struct span){ 0 };
    return id >= 0 ? keep_field(req, id, value) : 0;
}

static int on_head_end(llhttp_t *p)
{
    struct request *req = p->data;

    req->keep_alive = llhttp_should_keep_alive(p) != 0; /* it forgets at the end */
    p->upgrade = 0;
    return 0;
}

static int on_extension(llhttp_t *p, const char *at, size_t n)
{
    struct request *req = p->data;

    (void)at;
    req->extension_bytes += n;
    return req->extension_bytes > EXTENSION_MAX
               ? stop(req, 400, "chunk extensions are too long")
               : 0;
}

static int on_chunk(llhttp_t *p)
{
    struct request *req = p->data;

    return p->content_length > req->limits.body - req->body_seen
               ? stop(req, 413, "the chunks are too much")
               : 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct request *req = p->data;

    req->piece = (struct span){ at, n };
    req->body_seen += n;
    return HPE_PAUSED;
}

static int on_message_end(llhttp_t *p)
{
    struct request *req = p->data;

    if (req->state == HEAD) {
        return 0;
    }
    req->state = DONE;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_header_value_complete = on_field_end,
    .on_headers_complete = on_head_end,
    .on_chunk_header = on_chunk,
    .on_chunk_extension_name = on_extension,
    .on_chunk_extension_value = on_extension,
    .on_body = on_body,
    .on_message_complete = on_message_end,
};

/* --- life --- */

void request_init(struct request *req, const struct request_limits *limits)
{
    *req = (struct request){ .limits = *limits };
    llhttp_init(&req->parser, HTTP_REQUEST, &settings);
    request_next(req);
}

void request_free(struct request *req)
{
    free(req->own);
    req->own = NULL;
    req->own_cap = 0;
}

void request_next(struct request *req)
{
    struct request_limits limits = req->limits;
    char *own = req->own;
    size_t own_cap = req->own_cap;

    if (own_cap > OWN_KEEP) {
        free(own);
        own = NULL;
        own_cap = 0;
    }
    memset(req, 0, offsetof(struct request, parser));
    req->method = METHOD_UNKNOWN;
    req->limits = limits;
    req->own = own;
    req->own_cap = own_cap;
    req->state = HEAD;
    llhttp_reset(&req->parser);
}

size_t request_head_max(const struct request_limits *limits)
{
    return limits->line + 2 + limits->header_bytes + 2;
}

bool request_begun(const struct request *req)
{
    return req->state == HEAD && req->scanned > 0;
}

/* --- a complete head --- */

static struct request_fed finish_head(struct request *req, struct span head)
{
    struct request_line line;
    const char *why = NULL;

    req->head_size = head.n;
    req->line = span_take(head, req->fields_at - 2);
    unsigned status = request_line_parse(req->line, &line, &why);
    CHECK(status == 0); /* it was when the line was complete */
    req->method = line.method;
    req->minor = line.minor;
    req->target = line.target;
    req->query = line.query;

    req->parser.data = req;
    llhttp_errno_t err = llhttp_execute(&req->parser, head.p, head.n);
    if (err != HPE_OK) {
        return refuse(req, 400, llhttp_get_error_reason(&req->parser));
    }
    status = request_head_check(req, head, &line, &why);
    if (status != 0) {
        return refuse(req, status, why);
    }
    req->keep_alive = req->keep_alive && req->method != METHOD_CONNECT;
    req->body_left = req->content_length;
    req->fields = 0; /* now of the trailers */
    req->state = req->chunked ? CHUNKED : req->has_body ? LENGTH : DONE;
    return (struct request_fed){ .event = REQUEST_HEAD, .consumed = head.n };
}

/* --- an incomplete head --- */

/* Bytes that no method begins with: TLS, say, on a port that speaks none. Its client
 * waits for an answer, and no line feed may ever come. */
static bool is_binary(const char *data)
{
    unsigned char c = (unsigned char)data[0];

    return c != '\r' && (c < ' ' || c >= 127);
}

/* Judges the line that ends with the line feed before `end`; 0 or a status. */
static unsigned judge_line(struct request *req, const char *data, size_t end,
                           const char **ret_why)
{
    struct request_line line;
    size_t n = end - req->line_at - 1; /* with the CR, if it is there */
    bool has_cr = n > 0 && data[end - 2] == '\r';

    if (req->fields_at == 0) {
        if (is_binary(data)) {
            *ret_why = "this is no request line";
            return 400;
        }
        if (n > req->limits.line + (has_cr ? 1 : 0)) {
            *ret_why = "the request line is too long";
            return 414;
        }
    } else if (end - req->fields_at > req->limits.header_bytes) {
        *ret_why = "the header fields are too long";
        return 431;
    } else if (++req->fields > req->limits.headers) {
        *ret_why = "too many header fields";
        return 431;
    }
    if (!has_cr) {
        *ret_why = "a line ends with a bare line feed";
        return 400;
    }
    if (req->fields_at == 0) {
        struct span text = { data + req->line_at, n - 1 };
        unsigned status = request_line_parse(text, &line, ret_why);
        req->fields_at = end;
        if (status == 0)
            req->method = line.method; /* an error that follows is for this method */
        return status;
    }
    if (data[req->line_at] == ' ' || data[req->line_at] == '\t') {
        *ret_why = "a folded header field";
        return 400;
    }
    return 0;
}

/* A line whose end is not there: 0, or the status when no end could make it good. */
static unsigned judge_part(const struct request *req, const char *data, size_t n,
                           const char **ret_why)
{
    if (req->fields_at == 0 && n > 0 && is_binary(data)) {
        *ret_why = "this is no request line";
        return 400;
    }
    if (req->fields_at == 0) {
        *ret_why = "the request line is too long";
        return n > req->limits.line + 1 ? 414 : 0;
    }
    *ret_why = "the header fields are too long";
    return n - req->fields_at > req->limits.header_bytes + 1 ? 431 : 0;
}

static struct request_fed scan_head(struct request *req, const char *data, size_t n)
{
    const char *why = NULL;
    const char *feed;

    while (req->scanned < n &&
           (feed = memchr(data + req->scanned, '\n', n - req->scanned)) != NULL) {
        size_t end = (size_t)(feed - data) + 1;
        bool empty = end - req->line_at == 2 && data[req->line_at] == '\r';
        if (empty && req->fields_at > 0) {
            return finish_head(req, (struct span){ data, end });
        }
        unsigned status = judge_line(req, data, end, &why);
        if (status != 0) {
            return refuse(req, status, why);
        }
        req->line_at = req->scanned = end;
    }
    req->scanned = n;
    unsigned status = judge_part(req, data, n, &why);
    return status != 0 ? refuse(req, status, why)
                       : (struct request_fed){ .event = REQUEST_MORE };
}

/* Empty lines in front are skipped (RFC 9112 2.2), a few of them. */
static struct request_fed feed_head(struct request *req, const char *data, size_t n)
{
    size_t skipped = 0;

    while (req->fields_at == 0 && n - skipped >= 2 &&
           memcmp(data + skipped, "\r\n", 2) == 0) {
        if (++req->blank > BLANK_MAX) {
            return refuse(req, 400, "too many empty lines before a request");
        }
        skipped += 2;
        req->scanned = 0;
    }
    struct request_fed fed = scan_head(req, data + skipped, n - skipped);
    if (fed.event != REQUEST_REFUSED) {
        fed.consumed += skipped;
    }
    return fed;
}

/* --- the body --- */

static struct request_fed feed_length(struct request *req, const char *data, size_t n)
{
    size_t part = n < req->body_left ? n : (size_t)req->body_left;

    req->body_left -= part;
    if (req->body_left == 0) {
        req->state = DONE;
    }
    return (struct request_fed){ REQUEST_BODY, part, { data, part } };
}

/* Framing may cost eight bytes for each byte of body, and some. */
static bool is_mostly_framing(const struct request *req)
{
    return req->raw_seen / 8 > req->limits.body + 8192;
}

static struct request_fed feed_chunked(struct request *req, const char *data, size_t n)
{
    req->parser.data = req;
    req->piece = (struct span){ 0 };
    llhttp_errno_t err = llhttp_execute(&req->parser, data, n);
    if (req->state == REFUSED) {
        return (struct request_fed){ .event = REQUEST_REFUSED };
    }
    if (err != HPE_OK && err != HPE_PAUSED) {
        return refuse(req, 400, llhttp_get_error_reason(&req->parser));
    }
    size_t used = n;
    if (err == HPE_PAUSED) {
        used = (size_t)(llhttp_get_error_pos(&req->parser) - data);
        llhttp_resume(&req->parser);
    }
    req->raw_seen += used;
    if (is_mostly_framing(req)) {
        return refuse(req, 413, "a chunked body of framing");
    }
    enum request_event event = req->piece.n > 0     ? REQUEST_BODY
                               : req->state == DONE ? REQUEST_DONE
                                                    : REQUEST_MORE;
    return (struct request_fed){ event, used, req->piece };
}

struct request_fed request_feed(struct request *req, const char *data, size_t n)
{
    switch (req->state) {
    case DONE:
        return (struct request_fed){ .event = REQUEST_DONE };
    case REFUSED:
        return (struct request_fed){ .event = REQUEST_REFUSED };
    default:
        break;
    }
    if (n == 0) {
        return (struct request_fed){ .event = REQUEST_MORE };
    }
    return req->state == HEAD     ? feed_head(req, data, n)
           : req->state == LENGTH ? feed_length(req, data, n)
                                  : feed_chunked(req, data, n);
}
