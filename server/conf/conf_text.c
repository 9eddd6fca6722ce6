/* SPDX-License-Identifier: MIT */
/* conf_text.c - one pass over the text, with the few things in it that can nest or
 * open. */
#include "server/conf/conf_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VARIABLE_MAX = 256 }; /* of a name; a longer one counts as not set */

/* What some editors begin a file of UTF-8 with. */
static const char BYTE_ORDER_MARK[] = "\xef\xbb\xbf";

struct scan {
    char *at;
    char *end;
    unsigned line;
    unsigned section_line; /* where the open section began, 0: none is open */
};

static bool starts_with(const struct scan *s, const char *what)
{
    size_t n = strlen(what);

    return (size_t)(s->end - s->at) >= n && memcmp(s->at, what, n) == 0;
}

static void step(struct scan *s)
{
    s->line += *s->at == '\n';
    s->at++;
}

static void blank(struct scan *s)
{
    if (*s->at != '\n')
        *s->at = ' ';
    step(s);
}

static void blank_line_comment(struct scan *s)
{
    while (s->at < s->end && *s->at != '\n')
        blank(s);
}

static const char *blank_comment(struct scan *s)
{
    blank(s);
    blank(s);
    while (s->at < s->end && !starts_with(s, "*/"))
        blank(s);
    if (s->at == s->end)
        return "this comment is not closed";
    blank(s);
    blank(s);
    return NULL;
}

/* ${NAME} or ${NAME:-what stands for it when it is not set}.  libConfuse would take one
 * that is not set for an empty text, and "/srv/${SITE}" for all of /srv. */
static const char *skip_variable(struct scan *s)
{
    char name[VARIABLE_MAX];
    const char *begin = s->at + 2, *dash;

    while (s->at < s->end && *s->at != '}')
        step(s);
    if (s->at == s->end)
        return "this ${ is not closed";
    dash = memmem(begin, (size_t)(s->at - begin), ":-", 2);
    if (dash == NULL) {
        snprintf(name, sizeof name, "%.*s", (int)(s->at - begin), begin);
        if (getenv(name) == NULL)
            return "an environment variable that is not set (${NAME:-x} would be x "
                   "then)";
    }
    step(s);
    return NULL;
}

/* A backslash takes the next byte with it, in both kinds of quotes. */
static const char *skip_quoted(struct scan *s)
{
    char quote = *s->at;
    const char *why = NULL;

    step(s);
    while (why == NULL && s->at < s->end && *s->at != quote) {
        if (quote == '"' && starts_with(s, "${")) {
            why = skip_variable(s);
            continue;
        }
        if (*s->at == '\\' && s->at + 1 < s->end)
            step(s);
        step(s);
    }
    if (why != NULL)
        return why;
    if (s->at == s->end)
        return "this quote is not closed";
    step(s);
    return NULL;
}

static const char *plain_byte(struct scan *s)
{
    switch (*s->at) {
    case '\0':
        return "there is a zero byte";
    case '*':
        return "a value with * must stand in double quotes";
    case '{':
        if (s->section_line != 0)
            return "a section cannot begin inside a section";
        s->section_line = s->line;
        break;
    case '}':
        if (s->section_line == 0)
            return "no section is open that this } could close";
        s->section_line = 0;
        break;
    default:
        break;
    }
    step(s);
    return NULL;
}

static const char *clean_next(struct scan *s)
{
    if (*s->at == '#' || starts_with(s, "//"))
        blank_line_comment(s);
    else if (starts_with(s, "/*"))
        return blank_comment(s);
    else if (*s->at == '"' || *s->at == '\'')
        return skip_quoted(s);
    else if (starts_with(s, "${"))
        return skip_variable(s);
    else
        return plain_byte(s);
    return NULL;
}

int conf_text_clean(char *text, size_t n, unsigned *ret_line, const char **ret_why)
{
    struct scan s = { .at = text, .end = text + n, .line = 1 };
    const char *why = NULL;
    unsigned line = 1;

    if (starts_with(&s, BYTE_ORDER_MARK))
        memset(text, ' ', strlen(BYTE_ORDER_MARK));
    while (why == NULL && s.at < s.end) {
        line = s.line;
        why = clean_next(&s);
    }
    if (why == NULL && s.section_line != 0) {
        line = s.section_line;
        why = "this section is not closed";
    }
    if (why == NULL)
        return 0;
    *ret_line = line;
    *ret_why = why;
    return -EINVAL;
}
