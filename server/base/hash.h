/* SPDX-License-Identifier: MIT */
/* hash.h - SipHash, a keyed hash: without the key nobody can choose colliding inputs.
 *
 * Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012).  The cache uses
 * SipHash-1-3, one round per word and three at the end, as Rust and Python do for
 * their tables; 2-4 is the variant with published reference vectors.
 */
#ifndef COWSHED_HASH_H
#define COWSHED_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
    uint64_t k0;
    uint64_t k1;
};

/* From the kernel's generator; 0 or a negative errno. */
int hash_key_random(struct hash_key *ret_key);

uint64_t hash_sip13(const struct hash_key *key, const void *p, size_t n);
uint64_t hash_sip24(const struct hash_key *key, const void *p, size_t n);

#endif
