/* SPDX-License-Identifier: MIT */
/* fuzz_main.c - lets libFuzzer play one target: `make fuzz`, which defines which. */
#ifdef FUZZ_TARGET

#include <stddef.h>
#include <stdint.h>

int FUZZ_TARGET(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return FUZZ_TARGET(data, size);
}

#else
typedef int fuzz_main_is_empty;
#endif
