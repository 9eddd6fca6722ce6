/* SPDX-License-Identifier: MIT */
/* print.c - options as a configuration file: the ones in force, or all with their help.
 */
#include <string.h>

#include "server/base/buf.h"
#include "server/base/check.h"
#include "server/conf/option_table.h"
#include "server/conf/options.h"

/* A value is never longer than what a command line or a file could hold. */
enum { VALUE_MAX = 1 << 20, COLUMNS = 88 };

/* "gc" of "gc.percent", empty for a name without section. */
static struct span section_of(const struct option_desc *d)
{
    struct span section, rest;

    return span_cut(span_of(d->name), '.', &section, &rest) ? section : SPAN("");
}

static const char *name_in_section(const struct option_desc *d)
{
    const char *dot = strchr(d->name, '.');

    return dot != NULL ? dot + 1 : d->name;
}

static const char *indent_of(const struct option_desc *d)
{
    return section_of(d).n > 0 ? "    " : "";
}

static void change_section(struct span *open, struct span section, FILE *f)
{
    if (span_eq(*open, section))
        return;
    if (open->n > 0)
        fputs("}\n", f);
    if (section.n > 0)
        fprintf(f, "%.*s {\n", SPAN_ARG(section));
    *open = section;
}

void options_dump(const struct options *o, FILE *f)
{
    struct span open = SPAN("");
    struct buf value;

    buf_init(&value, VALUE_MAX);
    for (size_t i = 0; i < option_count; i++) {
        const struct option_desc *d = &option_table[i];
        const char *where = o->sources[i].where;

        change_section(&open, section_of(d), f);
        if (!option_is_set(o, d))
            fprintf(f, "%s# %s: the mode decides\n", indent_of(d), name_in_section(d));
        else if (option_print(o, d, &value) == 0)
            fprintf(f, "%s%s = %.*s  # %s\n", indent_of(d), name_in_section(d),
                    SPAN_ARG(buf_span(&value)), where != NULL ? where : "default");
        buf_clear(&value);
    }
    change_section(&open, SPAN(""), f);
    buf_free(&value);
}

/* As comment lines, broken at spaces. */
static void print_comment(const char *indent, struct span text, FILE *f)
{
    const size_t room = COLUMNS - strlen(indent) - 2;

    while (text.n > 0) {
        size_t n = text.n;

        if (n > room) {
            n = span_rfind(span_take(text, room + 1), ' ');
            CHECK(n <= room); /* no word of the help texts is as long as a line */
        }
        fprintf(f, "%s# %.*s\n", indent, SPAN_ARG(span_take(text, n)));
        text = span_skip(text, n + 1);
    }
}

/* What may be written, and when a change takes effect. */
static void print_allowed(const struct option_desc *d, struct buf *text, FILE *f)
{
    buf_clear(text);
    if (d->kind != OPTION_STR && option_print_allowed(d, text) == 0)
        buf_append_str(text, "; ");
    buf_append_str(text, d->when == OPTION_RESTART ? "changed by a restart"
                                                   : "changed by a reload");
    if (d->knob)
        buf_append_str(text, "; the mode decides:");
    print_comment(indent_of(d), buf_span(text), f);
}

void options_help(FILE *f)
{
    struct options *o = options_new();
    struct options *of_mode = options_new(); /* of the default mode, for the knobs */
    struct option_error error;
    struct span open = SPAN("");
    struct buf text;

    buf_init(&text, VALUE_MAX);
    if (o == NULL || of_mode == NULL || options_resolve(of_mode, &error) != 0)
        goto done;
    for (size_t i = 0; i < option_count; i++) {
        const struct option_desc *d = &option_table[i];

        if (!span_eq(open, section_of(d)))
            change_section(&open, SPAN(""), f);
        fputs("\n", f);
        change_section(&open, section_of(d), f);
        print_comment(indent_of(d), span_of(d->help), f);
        print_allowed(d, &text, f);
        buf_clear(&text);
        option_print(d->knob ? of_mode : o, d, &text);
        fprintf(f, "%s%s%s = %.*s\n", indent_of(d), d->knob ? "#" : "",
                name_in_section(d), SPAN_ARG(buf_span(&text)));
    }
    change_section(&open, SPAN(""), f);
done:
    buf_free(&text);
    options_free(of_mode);
    options_free(o);
}
