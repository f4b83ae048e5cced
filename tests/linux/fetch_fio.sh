#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: fetch_fio.sh FOLDER
# Debian's fio and the libraries that it needs, unpacked into FOLDER/root as a guest's file system has them, and nowhere
# else: nothing is installed. FOLDER/fetched is there last, when all is. About 50 MB come over the network, once.
set -eu
folder=$1
rm -rf "$folder"
mkdir -p "$folder/unpack" "$folder/root/bin" "$folder/root/lib" "$folder/root/lib64"
cd "$folder"

# Libraries, and those that these need. The packages that are only scripts or settings stay out.
packages() {
    apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances fio \
        2>/dev/null | grep -E '^z?lib[a-z0-9.+-]*$' | sort -u
}

# Copies one library out of the packages, and what it needs in its turn.
take() {
    [ -e "root/lib/$1" ] && return
    found=$(find unpack -name "$1" | head -n 1)
    [ -n "$found" ] || { echo "no package that fio depends on has $1" >&2; exit 1; }
    cp -L "$found" "root/lib/$1"
    take_needed_by "root/lib/$1"
}

take_needed_by() {
    for name in $(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
        take "$name"
    done
}

command -v apt-get >/dev/null || { echo "There is no apt-get here. Please see what $0 does and do it by hand." >&2; exit 1; }
if [ -z "$(packages)" ]; then
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update >fetch.log 2>&1 || { tail -n 20 fetch.log >&2; exit 1; }
fi
echo "Fetching fio for the Linux guest (once), with the libraries it is linked with"
cd unpack
# shellcheck disable=SC2046
apt-get download fio $(packages) >../fetch.log 2>&1 || { tail -n 20 ../fetch.log >&2; exit 1; }
for file in *.deb; do
    dpkg-deb -x "$file" .
done
cd ..
cp unpack/usr/bin/fio root/bin/
take_needed_by root/bin/fio
cp root/lib/ld-linux-x86-64.so.2 root/lib64/
rm -rf unpack
touch fetched
