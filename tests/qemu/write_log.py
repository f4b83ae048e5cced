# SPDX-License-Identifier: BSD-2-Clause
"""Reads what QEMU's `blklogwrites` has logged, and rebuilds the disk as a power cut at any moment may have left it.

The log has the format of Linux' dm-log-writes: sector 0 says so and counts the entries as of the last flush; then each
entry has a sector that says what it is, and the data written behind it. QEMU logs an entry once the command has been
carried out, before the guest hears of it. So what the guest was told has ended is in the log, and a write that stands
before a flush there had ended when the flush did.

(QEMU 7.2 mixes up the log if other commands are in flight while write zeroes is: let it run alone.)
"""
import dataclasses
import struct

import numpy

import images
from harness import Disk

SECTOR_BYTES = 512
MAGIC, VERSION = 0x6A736677736872, 1
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8


@dataclasses.dataclass
class Entry:
    """One command. data: the bytes written, b"" of a flush, None of a discard."""
    sector: int
    n_sectors: int
    flush: bool
    data: object


def logged_disk(folder, n_bytes, **disk):
    """An empty disk in folder/disk.raw whose log is folder/log.raw; the rest is harness.Disk's. The files' own flushes
    are left out: it is not the host whose power is cut."""
    path, log = images.sparse(folder / "disk.raw", n_bytes), images.sparse(folder / "log.raw", 0)
    no_flush = {"no-flush": True}
    nodes = [{"driver": "file", "node-name": "file0", "filename": str(path), "discard": "unmap", "cache": no_flush},
             {"driver": "raw", "node-name": "raw0", "file": "file0", "discard": "unmap"},
             {"driver": "file", "node-name": "log0", "filename": str(log), "cache": no_flush},
             {"driver": "blklogwrites", "node-name": "logged0", "file": "raw0", "log": "log0", "discard": "unmap"},
             # Where a write is to be durable at once QEMU flushes behind it, from the topmost node: a flush of the node
             # that the write has not left yet would be left out.
             {"driver": "raw", "node-name": "top0", "file": "logged0", "discard": "unmap"}]
    return Disk(path, blockdev=nodes, **disk)


def read_log(path):
    """All entries, also those after the last flush."""
    log = path.read_bytes()
    magic, version, n_entries, sector_bytes = struct.unpack_from("<QQQI", log)
    assert (magic, version, sector_bytes) == (MAGIC, VERSION, SECTOR_BYTES), "not a log of writes"
    entries, at = [], SECTOR_BYTES
    while at < len(log):
        sector, n_sectors, flags, _ = struct.unpack_from("<QQQQ", log, at)
        assert flags & ~(FLUSH | FUA | DISCARD | MARK) == 0, f"no entry of the log at its byte {at}"
        at += SECTOR_BYTES
        data = None if flags & DISCARD else log[at:at + n_sectors * SECTOR_BYTES]
        at += len(data or b"")
        entries.append(Entry(sector, n_sectors, bool(flags & FLUSH), data))
    assert at == len(log) and len(entries) >= n_entries, "the log is cut off"
    return entries


class Replay:
    """A disk of bytes, in sectors. What is discarded becomes zeroes, as it does in the host's files."""

    def __init__(self, n_bytes):
        self.sectors = numpy.zeros((n_bytes // SECTOR_BYTES, SECTOR_BYTES), dtype=numpy.uint8)

    def apply(self, entry, n_sectors=None):
        """Carries an entry out, or the first n_sectors of it."""
        n = entry.n_sectors if n_sectors is None else n_sectors
        data = bytes(n * SECTOR_BYTES) if entry.data is None else entry.data[:n * SECTOR_BYTES]
        self.sectors[entry.sector:entry.sector + n] = numpy.frombuffer(data, numpy.uint8).reshape(n, SECTOR_BYTES)

    def undo_later(self, entry):
        """What apply(entry) would change, for undo()."""
        part = slice(entry.sector, entry.sector + entry.n_sectors)
        return part, self.sectors[part].copy()

    def undo(self, changes):
        for part, before in reversed(changes):
            self.sectors[part] = before


def disks_after_cuts(entries, n_bytes, cuts, random):
    """For each cut, ascending numbers of entries that had been carried out: the number, and a disk as it may be then.
    All up to the last flush is there; of what came after it any part, each command wholly, up to some sector, or not at
    all. Every other disk has nothing of it. The disk is the generator's own and changes with the next one."""
    replay = Replay(n_bytes)
    n_safe = 0
    for nth, cut in enumerate(cuts):
        last_flush = max((i for i in range(n_safe, cut) if entries[i].flush), default=n_safe - 1)
        for entry in entries[n_safe:last_flush + 1]:
            replay.apply(entry)
        n_safe = last_flush + 1
        changes = []
        for entry in entries[n_safe:cut] if nth % 2 else ():
            outcome = random.choice(("all", "some", "none"))
            if outcome != "none":
                changes.append(replay.undo_later(entry))
                replay.apply(entry, random.randrange(entry.n_sectors + 1) if outcome == "some" else None)
        yield cut, replay
        replay.undo(changes)
