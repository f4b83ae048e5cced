#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: check.sh BUILD
# Checks every protocol exhaustively: with all fences it must hold, without any one of them it must fail.
set -eu
build=$1
model=$(pwd)/tests/model/notify.pml
mkdir -p "$build"
cd "$build"

# $1: the name of the run, the rest: definitions. Prints spin's verdict on its last line.
search()
{
    name=$1
    shift
    mkdir -p "$name"
    ( cd "$name" && rm -f ./*.trail && spin "$@" -a "$model" >spin.log && gcc -O2 -DSAFETY -DMEMLIM=1500 -w -o pan pan.c &&
      ./pan -m4000000 >pan.log 2>&1 ) || { tail -n 5 "$name"/*.log >&2; exit 1; }
    ! grep -q -e 'search not completed' -e 'max search depth too small' -e 'out of memory' "$name/pan.log" ||
        grep -q 'errors: [1-9]' "$name/pan.log" || { echo "$name: the search is not complete" >&2; exit 1; }
}

# protocol, size of the ring, modulus of the counters, depth of the store buffers
for protocol in "SPLIT_EVENT 2 4 2" "SPLIT_EVENT 2 8 1" "SPLIT_FLAGS 2 4 2" "PACKED 2 4 1"; do
    # shellcheck disable=SC2086
    set -- $protocol
    run=$1-$2-$3-$4
    search "$run" "-D$1" "-DN=$2" "-DM=$3" "-DDEPTH=$4"
    grep -q 'errors: 0' "$run/pan.log" || { echo "$run: a kick or an interrupt is lost; see $build/$run" >&2; exit 1; }
    printf '  MODEL    %-17s holds, %s states\n' "$run" "$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$run/pan.log")"
    [ "$3" = 8 ] || for fence in 1 2 3 4; do
        search "$run-no-$fence" "-D$1" "-DN=$2" "-DM=$3" "-DDEPTH=$4" "-DNO_FENCE=$fence"
        grep -q 'errors: [1-9]' "$run-no-$fence/pan.log" ||
            { echo "$run holds even without fence $fence: the model proves nothing" >&2; exit 1; }
    done
done
echo '  MODEL    without any one of the four fences each protocol fails, as it must'
