#!/bin/bash
# SPDX-License-Identifier: MIT
#
# analysis - cppcheck, where it is installed.  Not asked for: what it says about the
# second half of CHECK_MAGIC(), about the order of parameters that are functions, and where it
# cannot parse a macro.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if ! command -v cppcheck >/dev/null; then
    echo "skip: cppcheck is not installed"
    exit 77
fi
mapfile -t sources < <(files '*.c' | { grep -v '^tests/unit/' || true; })
[ ${#sources[@]} = 0 ] && exit 0
faults_from < <(cppcheck --quiet --std=c11 --language=c -I. -D_GNU_SOURCE -D__linux__ \
    --enable=warning,portability --inline-suppr --max-configs=1 -j 2 \
    --suppress=missingInclude --suppress=missingIncludeSystem \
    --suppress=nullPointerRedundantCheck \
    --suppress=funcArgOrderDifferent --suppress=preprocessorErrorDirective --suppress=unknownMacro --suppress=internalAstError \
    --template='{file}:{line}: {id}: {message}' "${sources[@]}" 2>&1)
finish
