#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tables - .def files: each is included by something, holds only macro calls and
# comments, and no name stands in it twice.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

for table in $(files '*.def'); do
    files '*.[ch]' | xargs -r grep -lE "# *include +\"$table\"" | grep -q . ||
        fault "$table: nothing includes it"
    faults_from < <(sed -E 's,/\*.*\*/,,; /\/\*/,/\*\//d' "$table" |
        awk -v file="$table" '/^[a-z]/ {
            printf "%s: neither a macro call nor a comment: %s\n", file, $0 }')
    faults_from < <(grep -oE '^[A-Z][A-Z0-9_]*\( *[A-Za-z0-9_.]+' "$table" |
        sed -E 's/^[A-Z0-9_]+\( *//' | sort | uniq -d | sed "s,^,$table: twice: ,")
done
finish
