/* SPDX-License-Identifier: MIT */
/* heads.c - a small table, one place for each length modulo its size. */
#include "loadtest/heads.h"

#include <string.h>

uint16_t heads_find(const struct heads *heads, const char *bytes, size_t n)
{
    const struct heads_one *one = &heads->at[n % HEADS];
    if (n == 0 || one->total != n || memcmp(bytes, one->bytes, one->head_len) != 0)
        return 0;
    return one->status;
}

void heads_add(struct heads *heads, const char *bytes, size_t n, uint16_t status)
{
    static const char empty_line[] = "\r\n\r\n";
    struct heads_one *one = &heads->at[n % HEADS];
    const char *end = memmem(bytes, n < HEADS_BYTES ? n : HEADS_BYTES, empty_line,
                             sizeof empty_line - 1);
    if (end == NULL || n > UINT32_MAX)
        return;
    one->total = (uint32_t)n;
    one->head_len = (uint16_t)(end + sizeof empty_line - 1 - bytes);
    one->status = status;
    memcpy(one->bytes, bytes, one->head_len);
}
