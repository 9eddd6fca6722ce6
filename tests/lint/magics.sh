#!/bin/bash
# SPDX-License-Identifier: MIT
#
# magics - every *_MAGIC has a value of its own, so that a pointer to one kind of struct
# cannot pass for another.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

faults_from < <(files '*.[ch]' | { grep -v '^tests/' || true; } |
    xargs -r grep -hoE '\b[A-Z0-9_]+_MAGIC *=? *(UINT32_C\()?0x[0-9a-fA-F]+' |
    sed -E 's/([A-Z0-9_]+_MAGIC) *=? *(UINT32_C\()?0x([0-9a-fA-F]+)/\3 \1/' |
    tr '[:upper:]' '[:lower:]' | sort -u |
    awk '$1 == last { printf "0x%s: both %s and %s\n", $1, name, $2 } { last = $1; name = $2 }')
finish
