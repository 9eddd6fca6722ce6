#!/bin/bash
# SPDX-License-Identifier: MIT
#
# headers - each header compiles by itself, and says what it is in its first lines.
# LINT_CC is the compiler with the flags of the build.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

read -ra cc <<<"${LINT_CC:-gcc -I. -D_GNU_SOURCE -std=c17 -Wall -Wextra -Werror -isystem build/deps/llhttp/include}"

# Private headers refuse outsiders unless NAME_IMPL is defined: they are compiled as
# their own folder compiles them.
for header in $(files '*.h'); do
    impl=$(sed -nE 's/^#ifndef ([A-Z]+_IMPL)$/-D\1/p' "$header")
    # shellcheck disable=SC2086
    errors=$("${cc[@]}" $impl -fsyntax-only -Wno-unused -x c -include "$header" /dev/null 2>&1 |
        grep -m 1 'error\|warning') || true
    [ -z "$errors" ] || fault "$header does not stand alone: $errors"
done
for header in $(files '*.h' | { grep '^gc/' || true; }); do
    [ "$header" = gc/gc.h ] || grep -q '^#ifndef GC_IMPL$' "$header" ||
        fault "$header: a private header of gc/ begins with #ifndef GC_IMPL / #error"
done
finish
