/* SPDX-License-Identifier: MIT */
/* hist_codec.h - the V2 encoding of HdrHistogram, as bytes: without compression.
 *
 *   u32 cookie | i32 payload bytes | i32 0 | i32 digits | i64 lowest | i64 highest |
 *   f64 1.0 | payload                                              (big-endian)
 *
 * The payload is a row of signed numbers in ZigZag LEB128 of at most nine bytes: a
 * counter, or minus the length of a run of empty ones. A run of one is written as the
 * counter 0, as the Java library does; both forms are read.
 */
#ifndef COWSHED_HIST_CODEC_H
#define COWSHED_HIST_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/hist.h"

#define HIST_COOKIE_V2            UINT32_C(0x1c849313)
#define HIST_COOKIE_V2_COMPRESSED UINT32_C(0x1c849314)

enum { HIST_HEADER_SIZE = 40, HIST_NUMBER_MAX = 9 };

/* Bytes that hist_encode() needs at the most. */
size_t hist_encode_bound(const struct hist *hist);
/* Returns 0, or -ENOBUFS when `size` was too small. */
int hist_encode(const struct hist *hist, uint8_t *out, size_t size, size_t *ret_len);

/* Makes a histogram from what anybody wrote; the caller frees it. Its minimum and
 * maximum are those of the slots in use. -EBADMSG for bytes that are no V2 histogram,
 * -ENOTSUP for another version, -ENOMEM; ret_hist is untouched on failure. */
int hist_decode(const uint8_t *in, size_t len, struct hist *ret_hist);

/* One number. `out` has room for HIST_NUMBER_MAX; returns the bytes used. */
size_t hist_number_put(uint8_t *out, int64_t number);
/* Returns the bytes used, 0 when `len` bytes do not hold a whole number. */
size_t hist_number_get(const uint8_t *in, size_t len, int64_t *ret_number);

#endif
