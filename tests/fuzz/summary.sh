#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: summary.sh BUILD TARGET...
# The numbers of the last run of each fuzzer. Edges are of the whole program, features count edges by how often and from
# where; lines of drivers/, scsi/ and pci/ are told by `make fuzz-coverage`.
set -u
build=$1
shift
printf '%-13s %12s %8s %7s %9s %7s  %s\n' target executions exec/s edges features inputs findings
for target in "$@"; do
    [ -f "$build/result/$target" ] || { printf '%-13s did not run\n' "$target"; continue; }
    read -r name executions speed edges features inputs found <"$build/result/$target"
    printf '%-13s %12s %8s %7s %9s %7s  %s\n' "$name" "$executions" "$speed" "$edges" "$features" "$inputs" "$found"
done
