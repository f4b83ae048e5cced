#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: fetch-foreign.sh MACHINE FOLDER PACKAGE...
# Debian's packages for another machine (arm64), unpacked into FOLDER and nowhere else: nothing is installed, and what
# apt knows of this system stays as it is. A package may be named linux-image, which is the machine's kernel.
set -eu
machine=$1
folder=$2
shift 2
command -v apt-get >/dev/null || { echo "There is no apt-get here. Please unpack for $machine by hand: $*; see $0." >&2; exit 1; }
rm -rf "$folder"
mkdir -p "$folder/apt/lists/partial" "$folder/apt/archives/partial"
apt=$(cd "$folder/apt" && pwd)
: >"$apt/status"
set_up="-o APT::Architecture=$machine -o APT::Architectures::=$machine -o Dir::State::lists=$apt/lists \
-o Dir::State::status=$apt/status -o Dir::Cache=$apt -o Acquire::Languages=none -o APT::Sandbox::User="
echo "Fetching for $machine (once; 9 MB of lists): $*"
cd "$apt"
# shellcheck disable=SC2086
{
    apt-get $set_up update
    for package in "$@"; do
        [ "$package" != linux-image ] ||
            package=$(apt-cache $set_up depends "linux-image-$machine" | awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
        apt-get $set_up download "$package"
    done
} >../log 2>&1 || { tail -n 20 ../log >&2; exit 1; }
for file in *.deb; do
    dpkg-deb -x "$file" ..
done
rm -rf "$apt"
