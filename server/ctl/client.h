/* SPDX-License-Identifier: MIT */
/* client.h - one request to the admin listener, and its answer. */
#ifndef COWSHED_CTL_CLIENT_H
#define COWSHED_CTL_CLIENT_H

#include <stddef.h>

struct client_answer {
    int status;       /* of HTTP */
    const char *body; /* inside text, ended by a zero */
    char *text;       /* owned */
};

/* `admin` as in the option. The whole answer has to be there after timeout_s
 * (-ETIMEDOUT). 0 or a negative errno: -EBADMSG when the answer is not HTTP. */
int client_ask(const char *admin, const char *method, const char *target,
               unsigned timeout_s, struct client_answer *ret);
void client_free(struct client_answer *);

#endif
