#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: check.sh BUILD [deep]
# Checks the models exhaustively: each must hold, and with any one link of its protocol missing it must fail.
# "deep" adds the runs that take minutes and gigabytes.
set -eu
build=$1
deep=${2:-}
models=$(pwd)/tests/model
mkdir -p "$build"
cd "$build"

# $1: the model, $2: its definitions, without -D; $3: options for gcc, $4: for the search. Leaves its name and log
# in $run, $log.
search()
{
    run=$1-$(echo "$2" | tr -s ' =' '--')
    log=$run/pan.log
    mkdir -p "$run"
    options=$(for d in $2; do printf -- ' -D%s' "$d"; done)
    # shellcheck disable=SC2086
    ( cd "$run" && rm -f ./*.trail && spin $options -a "$models/$1.pml" >spin.log && gcc $3 -w -o pan pan.c &&
      ./pan $4 >pan.log 2>&1 ) || { tail -n 5 "$run"/*.log >&2; exit 1; }
}

# The model holds.
holds()
{
    # Of a model that is mostly code, compiling costs more than it gains.
    [ "$1" = recovery ] && optimise=-O0 || optimise=-O2
    search "$1" "$2" "$optimise -DSAFETY -DNOCLAIM -DMEMLIM=${3:-2000}" -m10000000
    grep -q 'errors: [1-9]' "$log" && { echo "$1 fails with $2; see $build/$run" >&2; exit 1; }
    ! grep -q -e 'search not completed' -e 'max search depth too small' -e 'out of memory' "$log" &&
        grep -q 'errors: 0' "$log" || { echo "$run: the search is not complete" >&2; exit 1; }
    printf '  MODEL    %-9s %-54s holds %10s states\n' "$1" "$2" "$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$log")"
}

# The model $1 with definitions $2 fails without each of the links $3...
needs()
{
    model=$1
    definitions=$2
    shift 2
    for link in "$@"; do
        search "$model" "$definitions WITHOUT_$link" "-O0 -DSAFETY -DNOCLAIM -DMEMLIM=2000" "-m1000000 -w20"
        grep -q 'errors: [1-9]' "$log" ||
            { echo "$model $definitions holds without $link: it proves nothing" >&2; exit 1; }
        printf '  MODEL    %-9s %-54s fails %10s states\n' "$model" "${definitions:+$definitions, }no $link" \
            "$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$log")"
    done
}

# N: size of the ring; M: modulus of the counters; DEPTH: of the store buffers
protocols_hold()
{
    holds notify 'SPLIT_EVENT N=2 M=4 DEPTH=2'
    holds notify 'SPLIT_FLAGS N=2 M=4 DEPTH=1 ELSEWHERE'
    holds notify 'SPLIT_FLAGS N=2 M=4 DEPTH=1 ANY_ORDER'
    holds notify 'PACKED N=2 DEPTH=1'
    holds notify 'PACKED_FLAGS N=2 DEPTH=1'
    holds wake ''
    # all that can happen; then that nobody waits for ever
    holds recovery 'FAULTS=1 QUEUE_RESET POOL GIVE_UP'
    holds recovery 'FAULTS=1 QUEUE_RESET POOL GIVE_UP NO_VAIN_POLLS'
    holds recovery 'FAULTS=2 QUEUE_RESET POOL NO_VAIN_POLLS'
    [ "$deep" = deep ] || return 0
    holds notify 'SPLIT_EVENT N=2 M=8 DEPTH=1'
    holds notify 'SPLIT_EVENT N=2 M=4 DEPTH=1 ANY_ORDER' 16000
    holds notify 'SPLIT_FLAGS N=2 M=4 DEPTH=2 ANY_ORDER' 16000
    holds notify 'PACKED_FLAGS N=2 DEPTH=1 ANY_ORDER' 16000
    holds recovery 'FAULTS=2 QUEUE_RESET POOL GIVE_UP' 16000
    holds recovery 'FAULTS=1 REQUESTS=2 POOL NO_VAIN_POLLS' 16000
    holds recovery 'FAULTS=1 OWNERS=3 NO_VAIN_POLLS' 16000
}

nothing_is_for_nothing()
{
    for protocol in 'SPLIT_EVENT N=2 M=4 DEPTH=1' 'SPLIT_FLAGS N=2 M=4 DEPTH=1' 'PACKED N=2 DEPTH=1' 'PACKED_FLAGS N=2 DEPTH=1'; do
        needs notify "$protocol" KICK_FENCE ARM_FENCE DEVICE_TELL_FENCE DEVICE_ASK_FENCE
    done
    needs notify 'SPLIT_EVENT N=2 M=4 DEPTH=1' CLI SHADOW LOOK DEVICE_LOOK EXACT_PLACE MODULUS
    needs notify 'PACKED N=2 DEPTH=1' EXACT_PLACE ROUNDS
    needs notify 'SPLIT_FLAGS N=2 M=4 DEPTH=1 ANY_ORDER' TAKEN_SINCE
    needs wake '' SEND_FENCE CLI SHADOW
    needs recovery 'FAULTS=2 NO_VAIN_POLLS' GATE DISARM OPEN_CAS SEIZE LOCK ORDER REST_OF_BROKEN
    needs recovery 'FAULTS=2 POOL NO_VAIN_POLLS' WAITING
}

nothing_is_for_nothing >needs.out 2>&1 &
other=$!
failed=0
( protocols_hold ) || failed=1
wait $other || failed=1
cat needs.out
exit $failed
