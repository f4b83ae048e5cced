#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checks an EFI driver against what firmware demands of it. Usage: check_efi.py DRIVER.efi

A PE32+ boot service driver for x86-64 that can be relocated, whose sections lie apart by pages, and that is small enough
for an option ROM.
"""
import struct
import sys

MACHINES = {0x8664: "x86-64", 0xAA64: "AArch64"}
BOOT_SERVICE_DRIVER = 11
RELOCATIONS_STRIPPED = 1
MAX_IMAGE_BYTES = 150 * 1024
PAGE = 4096


def need(condition, text):
    if not condition:
        sys.exit(f"{sys.argv[1]}: {text}")


def main():
    image = open(sys.argv[1], "rb").read()
    need(len(image) <= MAX_IMAGE_BYTES, f"{len(image)} bytes, more than {MAX_IMAGE_BYTES}")
    pe = struct.unpack_from("<I", image, 60)[0]
    need(image[:2] == b"MZ" and image[pe:pe + 4] == b"PE\0\0", "not a PE image")
    machine, n_sections, _, _, _, optional_bytes, flags = struct.unpack_from("<HHIIIHH", image, pe + 4)
    need(machine in MACHINES, f"for machine {machine:#x}")
    need(not flags & RELOCATIONS_STRIPPED, "cannot be relocated")
    magic, = struct.unpack_from("<H", image, pe + 24)
    subsystem, = struct.unpack_from("<H", image, pe + 24 + 68)
    need(magic == 0x20B and subsystem == BOOT_SERVICE_DRIVER, f"magic {magic:#x}, subsystem {subsystem}")
    for i in range(n_sections):
        name, _, address, _, at = struct.unpack_from("<8sIIII", image, pe + 24 + optional_bytes + 40 * i)
        need(address % PAGE == 0, f"section {name.decode()} begins at {address:#x}, within a page")
        need(at < len(image), f"section {name.decode()} lies outside the file")


main()
