/* SPDX-License-Identifier: MIT */
/* span.c - comparing and cutting borrowed bytes. */
#include "server/base/span.h"

#include <errno.h>
#include <string.h>

struct span span_of(const char *cstr)
{
    if (cstr == NULL)
        return SPAN("");
    return (struct span){ cstr, strlen(cstr) };
}

struct span span_make(const void *p, size_t n)
{
    return (struct span){ p, n };
}

struct span span_range(const char *begin, const char *end)
{
    return (struct span){ begin, (size_t)(end - begin) };
}

/* memcmp() and memchr() may not be given NULL, not even with length 0. */
static bool same(const char *a, const char *b, size_t n)
{
    return n == 0 || memcmp(a, b, n) == 0;
}

static unsigned char lower(char c)
{
    unsigned char u = (unsigned char)c;

    return (u >= 'A' && u <= 'Z') ? (unsigned char)(u | 0x20) : u;
}

static bool same_nocase(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (lower(a[i]) != lower(b[i]))
            return false;
    }
    return true;
}

bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && same(a.p, b.p, a.n);
}

bool span_eq_nocase(struct span a, struct span b)
{
    return a.n == b.n && same_nocase(a.p, b.p, a.n);
}

bool span_starts(struct span s, struct span prefix)
{
    return s.n >= prefix.n && same(s.p, prefix.p, prefix.n);
}

bool span_starts_nocase(struct span s, struct span prefix)
{
    return s.n >= prefix.n && same_nocase(s.p, prefix.p, prefix.n);
}

bool span_ends(struct span s, struct span suffix)
{
    return s.n >= suffix.n && same(s.p + (s.n - suffix.n), suffix.p, suffix.n);
}

int span_cmp(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n == 0 ? 0 : memcmp(a.p, b.p, n);

    if (order != 0)
        return order;
    return (a.n > b.n) - (a.n < b.n);
}

size_t span_find(struct span s, char byte)
{
    const char *at = s.n == 0 ? NULL : memchr(s.p, byte, s.n);

    return at == NULL ? s.n : (size_t)(at - s.p);
}

size_t span_rfind(struct span s, char byte)
{
    const char *at = s.n == 0 ? NULL : memrchr(s.p, byte, s.n);

    return at == NULL ? s.n : (size_t)(at - s.p);
}

struct span span_skip(struct span s, size_t n)
{
    if (n > s.n)
        n = s.n;
    return (struct span){ n == 0 ? s.p : s.p + n, s.n - n };
}

struct span span_take(struct span s, size_t n)
{
    return (struct span){ s.p, n < s.n ? n : s.n };
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct span span_trim(struct span s)
{
    while (s.n > 0 && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool span_cut(struct span s, char at, struct span *ret_head, struct span *ret_tail)
{
    size_t i = span_find(s, at);

    *ret_head = span_take(s, i);
    *ret_tail = span_skip(s, i < s.n ? i + 1 : i);
    return i < s.n;
}

int span_to_cstr(struct span s, char *dst, size_t dst_size)
{
    if (s.n >= dst_size)
        return -ENOBUFS;
    if (span_find(s, '\0') != s.n)
        return -EINVAL;
    if (s.n > 0)
        memcpy(dst, s.p, s.n);
    dst[s.n] = '\0';
    return 0;
}
