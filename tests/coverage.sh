#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: coverage.sh BUILD
# Builds and runs the unit tests with counters, in a folder of their own.
set -eu
mkdir -p "$1"
find "$1" -name '*.gcda' -delete
if ! make --no-print-directory unit CC=gcc HOST_B="$1" SANITIZE='-O0 --coverage -fprofile-abs-path' >"$1/log" 2>&1; then
    tail -n 20 "$1/log" >&2
    exit 1
fi
