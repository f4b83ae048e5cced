#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checks an EFI program against what firmware demands of it. Usage: check_efi.py driver|loader FILE.efi

A PE32+ image of its kind that can be relocated, whose sections lie apart by pages, and that is small enough: a driver for
an option ROM, a loader for the space of a boot medium.
"""
import struct
import sys

MACHINES = {0x8664: "x86-64", 0xAA64: "AArch64"}
# Subsystem and most bytes.
KINDS = {"driver": (11, 150 * 1024), "loader": (10, 250 * 1024)}
RELOCATIONS_STRIPPED = 1
PAGE = 4096


def need(condition, text):
    if not condition:
        sys.exit(f"{sys.argv[2]}: {text}")


def main():
    wanted_subsystem, max_bytes = KINDS[sys.argv[1]]
    image = open(sys.argv[2], "rb").read()
    need(len(image) <= max_bytes, f"{len(image)} bytes, more than {max_bytes}")
    pe = struct.unpack_from("<I", image, 60)[0]
    need(image[:2] == b"MZ" and image[pe:pe + 4] == b"PE\0\0", "not a PE image")
    machine, n_sections, _, _, _, optional_bytes, flags = struct.unpack_from("<HHIIIHH", image, pe + 4)
    need(machine in MACHINES, f"for machine {machine:#x}")
    need(not flags & RELOCATIONS_STRIPPED, "cannot be relocated")
    magic, = struct.unpack_from("<H", image, pe + 24)
    subsystem, = struct.unpack_from("<H", image, pe + 24 + 68)
    need(magic == 0x20B and subsystem == wanted_subsystem, f"magic {magic:#x}, subsystem {subsystem}")
    for i in range(n_sections):
        name, _, address, _, at = struct.unpack_from("<8sIIII", image, pe + 24 + optional_bytes + 40 * i)
        need(address % PAGE == 0, f"section {name.decode()} begins at {address:#x}, within a page")
        need(at < len(image), f"section {name.decode()} lies outside the file")


main()
