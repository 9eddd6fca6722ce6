#!/bin/bash
# SPDX-License-Identifier: MIT
#
# text - what stands in sources beside code: the licence line and a head comment that
# names the file, no // comments, no notes to self, no tabs, no blanks at line ends.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Prints FILE:LINE for each // outside strings, characters and /* */.
line_comments() {
    awk '
    FNR == 1 { inside = 0 }
    {
        for (i = 1; i <= length($0); i++) {
            c = substr($0, i, 1); two = substr($0, i, 2)
            if (inside) {
                if (two == "*/") { inside = 0; i++ }
            } else if (two == "/*") {
                inside = 1; i++
            } else if (two == "//") {
                printf "%s:%d: a // comment; comments that stay are /* */\n", FILENAME, FNR
                break
            } else if (c == "\"" || c == "\047") {
                for (i++; i <= length($0) && substr($0, i, 1) != c; i++)
                    if (substr($0, i, 1) == "\\") i++
            }
        }
    }' "$@"
}

for file in $(files '*.c' '*.h' '*.def'); do
    [ "$(sed -n 1p "$file")" = '/* SPDX-License-Identifier: MIT */' ] ||
        fault "$file:1: the first line is not the SPDX line"
    case "$file" in
    tests/*) ;;
    *) sed -n 2p "$file" | grep -q "^/\* $(basename "$file") - ." ||
        fault "$file:2: no head comment '/* $(basename "$file") - what it is'" ;;
    esac
    faults_from < <(line_comments "$file")
    faults_from < <(grep -nHE '	|[ ]+$' "$file" | sed 's/:[^:]*$/: a tab, or a blank at the end of the line/')
done
# The words are put together here so that this file does not contain them.
faults_from < <(files '*.c' '*.h' '*.def' '*.sh' '*.py' '*.conf' '*.md' '*.html' '*.css' Makefile |
    xargs -r grep -nHE "\\b(TO""DO|FIX""ME|X""XX)\\b" || true)
for file in $(files '*.sh' '*.py' Makefile '*.mk'); do
    sed -n '1,3p' "$file" | grep -q 'SPDX-License-Identifier: MIT' ||
        [ ! -s "$file" ] || fault "$file: no SPDX line among the first three"
done
finish
