/* SPDX-License-Identifier: MIT */
/* options.c - a set of options as a whole: life, setting, comparing. */
#include "server/conf/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/conf/option_table.h"

static char **str_field(struct options *o, const struct option_desc *d)
{
    return option_field(o, d);
}

struct options *options_new(void)
{
    struct options *o = calloc(1, sizeof *o);

    if (o == NULL)
        return NULL;
    o->sources = calloc(option_count, sizeof o->sources[0]);
    if (o->sources == NULL)
        goto fail;
    for (size_t i = 0; i < option_count; i++) {
        const struct option_desc *d = &option_table[i];

        option_set_default(o, d);
        if (d->kind != OPTION_STR)
            continue;
        *str_field(o, d) = strdup(d->def_text);
        if (*str_field(o, d) == NULL)
            goto fail;
    }
    return o;
fail:
    options_free(o);
    return NULL;
}

/* After a plain copy of the struct: gives the copy strings and sources of its own. */
static int own_strings(struct options *copy, const struct options *from)
{
    int err = 0;

    copy->made = NULL;
    copy->free_made = NULL;
    copy->sources = calloc(option_count, sizeof copy->sources[0]);
    for (size_t i = 0; i < option_count; i++) {
        const struct option_desc *d = &option_table[i];

        if (d->kind == OPTION_STR) {
            *str_field(copy, d) = strdup(*str_field(copy, d));
            err |= *str_field(copy, d) == NULL;
        }
        if (copy->sources != NULL && from->sources[i].where != NULL) {
            copy->sources[i].where = strdup(from->sources[i].where);
            err |= copy->sources[i].where == NULL;
        }
    }
    return err != 0 || copy->sources == NULL ? -ENOMEM : 0;
}

struct options *options_copy(const struct options *from)
{
    struct options *copy = malloc(sizeof *copy);

    if (copy == NULL)
        return NULL;
    *copy = *from;
    if (own_strings(copy, from) != 0) {
        options_free(copy);
        return NULL;
    }
    return copy;
}

void options_free(struct options *o)
{
    if (o == NULL)
        return;
    for (size_t i = 0; i < option_count; i++) {
        if (option_table[i].kind == OPTION_STR)
            free(*str_field(o, &option_table[i]));
        if (o->sources != NULL)
            free(o->sources[i].where);
    }
    if (o->free_made != NULL)
        o->free_made(o->made);
    free(o->sources);
    free(o);
}

static int unknown_name(const char *name, const char *where,
                        struct option_error *ret_error)
{
    const char *nearest = option_nearest(name);

    if (nearest != NULL)
        snprintf(ret_error->text, sizeof ret_error->text,
                 "%s: unknown option '%.100s'; did you mean '%s'?", where, name,
                 nearest);
    else
        snprintf(ret_error->text, sizeof ret_error->text, "%s: unknown option '%.100s'",
                 where, name);
    return -ENOENT;
}

int options_set(struct options *o, const char *name, const char *text,
                const char *where, struct option_error *ret_error)
{
    const struct option_desc *d = option_find(name);
    struct option_error why;

    if (d == NULL)
        return unknown_name(name, where, ret_error);
    char *from = strdup(where);
    int err = -ENOMEM;
    if (from != NULL)
        err = option_parse(o, d, text, &why);
    else
        snprintf(why.text, sizeof why.text, "out of memory");
    if (err != 0) {
        snprintf(ret_error->text, sizeof ret_error->text,
                 "%s: %s = '%.100s' %s; %.300s", where, name, text,
                 err == -ERANGE ? "is out of range" : "is not accepted", why.text);
        free(from);
        return err;
    }
    struct option_source *source = &o->sources[d - option_table];
    free(source->where);
    source->where = from;
    return 0;
}

const char *options_where(const struct options *o, const char *name)
{
    const struct option_desc *d = option_find(name);

    CHECK(d != NULL);
    const char *where = o->sources[d - option_table].where;
    return where != NULL ? where : "default";
}

unsigned options_need_restart(const struct options *a, const struct options *b,
                              char *ret, size_t size)
{
    unsigned n = 0;
    size_t at = 0;

    CHECK(size > 0);
    ret[0] = '\0';
    for (size_t i = 0; i < option_count; i++) {
        const struct option_desc *d = &option_table[i];

        if (d->when != OPTION_RESTART || option_equal(a, b, d))
            continue;
        int len = snprintf(ret + at, size - at, "%s%s", n > 0 ? ", " : "", d->name);
        at = at + (size_t)len < size ? at + (size_t)len : size - 1;
        n++;
    }
    return n;
}
