#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: merge.sh BUILD TARGET
# Makes the committed corpus of a target the fewest inputs, of those committed and those kept by earlier runs, that reach
# as much as all of them. Inputs with a name (not a hash) once found something or were made by hand: they stay.
set -eu
build=$1 target=$2
committed=tests/fuzz/corpus/$target
merged=$build/merged/$target
rm -rf "$merged"
mkdir -p "$merged" "$build/corpus/$target"
for input in "$committed"/*; do
    case ${input##*/} in
    *[!0-9a-f]*) cp "$input" "$merged" ;;
    esac
done
# Which edges, not how often: a tenth of the inputs, and a fuzzer finds the rest again within minutes.
"$build/fuzz_$target" -merge=1 -use_counters=0 -rss_limit_mb=2048 -timeout=60 -close_fd_mask=1 "$merged" "$committed" "$build/corpus/$target" \
    >"$build/merge.log" 2>&1 || { tail -n 20 "$build/merge.log" >&2; exit 1; }
rm -rf "$committed"
cp -r "$merged" "$committed"
printf '  MERGE    %-12s %s inputs, %s bytes\n' "$target" "$(find "$committed" -type f | wc -l)" \
    "$(cat "$committed"/* | wc -c)"
