/* SPDX-License-Identifier: MIT */
/* access_line.c - see access_line.h. */
#include "server/worker/access_line.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/base/peer.h"

/* Bytes of a line that each part may have, escapes included. Together with the address
 * (46), the time (28), numbers (23) and punctuation they stay below ACCESS_LINE_MAX; so
 * do those of JSON with names (220) and numbers (120). */
enum { REQUEST_MAX = 2048, REFERER_MAX = 1024, AGENT_MAX = 512, ID_MAX = 128 };
enum { METHOD_MAX = 32, TARGET_MAX = 2048, PROTOCOL_MAX = 16, JSON_REFERER_MAX = 768 };

_Static_assert(REQUEST_MAX + REFERER_MAX + AGENT_MAX + ID_MAX + 128 < ACCESS_LINE_MAX,
               "a combined line fits");
_Static_assert(METHOD_MAX + TARGET_MAX + PROTOCOL_MAX + JSON_REFERER_MAX + AGENT_MAX +
                       ID_MAX + 46 + 28 + 220 + 120 <
                   ACCESS_LINE_MAX,
               "a line of JSON fits");
_Static_assert(ACCESS_LINE_MAX <= PIPE_BUF, "a line fits a pipe");

static char *put(char *to, const char *bytes, size_t n)
{
    memcpy(to, bytes, n);
    return to + n;
}

static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

/* Control bytes, quotes, backslashes and everything that is not ASCII become \xHH. */
static char *put_escaped(char *to, struct span s, size_t max)
{
    static const char hex[] = "0123456789ABCDEF";
    char *end = to + max;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char byte = (unsigned char)s.p[i];

        if (is_plain(byte)) {
            if (to == end)
                break;
            *to++ = (char)byte;
        } else {
            if (end - to < 4)
                break;
            to = put(to, "\\x", 2);
            *to++ = hex[byte >> 4];
            *to++ = hex[byte & 15];
        }
    }
    return to;
}

static char *put_or_dash(char *to, struct span s, size_t max)
{
    return s.n == 0 ? put(to, "-", 1) : put_escaped(to, s, max);
}

static char *put_number(char *to, uint64_t value)
{
    char digits[20];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (n > 0)
        *to++ = digits[--n];
    return to;
}

static char *put_address(char *to, const struct peer *peer)
{
    return to + strlen(peer_name(to, peer));
}

/* --- combined ------------------------------------------------------------------------
 */

size_t access_line_combined(char out[ACCESS_LINE_MAX], const struct access_line *line,
                            const char *when)
{
    char *to = put_address(out, line->peer);

    to = put(to, " - - [", 6);
    to = put(to, when, strlen(when));
    to = put(to, "] \"", 3);
    to = put_or_dash(to, line->request, REQUEST_MAX);
    to = put(to, "\" ", 2);
    to = put_number(to, line->status);
    to = put(to, " ", 1);
    to = put_number(to, line->bytes);
    to = put(to, " \"", 2);
    to = put_or_dash(to, line->referer, REFERER_MAX);
    to = put(to, "\" \"", 3);
    to = put_or_dash(to, line->user_agent, AGENT_MAX);
    if (line->id.n > 0) {
        to = put(to, "\" \"", 3);
        to = put_escaped(to, line->id, ID_MAX);
    }
    to = put(to, "\"\n", 2);
    CHECK(to - out <= ACCESS_LINE_MAX);
    return (size_t)(to - out);
}

void access_time_combined(char out[ACCESS_TIME_MAX], int64_t time_s)
{
    const time_t t = (time_t)time_s;
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(out, ACCESS_TIME_MAX, "%d/%b/%Y:%H:%M:%S +0000", &tm);
}

/* --- JSON: RFC 8259 ------------------------------------------------------------------
 */

/* Bytes above 7F are told one by one, as if they were Latin-1: what a client sent need
 * not be UTF-8, and nothing is lost. */
static char *put_json(char *to, struct span s, size_t max)
{
    static const char hex[] = "0123456789abcdef";
    char *end = to + max;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char byte = (unsigned char)s.p[i];
        bool quoted = byte == '"' || byte == '\\';

        if (end - to < (is_plain(byte) ? 1 : quoted ? 2 : 6))
            break;
        if (quoted)
            *to++ = '\\';
        if (quoted || is_plain(byte)) {
            *to++ = (char)byte;
        } else {
            to = put(to, "\\u00", 4);
            *to++ = hex[byte >> 4];
            *to++ = hex[byte & 15];
        }
    }
    return to;
}

/* ,"name":"value" */
static char *put_text(char *to, const char *name, struct span value, size_t max)
{
    to = put(to, ",\"", 2);
    to = put(to, name, strlen(name));
    to = put(to, "\":\"", 3);
    to = put_json(to, value, max);
    return put(to, "\"", 1);
}

static char *put_count(char *to, const char *name, uint64_t value)
{
    to = put(to, ",\"", 2);
    to = put(to, name, strlen(name));
    to = put(to, "\":", 2);
    return put_number(to, value);
}

/* What stands between the blanks of a request line. */
static struct span word(struct span *left)
{
    size_t n = span_find(*left, ' ');
    struct span w = span_take(*left, n);

    *left = span_skip(*left, n < left->n ? n + 1 : n);
    return w;
}

size_t access_line_json(char out[ACCESS_LINE_MAX], const struct access_line *line,
                        const char *when)
{
    char client[INET6_ADDRSTRLEN], *to = out;
    struct span left = line->request;

    to = put(to, "{\"time\":\"", 9);
    to = put(to, when, strlen(when));
    *to++ = '.';
    *to++ = (char)('0' + line->time_ms / 100 % 10);
    *to++ = (char)('0' + line->time_ms / 10 % 10);
    *to++ = (char)('0' + line->time_ms % 10);
    to = put(to, "Z\"", 2);
    to = put_text(to, "client", span_of(peer_name(client, line->peer)), sizeof client);
    to = put_text(to, "method", word(&left), METHOD_MAX);
    to = put_text(to, "target", word(&left), TARGET_MAX);
    to = put_text(to, "protocol", left, PROTOCOL_MAX);
    to = put_count(to, "status", line->status);
    to = put_count(to, "bytes", line->bytes);
    to = put_count(to, "duration_us", line->duration_ns / CLOCK_NS_PER_US);
    to = put_count(to, "queue_us", line->queue_ns / CLOCK_NS_PER_US);
    to = put_text(to, "cache", span_of(line->cache), 8);
    to = put_count(to, "slot", line->slot);
    to = put_count(to, "generation", line->generation);
    if (line->id.n > 0)
        to = put_text(to, "id", line->id, ID_MAX);
    to = put_text(to, "referer", line->referer, JSON_REFERER_MAX);
    to = put_text(to, "user_agent", line->user_agent, AGENT_MAX);
    to = put(to, "}\n", 2);
    CHECK(to - out <= ACCESS_LINE_MAX);
    return (size_t)(to - out);
}

void access_time_json(char out[ACCESS_TIME_MAX], int64_t time_s)
{
    const time_t t = (time_t)time_s;
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(out, ACCESS_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
}
