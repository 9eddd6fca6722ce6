/* SPDX-License-Identifier: MIT */
/* values.h - values of an answer of /status; what is not there is 0 or "?", and so is
 * a text that would give orders to a terminal. */
#ifndef COWSHED_CTL_VALUES_H
#define COWSHED_CTL_VALUES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

static inline uint64_t number(const json_t *o, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(o, key));
}

static inline bool is_printable(const char *words)
{
    while (*words >= ' ' && *words <= '~')
        words++;
    return *words == '\0';
}

static inline const char *text(const json_t *o, const char *key)
{
    const char *value = json_string_value(json_object_get(o, key));

    return value != NULL && is_printable(value) ? value : "?";
}

#endif
