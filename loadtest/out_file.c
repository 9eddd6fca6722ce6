/* SPDX-License-Identifier: MIT */
/* out_file.c - see out_file.h.
 *
 * stdio forgets the errno of a write that fails inside fprintf(), and fclose() then
 * says that all is well: so the stream has a write function of its own, which remembers
 * it.
 */
#include "loadtest/out_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/fd.h"

static ssize_t write_all(void *cookie, const char *bytes, size_t n)
{
    struct out_file *out = cookie;

    if (out->err == 0)
        out->err = fd_write_all(out->fd, bytes, n);
    return out->err == 0 ? (ssize_t)n : 0; /* 0 is how a cookie tells an error */
}

/* Where the bytes shall be in the end: what links lead to. NULL: no memory. */
static char *follow(const char *path)
{
    char *real = realpath(path, NULL);

    return real != NULL || errno == ENOMEM ? real : strdup(path);
}

static bool is_in_place(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

static int open_path(struct out_file *out, const char *path)
{
    const char *name;

    out->path = follow(path);
    if (out->path == NULL)
        return -ENOMEM;
    if (out->how != OUT_IN_PLACE && !is_in_place(out->path) &&
        asprintf(&out->partial, "%s.partial", out->path) < 0) {
        out->partial = NULL;
        return -ENOMEM;
    }
    name = out->partial != NULL ? out->partial : out->path;
    out->fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return out->fd < 0 ? -errno : 0;
}

int out_open(struct out_file *out, const char *path, enum out_how how)
{
    const cookie_io_functions_t functions = { .write = write_all };
    int err;

    *out = (struct out_file){ .fd = -1, .how = how };
    err = open_path(out, path);
    if (err == 0) {
        out->stream = fopencookie(out, "w", functions);
        err = out->stream == NULL ? -ENOMEM : 0;
    }
    if (err < 0)
        out_abort(out);
    return err;
}

int out_probe(const char *path)
{
    struct out_file out;
    struct stat st;
    int err;

    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : access(path, W_OK) < 0 ? -errno : 0;
    err = out_open(&out, path, OUT_WHOLE);
    if (err == 0)
        out_abort(&out);
    return err;
}

static void release(struct out_file *out)
{
    fd_close(&out->fd);
    free(out->partial);
    free(out->path);
    *out = (struct out_file){ .fd = -1 };
}

void out_abort(struct out_file *out)
{
    bool opened;

    if (out->path == NULL)
        return;
    opened = out->fd >= 0;
    if (out->stream != NULL)
        fclose(out->stream);
    if (opened && out->partial != NULL && out->how != OUT_LINES)
        unlink(out->partial);
    release(out);
}

int out_commit(struct out_file *out)
{
    int err;

    if (fclose(out->stream) != 0 && out->err == 0)
        out->err = -errno;
    out->stream = NULL;
    /* a file system may tell only now that it had no room */
    if (out->err == 0 && fsync(out->fd) < 0 && errno != EINVAL && errno != EROFS)
        out->err = -errno;
    if (out->err == 0 && out->partial != NULL && rename(out->partial, out->path) < 0)
        out->err = -errno;
    err = out->err;
    if (err < 0)
        out_abort(out);
    else
        release(out);
    return err;
}

void out_complain(const char *path, int err, enum out_how how)
{
    fprintf(stderr, "cowload: could not write '%s': %s", path, strerror(-err));
    if (how == OUT_LINES && !is_in_place(path))
        fprintf(stderr, "; what could be written is in '%s.partial'", path);
    fputc('\n', stderr);
}
