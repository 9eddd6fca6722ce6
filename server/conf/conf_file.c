/* SPDX-License-Identifier: MIT */
/* conf_file.c - libConfuse does the syntax, options_set() the values.
 *
 * All options are declared to libConfuse as text.  It calls set_option() for each
 * setting while it parses, and from there the table of options rules.  Files that are
 * included wait in a queue: only one parser can exist (cfg_free() of one destroys the
 * scanner of all), and each file has its own, which knows its lines.
 */
#include "server/conf/conf_file.h"

#include <confuse.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/errno_text.h"
#include "server/base/fd.h"
#include "server/base/span.h"
#include "server/conf/conf_text.h"
#include "server/conf/option_table.h"
#include "server/conf/options.h"

enum {
    SECTIONS_MAX = 16,
    NAME_MAX_LEN = 96,
    PLACE_MAX_LEN = 320,
    FILE_MAX_LEN = 1 << 20,
    FILES_MAX = 32,
};

struct pending {
    char path[PATH_MAX];
    char
        where[PLACE_MAX_LEN]; /* who wants it; empty for the file that the user named */
};

/* One file, and those that it includes. */
struct reader {
    struct options *options;
    struct option_error *error; /* the first one stays */
    bool *seen;                 /* by number of the option: set in one of the files */
    int err;
    const char *path; /* of the file being parsed, and its parser */
    const cfg_t *root;
    struct pending *files; /* FILES_MAX; the first files_n are there */
    size_t files_n;
};

/* libConfuse gives its callbacks no pointer of ours.  Set while a file is parsed. */
static _Thread_local struct reader *reading;

/* ---- errors ---------------------------------------------------------------------- */

/* Sections know their line, but not their file. */
static char *place(char out[PLACE_MAX_LEN], const struct reader *r, const cfg_t *cfg)
{
    snprintf(out, PLACE_MAX_LEN, "%.300s:%d", r->path, cfg->line);
    return out;
}

static char *full_name(char out[NAME_MAX_LEN], const struct reader *r, const cfg_t *cfg,
                       const char *name)
{
    if (cfg == r->root || cfg->name == NULL)
        snprintf(out, NAME_MAX_LEN, "%.40s", name);
    else
        snprintf(out, NAME_MAX_LEN, "%.40s.%.40s", cfg->name, name);
    return out;
}

/* What libConfuse does not know is unknown to the table as well, which knows names that
 * are close, or it is written as on the command line. */
static void unknown(struct reader *r, const char *name, const char *where)
{
    const char *dot = strchr(name, '.');

    if (option_find(name) == NULL) {
        r->err = options_set(r->options, name, "", where, r->error);
        CHECK(r->err != 0);
        return;
    }
    CHECK(dot != NULL);
    r->err = -EINVAL;
    snprintf(r->error->text, sizeof r->error->text,
             "%s: %s is written in a section here: %.*s { %s = ... }", where, name,
             (int)(dot - name), name, dot + 1);
}

static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
    struct reader *r = reading;
    char where[PLACE_MAX_LEN];
    char name[NAME_MAX_LEN];

    if (r->err != 0)
        return;
    r->err = -EINVAL;
    place(where, r, cfg);
    if (strcmp(fmt, "no such option '%s'") == 0) {
        unknown(r, full_name(name, r, cfg, va_arg(ap, const char *)), where);
        return;
    }
    int n = snprintf(r->error->text, sizeof r->error->text, "%s: ", where);
    vsnprintf(r->error->text + n, sizeof r->error->text - (size_t)n, fmt, ap);
}

static void fail(struct reader *r, int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void fail(struct reader *r, int err, const char *fmt, ...)
{
    va_list ap;

    if (r->err != 0)
        return;
    r->err = err;
    va_start(ap, fmt);
    vsnprintf(r->error->text, sizeof r->error->text, fmt, ap);
    va_end(ap);
}

/* ---- what libConfuse calls ------------------------------------------------------- */

static int set_option(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    struct reader *r = reading;
    char where[PLACE_MAX_LEN];
    char name[NAME_MAX_LEN];

    place(where, r, cfg);
    full_name(name, r, cfg, opt->name);
    const struct option_desc *d = option_find(name);
    CHECK(d != NULL);
    size_t number = (size_t)(d - option_table);
    if (r->seen[number]) {
        fail(r, -EINVAL, "%s: %s is set a second time; the first was at %s", where,
             name, r->options->sources[number].where);
        return -1;
    }
    r->seen[number] = true;
    if (r->err == 0)
        r->err = options_set(r->options, name, value, where, r->error);
    *(const char **)result = value; /* libConfuse keeps a copy of its own */
    return r->err != 0 ? -1 : 0;
}

/* include("x"): relative to the folder of the file that says so. */
static int include(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
    struct reader *r = reading;
    char where[PLACE_MAX_LEN];
    const char *slash = strrchr(r->path, '/');

    (void)opt;
    place(where, r, cfg);
    if (argc != 1) {
        fail(r, -EINVAL, "%s: include wants one file name", where);
        return -1;
    }
    if (r->files_n == FILES_MAX) {
        fail(r, -ELOOP, "%s: more than %d files; does one include itself?", where,
             FILES_MAX);
        return -1;
    }
    struct pending *next = &r->files[r->files_n];
    int folder = argv[0][0] == '/' || slash == NULL ? 0 : (int)(slash - r->path) + 1;
    int n = snprintf(next->path, sizeof next->path, "%.*s%s", folder, r->path, argv[0]);
    if (n < 0 || (size_t)n >= sizeof next->path) {
        fail(r, -ENAMETOOLONG, "%s: the name of the included file is too long", where);
        return -1;
    }
    memcpy(next->where, where, sizeof next->where);
    r->files_n++;
    return 0;
}

/* ---- the table, in the words of libConfuse --------------------------------------- */

struct section {
    char name[32];
    cfg_opt_t *options;
    size_t n;
};

struct schema {
    cfg_opt_t *top;
    size_t top_n;
    struct section sections[SECTIONS_MAX];
    size_t sections_n;
};

static void schema_free(struct schema *s)
{
    for (size_t i = 0; i < s->sections_n; i++)
        free(s->sections[i].options);
    free(s->top);
}

static void add(cfg_opt_t *list, size_t *n, cfg_opt_t opt)
{
    list[(*n)++] = opt;
}

static struct section *find_section(struct schema *s, struct span name)
{
    for (size_t i = 0; i < s->sections_n; i++) {
        if (span_eq(span_of(s->sections[i].name), name))
            return &s->sections[i];
    }
    CHECK(s->sections_n < SECTIONS_MAX);
    struct section *made = &s->sections[s->sections_n];
    CHECK(span_to_cstr(name, made->name, sizeof made->name) == 0);
    made->options = calloc(option_count + 1, sizeof made->options[0]);
    if (made->options == NULL)
        return NULL;
    s->sections_n++;
    return made;
}

static int schema_fill(struct schema *s)
{
    for (size_t i = 0; i < option_count; i++) {
        struct span section_name, name;
        bool dotted =
            span_cut(span_of(option_table[i].name), '.', &section_name, &name);
        struct section *section = NULL;

        if (!dotted)
            name = section_name;
        else if ((section = find_section(s, section_name)) == NULL)
            return -ENOMEM;
        cfg_opt_t opt = CFG_STR_CB(name.p, NULL, CFGF_NODEFAULT, set_option);
        add(dotted ? section->options : s->top, dotted ? &section->n : &s->top_n, opt);
    }
    for (size_t i = 0; i < s->sections_n; i++) {
        cfg_opt_t end = CFG_END();

        add(s->sections[i].options, &s->sections[i].n, end);
        cfg_opt_t opt = CFG_SEC(s->sections[i].name, s->sections[i].options, CFGF_NONE);
        add(s->top, &s->top_n, opt);
    }
    cfg_opt_t func = CFG_FUNC("include", include);
    add(s->top, &s->top_n, func);
    cfg_opt_t end = CFG_END();
    add(s->top, &s->top_n, end);
    return 0;
}

/* NULL when memory is short. */
static cfg_t *make_parser(void)
{
    struct schema s = { 0 };
    cfg_t *cfg = NULL;

    s.top = calloc(option_count + SECTIONS_MAX + 2, sizeof s.top[0]);
    if (s.top != NULL && schema_fill(&s) == 0)
        cfg = cfg_init(s.top, CFGF_NONE); /* copies all of it */
    schema_free(&s);
    if (cfg != NULL)
        cfg_set_error_function(cfg, on_error);
    return cfg;
}

static void parse(struct reader *r, const char *path, char *text, size_t n)
{
    cfg_t *cfg = make_parser();
    FILE *f = fmemopen(text, n, "r");

    if (cfg != NULL && f != NULL) {
        r->path = path;
        r->root = cfg;
        reading = r;
        if (cfg_parse_fp(cfg, f) != CFG_SUCCESS)
            fail(r, -EINVAL, "%s:%d: the file ends where a value should be", path,
                 cfg->line);
        reading = NULL;
    } else {
        fail(r, -ENOMEM, "%s: out of memory", path);
    }
    if (f != NULL)
        fclose(f);
    if (cfg != NULL)
        cfg_free(cfg);
}

static void read_one(struct reader *r, const struct pending *file, char *text)
{
    unsigned line = 0;
    const char *why = NULL;
    size_t n = 0;
    int err = fd_read_file(file->path, text, FILE_MAX_LEN, &n);

    if (err != 0 && file->where[0] != '\0')
        fail(r, err, "%s: could not read '%.200s': %s", file->where, file->path,
             errno_text(err));
    else if (err != 0)
        fail(r, err, "could not read the configuration '%.200s': %s", file->path,
             errno_text(err));
    else if (conf_text_clean(text, n, &line, &why) != 0)
        fail(r, -EINVAL, "%.300s:%u: %s", file->path, line, why);
    else if (n > 0)
        parse(r, file->path, text, n);
}

int conf_file_read(struct options *o, const char *path, struct option_error *ret_error)
{
    struct reader r = { .options = o, .error = ret_error };
    char *text = malloc(FILE_MAX_LEN);

    CHECK(reading == NULL);
    r.seen = calloc(option_count, sizeof r.seen[0]);
    r.files = calloc(FILES_MAX, sizeof r.files[0]);
    if (text == NULL || r.seen == NULL || r.files == NULL)
        fail(&r, -ENOMEM, "%s: out of memory", path);
    else if (strlen(path) >= sizeof r.files[0].path)
        fail(&r, -ENAMETOOLONG, "the name of the configuration is too long");
    else
        memcpy(r.files[r.files_n++].path, path, strlen(path) + 1);
    for (size_t i = 0; i < r.files_n && r.err == 0; i++)
        read_one(&r, &r.files[i], text);
    free(r.files);
    free(r.seen);
    free(text);
    return r.err;
}
