/* SPDX-License-Identifier: MIT */
/* identity.c - step 1 of confine.h: whom a child becomes. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/num.h"
#include "server/base/span.h"
#include "server/master/confine.h"

enum { ID_MAX = 0x7fffffff };

static bool parse_id(const char *text, uint64_t *ret)
{
    return num_parse_u64(span_make(text, strlen(text)), 0, ID_MAX, ret) == 0;
}

static int find_user(const char *text, struct identity *id)
{
    struct passwd *found = getpwnam(text);
    uint64_t number;

    if (found == NULL && parse_id(text, &number)) {
        id->uid = (uid_t)number;
        id->gid = (gid_t)number;
        found = getpwuid(id->uid);
        if (found == NULL)
            return 0; /* a user that only the kernel knows, as in a container */
    }
    if (found == NULL || strlen(found->pw_name) >= sizeof id->name)
        return -ENOENT;
    id->uid = found->pw_uid;
    id->gid = found->pw_gid;
    snprintf(id->name, sizeof id->name, "%s", found->pw_name);
    return 0;
}

static int find_group(const char *text, struct identity *id)
{
    struct group *found = getgrnam(text);
    uint64_t number;

    if (found != NULL)
        id->gid = found->gr_gid;
    else if (parse_id(text, &number))
        id->gid = (gid_t)number;
    else
        return -ENOENT;
    return 0;
}

/* Of file access alone, so that all else stays as it is; the master has one thread. */
int identity_try(const struct identity *id, int (*try)(const char *), const char *arg)
{
    int count = getgroups(0, NULL), rc;
    gid_t *before;

    if (!id->set || geteuid() != 0 || count < 0)
        return try(arg);
    before = calloc((size_t)count + 1, sizeof *before);
    if (before == NULL || getgroups(count, before) < 0) {
        free(before);
        return try(arg);
    }
    rc = id->name[0] != '\0' ? initgroups(id->name, id->gid) : setgroups(1, &id->gid);
    if (rc == 0) {
        setfsgid(id->gid);
        setfsuid(id->uid);
        rc = try(arg);
        setfsuid(geteuid());
        setfsgid(getegid());
        CHECK(setgroups((size_t)count, before) == 0);
    } else {
        rc = -errno;
    }
    free(before);
    return rc;
}

int identity_find(const struct options *o, struct identity *ret,
                  const char **ret_option)
{
    struct identity id = { .uid = geteuid(), .gid = getegid() };
    int rc = 0;

    id.set = o->user[0] != '\0' || o->group[0] != '\0';
    *ret_option = "user";
    if (o->user[0] != '\0')
        rc = find_user(o->user, &id);
    if (rc == 0 && o->group[0] != '\0') {
        *ret_option = "group";
        rc = find_group(o->group, &id);
    }
    if (rc < 0)
        return rc;
    if (id.uid == geteuid() && id.gid == getegid())
        id.set = geteuid() == 0 && id.set; /* as root: the supplementary groups go */
    else if (geteuid() != 0)
        return -EPERM;
    *ret = id;
    return 0;
}
