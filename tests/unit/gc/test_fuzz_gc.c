/* SPDX-License-Identifier: MIT */
/* A bounded, repeatable part of `make fuzz-gc`: inputs that were worth keeping, and
 * inputs from a fixed generator, so that each combination of settings gets some. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/prng.h"
#include "tests/fuzz/fuzz_gc.h"
#include "tests/fuzz/gc_world.h"
#include "tests/test.h"

enum { BYTES_MAX = 4096, SHORTEST = 40, LONGEST = 240, PLAYS_PER_SEED = 12 };

static const char corpus[] =
    "tests/fuzz/corpus-gc"; /* the runner starts us at the top */

static size_t generate(struct prng *r, uint8_t *data)
{
    size_t n = SHORTEST + (size_t)prng_below(r, LONGEST - SHORTEST);
    for (size_t i = 0; i < n; i++)
        data[i] = (uint8_t)prng_below(r, 256);
    return n;
}

#ifdef __SANITIZE_ADDRESS__
enum { USUAL_STRIDE = 8 }; /* each fork copies the page tables of the shadow, too */
#else
enum { USUAL_STRIDE = 1 };
#endif

/* Under valgrind and AddressSanitizer, which are slow, every n-th will do. */
static unsigned stride(void)
{
    const char *every = getenv("FUZZ_GC_EVERY");
    unsigned n = every ? (unsigned)strtoul(every, NULL, 10) : USUAL_STRIDE;
    return n ? n : 1;
}

static void every_combination_of_settings_agrees_with_the_model(void **state)
{
    (void)state;
    uint8_t data[LONGEST];
    struct prng r;
    prng_seed(&r, 20);
    for (unsigned world = 0; world < knobs_count(); world += stride())
        fuzz_gc_play(world, FUZZ_GC_NONE, data, generate(&r, data));
}

static void one_input_means_the_same_under_every_combination(void **state)
{
    (void)state;
    uint8_t data[LONGEST];
    struct prng r;
    prng_seed(&r, 7);
    size_t n = generate(&r, data);
    for (unsigned world = 0; world < knobs_count(); world += stride())
        fuzz_gc_play(world, FUZZ_GC_NONE, data, n);
}

/* Each file holds the two bytes of its own combination, then the input. */
static void inputs_that_were_worth_keeping_agree_with_the_model(void **state)
{
    (void)state;
    uint8_t data[BYTES_MAX];
    struct dirent **names;
    unsigned files = 0, other = 0;
    int n = scandir(corpus, &names, NULL, alphasort);
    check_true(n > 0, "%s: %s", corpus, strerror(errno));
    for (int i = 0; i < n; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", corpus, names[i]->d_name);
        FILE *f = names[i]->d_name[0] == '.' ? NULL : fopen(path, "rb");
        size_t size = f ? fread(data, 1, sizeof data, f) : 0;
        if (f)
            fclose(f);
        free(names[i]);
        if (size < 3)
            continue;
        if (files++ % stride() != 0)
            continue;
        fuzz_gc_play((unsigned)(data[0] | data[1] << 8) % knobs_count(), FUZZ_GC_NONE,
                     data + 2, size - 2);
        for (int play = 1; play < PLAYS_PER_SEED; play++, other++)
            fuzz_gc_play(other * 37 % knobs_count(), FUZZ_GC_NONE, data + 2, size - 2);
    }
    free(names);
    check_true(files >= 20, "%u files in %s", files, corpus);
}

static int status_of(enum fuzz_gc_mistake mistake)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        uint8_t data[LONGEST];
        struct prng r;
        signal(SIGSEGV, SIG_DFL); /* the runner catches it */
        if (!freopen("/dev/null", "w", stderr))
            _exit(BROKEN);
        prng_seed(&r, 20);
        for (unsigned world = 0; world < 2 * knobs_count(); world++)
            fuzz_gc_play(world % knobs_count(), mistake, data, generate(&r, data));
        _exit(0);
    }
    check_int(waitpid(pid, &status, 0), pid);
    return status;
}

static void every_mistake_of_the_player_is_found(void **state)
{
    (void)state;
    for (int m = FUZZ_GC_NONE + 1; m < FUZZ_GC_MISTAKES; m++) {
        int status = status_of((enum fuzz_gc_mistake)m);
        check_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
                   "mistake %d: status %#x", m, status);
    }
}

TEST_MAIN(test(every_combination_of_settings_agrees_with_the_model),
          test(one_input_means_the_same_under_every_combination),
          test(inputs_that_were_worth_keeping_agree_with_the_model),
          test(every_mistake_of_the_player_is_found))
