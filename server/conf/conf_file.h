/* SPDX-License-Identifier: MIT */
/* conf_file.h - reads a configuration file (libConfuse syntax) into struct options.
 *
 * Sections for dotted names: gc { percent = 50 }. include("other.conf"), ${NAME} from
 * the environment. Unknown and repeated options are errors with file and line.
 */
#ifndef COWSHED_CONF_FILE_H
#define COWSHED_CONF_FILE_H

struct options;
struct option_error;

/* 0, or a negative errno with a sentence that begins with "FILE:LINE: " whenever there
 * is a line; options may then hold part of the file: throw them away. Read the file
 * before the settings of the command line, so that those win. */
int conf_file_read(struct options *, const char *path, struct option_error *ret_error);

#endif
