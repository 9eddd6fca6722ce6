/* SPDX-License-Identifier: MIT */
/* fuzz_request.h - any bytes at all, as a connection's worth of requests.
 *
 * What must hold of them: the transcript does not depend on where reads ended; a path
 * has no dot segments left; only known statuses refuse. Aborts when it does not.
 *
 * `make fuzz` lets libFuzzer play it. A bounded run from fixed seeds is a unit test:
 * tests/unit/http/test_request_fuzz.c.
 */
#ifndef COWSHED_FUZZ_REQUEST_H
#define COWSHED_FUZZ_REQUEST_H

#include <stddef.h>
#include <stdint.h>

int fuzz_request(const uint8_t *data, size_t size);

#endif
