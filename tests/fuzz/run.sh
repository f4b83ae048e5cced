#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: run.sh BUILD TARGET SECONDS [KEPT]
# Runs one fuzzer from its committed corpus. With KEPT it starts from that folder as well and leaves there what it finds
# new. With FUZZ_SEED it does the same each time, as far as it gets: those dice, and nothing that hangs on where things
# lie in memory. One line of progress every 15 seconds or so; the numbers go to BUILD/result/TARGET, for summary.sh. On
# a finding: the log, the input's path, the way to see it again, and failure.
set -u
build=$1 target=$2 seconds=$3 kept=${4:-}
program=$build/fuzz_$target
log=$build/$target.log
new=$kept
[ -n "$new" ] || new=$build/scratch/$target
[ -n "$kept" ] || rm -rf "$new"
mkdir -p "$new" "$build/findings" "$build/result"
rm -f "$build/result/$target"
steady=
if [ -n "${FUZZ_SEED:-}" ]; then
    setarch -R true 2>/dev/null && program="setarch -R $program"
    steady=-use_cmp=0 # what was compared may be addresses
fi
$program $steady -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 -max_len=2048 -print_final_stats=1 -seed="${FUZZ_SEED:-0}" -close_fd_mask=1 \
    -artifact_prefix="$build/findings/$target-" -verbosity=1 "$new" "tests/fuzz/corpus/$target" >"$log" 2>&1 &
pid=$!
trap 'kill $pid 2>/dev/null' INT TERM HUP
waited=0
while kill -0 $pid 2>/dev/null; do
    sleep 1
    waited=$((waited + 1))
    [ $((waited % 15)) = 0 ] && printf '  FUZZ     %-12s %s\n' "$target" "$(grep -a '^#[0-9]' "$log" | tail -n 1 | cut -c 1-90)"
done
wait $pid
status=$?

# The last line of progress, "#123 DONE cov: 1 ft: 2 corp: 3/4Kb ..."; the sum of executions stands at the end.
number() { grep -a '^#[0-9]' "$log" | grep -ao "$1 [0-9]*" | tail -n 1 | grep -o '[0-9]*$' || echo -; }
stat() { sed -n "s/^stat::$1: *//p" "$log" | tail -n 1 | grep . || echo -; }
found=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
[ $status = 0 ] && found=none
echo "$target $(stat number_of_executed_units) $(stat average_exec_per_sec) $(number cov:) $(number ft:) $(number corp:)" \
    "${found:-see-$log}" >"$build/result/$target"
if [ $status = 0 ]; then
    [ -n "$kept" ] || rm -rf "$new"
    exit 0
fi
{
    echo "fuzz_$target found something, or could not run. All of its output: $log"
    if [ -n "$found" ]; then
        echo "The input: $found"
        echo "To see it again: FUZZ_LOG=1 $program $found"
        echo "which says:"
        FUZZ_LOG=1 timeout 120 $program "$found" 2>&1 | grep -av -e '^INFO:' -e '^Running: ' | head -n 40
    else
        tail -n 20 "$log"
    fi
} >&2
exit 1
