/* SPDX-License-Identifier: MIT */
/* fuzz_proxy.h - bytes as a PROXY header, then as lists of forwarded addresses. */
#ifndef COWSHED_FUZZ_PROXY_H
#define COWSHED_FUZZ_PROXY_H

#include <stddef.h>
#include <stdint.h>

/* However the bytes are cut, the header is the same; nothing is read behind them. 0. */
int fuzz_proxy(const uint8_t *bytes, size_t n);

#endif
