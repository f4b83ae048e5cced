#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: fetch-source.sh PACKAGE FOLDER WHAT-FOR
# Debian's source package, as its authors published it, as FOLDER/unpack/*.orig.tar.*; apt verifies it. The system's own
# lists and sources stay as they are. Without such a mirror FOLDER/why-not says why there is nothing; that is no failure.
set -eu
package=$1
folder=$2
what_for=$3
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
    private_apt source --download-only --tar-only "$package"
}

# Within a shell of its own, which timeout can end.
if [ "${4:-}" = download ]; then
    cd "$folder"
    download
    exit
fi

rm -rf "$folder/unpack"
mkdir -p "$folder/unpack"
echo "Fetching $what_for (once): sources of $package"
if ! timeout -k 5 $time_limit_s sh "$0" "$package" "$folder/unpack" "$what_for" download >"$folder/fetch.log" 2>&1; then
    # What apt met first; the rest follows from it.
    reason=$(grep -m 1 '^[EW]:' "$folder/fetch.log" || tail -n 1 "$folder/fetch.log")
    echo "no source package of $package within $time_limit_s s: $reason" >"$folder/why-not"
    cat "$folder/why-not"
    rm -rf "$folder/unpack"
fi
