/* SPDX-License-Identifier: MIT */
/* mime.h - Content-Type from the extension of a file name. */
#ifndef COWSHED_MIME_H
#define COWSHED_MIME_H

#include "server/base/span.h"

/* A span of static memory; "application/octet-stream" when nothing is known. */
struct span mime_of(struct span path);

#endif
