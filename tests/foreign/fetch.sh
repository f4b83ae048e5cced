#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: fetch.sh FOLDER
# Multiboot kernels that others wrote, unpacked from Debian's packages into FOLDER and nowhere else: nothing is installed.
# FOLDER/fetched is there last, when all is. About 3 MB come over the network, once.
set -eu
folder=$1
packages="xen-hypervisor-4.17-amd64 gnumach-image-1.8-486 tboot"
mkdir -p "$folder/unpack"
cd "$folder/unpack"

download() {
    # shellcheck disable=SC2086
    apt-get download $packages >>../fetch.log 2>&1
}

if ! command -v apt-get >/dev/null; then
    echo "There is no apt-get here. Please unpack Debian's $packages by hand: see $0." >&2
    exit 1
fi
echo "Fetching other people's kernels for the tests (once): $packages"
: >../fetch.log
if ! download; then
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update >>../fetch.log 2>&1 || { tail -n 20 ../fetch.log >&2; exit 1; }
    download || { tail -n 20 ../fetch.log >&2; exit 1; }
fi
for file in *.deb; do
    dpkg-deb -x "$file" .
done
cp boot/xen-*-amd64.gz ../xen.gz
gunzip -c boot/gnumach-*.gz >../gnumach
gunzip -c boot/tboot.gz >../tboot
cd ..
gunzip -c xen.gz >xen
rm -rf unpack
touch fetched
