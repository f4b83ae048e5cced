# SPDX-License-Identifier: BSD-2-Clause
"""The self-describing fill pattern of `fill` and `verify`, written a second time, independently of the guest's C.

The disk is divided into units of 16 bytes at absolute byte offsets o = 0, 16, 32, ...: eight bytes little-endian o, then
eight bytes little-endian splitmix64(seed + o * 0x9E3779B97F4A7C15). So every unit says where it belongs, and a block
that landed elsewhere, or is old, is told from the right one.
"""
import numpy

UNIT_BYTES = 16
GOLDEN = numpy.uint64(0x9E3779B97F4A7C15)


def _mix(z):
    """The finaliser of splitmix64, on a whole array modulo 2**64."""
    z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return z ^ (z >> numpy.uint64(31))


def pattern(offset, n_bytes, seed):
    """The bytes that belong at [offset, offset + n_bytes); neither needs to be a multiple of the unit."""
    first = offset // UNIT_BYTES * UNIT_BYTES
    n_units = (offset + n_bytes - first + UNIT_BYTES - 1) // UNIT_BYTES
    units = numpy.empty((n_units, 2), dtype="<u8")
    offsets = numpy.arange(n_units, dtype=numpy.uint64) * numpy.uint64(UNIT_BYTES) + numpy.uint64(first)
    units[:, 0] = offsets
    units[:, 1] = _mix(offsets * GOLDEN + numpy.uint64(seed))
    return units.tobytes()[offset - first:offset - first + n_bytes]


def first_difference(left, right):
    """Index of the first byte in which two byte strings of one length differ, or None."""
    assert len(left) == len(right), f"lengths differ: {len(left)} and {len(right)}"
    if left == right:
        return None
    unequal = numpy.frombuffer(left, dtype=numpy.uint8) != numpy.frombuffer(right, dtype=numpy.uint8)
    return int(numpy.argmax(unequal))
