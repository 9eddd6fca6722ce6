/* SPDX-License-Identifier: MIT */
/* target.c - templates of requests, and drawing from them. */
#include "loadtest/target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadtest/url.h"
#include "server/base/buf.h"
#include "server/base/check.h"
#include "server/base/num.h"

static const char key_mark[] = "{}";

static bool has_header(const struct target_config *config, const char *name)
{
    struct span want = span_of(name);
    for (size_t i = 0; i < config->n_headers; i++) {
        struct span header = span_of(config->headers[i]);
        if (span_starts_nocase(header, want) &&
            span_starts(span_skip(header, want.n), SPAN(":")))
            return true;
    }
    return false;
}

/* The path, with the mark where the key goes. */
static int put_path(struct buf *out, struct span path, bool with_key)
{
    char text[TARGET_REQUEST_MAX];
    if (span_to_cstr(path, text, sizeof text) < 0)
        return -ENOBUFS;
    if (!with_key || strstr(text, key_mark) != NULL)
        return buf_append_span(out, path);
    if (span_eq(path, SPAN("/")))
        return buf_append_str(out, "/o/{}");
    return buf_printf(out, "%s%s", text, key_mark);
}

static int put_request(struct buf *out, const struct target_config *config,
                       const struct url *url, bool head, struct span path)
{
    int err = buf_append_str(out, head ? "HEAD " : "GET ");
    if (err == 0)
        err = put_path(out, path, config->zipf_keys > 0);
    if (err == 0)
        err = buf_append_str(out, " HTTP/1.1\r\n");
    if (err == 0 && !has_header(config, "Host"))
        err = buf_printf(out, "Host: %.*s\r\n", SPAN_ARG(url->authority));
    for (size_t i = 0; err == 0 && i < config->n_headers; i++)
        err = buf_printf(out, "%s\r\n", config->headers[i]);
    return err == 0 ? buf_append_str(out, "\r\n") : err;
}

/* Cuts the mark out, if keys are asked for. */
static int make_template(struct target_template *ret_template, struct buf *request,
                         bool head, bool with_key)
{
    int err = buf_append(request, "", 1);
    if (err < 0)
        return err;
    char *bytes = strdup(buf_span(request).p);
    if (bytes == NULL)
        return -ENOMEM;
    size_t len = strlen(bytes);
    char *mark = with_key ? strstr(bytes, key_mark) : NULL;
    *ret_template = (struct target_template){
        .bytes = bytes, .len = len, .gap = len + 1, .head = head
    };
    if (mark != NULL) {
        ret_template->gap = (size_t)(mark - bytes);
        ret_template->len = len - strlen(key_mark);
        memmove(mark, mark + strlen(key_mark), strlen(mark) - strlen(key_mark) + 1);
    }
    return 0;
}

static int add_template(struct target *target, const struct target_config *config,
                        const struct url *url, bool head, struct span path)
{
    struct buf request;
    struct target_template *more =
        reallocarray(target->templates, target->n_templates + 1, sizeof *more);
    if (more == NULL)
        return -ENOMEM;
    target->templates = more;
    buf_init(&request, TARGET_REQUEST_MAX - NUM_TEXT_MAX);
    int err = put_request(&request, config, url, head, path);
    if (err == 0)
        err = make_template(&more[target->n_templates], &request, head,
                            config->zipf_keys > 0);
    if (err == 0)
        target->n_templates++;
    buf_free(&request);
    return err;
}

const char *target_mix_line(struct span line, double *ret_weight, bool *ret_head,
                            struct span *ret_path)
{
    struct span weight, rest, method;
    double number;
    line = span_trim(line);
    if (line.n == 0 || line.p[0] == '#') {
        *ret_weight = 0;
        return NULL;
    }
    span_cut(line, ' ', &weight, &rest);
    if (num_parse_double(weight, 1e-9, 1e9, &number) < 0)
        return "a line begins with a weight above 0";
    rest = span_trim(rest);
    if (span_cut(rest, ' ', &method, &rest)) {
        if (!span_eq(method, SPAN("GET")) && !span_eq(method, SPAN("HEAD")))
            return "the method must be GET or HEAD";
        rest = span_trim(rest);
    } else {
        rest = method;
        method = SPAN("GET");
    }
    if (!span_starts(rest, SPAN("/")) || span_find(rest, ' ') < rest.n)
        return "after the weight comes a path that begins with /";
    *ret_weight = number;
    *ret_head = span_eq(method, SPAN("HEAD"));
    *ret_path = rest;
    return NULL;
}

static int add_mix_line(struct target *target, const struct target_config *config,
                        const struct url *url, struct span line, double *weights,
                        const char **ret_wrong)
{
    double weight = 0;
    bool head = false;
    struct span path;
    *ret_wrong = target_mix_line(line, &weight, &head, &path);
    if (*ret_wrong != NULL)
        return -EINVAL;
    if (weight == 0)
        return 0;
    if (target->n_templates == TARGET_TEMPLATES_MAX) {
        *ret_wrong = "a mix has at most 10000 lines";
        return -EINVAL;
    }
    weights[target->n_templates] = weight;
    int err = add_template(target, config, url, head, path);
    if (err == -ENOBUFS)
        *ret_wrong = "the request is too long";
    return err;
}

static int read_mix(struct target *target, const struct target_config *config,
                    const struct url *url, FILE *file, double *weights, char *error)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    int err = 0;
    for (unsigned number = 1; err == 0 && (n = getline(&line, &size, file)) >= 0;
         number++) {
        const char *wrong;
        struct span text = span_make(line, (size_t)n);
        if (span_ends(text, SPAN("\n")))
            text.n--;
        err = add_mix_line(target, config, url, text, weights, &wrong);
        if (err < 0)
            snprintf(error, TARGET_ERROR_MAX, "%s:%u: %s", config->mix_path, number,
                     wrong != NULL ? wrong : strerror(-err));
    }
    free(line);
    if (err == 0 && target->n_templates == 0) {
        snprintf(error, TARGET_ERROR_MAX, "%s: the mix is empty", config->mix_path);
        err = -EINVAL;
    }
    return err == 0 ? alias_init(&target->mix, weights, target->n_templates) : err;
}

static int load_mix(struct target *target, const struct target_config *config,
                    const struct url *url, char *error)
{
    int err = -ENOMEM;
    FILE *file = fopen(config->mix_path, "re");
    if (file == NULL) {
        err = -errno;
        snprintf(error, TARGET_ERROR_MAX, "could not open '%s': %s", config->mix_path,
                 strerror(errno));
        return err;
    }
    double *weights = calloc(TARGET_TEMPLATES_MAX, sizeof *weights);
    if (weights != NULL)
        err = read_mix(target, config, url, file, weights, error);
    free(weights);
    fclose(file);
    return err;
}

int target_init(struct target *ret_target, const struct target_config *config,
                char error[TARGET_ERROR_MAX])
{
    struct target target = { 0 };
    struct url url;
    int err = -EINVAL;
    error[0] = '\0';
    const char *wrong = url_parse(config->url, &url);
    if (wrong != NULL) {
        snprintf(error, TARGET_ERROR_MAX, "bad URL '%.100s': %s", config->url, wrong);
        return -EINVAL;
    }
    if (config->mix_path != NULL)
        err = load_mix(&target, config, &url, error);
    else
        err = add_template(&target, config, &url, false, url.path);
    if (err == 0 && config->zipf_keys > 0)
        err = alias_init_zipf(&target.keys, config->zipf_keys, config->zipf_exponent);
    if (err == 0)
        err = dial_init(&target.dial, &config->dial, &url, error);
    if (err < 0) {
        if (error[0] == '\0')
            snprintf(error, TARGET_ERROR_MAX, "could not prepare requests: %s",
                     err == -ENOBUFS ? "URL and headers are too long" : strerror(-err));
        target_free(&target);
        return err;
    }
    *ret_target = target;
    return 0;
}

void target_free(struct target *target)
{
    for (uint32_t i = 0; i < target->n_templates; i++)
        free(target->templates[i].bytes);
    free(target->templates);
    alias_free(&target->mix);
    alias_free(&target->keys);
    *target = (struct target){ 0 };
}

static size_t put_decimal(char *out, uint32_t number)
{
    char digits[10];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    for (size_t i = 0; i < n; i++)
        out[i] = digits[n - 1 - i];
    return n;
}

size_t target_next(const struct target *target, struct prng *prng, char *out,
                   bool *ret_head)
{
    uint32_t which = target->mix.n > 0 ? alias_draw(&target->mix, prng) : 0;
    const struct target_template *t = &target->templates[which];
    *ret_head = t->head;
    if (t->gap > t->len) {
        memcpy(out, t->bytes, t->len);
        return t->len;
    }
    memcpy(out, t->bytes, t->gap);
    size_t at = t->gap + put_decimal(out + t->gap, alias_draw(&target->keys, prng));
    memcpy(out + at, t->bytes + t->gap, t->len - t->gap);
    CHECK(at + t->len - t->gap <= TARGET_REQUEST_MAX);
    return at + t->len - t->gap;
}
