#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: bzip2.sh VSTOR-CC FOLDER
# bzip2 out of Debian's source package, not a line of it changed, by its own Makefile: FOLDER/bzip2.elf. If its sources
# can't be fetched, FOLDER/why-not; that they don't build is an error.
set -eu
here=$(dirname "$0")
compiler=$(readlink -f "$1")
folder=$2
mkdir -p "$folder"
if [ ! -d "$folder/source" ]; then
    sh "$here/../fetch-source.sh" bzip2 "$folder" "a program for the tests"
    [ -d "$folder/unpack" ] || exit 0
    mkdir "$folder/unpack/source"
    tar --no-same-owner -xf "$folder"/unpack/bzip2_*.orig.tar.* -C "$folder/unpack/source" --strip-components=1
    mv "$folder/unpack/source" "$folder/source"
    rm -rf "$folder/unpack" "$folder/why-not"
fi
cd "$folder/source"
# No make of ours is above it.
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES make -s clean >../build.log 2>&1
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES make -s CC="$compiler" bzip2 >>../build.log 2>&1 ||
    { tail -n 20 ../build.log >&2; exit 1; }
mv bzip2 ../bzip2.elf
