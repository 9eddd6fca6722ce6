/* SPDX-License-Identifier: MIT */
/* values.h - values of an answer of /status; what is not there is 0 or "?". */
#ifndef COWSHED_CTL_VALUES_H
#define COWSHED_CTL_VALUES_H

#include <jansson.h>
#include <stdint.h>

static inline uint64_t number(const json_t *o, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(o, key));
}

static inline const char *text(const json_t *o, const char *key)
{
    const char *value = json_string_value(json_object_get(o, key));

    return value != NULL ? value : "?";
}

#endif
