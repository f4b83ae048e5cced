#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Compresses a linked EFI program for boot/efi/packed, which expands and enters it. Usage: pack_efi.py PROGRAM.debug OUT

PROGRAM.debug is the linker's ELF file; of it goes in what firmware would load, from the first section to the last. OUT
begins with its length and the place of its entry, each in 8 bytes; what follows is deflated (RFC 1951).
"""
import struct
import sys
import zlib

SECTIONS = (".text", ".reloc", ".data", ".dynamic", ".rela")


def sections(elf):
    """Name, address, bytes of each."""
    table, = struct.unpack_from("<Q", elf, 40)
    entry_bytes, n, names = struct.unpack_from("<HHH", elf, 58)
    headers = [struct.unpack_from("<IIQQQQ", elf, table + i * entry_bytes) for i in range(n)]
    names_at = headers[names][4]
    for name, _, _, address, offset, length in headers:
        at = names_at + name
        yield elf[at:elf.index(b"\0", at)].decode(), address, elf[offset:offset + length]


def main():
    elf = open(sys.argv[1], "rb").read()
    entry, = struct.unpack_from("<Q", elf, 24)
    wanted = [(address, data) for name, address, data in sections(elf) if name in SECTIONS]
    first = min(address for address, _ in wanted)
    image = bytearray(max(address + len(data) for address, data in wanted) - first)
    for address, data in wanted:
        image[address - first:address - first + len(data)] = data
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    packed = packer.compress(bytes(image)) + packer.flush()
    with open(sys.argv[2], "wb") as out:
        out.write(struct.pack("<QQ", len(image), entry - first) + packed)


main()
