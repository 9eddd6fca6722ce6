#!/bin/bash
# SPDX-License-Identifier: MIT
#
# run.sh [CC AND FLAGS] - all lints, one line each; the faults of those that fail.

set -u
cd "$(dirname "$0")" || exit 1
export LINT_CC=${1:-}
[ -n "$LINT_CC" ] || unset LINT_CC
passed=0 failed=0 skipped=0

for lint in layers headers sizes text magics tables rules format shell analysis; do
    output=$(./$lint.sh 2>&1)
    case $? in
    0)
        passed=$((passed + 1))
        echo "ok   lint/$lint"
        ;;
    77)
        skipped=$((skipped + 1))
        echo "skip lint/$lint: ${output#skip: }"
        ;;
    *)
        failed=$((failed + 1))
        printf 'FAIL lint/%s\n%s\n' "$lint" "$output"
        ;;
    esac
done
if [ $skipped -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ $failed = 0 ]
