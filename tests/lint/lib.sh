#!/bin/bash
# SPDX-License-Identifier: MIT
#
# lib.sh - shared by the lints: each is `tests/lint/NAME.sh [TREE]`, prints one line for
# each fault and exits 1 when there was one.

set -eu
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}"
faults=0

fault() {
    printf '%s\n' "$*"
    faults=$((faults + 1))
}

# Reads faults from a pipe, one a line.
faults_from() {
    local line
    while IFS= read -r line; do
        fault "$line"
    done
}

finish() {
    [ "$faults" = 0 ] || exit 1
}

# files GLOB...: the files of the tree with such a name, without what is built.
files() {
    local pattern
    for pattern in "$@"; do
        find . \( -path ./build -o -path ./.git \) -prune \
            -o -type f -name "$pattern" -print
    done | sed 's,^\./,,' | sort
}
