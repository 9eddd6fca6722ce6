/* SPDX-License-Identifier: MIT */
/* options.c - what wrk and wrk2 call the same means the same here. */
#include "loadtest/options.h"

#include <errno.h>
#include <string.h>

#include "loadtest/mix.h"
#include "server/base/clock.h"
#include "server/base/span.h"

#define AT(field) offsetof(struct options, field)
#define MS        CLOCK_NS_PER_MS
#define SECOND    CLOCK_NS_PER_S

static const struct arg run_args[] = {
    { 't', "threads", ARG_COUNT, AT(threads), 1, 256, "N",
      "threads of the generator (1); one is enough for most servers" },
    { 'c', "connections", ARG_COUNT, AT(connections), 1, 1000000, "N",
      "connections to keep open, of all threads together (10)" },
    { 'd', "duration", ARG_TIME, AT(duration_ns), MS, 24 * 3600 * SECOND, "TIME",
      "measured time (10s; all of a --replay)" },
    { 'R', "rate", ARG_RAMP, AT(ramp), 1, 100000000, "RATE|FROM:TO",
      "requests per second, planned: an open loop; without it a closed loop. FROM:TO "
      "rises or falls over the measured time" },
    { 0, "steps", ARG_COUNT, AT(steps), 2, 10000, "N",
      "in so many steps of equal length, instead of a line" },
    { 0, "constant", ARG_FLAG, AT(constant), 0, 0, NULL,
      "plan equal gaps instead of a Poisson process" },
    { 0, "warmup", ARG_TIME, AT(warmup_ns), 0, 3600 * SECOND, "TIME",
      "the same load before the measured time, not counted (0s)" },
    { 'T', "timeout", ARG_TIME, AT(timeout_ns), MS, 3600 * SECOND, "TIME",
      "give a request up this long after it was sent (2s)" },
    { 0, "spin", ARG_TIME, AT(spin_ns), 0, 10 * MS, "TIME",
      "poll instead of sleeping this long before a request is due (0s)" },
    { 0, "max-hiccup", ARG_TIME, AT(max_hiccup_ns), 1, 3600 * SECOND, "TIME",
      "p99.9 of the machine's own hiccups beyond which a run is INVALID (p99.9 of the "
      "latency / 10, 2ms at least)" },
    { 'H', "header", ARG_LIST, AT(headers), 0, 0, "'NAME: VALUE'",
      "add a header to each request" },
    { 'L', "latency", ARG_FLAG, AT(latency), 0, 0, NULL, "print percentiles" },
    { 0, "mix", ARG_TEXT, AT(mix_path), 0, 0, "FILE",
      "draw requests from the lines of a file: WEIGHT [METHOD] PATH ['Name: value' "
      "...] [@FILE|=TEXT]" },
    { 'M', "method", ARG_TEXT, AT(method), 0, 0, "METHOD", "instead of GET" },
    { 0, "body", ARG_TEXT, AT(body), 0, 0, "@FILE|TEXT",
      "send this with each request; without --method, by POST" },
    { 0, "zipf", ARG_ZIPF, AT(zipf), 0, 0, "N,EXPONENT",
      "put a key from 0 to N-1 where the path has {}; /o/{} without a path" },
    { 0, "replay", ARG_TEXT, AT(replay_path), 0, 0, "FILE",
      "send the GETs and HEADs of an access log (common or combined format) at their "
      "own times, to the end of it or of -d" },
    { 0, "speed", ARG_RATE, AT(speed), 1, 1000000, "X",
      "replay so many times as fast (1)" },
    { 0, "verify", ARG_FLAG, AT(verify), 0, 0, NULL,
      "compare bodies of status 200, by length and CRC-32, with the first of the same "
      "request; another one is an error" },
    { 0, "conn-requests", ARG_COUNT, AT(dial.requests), 1, UINT64_MAX, "N",
      "close a connection after so many requests, and open another" },
    { 0, "conn-life", ARG_TIME, AT(dial.life_ns), MS, 24 * 3600 * SECOND, "TIME",
      "likewise after this long, between two requests" },
    { 0, "unix", ARG_TEXT, AT(dial.unix_path), 0, 0, "PATH",
      "connect to this socket; the URL says what is asked of it" },
    { 0, "resolve", ARG_TEXT, AT(dial.resolve), 0, 0, "HOST:PORT:ADDRESS",
      "connect to this address instead of that of the name" },
    { 0, "proxy-protocol", ARG_TEXT, AT(proxy_text), 0, 0, "v1|v2",
      "begin each connection with a header of the PROXY protocol" },
    { 0, "cacert", ARG_TEXT, AT(tls.cacert), 0, 0, "FILE",
      "of https: trust the authorities in this PEM file, not those of the system" },
    { 0, "insecure", ARG_FLAG, AT(tls.insecure), 0, 0, NULL,
      "of https: trust any certificate" },
    { 0, "seed", ARG_COUNT, AT(seed), 0, UINT64_MAX, "N",
      "of the plan, the mix and the keys (1)" },
    { 0, "json", ARG_TEXT, AT(json_path), 0, 0, "FILE", "write the result as JSON" },
    { 0, "hlog", ARG_TEXT, AT(hlog_path), 0, 0, "FILE",
      "write a HdrHistogram log, a line per second" },
    { 0, "hgrm", ARG_TEXT, AT(hgrm_path), 0, 0, "FILE",
      "write the percentile spectrum of response times, in milliseconds" },
    { 'v', "version", ARG_FLAG, AT(version), 0, 0, NULL, "print the version" },
    { 'h', "help", ARG_FLAG, AT(help), 0, 0, NULL, "print this" },
};

static const struct arg_table run_table = {
    .args = run_args,
    .n = sizeof run_args / sizeof run_args[0],
    .operands = AT(urls),
};

static int check_together(struct options *options, char *error)
{
    const char *wrong = NULL;
    for (size_t i = 0; i < options->headers.n && wrong == NULL; i++) {
        wrong = mix_wrong_header(span_of(options->headers.items[i]));
        if (wrong != NULL)
            snprintf(error, ARGS_ERROR_MAX, "bad header '%.60s': %s",
                     options->headers.items[i], wrong);
    }
    if (wrong != NULL)
        return -EINVAL;
    if (options->urls.n != 1)
        snprintf(error, ARGS_ERROR_MAX, "%s",
                 options->urls.n == 0 ? "a URL is missing" : "only one URL, please");
    else if (options->threads > options->connections)
        snprintf(error, ARGS_ERROR_MAX,
                 "%llu threads need at least as many connections, not %llu",
                 (unsigned long long)options->threads,
                 (unsigned long long)options->connections);
    else if (options->replay_path != NULL &&
             (options->rate > 0 || options->mix_path != NULL ||
              options->zipf.keys > 0 || options->method != NULL ||
              options->body != NULL || options->warmup_ns > 0 || options->constant))
        snprintf(error, ARGS_ERROR_MAX,
                 "--replay says what is sent, and when: without -R, --constant, "
                 "--warmup, --mix, --zipf, --method and --body");
    else if (options->mix_path != NULL &&
             (options->method != NULL || options->body != NULL))
        snprintf(error, ARGS_ERROR_MAX, "the lines of --mix say method and body");
    else if (options->method != NULL && !mix_is_method(span_of(options->method)))
        snprintf(error, ARGS_ERROR_MAX,
                 "bad value '%.60s' for --method: it must be in capitals, as in POST",
                 options->method);
    else if (options->body != NULL && options->method != NULL &&
             strcmp(options->method, "HEAD") == 0)
        snprintf(error, ARGS_ERROR_MAX, "HEAD has no body");
    else if (options->proxy_text != NULL &&
             !dial_parse_proxy(options->proxy_text, &options->dial.proxy))
        snprintf(error, ARGS_ERROR_MAX,
                 "bad value '%.60s' for --proxy-protocol: it must be v1 or v2",
                 options->proxy_text);
    else if (options->steps > 0 && options->ramp.from == options->ramp.to)
        snprintf(error, ARGS_ERROR_MAX,
                 "--steps needs a rate that changes (-R FROM:TO)");
    else if (options->constant && options->rate == 0)
        snprintf(error, ARGS_ERROR_MAX, "--constant needs a rate (-R)");
    else
        return 0;
    return -EINVAL;
}

int options_parse(struct options *ret_options, int argc, char **argv,
                  char error[ARGS_ERROR_MAX])
{
    *ret_options = (struct options){
        .threads = 1,
        .connections = 10,
        .speed = 1,
        .timeout_ns = 2 * SECOND,
        .seed = 1,
    };
    int err = args_parse(&run_table, argc, argv, ret_options, error);
    ret_options->rate = (ret_options->ramp.from + ret_options->ramp.to) / 2;
    if (err == 0 && !ret_options->help && !ret_options->version)
        err = check_together(ret_options, error);
    if (ret_options->duration_ns == 0 && ret_options->replay_path == NULL)
        ret_options->duration_ns = 10 * SECOND;
    if (ret_options->body != NULL && ret_options->method == NULL)
        ret_options->method = "POST";
    if (err == 0 && ret_options->urls.n == 1)
        ret_options->url = ret_options->urls.items[0];
    return err;
}

void options_free(struct options *options)
{
    args_list_free(&options->headers);
    args_list_free(&options->urls);
}

void options_help(FILE *out)
{
    args_help(&run_table, out);
}
