#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: run.sh BUILD TARGET SECONDS
# Runs one fuzzer from its committed corpus; what it finds new is kept in BUILD/corpus/TARGET. One line of progress
# every 15 seconds or so, a summary at the end; on a finding the way to see it again, and failure.
set -u
build=$1 target=$2 seconds=$3
program=$build/fuzz_$target
kept=$build/corpus/$target
log=$build/$target.log
mkdir -p "$kept" "$build/findings"
"$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=2048 -print_final_stats=1 -close_fd_mask=1 \
    -artifact_prefix="$build/findings/$target-" -verbosity=1 "$kept" "tests/fuzz/corpus/$target" >"$log" 2>&1 &
pid=$!
trap 'kill $pid 2>/dev/null' INT TERM HUP
waited=0
while kill -0 $pid 2>/dev/null; do
    sleep 1
    waited=$((waited + 1))
    [ $((waited % 15)) = 0 ] && printf '  FUZZ     %-12s %s\n' "$target" "$(grep -a '^#[0-9]' "$log" | tail -n 1 | cut -c 1-90)"
done
if wait $pid; then
    printf '  FUZZ     %-12s %s executions, %s\n' "$target" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
        "$(grep -a 'DONE ' "$log" | grep -ao 'cov: [0-9]* ft: [0-9]* corp: [0-9]*' | tail -n 1)"
    exit 0
fi
grep -a -A 12 -e 'FUZZ_CHECK' -e 'ERROR:' -e 'runtime error' "$log" | head -n 30 >&2
found=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
echo "fuzz_$target found something; all of its output is in $log. To see it again: $program ${found:-tests/fuzz/corpus/$target/*}" >&2
exit 1
