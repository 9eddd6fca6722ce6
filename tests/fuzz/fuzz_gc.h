/* SPDX-License-Identifier: MIT */
/* fuzz_gc.h - any bytes at all, as operations on a heap that a plain map checks.
 *
 * The first byte is a set of flags, the rest are operations (fuzz_gc.c, OPS). What must
 * hold: the heap agrees with the model in every process, the verifier is content after
 * each cycle, a full collection leaves what the model counts, to the byte, and at the
 * end nothing is left. Aborts when it does not.
 *
 * As a libFuzzer target: make fuzz-gc TIME=60. Two more bytes in front of the input
 * choose the combination of settings there; the mutator goes through all of them. A
 * bounded run over tests/fuzz/corpus-gc/ is a unit test: tests/unit/gc/test_fuzz_gc.c.
 */
#ifndef COWSHED_FUZZ_GC_H
#define COWSHED_FUZZ_GC_H

#include <stddef.h>
#include <stdint.h>

/* Mistakes of the player: each must be found, or the oracle is blind. */
enum fuzz_gc_mistake {
    FUZZ_GC_NONE,
    FUZZ_GC_PLAIN_STORE, /* stores without the barrier */
    FUZZ_GC_NO_EPOCH,    /* reads outside of its epoch */
    FUZZ_GC_NO_PIN,      /* goes on using what it has unpinned */
    FUZZ_GC_LEAK,        /* holds an entry that the model has dropped */
    FUZZ_GC_MISTAKES
};

/* Plays the input under one of the combinations of settings (gc_world.h, knobs_...). */
void fuzz_gc_play(unsigned world, enum fuzz_gc_mistake mistake, const uint8_t *data,
                  size_t size);

#endif
