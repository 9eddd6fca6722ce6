/* SPDX-License-Identifier: MIT */
/* bodies.h - what the body of each URL was the first time, to compare with (--verify):
 * its length and its CRC-32. */
#ifndef LOADTEST_BODIES_H
#define LOADTEST_BODIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct body_sum {
    uint64_t length;
    uint32_t crc;
};

struct bodies {
    struct bodies_one {
        uint64_t which; /* plus one; 0: free */
        struct body_sum sum;
    } * at; /* open addressing */
    size_t size, n;
};

/* Is it the body that this request had before, or its first? When memory is short a
 * first one is not remembered, and every body is right. */
bool bodies_check(struct bodies *bodies, uint64_t which, struct body_sum sum);
void bodies_free(struct bodies *bodies);

/* More of a body. */
void body_sum_add(struct body_sum *sum, const char *bytes, size_t n);

#endif
