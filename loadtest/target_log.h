/* SPDX-License-Identifier: MIT */
/* target_log.h - the requests of an access log as templates: each once. */
#ifndef LOADTEST_TARGET_LOG_H
#define LOADTEST_TARGET_LOG_H

#include "loadtest/target.h"
#include "loadtest/url.h"

/* Fills target->templates and target->replay. 0, or a negative errno with a message. */
int target_read_log(struct target *target, const struct target_config *config,
                    const struct url *url, char error[TARGET_ERROR_MAX]);

/* target.c: a template for the URL of a mix's line; -ENOBUFS when it is too long. */
struct mix_line;
int target_add_template(struct target *target, const struct target_config *config,
                        const struct url *url, const struct mix_line *line,
                        const char **ret_wrong);

#endif
