/* SPDX-License-Identifier: MIT */
#include "server/base/buf.h"

#include <errno.h>

#include "tests/test.h"

static void the_limit_fits_and_one_byte_more_does_not(void **state)
{
    (void)state;
    struct buf b;

    buf_init(&b, 5);
    check_int(buf_append(&b, "abcdef", 6), -ENOBUFS);
    check_uint(b.len, 0);
    check_int(buf_append(&b, "abcde", 5), 0);
    check_int(buf_append(&b, "f", 1), -ENOBUFS);
    check_int(buf_append(&b, "", 0), 0);
    check_span(buf_span(&b), "abcde");
    check_uint(buf_room(&b), 0);
    buf_consume(&b, 2);
    check_uint(buf_room(&b), 2);
    check_int(buf_append(&b, "fg", 2), 0);
    check_span(buf_span(&b), "cdefg");
    buf_free(&b);
}

static void a_zeroed_struct_is_an_empty_buffer(void **state)
{
    (void)state;
    struct buf b = { 0 };

    check_uint(buf_span(&b).n, 0);
    check_not_null(buf_span(&b).p);
    check_int(buf_append(&b, "x", 1), -ENOBUFS);
    check_int(buf_append(&b, NULL, 0), 0);
    buf_free(&b);
}

static void memory_that_cannot_be_had_is_an_error_and_loses_nothing(void **state)
{
    (void)state;
    struct buf b;
    char *room = NULL;

    buf_init(&b, SIZE_MAX);
    check_int(buf_append_str(&b, "kept"), 0);
    check_int(buf_reserve(&b, (size_t)PTRDIFF_MAX - 64, &room), -ENOMEM);
    check_null(room);
    check_span(buf_span(&b), "kept");
    buf_free(&b);
}

static void content_survives_growing_and_sliding(void **state)
{
    (void)state;
    struct buf b;
    unsigned char in = 0, out = 0;

    /* A queue that is never empty, so that it has to slide and grow with content. */
    buf_init(&b, 5000);
    for (unsigned round = 0; round < 3000; round++) {
        for (unsigned i = 0; i < 7 && buf_room(&b) > 0; i++, in++)
            check_int(buf_append(&b, &in, 1), 0, "round %u", round);
        for (unsigned i = 0; i < (round % 2 ? 5 : 3); i++, out++) {
            check_int((unsigned char)buf_span(&b).p[0], out, "round %u", round);
            buf_consume(&b, 1);
        }
    }
    check_true(b.len > 4900);
    buf_free(&b);
}

static void printing_appends_all_or_nothing(void **state)
{
    (void)state;
    struct buf b;

    buf_init(&b, 1000);
    check_int(buf_printf(&b, "%s-%d", "a", 5), 0);
    check_span(buf_span(&b), "a-5");
    check_int(buf_printf(&b, "%0997d", 7), 0, "longer than the small buffer, and fits");
    check_uint(b.len, 1000);
    check_int(buf_printf(&b, "x"), -ENOBUFS);
    buf_clear(&b);
    check_int(buf_printf(&b, "%01001d", 7), -ENOBUFS);
    check_uint(b.len, 0);
    buf_free(&b);
}

static void reserved_room_is_content_only_after_commit(void **state)
{
    (void)state;
    struct buf b;
    char *room;

    buf_init(&b, 100);
    check_int(buf_reserve(&b, 101, &room), -ENOBUFS);
    check_int(buf_reserve(&b, 100, &room), 0);
    memcpy(room, "hello", 5);
    check_uint(b.len, 0);
    buf_commit(&b, 4);
    check_span(buf_span(&b), "hell");
    buf_release(&b);
    check_not_null(b.mem, "content keeps the memory");
    buf_clear(&b);
    buf_release(&b);
    check_null(b.mem);
    check_uint(b.limit, 100);
}

TEST_MAIN(test(the_limit_fits_and_one_byte_more_does_not),
          test(a_zeroed_struct_is_an_empty_buffer),
          test(memory_that_cannot_be_had_is_an_error_and_loses_nothing),
          test(content_survives_growing_and_sliding),
          test(printing_appends_all_or_nothing),
          test(reserved_room_is_content_only_after_commit))
