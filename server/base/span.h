/* SPDX-License-Identifier: MIT */
/* span.h - a read-only view of bytes that somebody else owns.
 *
 * Not terminated by a zero; may contain zeros.  A span is a value: pass it by value.
 * Nothing here allocates or fails.  "nocase" means ASCII letters only.
 */
#ifndef COWSHED_SPAN_H
#define COWSHED_SPAN_H

#include <stdbool.h>
#include <stddef.h>

struct span {
    const char *p;
    size_t n;
};

/* From a string literal (also as a constant initializer). */
#define SPAN(lit) ((struct span){ "" lit, sizeof(lit) - 1 })
/* printf("%.*s", SPAN_ARG(s)) */
#define SPAN_ARG(s) (int)(s).n, (s).p

struct span span_of(const char *cstr); /* NULL gives the empty span */
struct span span_make(const void *p, size_t n);
struct span span_range(const char *begin, const char *end);

bool span_eq(struct span a, struct span b);
bool span_eq_nocase(struct span a, struct span b);
bool span_starts(struct span s, struct span prefix);
bool span_starts_nocase(struct span s, struct span prefix);
bool span_ends(struct span s, struct span suffix);
/* As memcmp, the shorter first when one is a prefix of the other. */
int span_cmp(struct span a, struct span b);

/* Index of the first `byte`, or s.n when there is none. */
size_t span_find(struct span s, char byte);
size_t span_rfind(struct span s, char byte); /* the last one */

/* Clamped to the end of `s`, so any numbers are legal. */
struct span span_skip(struct span s, size_t n); /* without the first n bytes */
struct span span_take(struct span s, size_t n); /* the first n bytes */

/* Without spaces and tabs at both ends (optional white space of HTTP). */
struct span span_trim(struct span s);

/* Splits at the first `at`: *ret_head before it, *ret_tail behind it; both may be
 * empty.  False when there is none: the head is all of `s`, the tail is empty.
 * The outputs may be the address of the variable passed as `s`. */
bool span_cut(struct span s, char at, struct span *ret_head, struct span *ret_tail);

/* Copies and adds a zero: -ENOBUFS when it does not fit, -EINVAL when `s` contains a
 * zero; *dst is untouched then. */
int span_to_cstr(struct span s, char *dst, size_t dst_size);

#endif
