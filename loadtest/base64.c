/* SPDX-License-Identifier: MIT */
/* base64.c - three bytes are four letters. */
#include "loadtest/base64.h"

#include <errno.h>
#include <string.h>

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const uint8_t *in, size_t n, char *out)
{
    for (size_t i = 0; i < n; i += 3) {
        uint32_t bits = (uint32_t)in[i] << 16;
        if (i + 1 < n)
            bits |= (uint32_t)in[i + 1] << 8;
        if (i + 2 < n)
            bits |= in[i + 2];
        *out++ = alphabet[bits >> 18];
        *out++ = alphabet[bits >> 12 & 63];
        *out++ = i + 1 < n ? alphabet[bits >> 6 & 63] : '=';
        *out++ = i + 2 < n ? alphabet[bits & 63] : '=';
    }
    *out = '\0';
}

/* The value of a letter, or -1. */
static int value_of(char letter)
{
    const char *at = letter == '\0' ? NULL : strchr(alphabet, letter);
    return at == NULL ? -1 : (int)(at - alphabet);
}

int base64_decode(const char *in, size_t n, uint8_t *out, size_t *ret_len)
{
    size_t len = 0;
    if (n % 4 != 0)
        return -EBADMSG;
    for (size_t i = 0; i < n; i += 4) {
        /* padding only at the very end: one or two of the last letters */
        unsigned pad = 0;
        if (i + 4 == n)
            pad = in[i + 3] != '=' ? 0 : in[i + 2] != '=' ? 1 : 2;
        uint32_t bits = 0;
        for (size_t k = 0; k < 4 - pad; k++) {
            int value = value_of(in[i + k]);
            if (value < 0)
                return -EBADMSG;
            bits |= (uint32_t)value << (18 - 6 * k);
        }
        for (unsigned k = 0; k < 3 - pad; k++)
            out[len++] = (uint8_t)(bits >> (16 - 8 * k));
    }
    *ret_len = len;
    return 0;
}
