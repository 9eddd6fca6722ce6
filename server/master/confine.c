/* SPDX-License-Identifier: MIT */
/* confine.c - the steps of confine.h; the two long ones are in files of their own. */
#include "server/master/confine.h"

#include <errno.h>
#include <grp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/master/confine_impl.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool own_calls_alone = false;
#else
static const bool own_calls_alone = true;
#endif

/* Groups first: who is not root any more cannot change them. */
static int become(const struct identity *id)
{
    int rc;

    if (!id->set)
        return 0;
    rc = id->name[0] != '\0' ? initgroups(id->name, id->gid) : setgroups(1, &id->gid);
    if (rc < 0 || setresgid(id->gid, id->gid, id->gid) < 0 ||
        setresuid(id->uid, id->uid, id->uid) < 0)
        return -errno;
    if (id->uid != 0 && setuid(0) == 0)
        return -EPERM; /* it was to be gone for good */
    /* The change has made /proc/self the property of root: the admin process, of the
     * same user, reads there what a worker has copied. */
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 ? -errno : 0;
}

void confine_probe(const struct options *o, const struct identity *id)
{
    if (geteuid() == 0 && (!id->set || id->uid == 0))
        log_warn("workers run as root: set the option `user`");
    if (!own_calls_alone)
        return;
    if (o->isolate_landlock && landlock_version() < 1)
        log_warn(
            "the kernel has no Landlock: workers may open whatever their user may");
    if (o->isolate_seccomp != FILTER_OFF && !seccomp_is_there())
        log_warn("the kernel has no seccomp filters: workers may make any system call");
}

int confine(const struct confine *c)
{
    const struct options *o = c->options;
    int rc = become(c->identity);

    if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        rc = -errno;
    if (rc < 0 || !own_calls_alone)
        return rc;
    if (c->role == CONFINE_WORKER && o->isolate_landlock && landlock_version() >= 1) {
        int err = landlock_confine(c);

        if (err < 0)
            log_warn_errno(err, "could not restrict the files of this process");
    }
    if (o->isolate_seccomp != FILTER_OFF && seccomp_is_there()) {
        int err = seccomp_confine(c);

        if (err < 0)
            log_warn_errno(err, "could not restrict the system calls of this process");
    }
    return 0;
}
