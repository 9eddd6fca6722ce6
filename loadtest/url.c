/* SPDX-License-Identifier: MIT */
/* url.c - just enough of RFC 3986 for a load generator: no user, no escapes
 * but those that the caller wrote. */
#include "loadtest/url.h"

#include <string.h>

#include "server/base/num.h"

static const char *parse_port(struct span port, struct url *url)
{
    uint64_t number;
    if (num_parse_u64(port, 1, 65535, &number) < 0 || port.n > URL_PORT_MAX)
        return "the port must be a number from 1 to 65535";
    memcpy(url->port, port.p, port.n);
    url->port[port.n] = '\0';
    return NULL;
}

static const char *parse_authority(struct span authority, struct url *url)
{
    struct span host = authority, rest = span_skip(authority, authority.n);
    if (span_find(authority, '@') < authority.n)
        return "a user name in the URL is not supported";
    if (span_starts(authority, SPAN("["))) {
        size_t close = span_find(authority, ']');
        if (close == authority.n)
            return "the IPv6 address has no closing bracket";
        host = span_take(span_skip(authority, 1), close - 1);
        rest = span_skip(authority, close + 1);
    } else {
        size_t colon = span_find(authority, ':');
        host = span_take(authority, colon);
        rest = span_skip(authority, colon);
    }
    if (host.n == 0)
        return "the host is missing";
    if (span_to_cstr(host, url->host, sizeof url->host) < 0)
        return "the host is too long";
    if (rest.n == 0) {
        strcpy(url->port, url->https ? "443" : "80");
        return NULL;
    }
    if (rest.p[0] != ':')
        return "the host is followed by something that is no port";
    return parse_port(span_skip(rest, 1), url);
}

static const char *check_bytes(struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c <= ' ' || c >= 0x7f)
            return "it holds a byte that must be escaped";
    }
    return NULL;
}

const char *url_parse(const char *text, struct url *ret_url)
{
    struct span all = span_of(text), rest;
    struct url url = { 0 };
    const char *wrong = check_bytes(all);
    if (wrong != NULL)
        return wrong;
    url.https = span_starts_nocase(all, SPAN("https://"));
    if (!url.https && !span_starts_nocase(all, SPAN("http://")))
        return "it must begin with http:// or https://";
    rest = span_skip(all, strlen(url.https ? "https://" : "http://"));
    rest = span_take(rest, span_find(rest, '#'));
    url.authority = span_take(rest, strcspn(rest.p, "/?#"));
    url.path = span_skip(rest, url.authority.n);
    wrong = parse_authority(url.authority, &url);
    if (wrong != NULL)
        return wrong;
    if (url.path.n == 0)
        url.path = SPAN("/");
    *ret_url = url;
    return NULL;
}
