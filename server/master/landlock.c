/* SPDX-License-Identifier: MIT */
/* landlock.c - step 3 of confine.h: the files of a child, its signals and ports.
 *
 * Everything that the kernel can handle is handled, and so forbidden, but for the few
 * rules below. Descriptors that are open already are not concerned. The interface grows
 * by versions; what an older kernel does not know is left out. The numbers are written
 * out because the headers of the system may be older than its kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/base/fd.h"
#include "server/master/confine.h"
#include "server/master/confine_impl.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

enum { CREATE_VERSION = 1, RULE_PATH_BENEATH = 1 };

#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE  (UINT64_C(1) << 2)
#define FS_READ_DIR   (UINT64_C(1) << 3)
#define NET_BIND_TCP  (UINT64_C(1) << 0)
#define NET_CONNECT   (UINT64_C(1) << 1)
#define SCOPE_ALL     UINT64_C(3) /* abstract Unix sockets, signals */

struct ruleset {
    uint64_t fs, net, scoped;
};

struct __attribute__((packed)) rule {
    uint64_t allowed;
    int32_t parent_fd;
};

/* Kinds of access to files that a version knows: the first so many bits. */
static uint64_t fs_of(int version)
{
    unsigned bits = version >= 5   ? 16 /* ioctl on devices */
                    : version >= 3 ? 15 /* truncate */
                    : version >= 2 ? 14 /* link into another folder */
                                   : 13;
    return (UINT64_C(1) << bits) - 1;
}

int landlock_version(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, CREATE_VERSION);
}

static int allow(int ruleset, int fd, uint64_t access)
{
    struct rule rule = { access, fd };

    if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0)
        return -errno;
    return 0;
}

static int allow_folder(int ruleset, const char *path)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), rc;

    if (fd < 0)
        return -errno;
    rc = allow(ruleset, fd, FS_READ_FILE | FS_READ_DIR);
    close(fd);
    return rc;
}

/* The access log is opened again for a description of one's own if it does not block; a
 * pipe is in no file system, and free. */
static int allow_log(int ruleset, int fd)
{
    int rc = fd >= 0 ? allow(ruleset, fd, FS_WRITE_FILE) : 0;

    return rc == -EBADFD || rc == -EINVAL ? 0 : rc;
}

static int add_rules(int ruleset, const struct confine *c)
{
    int rc;

    rc = allow_folder(ruleset, "/proc/self");
    if (rc == -ENOENT)
        rc = 0; /* not mounted: nobody can read there */
    if (rc == 0 && c->options->origin == ORIGIN_FILE)
        rc = allow_folder(ruleset, c->options->root);
    return rc == 0 ? allow_log(ruleset, c->access_log_fd) : rc;
}

int landlock_confine(const struct confine *c)
{
    const int version = landlock_version();
    struct ruleset set = { .fs = fs_of(version) };
    size_t size = version >= 6   ? sizeof set
                  : version >= 4 ? sizeof set.fs + sizeof set.net
                                 : sizeof set.fs;
    int fd, rc;

    set.net = NET_BIND_TCP | NET_CONNECT;
    set.scoped = SCOPE_ALL;
    fd = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
    if (fd < 0)
        return -errno;
    rc = add_rules(fd, c);
    if (rc == 0 && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
        rc = -errno;
    fd_close(&fd);
    return rc;
}
