/* SPDX-License-Identifier: MIT */
/* base64.h - RFC 4648, standard alphabet, padded, without line breaks. */
#ifndef LOADTEST_BASE64_H
#define LOADTEST_BASE64_H

#include <stddef.h>
#include <stdint.h>

#define BASE64_SIZE(bytes) (((bytes) + 2) / 3 * 4 + 1)

/* `out` has room for BASE64_SIZE(n); it ends in a zero. */
void base64_encode(const uint8_t *in, size_t n, char *out);
/* `out` has room for n / 4 * 3 bytes. 0, or -EBADMSG. */
int base64_decode(const char *in, size_t n, uint8_t *out, size_t *ret_len);

#endif
