/* SPDX-License-Identifier: MIT */
/* url.h - http[s]://HOST[:PORT][/PATH], taken apart. */
#ifndef LOADTEST_URL_H
#define LOADTEST_URL_H

#include <stdbool.h>

#include "server/base/span.h"

enum { URL_HOST_MAX = 255, URL_PORT_MAX = 5 };

struct url {
    char host[URL_HOST_MAX + 1]; /* without the brackets of an IPv6 address */
    char port[URL_PORT_MAX + 1];
    bool https;
    struct span authority; /* HOST[:PORT] as given, for the Host header */
    struct span path;      /* with the query, without the fragment; "/" when missing;
                            * it may be the query alone */
};

/* The spans point into `text`. Returns NULL when it was understood, or what is wrong
 * with it: "the port must be a number from 1 to 65535". */
const char *url_parse(const char *text, struct url *ret_url);

#endif
