/* SPDX-License-Identifier: MIT */
/* args.c - the table walked twice: by the parser and by the help. */
#include "loadtest/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loadtest/alias.h"
#include "server/base/clock.h"
#include "server/base/num.h"
#include "server/base/span.h"

struct parser {
    const struct arg_table *table;
    char **argv; /* what is left, NULL at the end */
    char *options;
    char *error;
};

static int add_item(struct arg_list *list, const char *text)
{
    const char **more = reallocarray(list->items, list->n + 1, sizeof *more);
    if (more == NULL)
        return -ENOMEM;
    more[list->n++] = text;
    list->items = more;
    return 0;
}

void args_list_free(struct arg_list *list)
{
    free(list->items);
    *list = (struct arg_list){ 0 };
}

/* 12, 1.5k, 2M. */
static int parse_metric(const char *text, double min, double max, double *ret_value)
{
    struct span s = span_of(text);
    double factor = 1, value;
    if (span_ends(s, SPAN("k")) || span_ends(s, SPAN("K")))
        factor = 1e3;
    else if (span_ends(s, SPAN("m")) || span_ends(s, SPAN("M")))
        factor = 1e6;
    if (factor > 1)
        s.n--;
    int err = num_parse_double(s, min / factor, max / factor, &value);
    if (err == 0)
        *ret_value = value * factor;
    return err;
}

static int parse_count(const char *text, const struct arg *arg, uint64_t *ret_value)
{
    double value;
    if (num_parse_u64(span_of(text), arg->min, arg->max, ret_value) == 0)
        return 0;
    int err = parse_metric(text, (double)arg->min, (double)arg->max, &value);
    if (err == 0 && value != (double)(uint64_t)value)
        err = -EINVAL;
    if (err == 0)
        *ret_value = (uint64_t)value;
    return err;
}

static int parse_rate(const char *text, const struct arg *arg, double *ret_value)
{
    if (arg->min == 0 && strcmp(text, "auto") == 0) {
        *ret_value = 0;
        return 0;
    }
    return parse_metric(text, 0.001, (double)arg->max, ret_value);
}

static int parse_ramp(const char *text, const struct arg *arg,
                      struct arg_ramp *ret_value)
{
    struct span from, to;
    char first[64];
    if (!span_cut(span_of(text), ':', &from, &to)) {
        int err = parse_rate(text, arg, &ret_value->from);
        ret_value->to = ret_value->from;
        return err;
    }
    if (span_to_cstr(from, first, sizeof first) < 0)
        return -EINVAL;
    int err = parse_rate(first, arg, &ret_value->from);
    return err < 0 ? err : parse_rate(to.p, arg, &ret_value->to);
}

static int parse_zipf(const char *text, struct arg_zipf *ret_value)
{
    struct span keys, exponent;
    uint64_t n;
    double s;
    if (!span_cut(span_of(text), ',', &keys, &exponent) ||
        num_parse_u64(keys, 1, ALIAS_MAX, &n) < 0 ||
        num_parse_double(exponent, 0, 100, &s) < 0)
        return -EINVAL;
    *ret_value = (struct arg_zipf){ .keys = (uint32_t)n, .exponent = s };
    return 0;
}

/* Sets the option; -EINVAL or -ERANGE when the text is no value of its kind. */
static int set_value(const struct arg *arg, const char *text, void *field)
{
    switch (arg->kind) {
    case ARG_FLAG:
        *(bool *)field = true;
        return 0;
    case ARG_COUNT:
        return parse_count(text, arg, field);
    case ARG_RATE:
        return parse_rate(text, arg, field);
    case ARG_RAMP:
        return parse_ramp(text, arg, field);
    case ARG_TIME:
        return num_parse_time(span_of(text), CLOCK_NS_PER_S, arg->min, arg->max, field);
    case ARG_TEXT:
        *(const char **)field = text;
        return text[0] == '\0' ? -EINVAL : 0;
    case ARG_LIST:
        return text[0] == '\0' ? -EINVAL : add_item(field, text);
    case ARG_ZIPF:
        return parse_zipf(text, field);
    }
    return -EINVAL;
}

static void describe(const struct arg *arg, char *out, size_t size)
{
    char low[NUM_TEXT_MAX], high[NUM_TEXT_MAX];
    switch (arg->kind) {
    case ARG_COUNT:
        snprintf(out, size, "a number from %llu to %llu", (unsigned long long)arg->min,
                 (unsigned long long)arg->max);
        break;
    case ARG_RAMP:
        snprintf(out, size,
                 "requests per second, above 0, at most %llu, or FROM:TO of such",
                 (unsigned long long)arg->max);
        break;
    case ARG_RATE:
        snprintf(out, size, "requests per second, above 0, at most %llu%s",
                 (unsigned long long)arg->max, arg->min == 0 ? ", or auto" : "");
        break;
    case ARG_TIME:
        snprintf(out, size, "a time from %s to %s, as in 500ms, 10s or 2m",
                 num_format_time(low, arg->min), num_format_time(high, arg->max));
        break;
    case ARG_ZIPF:
        snprintf(out, size, "KEYS,EXPONENT, as in 10000,0.99, with at most %u keys",
                 (unsigned)ALIAS_MAX);
        break;
    case ARG_FLAG:
    case ARG_TEXT:
    case ARG_LIST:
        snprintf(out, size, "not empty");
        break;
    }
}

static int apply(struct parser *parser, const struct arg *arg, const char *name,
                 const char *text)
{
    char wanted[128];
    int name_len = (int)strcspn(name, "=");
    int err = set_value(arg, text, parser->options + arg->offset);
    if (err == 0 || err == -ENOMEM)
        return err;
    describe(arg, wanted, sizeof wanted);
    snprintf(parser->error, ARGS_ERROR_MAX, "bad value '%.60s' for %.*s: it must be %s",
             text, name_len, name, wanted);
    return -EINVAL;
}

static int complain(struct parser *parser, const char *what, const char *name)
{
    int n = (int)strlen(name);
    snprintf(parser->error, ARGS_ERROR_MAX, "%s '%.*s'", what, n > 60 ? 60 : n, name);
    return -EINVAL;
}

/* The value is the next word. */
static int take_value(struct parser *parser, const struct arg *arg, const char *name)
{
    const char *text = parser->argv[0];
    if (text == NULL)
        return complain(parser, "a value is missing after", name);
    parser->argv++;
    return apply(parser, arg, name, text);
}

static int parse_long(struct parser *parser, const char *word)
{
    const char *name = word + 2;
    size_t n = strcspn(name, "=");
    for (size_t i = 0; i < parser->table->n; i++) {
        const struct arg *arg = &parser->table->args[i];
        if (arg->name == NULL || strlen(arg->name) != n ||
            memcmp(arg->name, name, n) != 0)
            continue;
        if (arg->kind == ARG_FLAG && name[n] == '=')
            return complain(parser, "no value is expected in", word);
        if (arg->kind == ARG_FLAG)
            return apply(parser, arg, word, "");
        if (name[n] == '=')
            return apply(parser, arg, word, name + n + 1);
        return take_value(parser, arg, word);
    }
    return complain(parser, "unknown option", word);
}

/* -c5, -c 5; flags may be joined: -Lc5. */
static int parse_short(struct parser *parser, const char *word)
{
    for (const char *letter = word + 1; *letter != '\0'; letter++) {
        char name[3] = { '-', *letter, '\0' };
        const struct arg *arg = NULL;
        for (size_t i = 0; i < parser->table->n && arg == NULL; i++) {
            if (parser->table->args[i].letter == *letter)
                arg = &parser->table->args[i];
        }
        if (arg == NULL)
            return complain(parser, "unknown option", name);
        if (arg->kind != ARG_FLAG)
            return letter[1] != '\0' ? apply(parser, arg, name, letter + 1)
                                     : take_value(parser, arg, name);
        int err = apply(parser, arg, name, "");
        if (err < 0)
            return err;
    }
    return 0;
}

int args_parse(const struct arg_table *table, int argc, char **argv, void *options,
               char error[ARGS_ERROR_MAX])
{
    struct parser parser = { table, argv + (argc > 0), options, error };
    struct arg_list *operands = (void *)(parser.options + table->operands);
    bool all_operands = false;
    int err = 0;
    error[0] = '\0';
    while (err == 0 && parser.argv[0] != NULL) {
        const char *word = *parser.argv++;
        if (all_operands || word[0] != '-' || word[1] == '\0')
            err = add_item(operands, word);
        else if (strcmp(word, "--") == 0)
            all_operands = true;
        else if (word[1] == '-')
            err = parse_long(&parser, word);
        else
            err = parse_short(&parser, word);
    }
    if (err == -ENOMEM)
        snprintf(error, ARGS_ERROR_MAX, "out of memory");
    return err;
}

void args_help(const struct arg_table *table, FILE *out)
{
    for (size_t i = 0; i < table->n; i++) {
        const struct arg *arg = &table->args[i];
        char left[48], letter[5] = "    ";
        if (arg->letter != 0)
            snprintf(letter, sizeof letter, "-%c%s", arg->letter,
                     arg->name != NULL ? ", " : "  ");
        snprintf(left, sizeof left, "%s%s%s %s", letter, arg->name != NULL ? "--" : "",
                 arg->name != NULL ? arg->name : "",
                 arg->value != NULL ? arg->value : "");
        fprintf(out, "  %-28s %s\n", left, arg->help);
    }
}
