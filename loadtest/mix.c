/* SPDX-License-Identifier: MIT */
/* mix.c - words of a line, one after the other. */
#include "loadtest/mix.h"

#include <ctype.h>
#include <string.h>

#include "server/base/num.h"

/* The next word without its quotes; false when a quote has no end. */
static bool next_word(struct span *rest, struct span *ret_word)
{
    *rest = span_trim(*rest);
    if (rest->n > 0 && (rest->p[0] == '\'' || rest->p[0] == '"')) {
        struct span inside = span_skip(*rest, 1);
        return span_cut(inside, rest->p[0], ret_word, rest);
    }
    span_cut(*rest, ' ', ret_word, rest);
    return true;
}

bool mix_is_method(struct span word)
{
    for (size_t i = 0; i < word.n; i++) {
        if (word.p[i] < 'A' || word.p[i] > 'Z')
            return false;
    }
    return word.n > 0 && word.n <= 20;
}

const char *mix_wrong_header(struct span header)
{
    struct span name, value;
    if (!span_cut(header, ':', &name, &value) || name.n == 0)
        return "it must be 'Name: value'";
    for (size_t i = 0; i < name.n; i++) {
        if (!isalnum((unsigned char)name.p[i]) &&
            memchr("!#$%&'*+-.^_`|~", name.p[i], 15) == NULL)
            return "its name holds a character that no name may have";
    }
    if (memchr(header.p, '\r', header.n) != NULL ||
        memchr(header.p, '\n', header.n) != NULL)
        return "it holds a line break";
    if (span_eq_nocase(name, SPAN("Content-Length")) ||
        span_eq_nocase(name, SPAN("Transfer-Encoding")) ||
        span_eq_nocase(name, SPAN("Expect")))
        return "the body, which cowload writes, decides on it";
    return NULL;
}

/* What comes behind the path. */
static const char *take_word(struct mix_line *line, struct span word)
{
    bool has_body = line->body.n > 0 || line->body_path.n > 0;
    if (word.n == 0)
        return "an empty word";
    if ((word.p[0] == '@' || word.p[0] == '=') && has_body)
        return "a request has one body at most";
    if (word.n == 1 && (word.p[0] == '@' || word.p[0] == '='))
        return "the body is missing behind @ or =";
    if (word.p[0] == '@') {
        line->body_path = span_skip(word, 1);
        return NULL;
    }
    if (word.p[0] == '=') {
        line->body = span_skip(word, 1);
        return NULL;
    }
    const char *wrong = mix_wrong_header(word);
    if (wrong != NULL)
        return span_find(word, ':') == word.n
                   ? "behind the path come 'Name: value', @FILE or =TEXT"
                   : wrong;
    if (line->n_headers == MIX_HEADERS_MAX)
        return "a line has at most 32 headers";
    line->headers[line->n_headers++] = word;
    return NULL;
}

const char *mix_parse(struct span text, struct mix_line *ret_line)
{
    struct mix_line line = { .method = SPAN("GET") };
    struct span rest = span_trim(text), word;
    const char *wrong = NULL;
    *ret_line = line;
    if (rest.n == 0 || rest.p[0] == '#')
        return NULL;
    if (!next_word(&rest, &word) || num_parse_double(word, 1e-9, 1e9, &line.weight) < 0)
        return "a line begins with a weight above 0";
    if (!next_word(&rest, &word))
        return "a quote has no end";
    if (mix_is_method(word)) {
        line.method = word;
        if (!next_word(&rest, &word))
            return "a quote has no end";
    }
    if (!span_starts(word, SPAN("/")) || span_find(word, ' ') < word.n)
        return "after the weight and the method, in capitals, comes a path that begins "
               "with /";
    line.path = word;
    for (rest = span_trim(rest); rest.n > 0 && wrong == NULL; rest = span_trim(rest)) {
        if (!next_word(&rest, &word))
            return "a quote has no end";
        wrong = take_word(&line, word);
    }
    if (wrong == NULL && span_eq(line.method, SPAN("HEAD")) &&
        line.body.n + line.body_path.n > 0)
        wrong = "HEAD has no body";
    if (wrong == NULL)
        *ret_line = line;
    return wrong;
}
