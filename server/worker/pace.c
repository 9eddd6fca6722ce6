/* SPDX-License-Identifier: MIT */
/* pace.c - see pace.h. */
#include "server/worker/pace.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "server/base/clock.h"

void pace_begin(struct pace *p, uint64_t now_ns)
{
    *p = (struct pace){ .since_ns = now_ns };
}

void pace_begin_send(struct pace *p, uint64_t now_ns, int fd, uint64_t bytes)
{
    *p = (struct pace){ .since_ns = now_ns, .bytes = bytes, .taken = INT64_MIN };
    pace_takes_more(p, fd);
}

bool pace_takes_more(struct pace *p, int fd)
{
    int64_t before = p->taken;
    int left;

    if (ioctl(fd, SIOCOUTQ, &left) < 0)
        return false; /* not TCP: the timeout alone counts */
    p->taken = (int64_t)p->bytes - left;
    return p->taken > before;
}

bool pace_is_slow(const struct pace *p, int64_t bytes, uint64_t now_ns,
                  uint64_t grace_ns, uint64_t rate)
{
    uint64_t end_ns = p->since_ns + grace_ns, want_s;

    if (rate == 0 || now_ns < end_ns)
        return false;
    want_s = (now_ns - end_ns) / CLOCK_NS_PER_S;
    return bytes < 0 || (uint64_t)bytes / rate < want_s;
}
