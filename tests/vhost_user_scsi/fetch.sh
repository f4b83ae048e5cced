#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: fetch.sh FOLDER
# What the sample server of vhost-user-scsi is made of, out of Debian's source package of QEMU, into FOLDER/source. About
# 34 MB come over the network, once. Without such a mirror FOLDER/why-not says why there is nothing.
set -eu
here=$(dirname "$0")
folder=$1
sh "$here/../fetch-source.sh" qemu "$folder" "a vhost-user-scsi server for the tests"
[ -d "$folder/unpack" ] || exit 0
cd "$folder"
mkdir unpack/source
tar --no-same-owner -xJf unpack/qemu_*.orig.tar.xz -C unpack/source --strip-components=1 --wildcards \
    '*/contrib/vhost-user-scsi' '*/subprojects/libvhost-user' '*/include/standard-headers' \
    '*/include/qemu/atomic.h' '*/include/qemu/compiler.h'
rm -rf source why-not
mv unpack/source source
rm -rf unpack
