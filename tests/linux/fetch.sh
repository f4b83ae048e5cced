#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: fetch.sh FOLDER [MACHINE]
# Debian's kernel, the modules that reach virtio disks, and busybox, unpacked into FOLDER and nowhere else: nothing is
# installed. FOLDER/vmlinuz is there last, when all is. About 70 MB come over the network, once. MACHINE: Debian's name of
# another one than this (arm64).
set -eu
folder=$1
machine=${2:-}
top=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$folder/unpack"
cd "$folder"

kernel_package() {
    apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image-[0-9]/ { print $2; exit }'
}

fetch() {
    if ! command -v apt-get >/dev/null; then
        echo "There is no apt-get here. Please unpack Debian's linux-image-amd64 and busybox-static by hand: see $0." >&2
        exit 1
    fi
    package=$(kernel_package)
    if [ -z "$package" ]; then
        sudo=
        [ "$(id -u)" = 0 ] || sudo=sudo
        $sudo apt-get update >fetch.log 2>&1 || { tail -n 20 fetch.log >&2; exit 1; }
        package=$(kernel_package)
    fi
    echo "Fetching a Linux guest for the tests (once): ${package:?apt knows no linux-image-amd64}, busybox-static"
    cd unpack
    apt-get download "$package" busybox-static >../fetch.log 2>&1 || { tail -n 20 ../fetch.log >&2; exit 1; }
    for file in *.deb; do
        dpkg-deb -x "$file" .
    done
    cd ..
}

if [ -n "$machine" ]; then
    sh "$top/linker/fetch-foreign.sh" "$machine" unpack linux-image busybox-static
else
    fetch
fi
mkdir -p modules
for module in virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk virtio_scsi \
    scsi_common scsi_mod sd_mod sr_mod cdrom t10-pi crc-t10dif crct10dif_common crct10dif_generic crc64 crc64-rocksoft efivarfs; do
    find unpack/lib/modules -name "$module.ko" -exec cp {} modules/ \;
done
cp unpack/bin/busybox busybox
cp unpack/boot/vmlinuz-* vmlinuz.new
ls unpack/lib/modules >version
rm -rf unpack
mv vmlinuz.new vmlinuz
