/* SPDX-License-Identifier: MIT */
/* units.c - scaling. */
#include "loadtest/units.h"

#include <stddef.h>
#include <stdio.h>

static char *scaled(char *out, double value, double step, const char *const *units)
{
    size_t i = 0;
    /* what would be printed as 1000.00 belongs to the next unit */
    while (units[i + 1] != NULL && value >= step - 0.005) {
        value /= step;
        i++;
    }
    snprintf(out, UNITS_TEXT_MAX, "%.2f%s", value, units[i]);
    return out;
}

char *units_time(char out[UNITS_TEXT_MAX], double ns)
{
    static const char *const below_minute[] = { "us", "ms", "s", NULL };
    if (ns >= 60e9) {
        snprintf(out, UNITS_TEXT_MAX, "%.2fm", ns / 60e9);
        return out;
    }
    return scaled(out, ns / 1000, 1000, below_minute);
}

char *units_metric(char out[UNITS_TEXT_MAX], double value)
{
    static const char *const units[] = { "", "k", "M", "G", NULL };
    return scaled(out, value, 1000, units);
}

char *units_binary(char out[UNITS_TEXT_MAX], double bytes)
{
    static const char *const units[] = { "", "K", "M", "G", "T", "P", NULL };
    return scaled(out, bytes, 1024, units);
}
