/* SPDX-License-Identifier: MIT */
/* target.c - templates of requests, and drawing from them. */
#include "loadtest/target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadtest/lines.h"
#include "loadtest/mix.h"
#include "loadtest/target_log.h"
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
    char text[TARGET_HEAD_MAX];
    if (span_to_cstr(path, text, sizeof text) < 0)
        return -ENOBUFS;
    if (!with_key || strstr(text, key_mark) != NULL)
        return buf_append_span(out, path);
    if (span_eq(path, SPAN("/")))
        return buf_append_str(out, "/o/{}");
    return buf_printf(out, "%s%s", text, key_mark);
}

static bool has_own(const struct mix_line *line, struct span name)
{
    for (size_t i = 0; i < line->n_headers; i++) {
        if (span_starts_nocase(line->headers[i], name) &&
            span_starts(span_skip(line->headers[i], name.n), SPAN(":")))
            return true;
    }
    return false;
}

static int put_head(struct buf *out, const struct target_config *config,
                    const struct url *url, const struct mix_line *line, size_t body)
{
    const char *slash = span_starts(line->path, SPAN("?")) ? "/" : "";
    int err = buf_printf(out, "%.*s %s", SPAN_ARG(line->method), slash);
    if (err == 0)
        err = put_path(out, line->path, config->zipf_keys > 0);
    if (err == 0)
        err = buf_append_str(out, " HTTP/1.1\r\n");
    if (err == 0 && !has_header(config, "Host") && !has_own(line, SPAN("Host")))
        err = buf_printf(out, "Host: %.*s\r\n", SPAN_ARG(url->authority));
    for (size_t i = 0; err == 0 && i < config->n_headers; i++)
        err = buf_printf(out, "%s\r\n", config->headers[i]);
    for (size_t i = 0; err == 0 && i < line->n_headers; i++)
        err = buf_printf(out, "%.*s\r\n", SPAN_ARG(line->headers[i]));
    /* methods whose body has a meaning say that they have none (RFC 9110, 8.6) */
    bool says = body > 0 || span_eq(line->method, SPAN("POST")) ||
                span_eq(line->method, SPAN("PUT")) ||
                span_eq(line->method, SPAN("PATCH"));
    if (err == 0 && says)
        err = buf_printf(out, "Content-Length: %zu\r\n", body);
    return err == 0 ? buf_append_str(out, "\r\n") : err;
}

/* Head and body; cuts the mark out of the path, if keys are asked for. */
static int make_template(struct target_template *ret_template, struct span head,
                         struct span body, const struct mix_line *line, bool with_key)
{
    char *bytes = malloc(head.n + body.n + 1);
    if (bytes == NULL)
        return -ENOMEM;
    memcpy(bytes, head.p, head.n);
    if (body.n > 0)
        memcpy(bytes + head.n, body.p, body.n);
    size_t len = head.n + body.n, mark_len = strlen(key_mark);
    char *mark = with_key ? memmem(bytes, head.n, key_mark, mark_len) : NULL;
    *ret_template = (struct target_template){
        .bytes = bytes,
        .len = len,
        .gap = len + 1,
        .head = span_eq(line->method, SPAN("HEAD")),
    };
    if (mark != NULL) {
        ret_template->gap = (size_t)(mark - bytes);
        ret_template->len = len - mark_len;
        memmove(mark, mark + mark_len, len - ret_template->gap - mark_len);
    }
    return 0;
}

/* The bytes of a file, which the caller frees. */
static int read_body(struct span path, struct buf *ret_body, const char **ret_wrong)
{
    char name[512], bytes[4096];
    size_t n;
    FILE *file = span_to_cstr(path, name, sizeof name) < 0 ? NULL : fopen(name, "re");
    if (file == NULL) {
        *ret_wrong = "the file of the body could not be opened";
        return -ENOENT;
    }
    int err = 0;
    while (err == 0 && (n = fread(bytes, 1, sizeof bytes, file)) > 0)
        err = buf_append(ret_body, bytes, n);
    if (err < 0)
        *ret_wrong = "the body is too long";
    else if (ferror(file)) {
        *ret_wrong = "the file of the body could not be read";
        err = -EIO;
    }
    fclose(file);
    return err;
}

int target_add_template(struct target *target, const struct target_config *config,
                        const struct url *url, const struct mix_line *line,
                        const char **ret_wrong)
{
    struct buf head, body;
    struct target_template *more =
        reallocarray(target->templates, target->n_templates + 1, sizeof *more);
    if (more == NULL)
        return -ENOMEM;
    target->templates = more;
    buf_init(&head, TARGET_HEAD_MAX - NUM_TEXT_MAX);
    buf_init(&body, TARGET_REQUEST_MAX - TARGET_HEAD_MAX);
    int err = line->body_path.n > 0 ? read_body(line->body_path, &body, ret_wrong)
                                    : buf_append_span(&body, line->body);
    if (err == 0)
        err = put_head(&head, config, url, line, buf_span(&body).n);
    if (err == 0)
        err = make_template(&more[target->n_templates], buf_span(&head),
                            buf_span(&body), line, config->zipf_keys > 0);
    if (err == 0)
        target->n_templates++;
    if (err == -ENOBUFS && *ret_wrong == NULL)
        *ret_wrong = "the request is too long";
    buf_free(&head);
    buf_free(&body);
    return err;
}

/* A mix, while it is read. */
struct mix_reader {
    struct target *target;
    const struct target_config *config;
    const struct url *url;
    double *weights;
};

static int add_mix_line(void *arg, struct span text, const char **ret_wrong)
{
    const struct mix_reader *mix = arg;
    struct target *target = mix->target;
    struct mix_line line;
    *ret_wrong = mix_parse(text, &line);
    if (*ret_wrong != NULL)
        return -EINVAL;
    if (line.weight <= 0)
        return 0;
    if (target->n_templates == TARGET_TEMPLATES_MAX) {
        *ret_wrong = "a mix has at most 10000 lines";
        return -EINVAL;
    }
    mix->weights[target->n_templates] = line.weight;
    return target_add_template(target, mix->config, mix->url, &line, ret_wrong);
}

/* The URL alone. */
static int add_url(struct target *target, const struct target_config *config,
                   const struct url *url, char *error)
{
    const char *wrong = NULL;
    struct mix_line line = { .method = SPAN("GET"), .path = url->path };
    if (config->method != NULL)
        line.method = span_of(config->method);
    struct span body = span_of(config->body);
    if (span_starts(body, SPAN("@")))
        line.body_path = span_skip(body, 1);
    else
        line.body = body;
    int err = target_add_template(target, config, url, &line, &wrong);
    if (err < 0 && wrong != NULL && err != -ENOBUFS)
        snprintf(error, TARGET_ERROR_MAX, "bad body '%.100s': %s", config->body, wrong);
    return err;
}

static int load_mix(struct target *target, const struct target_config *config,
                    const struct url *url, char *error)
{
    const char *path = config->mix_path;
    struct mix_reader mix = { target, config, url, NULL };
    mix.weights = calloc(TARGET_TEMPLATES_MAX, sizeof *mix.weights);
    if (mix.weights == NULL)
        return -ENOMEM;
    int err = lines_read(path, add_mix_line, &mix, error);
    if (err == 0 && target->n_templates == 0) {
        snprintf(error, TARGET_ERROR_MAX, "%s: the mix is empty", path);
        err = -EINVAL;
    }
    if (err == 0)
        err = alias_init(&target->mix, mix.weights, target->n_templates);
    free(mix.weights);
    return err;
}

static int prepare_tls(struct target *target, const struct target_config *config,
                       const struct url *url, char *error)
{
    if (url->https)
        return tls_init(&target->tls, &config->tls, url, error);
    if (!config->tls.insecure && config->tls.cacert == NULL)
        return 0;
    snprintf(error, TARGET_ERROR_MAX, "%s needs an https URL",
             config->tls.insecure ? "--insecure" : "--cacert");
    return -EINVAL;
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
    if (config->replay_path != NULL)
        err = target_read_log(&target, config, &url, error);
    else if (config->mix_path != NULL)
        err = load_mix(&target, config, &url, error);
    else
        err = add_url(&target, config, &url, error);
    if (err == 0 && config->zipf_keys > 0)
        err = alias_init_zipf(&target.keys, config->zipf_keys, config->zipf_exponent);
    if (err == 0)
        err = dial_init(&target.dial, &config->dial, &url, error);
    if (err == 0)
        err = prepare_tls(&target, config, &url, error);
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
    replay_free(&target->replay);
    tls_free(&target->tls);
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
                   struct target_pick *ret_pick)
{
    uint32_t which = target->mix.n > 0 ? alias_draw(&target->mix, prng) : 0;
    const struct target_template *t = &target->templates[which];
    *ret_pick = (struct target_pick){ .head = t->head, .which = which };
    if (t->gap > t->len) {
        memcpy(out, t->bytes, t->len);
        return t->len;
    }
    memcpy(out, t->bytes, t->gap);
    uint32_t key = alias_draw(&target->keys, prng);
    size_t at = t->gap + put_decimal(out + t->gap, key);
    ret_pick->which |= ((uint64_t)key + 1) << 32;
    memcpy(out + at, t->bytes + t->gap, t->len - t->gap);
    CHECK(at + t->len - t->gap <= TARGET_REQUEST_MAX);
    return at + t->len - t->gap;
}

size_t target_replay(const struct target *target, size_t line, char *out,
                     struct target_pick *ret_pick)
{
    CHECK(line < target->replay.n);
    uint32_t which = target->replay.which[line];
    const struct target_template *t = &target->templates[which];
    *ret_pick = (struct target_pick){ .head = t->head, .which = which };
    memcpy(out, t->bytes, t->len);
    return t->len;
}
