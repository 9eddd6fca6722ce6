/* SPDX-License-Identifier: MIT */
/* request_line.c - see request_line.h.
 *
 * Exactly one space between the parts, nothing in front and nothing behind: every
 * leniency here is a chance for two servers in a row to read two different requests.
 */
#include "server/http/request_line.h"

#include <stdint.h>

static bool is_alnum(unsigned char c)
{
    unsigned char lower = c | 0x20;
    return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_one_of(unsigned char c, const char *set)
{
    while (*set != '\0' && (unsigned char)*set != c) {
        set++;
    }
    return *set != '\0';
}

static bool is_token(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (!is_alnum(c) && !is_one_of(c, "!#$%&'*+-.^_`|~")) {
            return false;
        }
    }
    return s.n > 0;
}

static const struct method_row {
    struct span name;
    bool served;
} methods[] = {
#define METHOD(name, served) { { #name, sizeof #name - 1 }, served },
#include "server/http/methods.def"
#undef METHOD
};

enum method method_find(struct span token)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (span_eq(token, methods[i].name)) {
            return (enum method)i;
        }
    }
    return METHOD_UNKNOWN;
}

const char *method_name(enum method m)
{
    return m < METHOD_UNKNOWN ? methods[m].name.p : "?";
}

unsigned method_status(enum method m)
{
    if (m >= METHOD_UNKNOWN) {
        return 501;
    }
    return methods[m].served ? 0 : 405;
}

static bool all_digits(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i])) {
            return false;
        }
    }
    return true;
}

/* Behind the host: nothing, or a colon and at most five digits. */
static bool is_port(struct span s)
{
    return s.n == 0 || (s.p[0] == ':' && s.n <= 6 && all_digits(span_skip(s, 1)));
}

bool request_host_is_valid(struct span host)
{
    size_t i = 0;

    if (host.n > 0 && host.p[0] == '[') {
        size_t end = span_find(host, ']');
        for (i = 1; i < end; i++) {
            unsigned char c = (unsigned char)host.p[i];
            if (!is_alnum(c) && c != ':' && c != '.') {
                return false;
            }
        }
        return end < host.n && end > 1 && is_port(span_skip(host, end + 1));
    }
    while (i < host.n && (is_alnum((unsigned char)host.p[i]) ||
                          is_one_of((unsigned char)host.p[i], "-._~!$&'()*+,;=%"))) {
        i++;
    }
    /* a port alone is no host */
    return is_port(span_skip(host, i)) && (i > 0 || host.n == 0);
}

/* Printable ASCII without '#': a fragment is never sent, the rest must be escaped. */
static bool is_target(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= 0x20 || c >= 0x7f || c == '#') {
            return false;
        }
    }
    return s.n > 0;
}

static void split_query(struct span s, struct request_line *line)
{
    line->has_path = true;
    if (!span_cut(s, '?', &line->path, &line->query)) {
        line->query = (struct span){ NULL, 0 };
    }
    if (line->path.n == 0) {
        line->path = SPAN("/");
    }
}

static bool parse_absolute(struct span target, struct request_line *line)
{
    size_t scheme = span_starts_nocase(target, SPAN("http://"))    ? 7
                    : span_starts_nocase(target, SPAN("https://")) ? 8
                                                                   : 0;
    struct span rest = span_skip(target, scheme);
    size_t end = 0;

    while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?') {
        end++;
    }
    line->host = span_take(rest, end);
    split_query(span_skip(rest, end), line);
    return scheme > 0 && line->host.n > 0 && request_host_is_valid(line->host);
}

static bool parse_target(struct request_line *line)
{
    struct span t = line->target;

    if (line->method == METHOD_CONNECT) {
        line->host = t;
        return request_host_is_valid(t) && span_rfind(t, ':') < t.n;
    }
    if (t.p[0] == '/') {
        split_query(t, line);
        return true;
    }
    if (span_eq(t, SPAN("*"))) {
        return line->method == METHOD_OPTIONS;
    }
    return parse_absolute(t, line);
}

static unsigned refuse(unsigned status, const char *why, const char **ret_why)
{
    *ret_why = why;
    return status;
}

unsigned request_line_parse(struct span text, struct request_line *ret_line,
                            const char **ret_why)
{
    struct request_line line = { 0 };
    struct span method, rest, version;

    if (!span_cut(text, ' ', &method, &rest) || !is_token(method)) {
        return refuse(400, "no method", ret_why);
    }
    if (!span_cut(rest, ' ', &line.target, &version)) {
        return refuse(400, "no version in the request line", ret_why);
    }
    if (!is_target(line.target)) {
        return refuse(400, "bad byte in the request target", ret_why);
    }
    if (version.n != 8 || !span_starts(version, SPAN("HTTP/")) ||
        !is_digit(version.p[5]) || version.p[6] != '.' || !is_digit(version.p[7])) {
        return refuse(400, "bad version in the request line", ret_why);
    }
    if (version.p[5] != '1' || version.p[7] > '1') {
        return refuse(505, "neither HTTP/1.0 nor HTTP/1.1", ret_why);
    }
    line.minor = version.p[7] == '1';
    line.method = method_find(method);
    if (line.method == METHOD_UNKNOWN) {
        return refuse(501, "unknown method", ret_why);
    }
    if (!parse_target(&line)) {
        return refuse(400, "bad form of the request target", ret_why);
    }
    *ret_line = line;
    return 0;
}
