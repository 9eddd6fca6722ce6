/* SPDX-License-Identifier: MIT */
/* forwarded.c - see forwarded.h. */
#include "server/http/forwarded.h"

#include <string.h>
#include <strings.h>

enum { HOPS_MAX = 32, NODE_MAX = 64, ID_MAX = 128 };

/* The last hops of the list, oldest first. */
struct hops {
    unsigned n;
    struct hop {
        bool known; /* an address, not "unknown" or "_name" */
        struct peer at;
    } at[HOPS_MAX];
};

static void add(struct hops *hops, struct span node)
{
    struct hop h = { .known = peer_parse(node, &h.at) };

    if (hops->n == HOPS_MAX) {
        memmove(hops->at, hops->at + 1, (HOPS_MAX - 1) * sizeof h);
        hops->n--;
    }
    hops->at[hops->n++] = h;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s = span_skip(s, 1);
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* --- X-Forwarded-For -----------------------------------------------------------------
 */

static bool read_plain(struct span list, struct hops *ret)
{
    for (;;) {
        size_t comma = span_find(list, ',');
        struct span node = trim(span_take(list, comma));

        if (node.n > 0)
            add(ret, node);
        if (comma == list.n)
            return ret->n > 0;
        list = span_skip(list, comma + 1);
    }
}

/* --- Forwarded: RFC 7239, 4 ----------------------------------------------------------
 */

static bool is_token(char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr(others, c) != NULL);
}

static struct span take_token(struct span *left)
{
    size_t n = 0;

    while (n < left->n && is_token(left->p[n]))
        n++;
    struct span token = span_take(*left, n);
    *left = span_skip(*left, n);
    return token;
}

/* Behind the opening quote. False: it has no end. What is quoted is cut at NODE_MAX:
 * no address is longer. */
static bool take_quoted(struct span *left, char to[NODE_MAX], struct span *ret)
{
    size_t at = 0, n = 0;

    for (; at < left->n && left->p[at] != '"'; at++) {
        if (left->p[at] == '\\' && ++at == left->n)
            return false;
        if (n < NODE_MAX)
            to[n++] = left->p[at];
    }
    if (at == left->n)
        return false;
    *left = span_skip(*left, at + 1);
    *ret = span_make(to, n);
    return true;
}

static bool take_char(struct span *left, char c)
{
    if (left->n == 0 || left->p[0] != c)
        return false;
    *left = span_skip(*left, 1);
    return true;
}

static void skip_blanks(struct span *left)
{
    while (left->n > 0 && is_blank(left->p[0]))
        *left = span_skip(*left, 1);
}

/* token "=" ( token / quoted-string ). An address of IPv6 must be quoted. */
static bool take_pair(struct span *left, struct hops *hops, bool *has_for)
{
    struct span name = take_token(left), value;
    char quoted[NODE_MAX];

    if (name.n == 0 || !take_char(left, '='))
        return false;
    if (!take_char(left, '"'))
        value = take_token(left);
    else if (!take_quoted(left, quoted, &value))
        return false;
    if (value.n == 0)
        return false;
    if (name.n == 3 && strncasecmp(name.p, "for", 3) == 0) {
        if (*has_for)
            return false; /* once in an element */
        *has_for = true;
        add(hops, value);
    }
    return true;
}

/* An element that does not say for whom hides somebody. */
static bool read_forwarded(struct span list, struct hops *ret)
{
    bool has_for = false, any = false;

    for (;;) {
        skip_blanks(&list);
        if (list.n > 0 && list.p[0] != ',' && list.p[0] != ';') {
            if (!take_pair(&list, ret, &has_for))
                return false;
            any = true;
        }
        skip_blanks(&list);
        if (take_char(&list, ';'))
            continue;
        if (any && !has_for)
            add(ret, SPAN("unknown"));
        any = has_for = false;
        if (list.n == 0)
            return ret->n > 0;
        if (!take_char(&list, ','))
            return false;
    }
}

/* --- both ----------------------------------------------------------------------------
 */

void forwarded_client(struct span forwarded, struct span x_forwarded_for,
                      const struct peer_list *trusted, struct peer *peer)
{
    struct hops hops = { .n = 0 };
    bool good;

    if ((forwarded.n == 0 && x_forwarded_for.n == 0) || !peer_list_has(trusted, peer))
        return;
    good = forwarded.n > 0 ? read_forwarded(forwarded, &hops)
                           : read_plain(x_forwarded_for, &hops);
    for (unsigned i = hops.n; good && i-- > 0 && hops.at[i].known;) {
        *peer = hops.at[i].at;
        if (!peer_list_has(trusted, peer))
            return;
    }
}

bool forwarded_is_id(struct span s)
{
    if (s.n == 0 || s.n > ID_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
              (c >= 'a' && c <= 'z') || c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}
