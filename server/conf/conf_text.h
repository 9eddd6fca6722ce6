/* SPDX-License-Identifier: MIT */
/* conf_text.h - prepares the text of a configuration file for libConfuse.
 *
 * libConfuse 3.3 miscounts lines after comments, takes the end of the file for the end
 * of an open section, and skips bytes it does not expect.  So comments become blanks
 * here, and the other two are errors with their line.  A byte order mark becomes blanks
 * as well.
 */
#ifndef COWSHED_CONF_CONF_TEXT_H
#define COWSHED_CONF_CONF_TEXT_H

#include <stddef.h>

/* Blanks the comments of text[0..n-1] in place; newlines stay.  0, or -EINVAL with a
 * static reason and the line, from 1, on which the faulty thing begins. */
int conf_text_clean(char *text, size_t n, unsigned *ret_line, const char **ret_why);

#endif
