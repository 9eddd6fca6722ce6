/* SPDX-License-Identifier: MIT */
/* hash.c - SipHash with c rounds for each word of input and d rounds at the end. */
#include "server/base/hash.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

struct sip {
    uint64_t v0, v1, v2, v3;
};

int hash_key_random(struct hash_key *ret_key)
{
    struct hash_key key;
    ssize_t n;

    do
        n = getrandom(&key, sizeof key, 0); /* never short up to 256 bytes */
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof key)
        return n < 0 ? -errno : -EIO;
    *ret_key = key;
    return 0;
}

static inline uint64_t rotl(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word, int rounds)
{
    s->v3 ^= word;
    for (int i = 0; i < rounds; i++)
        sip_round(s);
    s->v0 ^= word;
}

/* The last word: the bytes that are left, and the length in the highest byte. */
static inline uint64_t last_word(const unsigned char *p, size_t n)
{
    unsigned char tail[8] = { 0 };

    for (size_t i = 0; i < n % 8; i++)
        tail[i] = p[n - n % 8 + i];
    tail[7] = (unsigned char)n;
    uint64_t word;
    memcpy(&word, tail, sizeof word);
    return le64toh(word);
}

static inline uint64_t sip(const struct hash_key *key, const void *data, size_t n,
                           int c, int d)
{
    const unsigned char *p = data;
    struct sip s = {
        .v0 = key->k0 ^ UINT64_C(0x736f6d6570736575),
        .v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key->k0 ^ UINT64_C(0x6c7967656e657261),
        .v3 = key->k1 ^ UINT64_C(0x7465646279746573),
    };

    for (size_t i = 0; i + 8 <= n; i += 8) {
        uint64_t word;

        memcpy(&word, p + i, sizeof word);
        sip_word(&s, le64toh(word), c);
    }
    sip_word(&s, last_word(p, n), c);
    s.v2 ^= 0xff;
    for (int i = 0; i < d; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t hash_sip13(const struct hash_key *key, const void *p, size_t n)
{
    return sip(key, p, n, 1, 3);
}

uint64_t hash_sip24(const struct hash_key *key, const void *p, size_t n)
{
    return sip(key, p, n, 2, 4);
}
