/* SPDX-License-Identifier: MIT */
/* errno_text.h - an error number in words that fit into a sentence. */
#ifndef COWSHED_ERRNO_TEXT_H
#define COWSHED_ERRNO_TEXT_H

/* For an errno or its negative: "permission denied", lower case. Never NULL; static. */
const char *errno_text(int err);

#endif
