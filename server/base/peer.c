/* SPDX-License-Identifier: MIT */
/* peer.c - see peer.h. */
#include "server/base/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "server/base/num.h"

enum { MAPPED_AT = 12, MAPPED_BITS = 96, BITS = 128 };

static void map(const struct in_addr *four, uint8_t ret[16])
{
    memset(ret, 0, 10);
    ret[10] = ret[11] = 0xff;
    memcpy(ret + MAPPED_AT, four, sizeof *four);
}

bool peer_bytes(const struct peer *p, uint8_t ret[16])
{
    if (p->at.any.sa_family == AF_INET)
        map(&p->at.in.sin_addr, ret);
    else if (p->at.any.sa_family == AF_INET6)
        memcpy(ret, &p->at.in6.sin6_addr, 16);
    else
        return false;
    return true;
}

char *peer_name(char out[INET6_ADDRSTRLEN], const struct peer *p)
{
    const void *at = p->at.any.sa_family == AF_INET6
                         ? (const void *)&p->at.in6.sin6_addr
                         : (const void *)&p->at.in.sin_addr;

    if (inet_ntop(p->at.any.sa_family, at, out, INET6_ADDRSTRLEN) == NULL)
        strcpy(out, "-");
    return out;
}

static bool parse_plain(struct span text, int family, struct peer *ret)
{
    char name[INET6_ADDRSTRLEN];

    memset(ret, 0, sizeof *ret);
    if (span_to_cstr(text, name, sizeof name) < 0)
        return false;
    ret->at.any.sa_family = (sa_family_t)family;
    return inet_pton(family, name,
                     family == AF_INET6 ? (void *)&ret->at.in6.sin6_addr
                                        : (void *)&ret->at.in.sin_addr) == 1;
}

static bool is_port(struct span text)
{
    uint64_t port;

    return num_parse_u64(text, 0, 65535, &port) == 0;
}

bool peer_parse(struct span text, struct peer *ret)
{
    size_t end = span_find(text, ']'), colon = span_find(text, ':');

    if (text.n > 0 && text.p[0] == '[') {
        struct span behind = span_skip(text, end == text.n ? end : end + 1);

        return end < text.n &&
               (behind.n == 0 ||
                (behind.p[0] == ':' && is_port(span_skip(behind, 1)))) &&
               parse_plain(span_make(text.p + 1, end - 1), AF_INET6, ret);
    }
    if (colon == text.n)
        return parse_plain(text, AF_INET, ret);
    if (span_find(span_skip(text, colon + 1), ':') == text.n - colon - 1)
        return is_port(span_skip(text, colon + 1)) &&
               parse_plain(span_take(text, colon), AF_INET, ret);
    return parse_plain(text, AF_INET6, ret);
}

/* --- lists ---------------------------------------------------------------------------
 */

static bool bits_are_clear(const uint8_t bytes[16], unsigned from)
{
    for (unsigned i = from; i < BITS; i++)
        if (bytes[i / 8] & (0x80u >> i % 8))
            return false;
    return true;
}

static bool parse_network(struct span text, struct peer_list *list)
{
    size_t slash = span_find(text, '/');
    struct span name = span_take(text, slash);
    bool six = span_find(name, ':') < name.n;
    uint8_t *bytes = list->at[list->count].bytes;
    uint64_t bits = six ? BITS : BITS - MAPPED_BITS;
    struct peer p;

    if (!parse_plain(name, six ? AF_INET6 : AF_INET, &p) || !peer_bytes(&p, bytes))
        return false;
    if (slash < text.n && num_parse_u64(span_skip(text, slash + 1), 0, bits, &bits) < 0)
        return false;
    list->at[list->count].bits = (unsigned)bits + (six ? 0 : MAPPED_BITS);
    return bits_are_clear(bytes, list->at[list->count].bits);
}

static bool parts(char c)
{
    return c == ' ' || c == '\t' || c == ',';
}

int peer_list_parse(const char *text, struct peer_list *ret, struct span *ret_bad)
{
    memset(ret, 0, sizeof *ret);
    for (const char *p = text; *p != '\0';) {
        size_t n = strcspn(p, " \t,");

        if (n > 0 && ret->count == PEER_LIST_MAX)
            return -E2BIG;
        if (n > 0 && !parse_network(span_make(p, n), ret)) {
            *ret_bad = span_make(p, n);
            return -EINVAL;
        }
        ret->count += n > 0;
        p += n;
        while (parts(*p))
            p++;
    }
    return 0;
}

static bool has_prefix(const uint8_t a[16], const uint8_t b[16], unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    return memcmp(a, b, whole) == 0 &&
           (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

bool peer_list_has(const struct peer_list *list, const struct peer *p)
{
    uint8_t bytes[16];

    if (list->count == 0 || !peer_bytes(p, bytes))
        return false;
    for (unsigned i = 0; i < list->count; i++)
        if (has_prefix(bytes, list->at[i].bytes, list->at[i].bits))
            return true;
    return false;
}
