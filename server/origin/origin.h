/* SPDX-License-Identifier: MIT */
/* origin.h - where a miss is fetched, whatever the origin is.
 *
 *   1 made   origin_*_new()  one per slot, by its thread; owns what the origin needs
 *   2 fetch  origin_fetch()  done at once, or pending until its callback
 *   3 gone   origin_free()   after every pending fetch has ended or was cancelled
 *
 * An origin does not know who asks: one fetch per key with others waiting is the
 * caller's business. A result is a value that moves: whoever has it calls
 * origin_result_free().
 */
#ifndef COWSHED_ORIGIN_H
#define COWSHED_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/span.h"

struct event_base;
struct origin;
struct origin_fetch;

/* What a file looked like; compared with the disk later. */
struct origin_stamp {
    uint64_t file_id; /* device, inode and ctime, mixed: chmod and a write change it */
    uint64_t size;
    int64_t mtime_ns; /* since the epoch */
};

struct origin_result {
    unsigned status;  /* 200, 301: head and body are here.  Else (403, 404, 500, 503)
                       * there is  neither: response_error() makes the answer */
    struct span head; /* ready-made (http/response.h): no Date, no empty line */
    struct span type, etag, location; /* values inside the head; may be empty */
    int64_t mtime_s;                  /* Last-Modified; 0: none */
    uint64_t length;                  /* of the body */
    unsigned char
        *body; /* all of it, malloc()ed; NULL when fd is used or length is 0 */
    int fd;    /* >= 0: a regular file, the body is its first `length` bytes */
    bool cacheable;
    bool is_file; /* stamp is set: compare with the disk after cache.valid */
    struct origin_stamp stamp;
    const char *why; /* with an error status: for the log; static; else NULL */

    char *head_mem; /* private: what the spans point into */
};

/* Frees, closes and leaves an empty result; takes an empty one. */
void origin_result_free(struct origin_result *);
/* Moves: *from is empty afterwards. */
struct origin_result origin_result_take(struct origin_result *from);

/* Gives the result away. Called from the event loop, never from inside origin_fetch().
 */
typedef void origin_done_fn(struct origin_result *result, void *arg);

enum origin_progress { ORIGIN_DONE, ORIGIN_PENDING };

/* `path`: normalised (http/path.h), borrowed for the call. ORIGIN_DONE: *ret_result is
 * set, `done` is not called. ORIGIN_PENDING: *ret_fetch is set and valid until `done`
 * is called or it is cancelled. Whatever goes wrong is a status in the result. */
enum origin_progress origin_fetch(struct origin *, struct event_base *,
                                  struct span path, origin_done_fn *done, void *arg,
                                  struct origin_result *ret_result,
                                  struct origin_fetch **ret_fetch);
/* `done` will not be called; takes NULL. */
void origin_cancel(struct origin_fetch *);

/* For a cached result with is_file: does the disk still hold the same? Three
 * system calls, no reading. False when it changed, went away or cannot be looked at.
 * True for origins without files. */
bool origin_unchanged(struct origin *, struct span path, const struct origin_stamp *);

/* From here on a body should not cost memory, or may again. False: this origin has no
 * other place for it. */
bool origin_spare(struct origin *, bool spare);

/* Differs from that of an origin with other contents, as far as can be told from how it
 * was made: another folder, another index, another seed. */
uint32_t origin_source(const struct origin *);

void origin_free(struct origin *); /* takes NULL */

#endif
