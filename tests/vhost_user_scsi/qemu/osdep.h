// SPDX-License-Identifier: BSD-2-Clause
// What contrib/vhost-user-scsi of QEMU's sources wants of the header of this name, so that it needs nothing else of QEMU.
#pragma once
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define QEMU_PACKED __attribute__((packed))
#define container_of(member_pointer, type, member) ((type *)((char *)(member_pointer)-offsetof(type, member)))
