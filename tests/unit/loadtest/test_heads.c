/* SPDX-License-Identifier: MIT */
/* test_heads.c - only what is the same, byte for byte, is known. */
#include "loadtest/heads.h"

#include <stdlib.h>

#include "tests/test.h"

#define HEAD "HTTP/1.1 203 X\r\nContent-Length: 5\r\nDate: now\r\n\r\n"

static void a_response_with_the_same_head_and_length_is_known(void **state)
{
    (void)state;
    struct heads heads = { 0 };
    static const struct {
        const char *bytes;
        uint16_t want;
    } cases[] = {
        { HEAD "12345", 203 },
        { HEAD "54321", 203 }, /* another body is another object, or not: who cares */
        { HEAD "1234", 0 },    /* the rest is still to come */
        { HEAD "123456", 0 },  /* more than the response */
        { "HTTP/1.1 203 Y\r\nContent-Length: 5\r\nDate: now\r\n\r\n12345", 0 },
        { "HTTP/1.1 203 X\r\nContent-Length: 9\r\nDate: now\r\n\r\n12345", 0 },
        { "", 0 },
    };
    check_uint(heads_find(&heads, HEAD "12345", sizeof HEAD "12345" - 1), 0);
    heads_add(&heads, HEAD "12345", sizeof HEAD "12345" - 1, 203);
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        check_uint(heads_find(&heads, cases[i].bytes, strlen(cases[i].bytes)),
                   cases[i].want, "case %zu", i);
}

static void the_last_of_a_length_stays(void **state)
{
    (void)state;
    static const char one[] = "HTTP/1.1 200 A\r\n\r\n",
                      two[] = "HTTP/1.1 201 B\r\n\r\n";
    struct heads heads = { 0 };
    heads_add(&heads, one, sizeof one - 1, 200);
    heads_add(&heads, two, sizeof two - 1, 201);
    check_uint(heads_find(&heads, one, sizeof one - 1), 0);
    check_uint(heads_find(&heads, two, sizeof two - 1), 201);
}

static void a_head_that_is_too_long_or_has_no_end_is_not_kept(void **state)
{
    (void)state;
    struct heads heads = { 0 };
    char *bytes = malloc(2 * HEADS_BYTES);
    check_not_null(bytes);
    for (size_t end = HEADS_BYTES - 3; end < HEADS_BYTES + 3; end++) {
        memset(bytes, 'x', 2 * HEADS_BYTES);
        memcpy(bytes + end - 4, "\r\n\r\n", 4);
        heads_add(&heads, bytes, 2 * HEADS_BYTES - end, 200);
        check_uint(heads_find(&heads, bytes, 2 * HEADS_BYTES - end),
                   end <= HEADS_BYTES && end <= 2 * HEADS_BYTES - end ? 200 : 0,
                   "a head of %zu bytes", end);
    }
    free(bytes);
}

TEST_MAIN(test(a_response_with_the_same_head_and_length_is_known),
          test(the_last_of_a_length_stays),
          test(a_head_that_is_too_long_or_has_no_end_is_not_kept))
