#!/bin/bash
# SPDX-License-Identifier: MIT
#
# sizes - functions of at most 70 lines (signature excluded), .c files of 600, headers of
# 150 (gc/gc.h is the manual of a library and may have more), lines of 88 columns.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

FUNCTION_MAX=70 FILE_MAX=600 HEADER_MAX=150 COLUMNS_MAX=88

# With our braces, a function body is what lies between "{" and "}" in the first column.
for file in $(files '*.c' '*.h'); do
    faults_from < <(awk -v max=$FUNCTION_MAX -v columns=$COLUMNS_MAX '
        /^[a-zA-Z].*[^;]$/ { name = $0 }
        /^\{/ { start = NR; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
        /^\}/ && start {
            if (NR - start + 1 > max)
                printf "%s:%d: %s has %d lines, %d are allowed\n", FILENAME, start, name,
                       NR - start + 1, max
            start = 0
        }
        length($0) > columns {
            printf "%s:%d: %d columns, %d are allowed\n", FILENAME, NR, length($0), columns
        }
    ' "$file")
done
for file in $(files '*.c'); do
    lines=$(wc -l <"$file")
    [ "$lines" -le $FILE_MAX ] || fault "$file: $lines lines, $FILE_MAX are allowed"
done
for file in $(files '*.h' | { grep -vx 'gc/gc.h' || true; }); do
    lines=$(wc -l <"$file")
    [ "$lines" -le $HEADER_MAX ] || fault "$file: $lines lines, $HEADER_MAX are allowed"
done
finish
