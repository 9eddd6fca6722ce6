/* SPDX-License-Identifier: MIT */
/* ab_causes.h - the part of the report that says why the tail is slow. */
#ifndef LOADTEST_AB_CAUSES_H
#define LOADTEST_AB_CAUSES_H

#include <jansson.h>
#include <stdio.h>

#include "loadtest/ab.h"

void ab_causes_text(FILE *out, const struct ab *ab);
/* NULL when nothing was attributed, or without memory. */
json_t *ab_causes_json(const struct ab_arm *arm);

#endif
