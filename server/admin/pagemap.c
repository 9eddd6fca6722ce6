/* SPDX-License-Identifier: MIT */
/* pagemap.c - see pagemap.h. */
#include "server/admin/pagemap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "server/base/fd.h"
#include "server/base/num.h"
#include "server/base/span.h"

#define PAGE_PRESENT   (UINT64_C(1) << 63)
#define PAGE_FILE      (UINT64_C(1) << 61) /* of a file, or of shared memory */
#define PAGE_EXCLUSIVE (UINT64_C(1) << 56)

enum { PAGE_BYTES = 4096, ENTRIES = 32768, PATH_TEXT_MAX = 64, ROLLUP_MAX = 4096 };

void pagemap_add(struct pagemap_count *count, const uint64_t *entries, size_t n)
{
    const uint64_t looked_at = PAGE_PRESENT | PAGE_FILE | PAGE_EXCLUSIVE;

    for (size_t i = 0; i < n; i++) {
        uint64_t is = entries[i] & looked_at;

        count->copied += is == (PAGE_PRESENT | PAGE_EXCLUSIVE);
        count->shared +=
            is == PAGE_PRESENT || is == (PAGE_PRESENT | PAGE_FILE) || is == looked_at;
    }
}

int pagemap_read(pid_t pid, uint64_t start, uint64_t end, struct pagemap_count *ret)
{
    static uint64_t entries[ENTRIES]; /* one caller, one thread: the admin process */
    struct pagemap_count count = { 0, 0 };
    uint64_t at = start / PAGE_BYTES, last = end / PAGE_BYTES;
    char path[PATH_TEXT_MAX];
    int fd;

    snprintf(path, sizeof path, "/proc/%d/pagemap", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    while (at < last) {
        size_t want = last - at < ENTRIES ? (size_t)(last - at) : ENTRIES;
        ssize_t got = pread(fd, entries, want * sizeof entries[0],
                            (off_t)(at * sizeof entries[0]));

        if (got <= 0) {
            int rc = got < 0 ? -errno : -ESRCH; /* nothing: the process has ended */

            close(fd);
            return rc;
        }
        pagemap_add(&count, entries, (size_t)got / sizeof entries[0]);
        at += (uint64_t)got / sizeof entries[0];
    }
    close(fd);
    *ret = count;
    return 0;
}

int pagemap_read_pss(pid_t pid, uint64_t *ret)
{
    char path[PATH_TEXT_MAX], text[ROLLUP_MAX];
    struct span rest, line;
    uint64_t kib;
    size_t n;
    int rc;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    rc = fd_read_file(path, text, sizeof text, &n);
    if (rc < 0)
        return rc;
    for (rest = span_make(text, n); rest.n > 0;) {
        span_cut(rest, '\n', &line, &rest);
        if (!span_starts(line, SPAN("Pss:")) || !span_ends(line, SPAN("kB")))
            continue;
        line = span_trim(span_take(span_skip(line, 4), line.n - 6));
        if (num_parse_u64(line, 0, UINT64_MAX >> 10, &kib) < 0)
            return -EBADMSG;
        *ret = kib << 10;
        return 0;
    }
    return -EBADMSG;
}
