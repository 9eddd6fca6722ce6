/* SPDX-License-Identifier: MIT */
/* heads.h - heads of responses that were parsed before.
 *
 * A server under load says the same again and again: but for its Date, which changes
 * once a second, and its object. What came in one piece, is as long as a response that
 * was parsed, and begins with the same head, byte for byte, is parsed already: its body
 * has the length that the head says.
 */
#ifndef LOADTEST_HEADS_H
#define LOADTEST_HEADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEADS = 16, HEADS_BYTES = 1000 };

struct heads {
    struct heads_one {
        uint32_t total;    /* bytes of the response; 0: none */
        uint16_t head_len; /* of them with the empty line */
        uint16_t status;
        char bytes[HEADS_BYTES];
    } at[HEADS]; /* by the length of the response */
};

/* The status of the whole response that these bytes are; 0: parse it. */
uint16_t heads_find(const struct heads *heads, const char *bytes, size_t n);
/* Remembers a whole response with a Content-Length after which the connection goes on.
 */
void heads_add(struct heads *heads, const char *bytes, size_t n, uint16_t status);

#endif
