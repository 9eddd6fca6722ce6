/* SPDX-License-Identifier: MIT */
/* title.c - see title.h. */
#include "server/master/title.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static struct {
    char *at;
    size_t size;
    char **arguments; /* the copy; kept to the end, when main() has left its frame */
    char **variables; /* all that were copied; unsetenv() takes them out of environ */
} room;

static char **copy_strings(char **from, int n)
{
    char **copy = calloc((size_t)n + 1, sizeof *copy);

    for (int i = 0; copy != NULL && i < n; i++) {
        copy[i] = strdup(from[i]);
        if (copy[i] == NULL)
            return NULL; /* at the start of the process: nothing is worth freeing */
    }
    return copy;
}

static size_t run_length(char **strings, int n, const char *begin, const char *end)
{
    for (int i = 0; i < n; i++)
        if (strings[i] == end)
            end = strings[i] + strlen(strings[i]) + 1;
    return (size_t)(end - begin);
}

char **title_init(int argc, char **argv)
{
    int count = 0;
    char **arguments, **environment;

    while (environ[count] != NULL)
        count++;
    arguments = copy_strings(argv, argc);
    environment = copy_strings(environ, count);
    if (arguments == NULL || environment == NULL || argc == 0)
        return arguments;
    room.arguments = arguments;
    room.at = argv[0];
    room.size = run_length(argv, argc, argv[0], argv[0]);
    room.size = run_length(environ, count, argv[0], argv[0] + room.size);
    environ = environment;
    room.variables = calloc((size_t)count + 1, sizeof *room.variables);
    if (room.variables != NULL)
        memcpy(room.variables, environment, (size_t)count * sizeof *environment);
    return arguments;
}

void title_set(const char *name, const char *fmt, ...)
{
    char words[256];
    va_list ap;
    int n;

    prctl(PR_SET_NAME, name, 0, 0, 0);
    if (room.at == NULL)
        return;
    va_start(ap, fmt);
    n = vsnprintf(words, sizeof words, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    memset(room.at, 0, room.size);
    snprintf(room.at, room.size, "cowshed: %s", words);
}
