/* SPDX-License-Identifier: MIT */
/* fuzz_channel.h - any bytes at all as what a worker gone mad tells the master.
 *
 * The first byte chooses the way: messages on its channel, its publish ring, a record
 * in a memfd. What must hold: only what has the right form is heard, everything else is
 * -EBADMSG or refused; the cache keeps its rules; no descriptor is left. Aborts when it
 * does not hold.
 */
#ifndef COWSHED_FUZZ_CHANNEL_H
#define COWSHED_FUZZ_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

enum fuzz_way { FUZZ_MESSAGES, FUZZ_RING, FUZZ_MEMFD, FUZZ_WAYS };

int fuzz_channel(const uint8_t *data, size_t size);
/* Entries that the inputs so far have brought into the cache. */
uint64_t fuzz_channel_taken(void);

#endif
