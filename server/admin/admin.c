/* SPDX-License-Identifier: MIT */
/* admin.c - see admin.h. */
#include "server/admin/admin.h"

#include <poll.h>

#include "server/shared/worker_env.h"

int admin_run(const struct admin_env *env)
{
    struct pollfd p = { .fd = env->channel_fd, .events = POLLIN };

    poll(&p, 1, -1);
    return 0;
}
