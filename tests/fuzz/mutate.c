/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/mutate.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/fd.h"
#include "tests/test.h"

enum { DROP_MAX = 4, REPLAY_MAX = 8192 };

/* Replaces at most `drop` bytes at `at` by `word`, if there is room. */
static size_t splice(char *bytes, size_t n, size_t room, size_t at, size_t drop,
                     struct span word)
{
    drop = drop < n - at ? drop : n - at;
    if (n - drop + word.n > room)
        return n;
    memmove(bytes + at + word.n, bytes + at + drop, n - at - drop);
    memcpy(bytes + at, word.p, word.n);
    return n - drop + word.n;
}

size_t mutate(const struct walk *w, struct prng *r, char *bytes, size_t room)
{
    size_t n = 0;

    for (uint64_t parts = 1 + prng_below(r, w->parts_max); parts > 0; parts--)
        n = splice(bytes, n, room, n, 0, w->seeds[prng_below(r, w->seed_count)]);
    for (uint64_t edits = prng_below(r, w->edits_max); edits > 0; edits--) {
        struct span word = w->words[prng_below(r, w->word_count)];

        n = splice(bytes, n, room, prng_below(r, n + 1), prng_below(r, DROP_MAX), word);
    }
    return n;
}

/* In memory that ends with the input. */
static int play(mutate_target *target, const void *bytes, size_t n)
{
    uint8_t *exact = malloc(n + (n == 0));

    memcpy(exact, bytes, n);
    int result = target(exact, n);
    free(exact);
    return result;
}

void walk_through(const struct walk *w, uint64_t seed, unsigned runs, size_t room,
                  mutate_target *target)
{
    char *bytes = malloc(room);
    struct prng r;

    prng_seed(&r, seed);
    for (unsigned run = 0; run < runs; run++) {
        size_t n = mutate(w, &r, bytes, room);

        check_int(play(target, bytes, n), 0, "run %u", run);
    }
    free(bytes);
}

unsigned replay(const char *folder, mutate_target *target)
{
    DIR *dir = opendir(folder);
    unsigned n = 0;

    check_not_null(dir, "%s", folder);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char path[PATH_MAX];
        uint8_t bytes[REPLAY_MAX];
        size_t got = 0;

        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        check_int(fd_read_file(path, bytes, sizeof bytes, &got), 0, "%s", path);
        check_int(play(target, bytes, got), 0, "%s", path);
        n++;
    }
    closedir(dir);
    return n;
}
