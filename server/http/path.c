/* SPDX-License-Identifier: MIT */
/* path.c - decoding and normalising, in one pass over the bytes.
 *
 * Every byte written was read before (one or three bytes in, at most one out), so the
 * output may be the input. Segments are judged when they end, after decoding.
 */
#include "server/http/path.h"

#include <stdint.h>

#include "server/base/check.h"

enum { PATH_END = 256, PATH_BAD = 257, PATH_SLASH = 258 }; /* beside byte values */

struct path_reader {
    struct span raw;
    size_t at;
};

static bool is_control(unsigned byte)
{
    return byte < 0x20 || byte == 0x7f;
}

static unsigned hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - (unsigned)'0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - (unsigned)'a' + 10 : 16;
}

/* The next decoded byte, or one of the values above: PATH_SLASH for an encoded one. */
static unsigned read_byte(struct path_reader *r)
{
    if (r->at == r->raw.n) {
        return PATH_END;
    }
    unsigned char c = (unsigned char)r->raw.p[r->at];
    if (c != '%') {
        r->at++;
        return is_control(c) ? PATH_BAD : c;
    }
    if (r->raw.n - r->at < 3) {
        return PATH_BAD;
    }
    unsigned high = hex_digit((unsigned char)r->raw.p[r->at + 1]);
    unsigned low = hex_digit((unsigned char)r->raw.p[r->at + 2]);
    if (high > 15 || low > 15 || is_control(high << 4 | low)) {
        return PATH_BAD;
    }
    r->at += 3;
    return (high << 4 | low) == '/' ? PATH_SLASH : (high << 4 | low);
}

/* The segment to[begin..end) has ended, `more` when a slash follows. The new end, or
 * SIZE_MAX when it leaves the root. to[begin - 1] is always a slash. */
static size_t end_segment(char *to, size_t begin, size_t end, bool more)
{
    size_t n = end - begin;
    if (n == 0 || (n == 1 && to[begin] == '.')) {
        return begin;
    }
    if (n == 2 && to[begin] == '.' && to[begin + 1] == '.') {
        if (begin == 1) {
            return SIZE_MAX;
        }
        begin--;
        while (to[begin - 1] != '/') {
            begin--;
        }
        return begin;
    }
    if (more) {
        to[end++] = '/';
    }
    return end;
}

unsigned path_normalise(struct span raw, char *to, size_t *ret_n)
{
    CHECK(raw.n > 0 && raw.p[0] == '/');
    struct path_reader r = { raw, 1 };
    size_t begin = 1;
    size_t end = 1;
    bool slash = false; /* an encoded one: 404, unless something is worse */

    to[0] = '/';
    for (;;) {
        unsigned byte = read_byte(&r);
        if (byte == PATH_BAD) {
            return 400;
        }
        if (byte == PATH_SLASH) {
            slash = true;
            byte = '_'; /* anything that is no dot */
        }
        if (byte != PATH_END && byte != '/') {
            to[end++] = (char)(unsigned char)byte;
            continue;
        }
        end = end_segment(to, begin, end, byte == '/');
        if (end == SIZE_MAX) {
            return 400;
        }
        begin = end;
        if (byte == PATH_END && slash) {
            return 404;
        }
        if (byte == PATH_END) {
            *ret_n = end;
            return 0;
        }
    }
}

bool path_is_plain(struct span raw)
{
    if (raw.n == 0 || raw.p[0] != '/') {
        return false;
    }
    for (size_t i = 0; i < raw.n; i++) {
        unsigned char c = (unsigned char)raw.p[i];
        if (c == '%' || is_control(c)) {
            return false;
        }
        /* "//" and any segment that begins with a dot: rare enough to go the long way
         */
        if (c == '/' && i + 1 < raw.n && (raw.p[i + 1] == '/' || raw.p[i + 1] == '.')) {
            return false;
        }
    }
    return true;
}
