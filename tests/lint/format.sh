#!/bin/bash
# SPDX-License-Identifier: MIT
#
# format - clang-format 14 with .clang-format of this tree.  Other versions disagree with
# it in details, so without 14 this check is left out, and says so.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

tool=
for name in clang-format-14 clang-format; do
    if command -v $name >/dev/null && $name --version | grep -q 'version 14\.'; then
        tool=$name
        break
    fi
done
if [ -z "$tool" ]; then
    echo "skip: needs clang-format 14, found $(clang-format --version 2>/dev/null || echo none)"
    exit 77
fi
# Tables are laid out by hand, as columns.
faults_from < <(files '*.c' '*.h' | { grep -vx 'server/conf/enums.h' || true; } |
    xargs -r $tool --dry-run --style=file 2>&1 | grep 'code should be clang-formatted' |
    cut -d: -f1 | sort | uniq -c | awk '{ printf "%s: not formatted in %d places\n", $2, $1 }')
finish
