/* SPDX-License-Identifier: MIT */
/* replay.c - one pass over the log, then times within seconds. */
#include "loadtest/replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/base/clock.h"
#include "server/base/num.h"

/* "10/Oct/2000:13:55:36 -0700": the names of months are English in every locale. */
static bool parse_time(struct span text, int64_t *ret_second)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char copy[32], name[4], sign;
    struct tm tm = { 0 };
    unsigned zone_h, zone_m;
    int used = 0;
    if (span_to_cstr(text, copy, sizeof copy) < 0 ||
        sscanf(copy, "%2d/%3[A-Za-z]/%4d:%2d:%2d:%2d %c%2u%2u%n", &tm.tm_mday, name,
               &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &sign, &zone_h,
               &zone_m, &used) != 9 ||
        copy[used] != '\0' || (sign != '+' && sign != '-') || strlen(name) != 3)
        return false;
    const char *month = strstr(months, name);
    if (month == NULL || (month - months) % 3 != 0)
        return false;
    tm.tm_mon = (int)(month - months) / 3;
    tm.tm_year -= 1900;
    int64_t zone = (int64_t)zone_h * 3600 + zone_m * 60;
    *ret_second = (int64_t)timegm(&tm) - (sign == '+' ? zone : -zone);
    return true;
}

/* "GET /path HTTP/1.1": what can be sent again. */
static void parse_request(struct span request, struct replay_line *line)
{
    struct span method, rest, path, version;
    line->method = line->path = (struct span){ 0 };
    if (!span_cut(request, ' ', &method, &rest) ||
        !span_cut(rest, ' ', &path, &version) || !span_starts(version, SPAN("HTTP/")) ||
        !span_starts(path, SPAN("/")) ||
        (!span_eq(method, SPAN("GET")) && !span_eq(method, SPAN("HEAD"))))
        return;
    for (size_t i = 0; i < path.n; i++) {
        if (path.p[i] <= ' ' || path.p[i] == 0x7f || path.p[i] == '\\')
            return; /* the log has escaped what stood there */
    }
    line->method = method;
    line->path = path;
}

const char *replay_parse(struct span text, struct replay_line *ret_line)
{
    struct span head, time, rest, request, tail;
    struct replay_line line;
    if (!span_cut(text, '[', &head, &rest) || !span_cut(rest, ']', &time, &rest))
        return "there is no [time]";
    if (!parse_time(time, &line.second))
        return "the time is not like 10/Oct/2000:13:55:36 -0700";
    if (!span_cut(rest, '"', &head, &rest) || !span_cut(rest, '"', &request, &tail))
        return "there is no \"request\"";
    parse_request(request, &line);
    *ret_line = line;
    return NULL;
}

/* --- the log --- */

struct reader {
    struct replay replay;
    size_t room;
    int64_t first, last; /* seconds */
    size_t group;        /* where the requests of the last second begin */
    replay_add *add;
    void *arg;
};

/* Spreads the requests of a second over it, once all are known. */
static void end_second(struct reader *reader)
{
    struct replay *replay = &reader->replay;
    size_t n = replay->n - reader->group;
    uint64_t begin = (uint64_t)(reader->last - reader->first) * CLOCK_NS_PER_S;
    for (size_t i = 0; i < n; i++)
        replay->at_ns[reader->group + i] =
            begin + (uint64_t)(((double)i + 0.5) / (double)n * CLOCK_NS_PER_S);
    reader->group = replay->n;
}

static int make_room(struct reader *reader)
{
    struct replay *replay = &reader->replay;
    size_t room = reader->room > 0 ? 2 * reader->room : 1024;
    if (replay->n < reader->room)
        return 0;
    uint64_t *at_ns = reallocarray(replay->at_ns, room, sizeof *at_ns);
    if (at_ns == NULL)
        return -ENOMEM;
    replay->at_ns = at_ns;
    uint32_t *which = reallocarray(replay->which, room, sizeof *which);
    if (which == NULL)
        return -ENOMEM;
    replay->which = which;
    reader->room = room;
    return 0;
}

static int add_request(struct reader *reader, const struct replay_line *line)
{
    struct replay *replay = &reader->replay;
    uint32_t which;
    if (line->method.n == 0) {
        replay->skipped++;
        return 0;
    }
    int err = reader->add(reader->arg, line->method, line->path, &which);
    if (err == 0)
        err = make_room(reader);
    if (err < 0)
        return err;
    if (replay->n == 0)
        reader->first = reader->last = line->second;
    if (line->second > reader->last) { /* logs are written at the end of requests: */
        end_second(reader);            /* some seconds come a little late */
        reader->last = line->second;
    }
    replay->which[replay->n++] = which;
    return 0;
}

static int take_line(void *arg, struct span text, const char **ret_wrong)
{
    struct replay_line line;
    *ret_wrong = replay_parse(text, &line);
    return *ret_wrong != NULL ? -EINVAL : add_request(arg, &line);
}

int replay_read(struct replay *ret_replay, const char *path, replay_add *add, void *arg,
                char error[REPLAY_ERROR_MAX])
{
    struct reader reader = { .add = add, .arg = arg };
    int err = lines_read(path, take_line, &reader, error);
    if (err == 0 && reader.replay.n == 0) {
        snprintf(error, REPLAY_ERROR_MAX, "'%.120s' holds no GET or HEAD", path);
        err = -ENODATA;
    }
    if (err < 0) {
        replay_free(&reader.replay);
        return err;
    }
    end_second(&reader);
    reader.replay.length_ns =
        (uint64_t)(reader.last - reader.first + 1) * CLOCK_NS_PER_S;
    *ret_replay = reader.replay;
    return 0;
}

void replay_free(struct replay *replay)
{
    free(replay->at_ns);
    free(replay->which);
    *replay = (struct replay){ 0 };
}
