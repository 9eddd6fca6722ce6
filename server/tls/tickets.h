/* SPDX-License-Identifier: MIT */
/* tickets.h - the keys of session tickets, in memory that the master writes and all
 * slots read.
 *
 * The newest key encrypts; a ticket of the one before is good, and is replaced. The
 * third place is where the next one is written while nobody looks there: whoever still
 * does is two rotations late, and gets a full handshake.
 */
#ifndef COWSHED_TLS_TICKETS_H
#define COWSHED_TLS_TICKETS_H

#include <stdatomic.h>
#include <stdint.h>

enum { TLS_KEYS = 3 };

struct tls_keys {
    uint64_t rotated_ns;         /* of the last try; the master's alone */
    _Atomic(uint32_t) rotations; /* keys made so far: the newest is that minus one */
    struct tls_key {
        unsigned char name[16], cipher[32], mac[32];
    } at[TLS_KEYS];
};

/* Shared with children that are forked later; with a first key. NULL with errno. */
struct tls_keys *tls_keys_new(void);
void tls_keys_free(struct tls_keys *); /* takes NULL */
/* By the master alone. 0 or a negative errno, and the keys stay as they are. */
int tls_keys_rotate(struct tls_keys *);

/* For a program that takes over: a file in memory with all of them and their age, the
 * caller's, or a negative errno. */
int tls_keys_write(const struct tls_keys *);
/* From such a file, of this boot of the machine. 0, or a negative errno, and the keys
 * stay as they are: -EBADMSG when it is none. */
int tls_keys_read(struct tls_keys *, int fd);

#endif
