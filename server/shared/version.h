/* SPDX-License-Identifier: MIT */
/* version.h - the version of cowshed, for -v, -V and /metrics. */
#ifndef COWSHED_SHARED_VERSION_H
#define COWSHED_SHARED_VERSION_H

#define COWSHED_VERSION "0.1.0"

#endif
