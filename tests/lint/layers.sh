#!/bin/bash
# SPDX-License-Identifier: MIT
#
# layers - who may include whom.  The table below is the architecture: a folder may
# include itself and what stands behind its name; a folder that is not in it, nothing.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

allowed() {
    local base="server/base/" pure="server/base/ server/http/"
    local parts="$pure server/conf/ server/shared/ server/cache/ server/origin/ server/tls/"
    case "$1" in
    server/base) ;;
    server/http) echo "$base" ;;
    server/conf) echo "$base" ;;
    server/shared) echo "$base" ;;
    server/tls) echo "$base server/conf/" ;;
    server/cache) echo "$pure server/shared/ gc/gc.h" ;;
    server/origin) echo "$pure server/conf/ server/cache/record.h" ;;
    server/worker) echo "$parts gc/gc.h" ;;
    server/master) echo "$parts gc/gc.h" ;;
    server/admin) echo "$parts" ;;
    server/ctl) echo "$base server/conf/ server/shared/" ;;
    server) echo "$parts server/ctl/ server/master/ server/worker/ server/admin/ gc/gc.h" ;;
    gc) ;;
    loadtest) echo "$pure" ;;
    tests | tests/*) echo "server/ gc/ loadtest/ tests/" ;;
    esac
}

check_include() {
    local file=$1 line=$2 header=$3 folder prefix
    folder=$(dirname "$file")
    for prefix in "$folder/" $(allowed "$folder"); do
        case "$header" in "$prefix"*) return 0 ;; esac
    done
    fault "$file:$line: $folder must not include $header"
}

while IFS=: read -r file line header; do
    check_include "$file" "$line" "$header"
done < <(files '*.[ch]' '*.def' | xargs -r grep -nHoE '^ *# *include +"[^"]+"' |
    sed -E 's/ *# *include +"([^"]+)"/\1/')

# gc/ could be lifted out: besides its own headers it knows libc only.
faults_from < <(files '*.[ch]' | { grep '^gc/' || true; } |
    xargs -r grep -nHE '# *include <(event|confuse|jansson|llhttp|openssl|zlib|brotli)' |
    sed 's/$/   (gc depends on libc alone)/')
finish
