/* SPDX-License-Identifier: MIT */
/* hist_codec.c - histograms to V2 bytes and back. */
#include "server/base/hist_codec.h"

#include <errno.h>
#include <string.h>

static void put_be(uint8_t *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static uint64_t get_be(const uint8_t *in, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | in[i];
    return value;
}

size_t hist_number_put(uint8_t *out, int64_t number)
{
    uint64_t rest = (uint64_t)number << 1 ^ (number < 0 ? UINT64_MAX : 0);
    size_t n = 0;
    while (rest >= 0x80 && n < HIST_NUMBER_MAX - 1) {
        out[n++] = (uint8_t)(rest | 0x80);
        rest >>= 7;
    }
    out[n++] = (uint8_t)rest; /* the ninth byte carries eight bits */
    return n;
}

size_t hist_number_get(const uint8_t *in, size_t len, int64_t *ret_number)
{
    uint64_t bits = 0;
    for (size_t n = 0; n < len && n < HIST_NUMBER_MAX; n++) {
        bool last = n == HIST_NUMBER_MAX - 1;
        uint64_t byte = in[n];
        bits |= (last ? byte : byte & 0x7f) << (7 * n);
        if (last || byte < 0x80) {
            *ret_number = (int64_t)(bits >> 1 ^ (~(bits & 1) + 1));
            return n + 1;
        }
    }
    return 0;
}

/* Slots up to the one of the largest value; one at the least. */
static uint32_t slots_used(const struct hist *hist)
{
    uint32_t n = hist->shape.counts_len;
    while (n > 1 && hist->counts[n - 1] == 0)
        n--;
    return n;
}

size_t hist_encode_bound(const struct hist *hist)
{
    return HIST_HEADER_SIZE + (size_t)slots_used(hist) * HIST_NUMBER_MAX;
}

static size_t encode_counts(const struct hist *hist, uint8_t *out)
{
    uint32_t used = slots_used(hist);
    size_t n = 0;
    for (uint32_t i = 0; i < used;) {
        uint32_t run = 0;
        while (i + run < used && hist->counts[i + run] == 0)
            run++;
        if (run > 1)
            n += hist_number_put(out + n, -(int64_t)run);
        else
            n += hist_number_put(out + n, (int64_t)hist->counts[i]);
        i += run > 1 ? run : 1;
    }
    return n;
}

int hist_encode(const struct hist *hist, uint8_t *out, size_t size, size_t *ret_len)
{
    if (size < hist_encode_bound(hist))
        return -ENOBUFS;
    size_t payload = encode_counts(hist, out + HIST_HEADER_SIZE);
    put_be(out, HIST_COOKIE_V2, 4);
    put_be(out + 4, payload, 4);
    put_be(out + 8, 0, 4);
    put_be(out + 12, hist->shape.digits, 4);
    put_be(out + 16, hist->shape.lowest, 8);
    put_be(out + 24, hist->shape.highest, 8);
    put_be(out + 32, UINT64_C(0x3ff0000000000000), 8);
    *ret_len = HIST_HEADER_SIZE + payload;
    return 0;
}

static int decode_counts(const uint8_t *in, size_t len, struct hist *hist)
{
    uint64_t slot = 0;
    for (size_t at = 0; at < len;) {
        int64_t number;
        size_t used = hist_number_get(in + at, len - at, &number);
        if (used == 0)
            return -EBADMSG;
        at += used;
        /* a run that is not longer than the row: then its negation cannot overflow */
        uint64_t skip = number < 0 ? ~(uint64_t)number + 1 : 1;
        if (skip > hist->shape.counts_len - slot)
            return -EBADMSG;
        if (number > 0) {
            if ((uint64_t)number > UINT64_MAX - hist->total)
                return -EBADMSG;
            hist->counts[slot] = (uint64_t)number;
            hist->total += (uint64_t)number;
            hist->max = hist_slot_highest(&hist->shape, (uint32_t)slot);
            if (hist->min == UINT64_MAX)
                hist->min = hist_slot_lowest(&hist->shape, (uint32_t)slot);
        }
        slot += skip;
    }
    return 0;
}

int hist_decode(const uint8_t *in, size_t len, struct hist *ret_hist)
{
    if (len < HIST_HEADER_SIZE)
        return -EBADMSG;
    /* the second nibble is a marker, not a part of the version */
    if ((get_be(in, 4) & ~UINT64_C(0xf0)) != (HIST_COOKIE_V2 & ~UINT32_C(0xf0)))
        return -ENOTSUP;
    if (get_be(in + 8, 4) != 0)
        return -ENOTSUP;
    uint64_t payload = get_be(in + 4, 4);
    uint64_t digits = get_be(in + 12, 4);
    if (payload != len - HIST_HEADER_SIZE || digits > 5)
        return -EBADMSG;

    struct hist hist;
    int err =
        hist_init(&hist, get_be(in + 16, 8), get_be(in + 24, 8), (unsigned)digits);
    if (err < 0)
        return err == -EINVAL ? -EBADMSG : err;
    err = decode_counts(in + HIST_HEADER_SIZE, (size_t)payload, &hist);
    if (err < 0) {
        hist_free(&hist);
        return err;
    }
    *ret_hist = hist;
    return 0;
}
