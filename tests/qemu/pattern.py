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


def _undo_xor_shift(z, shift):
    result = z
    for _ in range(64 // shift):
        result = z ^ (result >> numpy.uint64(shift))
    return result


def _unmix(z):
    """The other way round: each step can be undone, the multiplications by the inverses modulo 2**64."""
    z = _undo_xor_shift(z, 31) * numpy.uint64(pow(0x94D049BB133111EB, -1, 1 << 64))
    z = _undo_xor_shift(z, 27) * numpy.uint64(pow(0xBF58476D1CE4E5B9, -1, 1 << 64))
    return _undo_xor_shift(z, 30)


def seeds_of_sectors(sectors):
    """Of an array of sectors, by the first unit of each: the seeds and the offsets they tell."""
    units = numpy.ascontiguousarray(sectors[:, :UNIT_BYTES]).view("<u8")
    return _unmix(units[:, 1]) - units[:, 0] * GOLDEN, units[:, 0]


def seed_of(data, offset):
    """The seed that would explain the first unit of data at this offset, a multiple of the unit."""
    unit = numpy.frombuffer(data[:UNIT_BYTES], dtype="<u8")
    return (int(_unmix(unit[1:])[0]) - offset * int(GOLDEN)) % (1 << 64)


def first_difference(left, right):
    """Index of the first byte in which two byte strings of one length differ, or None."""
    assert len(left) == len(right), f"lengths differ: {len(left)} and {len(right)}"
    if left == right:
        return None
    unequal = numpy.frombuffer(left, dtype=numpy.uint8) != numpy.frombuffer(right, dtype=numpy.uint8)
    return int(numpy.argmax(unequal))
