/* SPDX-License-Identifier: MIT */
/* fuzz_conf.h - any bytes at all as a configuration file, and as settings of -o.
 *
 * What must hold of them: an error is a sentence; what is accepted and can work is
 * written by -T as a file that is accepted too and gives the same. Files that include
 * others are passed over: what they name is not for a fuzzer to open. Aborts when it
 * does not hold.
 */
#ifndef COWSHED_FUZZ_CONF_H
#define COWSHED_FUZZ_CONF_H

#include <stddef.h>
#include <stdint.h>

int fuzz_conf(const uint8_t *data, size_t size);

#endif
