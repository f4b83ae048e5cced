#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: fetch.sh FOLDER
# What the sample server of vhost-user-scsi is made of, out of Debian's source package of QEMU, into FOLDER/source; apt
# verifies it. The system's own lists and sources stay as they are. About 34 MB come over the network, once.
# Without such a mirror FOLDER/why-not says why there is nothing; that is no failure.
set -eu
folder=$1
time_limit_s=60
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# A source line for each place that this system has this Debian's binary packages from.
sources_of() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        sort -u | awk -v release="$1" -v keyring="$keyring" \
        '$2 == release && $3 == "main" { print "deb-src [signed-by=" keyring "] " $1 " " $2 " main" }'
}

# apt with folders of its own, which says nothing.
private_apt() {
    apt-get -q -o Dir::Etc::SourceList="$PWD/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$PWD/apt/lists" -o Dir::Cache="$PWD/apt/cache" -o APT::Sandbox::User= \
        -o Acquire::Languages=none -o Acquire::http::Timeout=15 -o Acquire::https::Timeout=15 -o Acquire::Retries=0 "$@"
}

download() {
    command -v apt-get >/dev/null || { echo "there is no apt-get here"; return 1; }
    mkdir -p apt/lists/partial apt/cache/archives/partial
    sources_of "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" >apt/sources.list
    [ -s apt/sources.list ] || { echo "apt knows no mirror of Debian's"; return 1; }
    private_apt update || true # one of several mirrors may have no sources; what is missing is told below
    private_apt source --download-only --tar-only qemu
}

# Within a shell of its own, which timeout can end.
if [ "${2:-}" = download ]; then
    cd "$folder"
    download
    exit
fi

rm -rf "$folder/unpack"
mkdir -p "$folder/unpack"
echo "Fetching the sources of a vhost-user-scsi server for the tests (once): qemu"
if ! timeout -k 5 $time_limit_s sh "$0" "$folder/unpack" download >"$folder/fetch.log" 2>&1; then
    # What apt met first; the rest follows from it.
    reason=$(grep -m 1 '^[EW]:' "$folder/fetch.log" || tail -n 1 "$folder/fetch.log")
    echo "no source package of QEMU within $time_limit_s s: $reason" >"$folder/why-not"
    cat "$folder/why-not"
    rm -rf "$folder/unpack"
    exit 0
fi
cd "$folder"
mkdir unpack/source
tar --no-same-owner -xJf unpack/qemu_*.orig.tar.xz -C unpack/source --strip-components=1 --wildcards \
    '*/contrib/vhost-user-scsi' '*/subprojects/libvhost-user' '*/include/standard-headers' \
    '*/include/qemu/atomic.h' '*/include/qemu/compiler.h'
rm -rf source why-not
mv unpack/source source
rm -rf unpack
