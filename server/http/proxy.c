/* SPDX-License-Identifier: MIT */
/* proxy.c - see proxy.h. */
#include "server/http/proxy.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include "server/base/num.h"
#include "server/base/span.h"

/* --- version 1 -----------------------------------------------------------------------
 */

static const struct span v1_begin = { "PROXY ", 6 };

/* Up to the next blank, which has to be there unless it is the last; false: empty. */
static bool word(struct span *left, bool last, struct span *ret)
{
    size_t n = span_find(*left, ' ');

    if (n == 0 || (n == left->n) != last)
        return false;
    *ret = span_take(*left, n);
    *left = span_skip(*left, last ? n : n + 1);
    return true;
}

/* Digits as a sender writes a number: no zero in front. */
static bool port_of(struct span text, in_port_t *ret)
{
    uint64_t port;

    if (num_parse_u64(text, 0, 65535, &port) < 0 || (text.n > 1 && text.p[0] == '0'))
        return false;
    *ret = htons((uint16_t)port);
    return true;
}

static bool address_of(struct span text, bool six, in_port_t port, struct peer *ret)
{
    bool has_colon = span_find(text, ':') < text.n;

    if (has_colon != six || span_find(text, '[') < text.n || !peer_parse(text, ret))
        return false;
    if (six)
        ret->at.in6.sin6_port = port;
    else
        ret->at.in.sin_port = port;
    return true;
}

/* The line without its end. */
static bool parse_v1(struct span line, struct proxy_header *ret)
{
    struct span left = span_skip(line, v1_begin.n), kind, from, to, from_port, to_port;
    struct peer ignored;
    in_port_t port, port_to;
    bool six;

    if (span_eq(left, SPAN("UNKNOWN")) || span_starts(left, SPAN("UNKNOWN ")))
        return true;
    if (!word(&left, false, &kind) || !word(&left, false, &from) ||
        !word(&left, false, &to) || !word(&left, false, &from_port) ||
        !word(&left, true, &to_port))
        return false;
    six = span_eq(kind, SPAN("TCP6"));
    if (!six && !span_eq(kind, SPAN("TCP4")))
        return false;
    ret->known = port_of(from_port, &port) && port_of(to_port, &port_to) &&
                 address_of(from, six, port, &ret->client) &&
                 address_of(to, six, port_to, &ignored);
    return ret->known;
}

static enum proxy_result take_v1(const char *data, size_t n, struct proxy_header *ret)
{
    size_t room = n < PROXY_V1_MAX ? n : PROXY_V1_MAX;
    const char *end = memchr(data, '\n', room);

    if (end == NULL)
        return n < PROXY_V1_MAX ? PROXY_MORE : PROXY_BAD;
    if (end[-1] != '\r')
        return PROXY_BAD;
    ret->size = (size_t)(end - data) + 1;
    return parse_v1(span_make(data, ret->size - 2), ret) ? PROXY_DONE : PROXY_BAD;
}

/* --- version 2 -----------------------------------------------------------------------
 */

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

enum {
    VERSION_LOCAL = 0x20,
    VERSION_PROXY = 0x21,
    FAMILY_NONE = 0x00,
    FAMILY_TCP4 = 0x11,
    FAMILY_TCP6 = 0x21,
    FAMILY_UNIX = 0x31,
    TLV_CRC32C = 0x03,
};

struct tlv { /* in the bytes of a header */
    unsigned char type;
    size_t at, n;
};

static uint16_t big16(const unsigned char *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* RFC 3720, B.4, bit by bit: a header per connection. The four bytes at `zero` count
 * as zeros. */
static uint32_t crc32c(const unsigned char *p, size_t n, size_t zero)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < n; i++) {
        crc ^= i - zero < 4 ? 0u : p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    }
    return ~crc;
}

/* All of them add up to the size, and a checksum is right. */
static bool check_tlvs(const unsigned char *p, size_t at, size_t size)
{
    while (at < size) {
        struct tlv t;

        if (size - at < 3)
            return false;
        t = (struct tlv){ p[at], at + 3, big16(p + at + 1) };
        if (size - t.at < t.n)
            return false;
        if (t.type == TLV_CRC32C) {
            uint32_t want;

            if (t.n != sizeof want)
                return false;
            memcpy(&want, p + t.at, sizeof want);
            if (ntohl(want) != crc32c(p, size, t.at))
                return false;
        }
        at = t.at + t.n;
    }
    return true;
}

static bool parse_v2(const unsigned char *p, size_t size, struct proxy_header *ret)
{
    const unsigned char *a = p + PROXY_V2_FIXED;
    size_t room = size - PROXY_V2_FIXED, used = 0;
    struct peer *c = &ret->client;

    switch (p[13]) {
    case FAMILY_NONE:
        break;
    case FAMILY_TCP4:
        used = 12;
        if (room < used)
            return false;
        c->at.in.sin_family = AF_INET;
        memcpy(&c->at.in.sin_addr, a, 4);
        memcpy(&c->at.in.sin_port, a + 8, 2);
        break;
    case FAMILY_TCP6:
        used = 36;
        if (room < used)
            return false;
        c->at.in6.sin6_family = AF_INET6;
        memcpy(&c->at.in6.sin6_addr, a, 16);
        memcpy(&c->at.in6.sin6_port, a + 32, 2);
        break;
    case FAMILY_UNIX:
        used = 216;
        if (room < used)
            return false;
        break;
    default: /* no stream */
        return false;
    }
    ret->known = p[12] == VERSION_PROXY && c->at.any.sa_family != AF_UNSPEC;
    if (p[12] == VERSION_LOCAL && p[13] == FAMILY_NONE)
        return true; /* whatever follows is to be skipped */
    return check_tlvs(p, PROXY_V2_FIXED + used, size);
}

static enum proxy_result take_v2(const char *data, size_t n, struct proxy_header *ret)
{
    const unsigned char *p = (const unsigned char *)data;

    if (n > 12 && p[12] != VERSION_LOCAL && p[12] != VERSION_PROXY)
        return PROXY_BAD;
    if (n < PROXY_V2_FIXED)
        return PROXY_MORE;
    ret->size = PROXY_V2_FIXED + (size_t)big16(p + 14);
    if (ret->size > PROXY_MAX)
        return PROXY_BAD;
    if (n < ret->size)
        return PROXY_MORE;
    return parse_v2(p, ret->size, ret) ? PROXY_DONE : PROXY_BAD;
}

/* --- both ----------------------------------------------------------------------------
 */

static bool begins(const char *data, size_t n, const char *with, size_t size)
{
    return memcmp(data, with, n < size ? n : size) == 0;
}

static enum proxy_result parse(const char *data, size_t n, struct proxy_header *ret)
{
    if (n == 0)
        return PROXY_MORE;
    if (begins(data, n, signature, sizeof signature))
        return n < sizeof signature ? PROXY_MORE : take_v2(data, n, ret);
    if (begins(data, n, v1_begin.p, v1_begin.n))
        return n < v1_begin.n ? PROXY_MORE : take_v1(data, n, ret);
    return PROXY_BAD;
}

enum proxy_result proxy_parse(const char *data, size_t n, struct proxy_header *ret)
{
    enum proxy_result result;

    *ret = (struct proxy_header){ 0 };
    result = parse(data, n, ret);
    if (result != PROXY_DONE) /* nothing of a half is believed */
        *ret = (struct proxy_header){ 0 };
    return result;
}
