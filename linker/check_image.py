#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checks a linked kernel against what its loaders demand. Usage: check_image.py [--any-size] KERNEL.elf

Multiboot 1 with address fields copies the file blindly, so file layout must be memory layout: one loadable segment.
"""
import struct
import sys

PT_LOAD, PT_NOTE = 1, 4
MULTIBOOT1, MULTIBOOT2 = 0x1BADB002, 0xE85250D6
XEN_PHYS32_ENTRY = 18
MAX_IMAGE_BYTES = 400 * 1024
LONGEST_MULTIBOOT1, LONGEST_MULTIBOOT2 = 8192, 32768


def need(condition, text):
    if not condition:
        sys.exit(f"{sys.argv[-1]}: {text}")


def segments(image):
    offset, = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    for i in range(count):
        kind, _, at, _, physical, in_file, in_memory, _ = struct.unpack_from("<IIQQQQQQ", image, offset + i * size)
        yield kind, at, physical, in_file, in_memory


def find_header(image, magic, align, limit):
    for at in range(0, min(limit, len(image)) - 32, align):
        if struct.unpack_from("<I", image, at)[0] == magic:
            return at
    return None


def check_multiboot1(image, load):
    at = find_header(image, MULTIBOOT1, 4, LONGEST_MULTIBOOT1)
    if at is None:
        return False
    _, file_offset, physical, in_file, in_memory = load
    fields = struct.unpack_from("<8I", image, at)
    need(sum(fields[:3]) % 2**32 == 0, "multiboot 1: checksum")
    header, first, data_end, bss_end, entry = fields[3:]
    need(first == physical and header - first == at - file_offset, "multiboot 1: header is not where it says")
    need(data_end == physical + in_file, "multiboot 1: data ends elsewhere than the segment")
    need(bss_end == physical + in_memory, "multiboot 1: .bss ends elsewhere than the segment")
    need(entry == struct.unpack_from("<Q", image, 24)[0], "multiboot 1: entry differs from ELF's")
    return True


def check_multiboot2(image):
    at = find_header(image, MULTIBOOT2, 8, LONGEST_MULTIBOOT2)
    need(at is not None, "no multiboot 2 header")
    need(sum(struct.unpack_from("<4I", image, at)) % 2**32 == 0, "multiboot 2: checksum")


def check_pvh(image, note):
    need(note is not None, "no PVH note")
    name_bytes, _, kind = struct.unpack_from("<3I", image, note[1])
    need((name_bytes, kind) == (4, XEN_PHYS32_ENTRY) and image[note[1] + 12 : note[1] + 16] == b"Xen\0", "PVH note")


def main():
    with open(sys.argv[-1], "rb") as file:
        image = file.read()
    found = list(segments(image))
    loads = [s for s in found if s[0] == PT_LOAD]
    need(len(loads) == 1, f"{len(loads)} loadable segments instead of one")
    has_multiboot1 = check_multiboot1(image, loads[0])
    need(has_multiboot1 != ("-pvh" in sys.argv[-1].rpartition("/")[2]), "multiboot 1 header in the wrong file")
    check_multiboot2(image)
    check_pvh(image, next((s for s in found if s[0] == PT_NOTE), None))
    need("--any-size" in sys.argv or len(image) < MAX_IMAGE_BYTES, f"{len(image)} bytes, more than {MAX_IMAGE_BYTES}")


if __name__ == "__main__":
    main()
