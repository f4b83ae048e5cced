# SPDX-License-Identifier: BSD-2-Clause
"""Kernels that others wrote: multiboot kernels out of Debian's packages (tests/foreign/fetch.sh, `make
build/foreign/fetched`), and Debian's Linux as the ELF file inside its bzImage, which has a PVH note."""
import struct
import subprocess

import harness
import linux_guest

FOREIGN = harness.ROOT / "build/foreign"
UNPACKERS = {b"\xfd7zXZ\0": ["xz", "-dc"], b"\x28\xb5\x2f\xfd": ["zstd", "-dc"], b"\x1f\x8b": ["gzip", "-dc"],
             b"\x02\x21\x4c\x18": ["lz4", "-dc"], b"\x04\x22\x4d\x18": ["lz4", "-dc"]}


def kernel(name):
    """The path of one of them."""
    path = FOREIGN / name
    if not path.exists():
        raise harness.MachineError(f"{path} is missing; run `make build/foreign/fetched`")
    return path


def vmlinux(path):
    """Unpacks Debian's kernel to its ELF file, at a path. (Documentation/arch/x86/boot.rst, payload_offset)"""
    image = (linux_guest.LINUX / "vmlinuz").read_bytes()
    offset, n_bytes = struct.unpack_from("<II", image, 0x248)
    payload = image[(image[0x1F1] + 1) * 512 + offset:][:n_bytes]
    unpacker = next(words for magic, words in UNPACKERS.items() if payload.startswith(magic))
    # Behind the payload stands its size in four bytes, at which some of these tools complain when all is done.
    done = subprocess.run(unpacker, input=payload, capture_output=True, check=False)
    assert done.stdout.startswith(b"\x7fELF"), done.stderr.decode()
    path.write_bytes(done.stdout)
    return path
