/* SPDX-License-Identifier: MIT */
/* fake.h - a supervisor whose forks, kills and time the test makes.
 *
 * The fake owner hands out pids from 1000 on and remembers kills; channels are real, so
 * that what a worker would read can be read here. One supervisor at a time: begin() or
 * start(), then end().
 */
#ifndef COWSHED_TEST_MASTER_FAKE_H
#define COWSHED_TEST_MASTER_FAKE_H

#include "server/base/clock.h"
#include "server/master/supervisor.h"

#define MS CLOCK_NS_PER_MS
#define S  CLOCK_NS_PER_S

enum { KILLS_MAX = 64 };

extern struct supervisor sup;
extern struct region *region;
extern struct options *options; /* of the first generation */
extern uint64_t now_ns;

/* what the fake did, and what it is to do */
extern int forks, hosts, threads, gone, released;
extern pid_t killed[KILLS_MAX];
extern int kills;
extern int fork_error; /* a negative errno: forks fail */
extern uint64_t available;

struct options *make_options(const char *mode); /* no throttle, breaker = 3 */
void begin(const char *mode, unsigned slots);
void start(const char *mode, unsigned slots); /* and all slots become ready */
void end(void);
uint64_t settle(void);

struct instance *at(unsigned slot, enum seat_state);
/* The worker says something, becomes ready, dies; then everything settles. */
void say(struct instance *, enum message_kind, uint64_t arg);
void become_ready(unsigned slot);
void die(struct instance *, int wait_status);
/* The next message that the worker would read; NONE when there is none. */
enum message_kind told(const struct instance *);

#endif
