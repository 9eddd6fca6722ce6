/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz_conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/fd.h"
#include "server/base/span.h"
#include "server/conf/conf_file.h"
#include "server/conf/options.h"

static void check_sentence(int rc, const struct option_error *error)
{
    size_t n = strnlen(error->text, sizeof error->text);

    CHECK(rc == -EINVAL || rc == -ERANGE || rc == -ENOENT || rc == -EFBIG ||
          rc == -ENAMETOOLONG || rc == -ENOMEM || rc == -EEXIST);
    CHECK(n > 0 && n < sizeof error->text);
}

/* Options of a file with this text, resolved; NULL: it was refused. */
static struct options *read_text(const void *text, size_t n)
{
    struct option_error error = { .text = "" };
    struct options *o = options_new();
    int fd = memfd_create("fuzz", MFD_CLOEXEC), rc;
    char path[32];

    CHECK(o != NULL && fd >= 0 && fd_write_all(fd, text, n) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    rc = conf_file_read(o, path, &error);
    if (rc == 0)
        rc = options_resolve(o, &error);
    close(fd);
    if (rc == 0)
        return o;
    check_sentence(rc, &error);
    options_free(o);
    return NULL;
}

/* Lines without the comments that tell where a value came from. */
static char *dump(const struct options *o, size_t *ret_n)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_n);

    CHECK(out != NULL);
    options_dump(o, out);
    CHECK(fclose(out) == 0);
    return text;
}

static bool next_line(struct span *rest, struct span *ret_line)
{
    struct span tail;

    if (rest->n == 0)
        return false;
    span_cut(*rest, '\n', ret_line, rest);
    while (ret_line->n > 0) { /* "name = value  # where" */
        size_t i = span_rfind(*ret_line, '#');

        if (i >= ret_line->n || i < 2 || ret_line->p[i - 1] != ' ')
            break;
        tail = span_skip(*ret_line, i);
        if (memchr(tail.p, '"', tail.n) != NULL)
            break;
        *ret_line = span_trim(span_take(*ret_line, i));
        break;
    }
    return true;
}

static void check_same(const char *a, size_t a_n, const char *b, size_t b_n)
{
    struct span left = { a, a_n }, right = { b, b_n }, x, y;

    while (next_line(&left, &x)) {
        CHECK(next_line(&right, &y));
        CHECK(span_eq(x, y));
    }
    CHECK(right.n == 0);
}

static void play_file(const uint8_t *data, size_t size)
{
    struct options *o, *again;
    size_t n = 0, again_n = 0;
    char *text, *again_text;

    if (memmem(data, size, "include", 7) != NULL)
        return;
    o = read_text(data, size);
    if (o == NULL)
        return;
    text = dump(o, &n);
    again = read_text(text, n);
    CHECK(again != NULL);
    again_text = dump(again, &again_n);
    check_same(text, n, again_text, again_n);
    free(text);
    free(again_text);
    options_free(o);
    options_free(again);
}

/* Each line that has a '=' is a setting. */
static void play_settings(const uint8_t *data, size_t size)
{
    struct span rest = span_make(data, size), line, name, value;
    struct option_error error = { .text = "" };
    struct options *o = options_new();
    char name_text[128], value_text[512];

    CHECK(o != NULL);
    while (rest.n > 0) {
        span_cut(rest, '\n', &line, &rest);
        if (!span_cut(line, '=', &name, &value) ||
            span_to_cstr(name, name_text, sizeof name_text) < 0 ||
            span_to_cstr(value, value_text, sizeof value_text) < 0)
            continue;
        int rc = options_set(o, name_text, value_text, "-o", &error);

        if (rc < 0)
            check_sentence(rc, &error);
    }
    int rc = options_resolve(o, &error);
    if (rc < 0)
        check_sentence(rc, &error);
    options_free(o);
}

int fuzz_conf(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == '-')
        play_settings(data + 1, size - 1);
    else
        play_file(data, size);
    return 0;
}
