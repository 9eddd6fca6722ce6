/* SPDX-License-Identifier: MIT */
/* pid_file.h - the file that says which process is the master.
 *
 *   1 locked   pid_file_lock()    at start: exclusive flock(), so that two masters
 *                                 cannot share one; an older pid stays readable until
 *   2 written  pid_file_write()   when the master is ready
 *   3 gone     pid_file_remove()  by its owner, who still holds the lock
 *
 * The descriptor is close-on-exec and not in a child's allow-list; a forked child
 * shares the lock until it closes its descriptors, which it does first of all.
 */
#ifndef COWSHED_SHARED_PID_FILE_H
#define COWSHED_SHARED_PID_FILE_H

#include <stdbool.h>
#include <sys/types.h>

struct pid_file {
    int fd;          /* -1: none */
    bool of_another; /* adopted, and not written yet: it is not ours to remove */
    char *path;      /* owned */
};

/* An empty path gives a pid_file that does nothing. 0, -EWOULDBLOCK (another master
 * holds it), -ENXIO (a device or a pipe), -EEXIST (there is something in it that is no
 * pid), or another negative errno. */
int pid_file_lock(struct pid_file *ret, const char *path);
/* The same of a file that is there, but for the lock; changes nothing. 0: none is. */
int pid_file_check(const char *path);
/* What an error of these two means. */
const char *pid_file_words(int err);
/* The same with a descriptor that holds the lock already (the caller's until then),
 * from the master before: -ESTALE when it is not of this path. */
int pid_file_adopt(struct pid_file *ret, const char *path, int fd);
int pid_file_write(struct pid_file *, pid_t);
/* By the owner with this pid, which leaves: the file stays when another master has
 * written its own pid there, and goes when it has a file elsewhere. */
void pid_file_hand_over(struct pid_file *, pid_t);
void pid_file_remove(struct pid_file *); /* takes one that is all zero but fd == -1 */

/* For `-s`: the pid of the living master that holds the lock. 0, -ENOENT (no file),
 * -ESRCH (nobody holds it), -EINVAL (no pid in it yet). */
int pid_file_read(const char *path, pid_t *ret);

#endif
