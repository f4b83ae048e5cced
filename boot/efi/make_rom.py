#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes a PCI option ROM of an EFI driver. Usage: make_rom.py DRIVER.efi ROM [--vendor HEX] [--devices HEX,HEX...]

One image of code type 3, uncompressed: a header that says where the driver begins, the PCI data structure with the
devices it is for, the driver, zeroes up to a multiple of 512 bytes. (PCI Firmware 3.0, 5.1; UEFI 2.9, 14.4.2)
"""
import argparse
import struct

UNIT = 512
ROM_SIGNATURE, EFI_SIGNATURE = 0xAA55, 0x0EF1
CODE_TYPE_EFI, LAST_IMAGE, REVISION = 3, 0x80, 3
VIRTIO_VENDOR = 0x1AF4
# virtio-blk and virtio-scsi, modern, then transitional.
VIRTIO_DEVICES = [0x1042, 0x1048, 0x1001, 0x1004]
MASS_STORAGE_OTHER = (0x01, 0x80, 0x00)
HEADER_BYTES, DATA_AT, DATA_BYTES = 26, 28, 28
MAX_UNITS = 0xFFFF


def driver_of(image):
    """Machine and subsystem of a PE image."""
    pe, = struct.unpack_from("<I", image, 60)
    if image[:2] != b"MZ" or image[pe:pe + 4] != b"PE\0\0":
        raise SystemExit("the driver is no PE image")
    machine, = struct.unpack_from("<H", image, pe + 4)
    subsystem, = struct.unpack_from("<H", image, pe + 24 + 68)
    return machine, subsystem


def aligned(n, unit):
    return -(-n // unit) * unit


def rom(image, vendor, devices):
    machine, subsystem = driver_of(image)
    list_bytes = 2 * (len(devices) + 1)  # it ends with a 0
    driver_at = aligned(DATA_AT + DATA_BYTES + list_bytes, 8)
    n_units = aligned(driver_at + len(image), UNIT) // UNIT
    if n_units > MAX_UNITS:
        raise SystemExit(f"{len(image)} bytes are too much for an option ROM")
    header = struct.pack("<HHIHHH8xHH", ROM_SIGNATURE, n_units, EFI_SIGNATURE, subsystem, machine, 0,
                         driver_at, DATA_AT)
    base, sub, interface = MASS_STORAGE_OTHER
    data = struct.pack("<4sHHHHB3BHHBBHHH", b"PCIR", vendor, devices[0], DATA_BYTES, DATA_BYTES, REVISION,
                       interface, sub, base, n_units, 0, CODE_TYPE_EFI, LAST_IMAGE, n_units, 0, 0)
    assert (len(header), len(data)) == (HEADER_BYTES, DATA_BYTES)
    devices = struct.pack(f"<{len(devices)}HH", *devices, 0)
    whole = (header.ljust(DATA_AT, b"\0") + data + devices).ljust(driver_at, b"\0") + image
    return whole.ljust(n_units * UNIT, b"\0")


def main():
    def number(text):
        return int(text, 16)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver")
    parser.add_argument("rom")
    parser.add_argument("--vendor", type=number, default=VIRTIO_VENDOR)
    parser.add_argument("--devices", type=lambda text: [number(n) for n in text.split(",")], default=VIRTIO_DEVICES)
    options = parser.parse_args()
    with open(options.driver, "rb") as file:
        made = rom(file.read(), options.vendor, options.devices)
    with open(options.rom, "wb") as file:
        file.write(made)


if __name__ == "__main__":
    main()
