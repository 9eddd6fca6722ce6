/* SPDX-License-Identifier: MIT */
/* file.c - see file.h. All in one go: files come from the page cache or a local disk.
 *
 * A body read into memory is what the file held between two equal stamps; when they
 * differ, it is read again, a few times. A write within the same clock tick as the last
 * one leaves no trace in the stamp, so what was written a moment ago is served but not
 * cached.
 */
#include "server/origin/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/base/hash.h"
#include "server/http/mime.h"
#include "server/origin/impl.h"

enum {
    NAME_MAX_LEN = 4095, /* of a path below the root, with the index */
    OPEN_TRIES = 16,     /* -EAGAIN: something beneath the root was renamed meanwhile */
    READ_TRIES = 4,
};
#define TICK_NS (20 * CLOCK_NS_PER_MS) /* longer than a tick of any kernel */
/* Of file systems that write down whole seconds (ext3, small inodes of ext4), or even
 * ones (FAT). */
#define COARSE_TICK_NS (2 * CLOCK_NS_PER_S + TICK_NS)

struct file_origin {
    struct origin origin;
    int root; /* O_PATH */
    size_t object_max;
    bool spare;        /* bodies stay on the disk, whatever their size */
    struct span index; /* owned */
};

struct name {
    char text[NAME_MAX_LEN + 1];
};

/* --- names and opening --- */

/* From "/a/b" to "a/b", from "/a/" to "a/index.html". False when that is too long. */
static bool make_name(const struct file_origin *o, struct span path, struct name *ret)
{
    bool folder = path.p[path.n - 1] == '/';
    struct span below = span_skip(path, 1);
    size_t n = below.n + (folder ? o->index.n : 0);

    if (n > NAME_MAX_LEN) {
        return false;
    }
    memcpy(ret->text, below.p, below.n);
    if (folder) {
        memcpy(ret->text + below.n, o->index.p, o->index.n);
    }
    ret->text[n] = '\0';
    return true;
}

/* A descriptor or a negative errno. */
static int open_beneath(int root, const char *name, int flags)
{
    struct open_how how = {
        .flags = (unsigned)flags,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    for (int i = 0; i < OPEN_TRIES; i++) {
        long fd = syscall(SYS_openat2, root, name, &how, sizeof how);
        if (fd >= 0) {
            return (int)fd;
        }
        if (errno != EAGAIN && errno != EINTR) {
            break;
        }
    }
    return -errno;
}

static void error_result(struct origin_result *r, int rc)
{
    switch (-rc) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
        origin_result_error(r, 404, "no such file");
        break;
    case ELOOP:
    case EXDEV:
        origin_result_error(r, 404,
                            "a symbolic link leaves the root or goes in circles");
        break;
    case ENXIO:
        origin_result_error(r, 404, "not a regular file");
        break;
    case EACCES:
    case EPERM:
        origin_result_error(r, 403, "permission denied");
        break;
    case EMFILE:
    case ENFILE:
        origin_result_error(r, 503, "out of file descriptors");
        break;
    case ENOMEM:
        origin_result_error(r, 503, "out of memory");
        break;
    case EAGAIN:
        origin_result_error(r, 503, "the folder is being changed all the time");
        break;
    default:
        origin_result_error(r, 500, strerrordesc_np(-rc));
        break;
    }
}

static int64_t ns_of(const struct timespec *t)
{
    return (int64_t)t->tv_sec * (int64_t)CLOCK_NS_PER_S + t->tv_nsec;
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= UINT64_C(0x9e3779b97f4a7c15);
    return x ^ x >> 29;
}

/* The ctime is in it because nobody can set it back, as rsync and cp -p do with the
 * mtime, and because a change of the mode is told by it alone. */
static struct origin_stamp stamp_of(const struct stat *st)
{
    return (struct origin_stamp){
        .file_id =
            mix(mix(mix(st->st_dev) + st->st_ino) + (uint64_t)ns_of(&st->st_ctim)),
        .size = (uint64_t)st->st_size,
        .mtime_ns = ns_of(&st->st_mtim),
    };
}

/* It was written so long ago that a next write could not have the same stamp. */
static bool is_of_the_past(const struct stat *st, int64_t now_ns)
{
    bool coarse = st->st_ctim.tv_nsec == 0;
    int64_t written_ns = ns_of(coarse ? &st->st_ctim : &st->st_mtim);
    int64_t age_ns = now_ns - written_ns;

    return age_ns < 0 || age_ns > (int64_t)(coarse ? COARSE_TICK_NS : TICK_NS);
}

static bool stamp_eq(const struct origin_stamp *a, const struct origin_stamp *b)
{
    return a->file_id == b->file_id && a->size == b->size && a->mtime_ns == b->mtime_ns;
}

/* --- results --- */

static bool is_unreserved(unsigned char c)
{
    unsigned char lower = c | 0x20;
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~!$&'()*+,;=:@/", c) != NULL);
}

/* 301 to `path` with a slash behind it. */
static void redirect_result(struct span path, struct origin_result *r)
{
    char *to = malloc(3 * path.n + 1);
    size_t n = 0;

    if (to == NULL) {
        error_result(r, -ENOMEM);
        return;
    }
    for (size_t i = 0; i < path.n; i++) {
        unsigned char c = (unsigned char)path.p[i];
        if (is_unreserved(c)) {
            to[n++] = (char)c;
        } else {
            to[n++] = '%';
            to[n++] = "0123456789ABCDEF"[c >> 4];
            to[n++] = "0123456789ABCDEF"[c & 15];
        }
    }
    to[n++] = '/';
    struct response_meta meta = { .status = 301, .location = { to, n } };
    if (origin_result_head(r, &meta) != 0) {
        error_result(r, -ENOMEM);
    }
    free(to);
}

/* Reads exactly `n` bytes. -ESTALE when the file has fewer by now. */
static int read_exactly(int fd, unsigned char *to, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = pread(fd, to + at, n - at, (off_t)at);
        if (got == 0) {
            return -ESTALE;
        }
        if (got < 0 && errno != EINTR) {
            return -errno;
        }
        at += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

/* The whole file between two equal stamps; `stamp` is the first one, and then the one
 * that held, of *st. 0, -ESTALE (the file grew too large, or does not hold still) or
 * another errno. */
static int read_whole(int fd, size_t max, struct origin_stamp *stamp, struct stat *st,
                      unsigned char **ret_body)
{
    int rc = -ESTALE;

    for (int i = 0; i < READ_TRIES && stamp->size <= max; i++) {
        size_t n = (size_t)stamp->size;
        unsigned char *body = malloc(n > 0 ? n : 1);
        if (body == NULL) {
            return -ENOMEM;
        }
        rc = read_exactly(fd, body, n);
        if ((rc == 0 || rc == -ESTALE) && fstat(fd, st) != 0) {
            rc = -errno;
        }
        struct origin_stamp after = *stamp;
        if (rc == 0 || rc == -ESTALE) {
            after = stamp_of(st);
        }
        if (rc == 0 && stamp_eq(stamp, &after)) {
            *ret_body = body;
            return 0;
        }
        free(body);
        if (rc != 0 && rc != -ESTALE) {
            return rc;
        }
        rc = -ESTALE;
        *stamp = after;
    }
    return rc;
}

static int format_head(struct origin_result *r, struct span name, int64_t now_ns)
{
    char etag[RESPONSE_ETAG_MAX];
    int64_t mtime_ns = r->stamp.mtime_ns;
    int64_t shown_ns = mtime_ns < now_ns ? mtime_ns : now_ns; /* never in the future */
    struct response_meta meta = {
        .status = 200,
        .type = mime_of(name),
        .etag = response_etag(etag, mtime_ns, r->stamp.size),
        .mtime_s = shown_ns > 0 ? shown_ns / (int64_t)CLOCK_NS_PER_S : 0,
        .length = r->stamp.size,
        .ranges = true,
    };
    return origin_result_head(r, &meta);
}

/* Takes the descriptor. */
static void regular_result(const struct file_origin *o, int fd, struct stat *st,
                           struct span name, struct origin_result *r)
{
    int64_t now_ns = (int64_t)clock_wall_ns();

    *r = (struct origin_result){ .fd = fd, .is_file = true, .stamp = stamp_of(st) };
    int rc = 0;
    if (r->stamp.size <= o->object_max && !o->spare) {
        rc = read_whole(fd, o->object_max, &r->stamp, st, &r->body);
        if (rc == 0) {
            r->cacheable = is_of_the_past(st, now_ns);
            fd_close(&r->fd);
        }
    }
    rc = rc == 0 ? format_head(r, name, now_ns) : rc;
    if (rc == 0) {
        return;
    }
    origin_result_free(r);
    if (rc == -ESTALE) {
        origin_result_error(r, 503, "the file changes while it is read");
    } else {
        error_result(r, rc);
    }
}

/* --- the origin --- */

static enum origin_progress file_fetch(struct origin *origin, struct event_base *base,
                                       struct span path, origin_done_fn *done,
                                       void *arg, struct origin_result *r,
                                       struct origin_fetch **ret_fetch)
{
    struct file_origin *o = (struct file_origin *)origin;
    struct name name;
    struct stat st;

    (void)base, (void)done, (void)arg, (void)ret_fetch;
    if (!make_name(o, path, &name)) {
        error_result(r, -ENAMETOOLONG);
        return ORIGIN_DONE;
    }
    int fd =
        open_beneath(o->root, name.text, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        error_result(r, fd);
        return ORIGIN_DONE;
    }
    int rc = fstat(fd, &st) == 0 ? 0 : -errno;
    if (rc == 0 && S_ISREG(st.st_mode)) {
        regular_result(o, fd, &st, span_of(name.text), r);
        return ORIGIN_DONE;
    }
    fd_close(&fd);
    bool named_folder = path.p[path.n - 1] == '/';
    if (rc != 0) {
        error_result(r, rc);
    } else if (S_ISDIR(st.st_mode) && !named_folder) {
        *r = (struct origin_result){ .fd = -1 };
        redirect_result(path, r);
    } else {
        origin_result_error(r, 404, "not a regular file");
    }
    return ORIGIN_DONE;
}

/* As an open would find it: beneath the root. */
static bool file_unchanged(struct origin *origin, struct span path,
                           const struct origin_stamp *stamp)
{
    struct file_origin *o = (struct file_origin *)origin;
    struct name name;
    struct stat st;

    if (!make_name(o, path, &name)) {
        return false;
    }
    int fd = open_beneath(o->root, name.text, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool seen = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    fd_close(&fd);
    if (!seen) {
        return false;
    }
    struct origin_stamp now = stamp_of(&st);
    return stamp_eq(&now, stamp);
}

static void file_free(struct origin *origin)
{
    struct file_origin *o = (struct file_origin *)origin;

    fd_close(&o->root);
    free((char *)(uintptr_t)o->index.p);
    free(o);
}

static void file_spare(struct origin *origin, bool spare)
{
    ((struct file_origin *)origin)->spare = spare;
}

static const struct origin_ops file_ops = { file_fetch, file_unchanged, file_free,
                                            file_spare };

static int refuse(int rc, const char *why, const char **ret_why)
{
    *ret_why = why;
    return rc;
}

/* 0, or why openat2() cannot be used here. */
static int try_openat2(int root, const char **ret_why)
{
    int fd = open_beneath(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fd_close(&fd);
        return 0;
    }
    return refuse(
        fd,
        fd == -ENOSYS || fd == -EPERM
            ? "openat2() is not available (it needs Linux 5.6, and a sandbox that "
              "allows it)"
            : "the root cannot be searched",
        ret_why);
}

/* By the folder itself: its name may be a link, and lead elsewhere by now. */
static uint32_t source_of(const struct file_origin *o)
{
    uint64_t what[3] = { hash_sip13(&(struct hash_key){ 0 }, o->index.p, o->index.n) };
    struct stat st;

    if (fstat(o->root, &st) == 0) {
        what[1] = st.st_dev;
        what[2] = st.st_ino;
    }
    return origin_source_of("file", what, sizeof what);
}

int origin_file_new(const struct origin_file_config *config, struct origin **ret_origin,
                    const char **ret_why)
{
    struct span index = span_of(config->index);
    if (index.n == 0 || index.n > 255 || span_find(index, '/') < index.n ||
        span_eq(index, SPAN(".")) || span_eq(index, SPAN(".."))) {
        return refuse(-EINVAL, "the index is not the name of a file", ret_why);
    }
    struct file_origin *o = malloc(sizeof *o);
    if (o == NULL) {
        return refuse(-ENOMEM, "out of memory", ret_why);
    }
    *o = (struct file_origin){ .origin = { &file_ops },
                               .root = -1,
                               .object_max = config->object_max,
                               .index = span_of(strdup(config->index)) };
    int rc = 0;
    if (o->index.n == 0) {
        rc = refuse(-ENOMEM, "out of memory", ret_why);
        goto fail;
    }
    o->root = open(config->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (o->root < 0) {
        rc = refuse(-errno, "the root is not a folder that can be opened", ret_why);
        goto fail;
    }
    rc = try_openat2(o->root, ret_why);
    if (rc != 0) {
        goto fail;
    }
    o->origin.source = source_of(o);
    *ret_origin = &o->origin;
    return 0;
fail:
    file_free(&o->origin);
    return rc;
}
