#!/bin/bash
# SPDX-License-Identifier: MIT
#
# shell - scripts parse, and shellcheck has nothing to say where it is installed; Python
# compiles.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scripts=$(files '*.sh')
for file in .ci/run .ci/deps; do
    [ ! -f $file ] || scripts="$scripts $file"
done
for file in $scripts; do
    bash -n "$file" 2>/dev/null || fault "$file: does not parse"
    command -v shellcheck >/dev/null || continue
    faults_from < <(shellcheck -x -f gcc "$file" || true)
done
for file in $(files '*.py'); do
    python3 - "$file" <<'PYTHON' || fault "$file: does not compile"
import sys
compile(open(sys.argv[1], encoding="utf-8").read(), sys.argv[1], "exec")
PYTHON
done
finish
