/* SPDX-License-Identifier: MIT */
/* hist_text.c - the compressed wrapper: u32 cookie, i32 length, zlib stream. */
#include "loadtest/hist_text.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "loadtest/base64.h"
#include "server/base/hist_codec.h"

enum {
    WRAPPER_SIZE = 8,
    INFLATED_MAX = 64 << 20, /* the largest shape takes 57 MB if no slot is empty */
};

static void put_be32(uint8_t *out, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get_be32(const uint8_t *in)
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

/* Wraps `plain` and makes it text. */
static int wrap(const uint8_t *plain, size_t len, char **ret_text)
{
    uLongf packed_len = compressBound((uLong)len);
    uint8_t *packed = malloc(WRAPPER_SIZE + packed_len);
    char *text = NULL;
    if (packed != NULL &&
        compress2(packed + WRAPPER_SIZE, &packed_len, plain, (uLong)len, 6) == Z_OK) {
        put_be32(packed, HIST_COOKIE_V2_COMPRESSED);
        put_be32(packed + 4, (uint32_t)packed_len);
        text = malloc(BASE64_SIZE(WRAPPER_SIZE + packed_len));
        if (text != NULL)
            base64_encode(packed, WRAPPER_SIZE + packed_len, text);
    }
    free(packed);
    if (text == NULL)
        return -ENOMEM;
    *ret_text = text;
    return 0;
}

int hist_text_encode(const struct hist *hist, char **ret_text)
{
    size_t size = hist_encode_bound(hist), len;
    uint8_t *plain = malloc(size);
    if (plain == NULL)
        return -ENOMEM;
    int err = hist_encode(hist, plain, size, &len);
    if (err == 0)
        err = wrap(plain, len, ret_text);
    free(plain);
    return err;
}

/* Inflates all of a stream into a buffer that grows up to a limit. */
static int inflate_all(z_stream *stream, uint8_t **ret_plain, size_t *ret_len)
{
    size_t size = 4096;
    uint8_t *plain = malloc(size);
    int code = plain == NULL ? Z_MEM_ERROR : Z_OK;
    while (code == Z_OK) {
        if (stream->total_out == size) {
            uint8_t *more = size < INFLATED_MAX ? realloc(plain, size * 2) : NULL;
            code = more != NULL          ? Z_OK
                   : size < INFLATED_MAX ? Z_MEM_ERROR
                                         : Z_DATA_ERROR;
            if (more == NULL)
                break;
            plain = more;
            size *= 2;
        }
        stream->next_out = plain + stream->total_out;
        stream->avail_out = (uInt)(size - stream->total_out);
        code = inflate(stream, Z_NO_FLUSH);
    }
    if (code != Z_STREAM_END || stream->avail_in != 0) {
        free(plain);
        return code == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
    }
    *ret_plain = plain;
    *ret_len = stream->total_out;
    return 0;
}

static int decode_wrapped(uint8_t *packed, size_t len, struct hist *ret_hist)
{
    z_stream stream = { 0 };
    uint8_t *plain;
    size_t plain_len;
    if (len < WRAPPER_SIZE || get_be32(packed + 4) != len - WRAPPER_SIZE)
        return -EBADMSG;
    if ((get_be32(packed) & ~UINT32_C(0xf0)) !=
        (HIST_COOKIE_V2_COMPRESSED & ~UINT32_C(0xf0)))
        return -ENOTSUP;
    stream.next_in = packed + WRAPPER_SIZE;
    stream.avail_in = (uInt)(len - WRAPPER_SIZE);
    if (inflateInit(&stream) != Z_OK)
        return -ENOMEM;
    int err = inflate_all(&stream, &plain, &plain_len);
    inflateEnd(&stream);
    if (err < 0)
        return err;
    err = hist_decode(plain, plain_len, ret_hist);
    free(plain);
    return err;
}

int hist_text_decode(const char *text, size_t len, struct hist *ret_hist)
{
    size_t packed_len = 0;
    uint8_t *packed = malloc(len / 4 * 3 + 1);
    if (packed == NULL)
        return -ENOMEM;
    int err = base64_decode(text, len, packed, &packed_len);
    if (err == 0)
        err = decode_wrapped(packed, packed_len, ret_hist);
    free(packed);
    return err;
}
