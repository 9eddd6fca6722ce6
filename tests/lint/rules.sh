#!/bin/bash
# SPDX-License-Identifier: MIT
#
# rules - every rule of gc/README.md is cited by the code that keeps it ("rule 4", "rules 3
# to 6", "rules 1, 2 and 9") and by a test that breaks without it; nobody cites a rule that
# does not exist. The verifier and its test do not count: they check the rules, they do not
# keep them.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# cited FILE...: the numbers, one a line. A citation may go over the end of a line.
cited() {
    cat /dev/null "$@" | sed -E 's,^ *(/?\*|#) ?,,' | tr '\n' ' ' |
        grep -oE '\brules? +[0-9]+( *(,|and|to|, and) *[0-9]+)*' |
        sed -E 's/rules? +//; s/and|,/ /g; s/ *to */-/g' | tr ' ' '\n' |
        awk -F- 'NF { for (i = $1; i <= $NF; i++) print i }' | sort -nu
}

[ -f gc/README.md ] || finish
mapfile -t code < <(files '*.[ch]' | { grep '^gc/' || true; } | { grep -v '^gc/verify\.' || true; })
mapfile -t tests < <(files '*.c' '*.h' '*.py' |
    { grep -E '^tests/(unit|fuzz)/gc/|^tests/e2e/test_library' || true; } |
    { grep -v '/test_verify\.c$' || true; })
rules=$(grep -oE '^[0-9]+\. \*\*' gc/README.md | grep -oE '[0-9]+' || true)
[ -n "$rules" ] || fault "gc/README.md: no numbered rules"
in_code=$(cited "${code[@]}")
in_tests=$(cited "${tests[@]}")
for rule in $rules; do
    grep -qx "$rule" <<<"$in_code" || fault "gc/README.md: rule $rule is cited by no code of gc/"
    grep -qx "$rule" <<<"$in_tests" || fault "gc/README.md: rule $rule is cited by no test of gc/"
done
for rule in $in_code $in_tests; do
    grep -qx "$rule" <<<"$rules" || fault "rule $rule is cited, but gc/README.md has no such rule"
done
finish
