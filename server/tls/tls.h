/* SPDX-License-Identifier: MIT */
/* tls.h - TLS for the connections of a slot, by OpenSSL.
 *
 *   1 made       tls_new()     in the master, which may read the keys; -t makes one too
 *   2 inherited  over fork     by the workers of the generation of these options
 *   3 used       wire_tls()    a connection: the table of base/io.h
 *   4 gone       tls_free()    with the options that it was made of
 *
 * One context for each certificate; the name that a client asks for chooses, the first
 * is for everybody else. A handshake is part of the first read: it takes turns with all
 * else, and its deadline is that of a request head. Sessions are resumed by tickets
 * alone, with keys that all slots share, so it does not matter which slot gets the next
 * connection.
 */
#ifndef COWSHED_TLS_H
#define COWSHED_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/io.h"

struct option_error;
struct options;
struct tls;
struct tls_keys; /* tickets.h */

/* *ret is NULL when tls.listen is off. 0, or a negative errno and a sentence with the
 * option, its value and what is wrong. */
int tls_new(const struct options *, struct tls **ret, struct option_error *ret_error);
void tls_free(struct tls *); /* takes NULL */
/* Before the first fork. The keys outlive it. */
void tls_use_keys(struct tls *, const struct tls_keys *);

/* A connection that has just been accepted. `first`: bytes of it that were read
 * already. 0 or -ENOMEM; then the wire is as it was. */
int wire_tls(struct wire *, struct tls *, const void *first, size_t n);

/* What became of the handshake; each is told once. */
enum tls_news { TLS_NOTHING, TLS_SHAKEN, TLS_RESUMED, TLS_FAILED };
enum tls_news tls_news(struct wire *);

/* "OpenSSL 3.0.11 19 Sep 2023" */
const char *tls_library(void);

#endif
