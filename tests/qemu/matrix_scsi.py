# SPDX-License-Identifier: BSD-2-Clause
"""The SCSI disks of the QEMU matrix: matrix_disks.py's work on a unit behind an adapter of its own. matrix.py runs them.

What is told and how ranges are cut is the unit's; rings, segments, the most of data and of commands at a time are the
adapter's: "narrow" takes 32 KiB and three commands. A unit without blocks is none: sizes begin with one block.
"""
import collections
import pathlib

import matrix_disks
from harness import Disk
from images import KiB, MiB
from matrix_disks import SEGMENTS_BYTES, UNIT, ceil_div
from matrix_table import Table

MOST_COMMANDS = 128                       # of QEMU, to a unit, if it is not told otherwise
DISCARD_BYTES, SAME_BYTES = 1024 * MiB, 256 * MiB  # QEMU's for UNMAP, and ours for WRITE SAME, of which it says nothing
NARROW_BYTES, NARROW_COMMANDS = 32 * KiB, 3

COLUMNS = {
    **{name: matrix_disks.COLUMNS[name] for name in ("block", "backend", "size", "queue", "ring", "access", "cache")},
    "block": ("512", "512-of-4096", "4096"),
    "size": ("1-block", "1M", "8T"),
    "queue": ("8", "128", "1024", "1024/126"),
    "discard": ("on", "off", "limited"),
    "host": ("wide", "narrow"),
}

Row = collections.namedtuple("Row", COLUMNS)


class Case(matrix_disks.Case):
    """A row on its way through a guest. The host's errors come as ABORTED COMMAND, which is given again three times."""

    tries = 4

    def disk(self):
        ring, _, chains = self.row.ring.partition("-")
        narrow = {"max_sectors": NARROW_BYTES // 512, "cmd_per_lun": NARROW_COMMANDS} if self.row.host == "narrow" else {}
        adapter = {"id": f"host{self.number}", "virtqueue_size": self.queue_size,
                   "seg_max_adjust": "off" if "/" in self.row.queue else "on", "packed": "on" if ring == "packed" else "off",
                   "indirect_desc": "off" if chains else "on", **narrow}
        properties = {"logical_block_size": self.block, "physical_block_size": self.physical,
                      "write-cache": matrix_disks.COLUMNS["cache"][self.row.cache], "rerror": "report", "werror": "report",
                      **{"on": {}, "off": {"discard_granularity": 0},
                         "limited": {"discard_granularity": UNIT, "max_unmap_size": UNIT}}[self.row.discard]}
        words = "".join(f",{name}={value}" for name, value in adapter.items())
        return Disk(self.image, blockdev=self.nodes(), serial=self.serial, properties=properties, device="scsi-hd",
                    before=["-device", f"virtio-scsi-pci,disable-legacy=on{words}"], bus=f"host{self.number}.0")

    def range_limits(self, kind):
        if kind == "zeroes":
            return {"max_bytes": SAME_BYTES, "ranges": 1, "alignment": 0}
        return {"on": {"max_bytes": DISCARD_BYTES, "ranges": 63, "alignment": 4 * KiB}, "off": None,
                "limited": {"max_bytes": UNIT, "ranges": 63, "alignment": UNIT}}[self.row.discard]

    def depth(self):
        return min(super().depth(), NARROW_COMMANDS if self.row.host == "narrow" else MOST_COMMANDS)

    def listed(self, ring):
        return {"driver": "virtio-scsi", "discard": self.range_limits("discard"),
                "write_zeroes": self.range_limits("zeroes"), "bytes": self.end, "logical_block": self.block,
                "physical_block": self.physical, "ro": self.row.access == "ro", "cache": f"write{self.row.cache}",
                "ring": ring, "depth": self.depth(), "max_segments": self.n_segments, "broken": False}

    def features(self, ring, chains):
        return {"RING_PACKED": ring == "packed", "INDIRECT_DESC": not chains, "HOTPLUG": True, "CHANGE": True}

    def negotiated(self):
        return self.machine.negotiated_features(self.number, name="host")

    def in_pieces(self, offset, n_bytes, bs, depth, n_ios):
        """As of any disk; data may be more than a command takes, too."""
        n_pieces = min(self.n_segments + 3, bs // self.block) if bs > self.block else min(self.n_segments, 5)
        n = self.bench(offset, n_bytes, bs, depth, n_ios, f"segments={n_pieces}")
        if self.row.backend == "null":
            return
        most = NARROW_BYTES if self.row.host == "narrow" else SEGMENTS_BYTES
        n_least = max(ceil_div(n_pieces, self.n_segments), ceil_div(bs, most))
        assert (n == n_ios) if n_least == 1 else (n >= n_ios * n_least), \
            f"{n_ios} writes of {bs} bytes in {n_pieces} pieces, {self.n_segments} and {most} to a command, by {n} commands"


def run_guest(rows):
    return matrix_disks.run_guest(rows, Case)


TABLE = Table(pathlib.Path(__file__).with_suffix(".txt"), COLUMNS, Row, [],
              heading=["The SCSI disks of the QEMU matrix. Written by matrix.py --write; matrix_scsi.py tells the words.",
                       "Every three values of different columns stand in some row."],
              guest=lambda row: "any", run_guest=run_guest, words=matrix_disks.guest_words,
              summary=(("backend", "size"), "block"), strength=3)
