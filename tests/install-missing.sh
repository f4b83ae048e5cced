#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: install-missing.sh PACKAGE:WHY...
# Installs those of the Debian packages that are missing, saying what and why. Costs one dpkg-query if none is.
set -eu
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p')
missing=
for item in "$@"; do
    package=${item%%:*}
    printf '%s\n' "$installed" | grep -qxF "$package" && continue
    [ -n "$missing" ] || echo "Installing what is missing:"
    printf '  %-24s %s\n' "$package" "$(echo "${item#*:}" | tr - ' ')"
    missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "There is no apt-get here. Please install the packages above (Debian's names) and try again." >&2
    exit 1
fi
sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "Please run as root: apt-get install$missing" >&2; exit 1; }
    sudo=sudo
fi
log=$(mktemp)
# shellcheck disable=SC2086
if ! { $sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } \
    >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "Could not install:$missing. All of apt's output is in $log." >&2
    exit 1
fi
rm -f "$log"
