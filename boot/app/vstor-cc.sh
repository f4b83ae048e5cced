#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# vstor-cc: the C compiler for programs that boot on vstor. Takes what gcc takes; what it links is an image for QEMU's
# -kernel and for GRUB, with the kernel, newlib and the program in it:
#
#     vstor-cc -O2 -o hello.elf hello.c           make CC=vstor-cc            (in many a program's folder)
#
# CC: another compiler than gcc. The program's name (argv[0]) is that of the output file without .elf.
set -eu
lib=$(dirname "$(dirname "$(readlink -f "$0")")")/lib/vstor
cc=${CC:-gcc}
case $cc in *vstor-cc*) cc=gcc ;; esac

output=a.out
links=yes
has_input=
before=
for word in "$@"; do
    case $before in -o) output=$word ;; esac
    case $word in
    -c | -S | -E | -M | -MM | -fsyntax-only) links= ;;
    -o) ;;
    -o*) output=${word#-o} ;;
    -*) ;;
    *) [ "$before" = -o ] || has_input=yes ;;
    esac
    before=$word
done

set -- -nostdinc -isystem "$lib/app-include" -isystem "$lib/include" -isystem "$($cc -print-file-name=include)" \
    -D_POSIX_TIMERS=1 -D_POSIX_MONOTONIC_CLOCK=1 -D__vstor__=1 -U_FORTIFY_SOURCE \
    -fno-pic -fno-pie -mno-red-zone -fcf-protection=none -fno-asynchronous-unwind-tables "$@"
if [ -z "$links" ] || [ -z "$has_input" ]; then
    exec "$cc" "$@"
fi

name=$(basename "$output" .elf)
# The name comes as a source of its own; a quote or backslash in it is nobody's.
printf '.section .rodata\n.globl vstor_app_name\nvstor_app_name: .asciz "%s"\n.section .note.GNU-stack,"",@progbits\n' \
    "$(printf %s "$name" | tr -d '"\\')" |
    "$cc" "$@" -x assembler - -x none "$lib/vstor-app.o" -static -no-pie -nostdlib -L"$lib" -T "$lib/app.ld" \
        -Wl,--gc-sections -Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=0x1000 -Wl,-z,noexecstack \
        -Wl,--build-id=none -Wl,--start-group -lc -lm -Wl,--end-group -lgcc
