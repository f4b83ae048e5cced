#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: build.sh FOLDER
# The server as FOLDER/server, or FOLDER/why-not if its sources can't be fetched. That they don't build is an error.
set -eu
here=$(dirname "$0")
folder=$1
mkdir -p "$folder"
[ -d "$folder/source" ] || sh "$here/fetch.sh" "$folder"
[ -d "$folder/source" ] || exit 0
source=$folder/source
library=$source/subprojects/libvhost-user
# shellcheck disable=SC2046
gcc -O1 -g -w -D_GNU_SOURCE -I"$here" -I"$library" -I"$source/include" -o "$folder/server.new" \
    "$source/contrib/vhost-user-scsi/vhost-user-scsi.c" "$library/libvhost-user.c" "$library/libvhost-user-glib.c" \
    "$here/mended.c" -Wl,--wrap=iscsi_full_connect_sync,--wrap=iscsi_scsi_command_sync,--wrap=eventfd_write \
    $(pkg-config --cflags --libs glib-2.0 libiscsi) -pthread
mv "$folder/server.new" "$folder/server"
