/* SPDX-License-Identifier: MIT */
/* ab_arms.c - arms of a comparison from text. */
#include "loadtest/ab_arms.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "loadtest/args.h"
#include "server/base/span.h"

bool ab_arms_equal(const struct ab_arm_name *a, const struct ab_arm_name *b)
{
    if (a->kind != b->kind || strcmp(a->mode, b->mode) != 0 ||
        a->n_overrides != b->n_overrides)
        return false;
    if (a->kind != AB_ARM_COWSHED)
        return strcmp(a->text, b->text) == 0;
    for (size_t i = 0; i < a->n_overrides; i++) {
        if (strcmp(a->text + a->overrides[i], b->text + b->overrides[i]) != 0)
            return false;
    }
    return true;
}

const char *ab_arms_word(const struct ab_arm_name *arms, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (strncmp(arms[i].label, arms[i].mode, strcspn(arms[i].label, "#")) != 0)
            return "arm";
    }
    return "mode";
}

int ab_arms_width(const struct ab_arm_name *arms, unsigned n)
{
    int width = 10;
    for (unsigned i = 0; i < n; i++) {
        int length = (int)strlen(arms[i].label);
        width = length > width ? length : width;
    }
    return width;
}

/* A place for the next arm with this label, which gets a number if it is not the first
 * of its name; NULL with a message when there is none. */
static struct ab_arm_name *add(struct ab_arm_name *arms, unsigned *n, struct span label,
                               const char *option, const char *given, char *error)
{
    unsigned same = 1;
    if (label.n == 0 || label.n >= AB_LABEL_MAX - 4 || *n == AB_ARMS_MAX) {
        snprintf(
            error, ARGS_ERROR_MAX,
            "bad value '%.60s' for %s: names have 1 to %d characters, and there are "
            "at most %d arms",
            given, option, AB_LABEL_MAX - 5, AB_ARMS_MAX);
        return NULL;
    }
    struct ab_arm_name *arm = &arms[*n];
    *arm = (struct ab_arm_name){ .n_overrides = 0 };
    memcpy(arm->label, label.p, label.n);
    for (unsigned i = 0; i < *n; i++)
        same += strncmp(arms[i].label, arm->label, label.n) == 0 &&
                (arms[i].label[label.n] == '\0' || arms[i].label[label.n] == '#');
    if (same > 1)
        snprintf(arm->label + label.n, AB_LABEL_MAX - label.n, "#%u", same % 100);
    ++*n;
    return arm;
}

int ab_arms_from_modes(struct ab_arm_name *arms, unsigned *n, const char *modes,
                       char *error)
{
    struct span rest = span_of(modes), mode;
    bool more = true;
    while (more) {
        more = span_cut(rest, ',', &mode, &rest);
        struct ab_arm_name *arm = add(arms, n, mode, "--modes", modes, error);
        if (arm == NULL)
            return -EINVAL;
        memcpy(arm->mode, mode.p, mode.n);
    }
    return 0;
}

/* The next word; an empty one at the end. */
static struct span next_word(struct span *rest)
{
    struct span word;
    do {
        span_cut(*rest, ' ', &word, rest);
    } while (word.n == 0 && rest->n > 0);
    return word;
}

static const char *set(struct ab_arm_name *arm, struct span flag, struct span value,
                       size_t *used)
{
    if (value.n == 0)
        return "a value is missing";
    if (span_eq(flag, SPAN("-m")))
        return span_to_cstr(value, arm->mode, sizeof arm->mode) < 0
                   ? "the mode is too long"
                   : NULL;
    if (!span_eq(flag, SPAN("-o")))
        return "only -m MODE and -o KEY=VALUE may stand in it";
    if (span_find(value, '=') == value.n)
        return "-o takes KEY=VALUE";
    if (arm->n_overrides == AB_ARM_OVERRIDES ||
        span_to_cstr(value, arm->text + *used, sizeof arm->text - *used) < 0)
        return "it is too long";
    arm->overrides[arm->n_overrides++] = *used;
    *used += value.n + 1;
    return NULL;
}

static const char *set_all(struct ab_arm_name *arm, struct span rest)
{
    const char *why = NULL;
    size_t used = 0;
    for (struct span flag; why == NULL && (flag = next_word(&rest)).n > 0;)
        why = set(arm, flag, next_word(&rest), &used);
    return why;
}

static const char *set_other(struct ab_arm_name *arm, enum ab_arm_kind kind,
                             struct span text)
{
    arm->kind = kind;
    if (span_to_cstr(text, arm->text, sizeof arm->text) < 0)
        return "it is too long";
    if (kind == AB_ARM_COMMAND && strstr(arm->text, "{port}") == NULL)
        return "a command needs {port}, which becomes the port that it shall listen on";
    return NULL;
}

int ab_arms_from_spec(struct ab_arm_name *arms, unsigned *n, const char *spec,
                      char *error)
{
    const struct span run = SPAN("run "), http = SPAN("http://");
    struct span label, rest;
    const char *why;
    if (!span_cut(span_of(spec), '=', &label, &rest)) {
        why = "it must be NAME='-m MODE -o KEY=VALUE ...', NAME='run COMMAND' or "
              "NAME=http://HOST:PORT";
    } else {
        struct ab_arm_name *arm = add(arms, n, label, "--arm", spec, error);
        if (arm == NULL)
            return -EINVAL;
        if (span_starts(rest, run))
            why = set_other(arm, AB_ARM_COMMAND, span_skip(rest, run.n));
        else if (span_starts(rest, http))
            why = set_other(arm, AB_ARM_URL, rest);
        else
            why = set_all(arm, rest);
    }
    if (why == NULL)
        return 0;
    snprintf(error, ARGS_ERROR_MAX, "bad value '%.80s' for --arm: %s", spec, why);
    return -EINVAL;
}
