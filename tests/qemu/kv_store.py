# SPDX-License-Identifier: BSD-2-Clause
"""Reads the disk of tests/apps/kv.c, and says what its workload has written: both made from the description at the head of
that file, with none of its code."""
import functools
import struct
import zlib

SUPERBLOCK = struct.Struct("<8sQQIII")  # magic, generation, bytes of a half, half, bytes of a block, reserved
COMMIT = struct.Struct("<IIQQII")  # checksum, that of the commit before, generation, number, bytes, reserved
SLOTS = (0, 4096)
HALVES_AT = 8192
DELETED = 0xFFFFFFFF
MASK = (1 << 64) - 1


def superblock(disk):
    """Of the two the newer sound one, or None."""
    sound = []
    for slot, at in enumerate(SLOTS):
        fields = SUPERBLOCK.unpack_from(disk, at)
        checksum, = struct.unpack_from("<I", disk, at + SUPERBLOCK.size)
        if fields[0] == b"vstorkv1" and checksum == zlib.crc32(disk[at:at + SUPERBLOCK.size]) and fields[1] % 2 == slot:
            sound.append(fields)
    return max(sound, key=lambda fields: fields[1], default=None)


def operations(data):
    """(key, value), None for a value that is no more."""
    at = 0
    while at < len(data):
        n_key, n_value = struct.unpack_from("<II", data, at)
        key = data[at + 8:at + 8 + n_key]
        at += 8 + n_key
        value = None if n_value == DELETED else data[at:at + n_value]
        at += 0 if n_value == DELETED else n_value
        yield key.decode(), value if value is None else value.decode()
    assert at == len(data), "operations reach beyond their commit"


def read(disk):
    """The number of the last commit and all that is in the store, or None if there is none."""
    found = superblock(disk)
    if found is None:
        return None
    _, generation, half_bytes, half, block_bytes, _ = found
    log = memoryview(disk)[HALVES_AT + half * half_bytes:][:half_bytes]
    before, at, number, store = zlib.crc32(struct.pack("<Q", generation)), 0, 0, {}
    while at + COMMIT.size <= half_bytes:
        checksum, named_before, named_generation, named_number, n_bytes, _ = COMMIT.unpack_from(log, at)
        end = at + COMMIT.size + n_bytes
        if (named_generation, named_before) != (generation, before) or end > half_bytes or n_bytes > 65536 \
                or zlib.crc32(log[at + 4:end]) != checksum:
            break
        assert at == 0 or named_number in (number, number + 1), "commits out of order"
        for key, value in operations(bytes(log[at + COMMIT.size:end])):
            if value is None:
                store.pop(key, None)
            else:
                store[key] = value
        before, number = checksum, named_number
        at = -(-end // block_bytes) * block_bytes
    return number, store


# ---------------------------------------------------------------- the workload

class Random:
    def __init__(self, seed):
        self.state = seed & MASK

    def next(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & MASK
        return self.state >> 33


def work(seed, number):
    """The operations of a commit."""
    random = Random(seed * 1000003 + number)
    random.next()
    for _ in range(1 + random.next() % 6):
        key = f"key{random.next() % 60}"
        deletes = random.next() % 5 == 0
        length = random.next() % 400
        value = "".join(chr(ord("a") + random.next() % 26) for _ in range(length))
        yield key, None if deletes else value


@functools.cache
def states(seed, n_commits):
    """What the store holds after each number of commits."""
    found, store = [{}], {}
    for number in range(1, n_commits + 1):
        for key, value in work(seed, number):
            if value is None:
                store.pop(key, None)
            else:
                store[key] = value
        found.append(dict(store))
    return found
