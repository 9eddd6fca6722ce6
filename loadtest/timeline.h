/* SPDX-License-Identifier: MIT */
/* timeline.h - what the server was doing, and when: its events, read after a run.
 *
 * Both sides stamp with CLOCK_MONOTONIC, so this is for a server on the same machine.
 */
#ifndef LOADTEST_TIMELINE_H
#define LOADTEST_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum timeline_kind {
    TIMELINE_GC,       /* a pause of the collector */
    TIMELINE_CYCLE,    /* a whole collection */
    TIMELINE_FORK,     /* of a slot */
    TIMELINE_READY,    /* a slot was made, from its start until it serves */
    TIMELINE_PRETOUCH, /* page tables filled or pages copied in advance */
    TIMELINE_FAULTS,   /* a turn of a loop with many page faults */
    TIMELINE_STALL,    /* a long turn of a loop */
    TIMELINE_RECYCLE,  /* a worker asked to be replaced */
    TIMELINE_KINDS
};

#define TIMELINE_MASTER UINT16_MAX

struct timeline_event {
    uint64_t start_ns, end_ns;
    enum timeline_kind kind;
    uint16_t slot; /* or TIMELINE_MASTER */
    uint32_t generation;
};

struct timeline {
    struct timeline_event *events; /* owned; in the order of their starts */
    size_t n;
    uint64_t longest_ns; /* of all of them */
    bool lost;           /* a ring of the server was full: there may have been more */
};

const char *timeline_name(enum timeline_kind kind);

/* From the lines of /events; kinds that are not in the list above are left out. 0,
 * -EBADMSG or -ENOMEM; ret_timeline is untouched on failure. */
int timeline_parse(const char *bytes, size_t n, struct timeline *ret_timeline);
/* Asks the admin listener at HOST:PORT for what ended after since_ns. */
int timeline_read(const char *address, uint64_t since_ns,
                  struct timeline *ret_timeline);
void timeline_free(struct timeline *timeline);

/* The first event that could overlap with what begins at from_ns: go on from it until
 * one starts too late. */
size_t timeline_seek(const struct timeline *timeline, uint64_t from_ns);

#endif
