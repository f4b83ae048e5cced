# SPDX-License-Identifier: BSD-2-Clause
"""The disks of the QEMU matrix: blocks, sizes, limits, and what may lie behind a disk on the host. matrix.py runs them.

matrix_disks.txt has every three values of different columns together that can be. Each row is one disk, and

1. `lsblk`, and QEMU's own list of negotiated features, say what the row says;
2. SHA-256 in the guest of all that has content is that of the host, before and after;
3. writes at any byte, discards and zeroes, each up to the device's limits and in the number of commands that these ask
   for; data in more pieces of memory than a command takes; more at once than the queue has room for;
4. what a read-only disk refuses, and any disk beyond its end;
5. one sector of a `blkdebug` disk can't be read nor written: that is told of its block and of no other;
6. on the host qemu-img (and cmp, where the disk is short) finds what was written, where it was, and no other byte
   changed, to the end of 8 TiB; a disk without contents, null-co, reads as zeroes.
"""
import collections
import pathlib
import tempfile

import images
import pattern
from harness import Disk, Machine
from images import KiB, MiB, TiB
from matrix_table import GUEST_DEADLINE_S, Table

SECTOR_BYTES = 512
UNIT = 64 * KiB         # largest block of the table, and what qcow2 and the limits are aligned to
WINDOW_BYTES = 16 * UNIT
MOST_SEGMENTS = 254     # as the kernel is told
SEGMENTS_BYTES = 2 * UNIT
LIMITED_DISCARD, LIMITED_ZEROES = 128, 24  # sectors
UNLIMITED = 4194303                        # of QEMU, in sectors
THROTTLED_IOPS = 2000
MEMORY_MIB = 256

COLUMNS = {
    "block": {"512": (512, 512), "512-of-4096": (512, 4096), "4096": (4096, 4096), "64k": (UNIT, UNIT)},
    "backend": ("raw", "qcow2", "null", "throttled", "blkdebug"),
    # "1M+512" ends amid a block: what is cut off can't be reached.
    "size": ("0", "1-block", "1M", "1M+512", "8T"),
    # The queue's size, and QEMU's seg_max: two less; or 126 whatever the size is, as it was before QEMU 5.0.
    "queue": {**{str(n): (n, n - 2) for n in (4, 8, 128, 256, 1024)}, "4/126": (4, 126), "1024/126": (1024, 126)},
    # "-chains": without indirect descriptors
    "ring": ("split", "packed", "split-chains", "packed-chains"),
    "access": ("rw", "ro"),
    "cache": {"back": "on", "through": "off"},
    "discard": ("on", "off", "limited"),
    "zeroes": ("on", "off", "limited"),
}

Row = collections.namedtuple("Row", COLUMNS)

IMPOSSIBLE = [("1M+512: blocks of 512 bytes are not cut",
               lambda row: row.size == "1M+512" and row.block.startswith("512"))]


def ceil_div(a, b):
    return -(-a // b)


class Case:
    """A row on its way through a guest: its disk, what it holds on the host, the commands and what they must do."""

    tries = 1  # before an error is told

    def __init__(self, row, number, folder):
        self.row, self.number, self.folder = row, number, folder
        self.block, self.physical = COLUMNS["block"][row.block]
        self.n_bytes = {"0": 0, "1-block": self.block, "1M": MiB, "1M+512": MiB + 512, "8T": 8 * TiB}[row.size]
        self.end = self.n_bytes // self.block * self.block  # for the guest
        self.queue_size, self.seg_max = COLUMNS["queue"][row.queue]
        self.n_segments = min(self.seg_max, self.queue_size - 2, MOST_SEGMENTS)
        self.bad = self.bad_block()
        self.serial = f"ROW-{number}"
        self.name = f"serial={self.serial}"
        self.seed = 1000 * (number + 1)
        self.n_errors = 0
        self.sums = []   # at the end: range and what the guest said of it
        self.areas = []  # where `bench` wrote: offset, length, length of a block, run
        self.machine = None
        self.make_files()

    # ------------------------------------------------------------ on the host

    def windows(self):
        """Where there is something, and where work is done. Of 8 TiB: around 2**32 sectors, and the end."""
        if self.row.size != "8T":
            return [(0, self.n_bytes)] if self.n_bytes else []
        return [(2 * TiB - WINDOW_BYTES // 2, WINDOW_BYTES), (8 * TiB - WINDOW_BYTES, WINDOW_BYTES)]

    def bad_block(self):
        """Offset of the block that can't be read or written, or None."""
        if self.row.backend != "blkdebug" or self.n_bytes == 0:
            return None
        return self.windows()[-1][0] + (14 * UNIT + 8 * KiB) // self.block * self.block if self.n_bytes > UNIT else 0

    def make_files(self):
        """What the disk should hold, always raw; and, if it has contents, an image that holds it now."""
        self.expected = images.sparse(self.folder / f"{self.number}.expected", self.n_bytes)
        self.image = self.folder / f"{self.number}.{'qcow2' if self.row.backend == 'qcow2' else 'raw'}"
        if self.row.backend == "null":
            return
        for offset, n_bytes in self.windows():
            self.put(offset, images.random_bytes(n_bytes, f"{' '.join(self.row)} {offset}"))
        if self.row.backend == "qcow2":
            images.run_tool("qemu-img", "convert", "-f", "raw", "-O", "qcow2", self.expected, self.image)
        else:
            images.run_tool("cp", "--sparse=always", self.expected, self.image)

    def put(self, offset, data):
        """The disk should hold these data now."""
        if self.row.backend != "null":
            with open(self.expected, "r+b") as file:
                file.seek(offset)
                file.write(data)

    def nodes(self):
        """QEMU's block nodes, the topmost last."""
        def node(driver, name, **options):
            return {"driver": driver, "node-name": f"{name}{self.number}", "read-only": self.row.access == "ro",
                    "discard": "unmap", **options}
        if self.row.backend == "null":
            return [node("null-co", "null", size=self.n_bytes, **{"read-zeroes": True})]
        # Flushes of the host's own disk are left out: nothing here depends on them, and they take their time.
        file = node("file", "file", filename=str(self.image), cache={"no-flush": True})
        middle = []
        if self.row.backend == "throttled":
            middle = [node("throttle", "slow", file=file["node-name"], **{"throttle-group": f"group{self.number}"})]
        elif self.row.backend == "blkdebug":
            rules = [{"event": "none", "iotype": kind, "errno": 5, "sector": self.bad // SECTOR_BYTES}
                     for kind in ("read", "write") if self.bad is not None]
            middle = [node("blkdebug", "debug", image=file["node-name"], **({"inject-error": rules} if rules else {}))]
        top = node("qcow2" if self.row.backend == "qcow2" else "raw", "top", file=[file, *middle][-1]["node-name"])
        return [file, *middle, top]

    def objects(self):
        return [f"throttle-group,id=group{self.number},x-iops-total={THROTTLED_IOPS}"
                ] if self.row.backend == "throttled" else []

    def disk(self):
        ring, _, chains = self.row.ring.partition("-")
        properties = {"logical_block_size": self.block, "physical_block_size": self.physical,
                      "queue-size": self.queue_size, "seg-max-adjust": "off" if "/" in self.row.queue else "on",
                      "write-cache": COLUMNS["cache"][self.row.cache], "packed": "on" if ring == "packed" else "off",
                      "indirect_desc": "off" if chains else "on",
                      "discard": "off" if self.row.discard == "off" else "on",
                      "write-zeroes": "off" if self.row.zeroes == "off" else "on",
                      # Merged by QEMU, neighbours of the bad sector would fail with it.
                      "request-merging": "off", "rerror": "report", "werror": "report"}
        if self.row.discard == "limited":
            properties |= {"max-discard-sectors": LIMITED_DISCARD, "discard_granularity": UNIT}
        if self.row.zeroes == "limited":
            properties |= {"max-write-zeroes-sectors": LIMITED_ZEROES}
        return Disk(self.image, blockdev=self.nodes(), serial=self.serial, properties=properties)

    # ------------------------------------------------------------ what lsblk must say

    def range_limits(self, kind):
        """Of discards or zeroes, as lsblk lists them; None if the device can't, or not even one block at once."""
        word = getattr(self.row, kind)
        sectors = {"on": UNLIMITED, "limited": LIMITED_DISCARD if kind == "discard" else LIMITED_ZEROES, "off": 0}[word]
        most = sectors * SECTOR_BYTES // self.block * self.block
        alignment = 0 if kind == "zeroes" else UNIT if word == "limited" else self.block
        return {"max_bytes": most, "ranges": 1, "alignment": alignment} if most else None

    def depth(self):
        """Commands of one piece of memory that the queue has room for."""
        return self.queue_size // 3 if self.row.ring.endswith("-chains") else self.queue_size

    def n_commands(self, kind, n_bytes):
        """How many it takes for a range that is aligned."""
        return ceil_div(n_bytes, self.range_limits(kind)["max_bytes"])

    def listed(self, ring):
        return {"bytes": self.end, "logical_block": self.block, "physical_block": self.physical,
                "ro": self.row.access == "ro", "cache": f"write{self.row.cache}", "ring": ring,
                "depth": self.depth(), "max_segments": self.n_segments,
                "discard": self.range_limits("discard"), "write_zeroes": self.range_limits("zeroes"), "broken": False}

    def features(self, ring, chains):
        return {"RO": self.row.access == "ro", "DISCARD": self.row.discard != "off",
                "WRITE_ZEROES": self.row.zeroes != "off", "RING_PACKED": ring == "packed", "INDIRECT_DESC": not chains,
                "FLUSH": True, "SEG_MAX": True, "BLK_SIZE": True, "TOPOLOGY": True, "CONFIG_WCE": True}

    def negotiated(self):
        """As QEMU has it."""
        return self.machine.negotiated_features(self.number)

    def check_listed(self):
        ring, _, chains = self.row.ring.partition("-")
        wanted = self.listed(ring)
        listed = self.ok("lsblk").one("lsblk")
        found = {name: listed.get(name) for name in wanted}
        assert found == wanted, f"lsblk: {found}, not {wanted}"
        features = self.features(ring, chains)
        qemus = {name.split("_F_", 1)[1] for name in self.negotiated()}
        for source, names in (("lsblk", set(listed["features"])), ("QEMU", qemus)):
            found = {name: name in names for name in features}
            assert found == features, f"{source}: negotiated is {found}, not {features}"

    # ------------------------------------------------------------ commands

    def ok(self, line):
        """Has the guest do it: `sum 0 512` is about this disk. What it said."""
        command, *words = line.split()
        result = self.machine.command(" ".join([command, self.name, *words, "json=1"]), GUEST_DEADLINE_S)
        assert not result.errors, f"{line}: {result.errors}"
        return result

    def fails(self, line, error, offset=None):
        command, *words = line.split()
        found = self.machine.command(" ".join([command, self.name, *words, "json=1"]), GUEST_DEADLINE_S).error(command)
        assert found["error"] == error, f"{line}: {found}, not {error}"
        assert offset is None or found["offset"] == offset, f"{line}: {found}, not at {offset}"
        self.n_errors += error == "io"

    def stats(self):
        return self.ok("stats").one("stats")

    def counted(self, name, line):
        """How many commands of a kind it takes."""
        before = self.stats()[name]
        result = self.ok(line)
        return self.stats()[name] - before, result

    def readable(self):
        """Ranges that have content and can be read."""
        for offset, n_bytes in self.windows():
            end = min(offset + n_bytes, self.end)
            if self.bad is None or not offset <= self.bad < end:
                yield offset, end - offset
            else:
                yield offset, self.bad - offset
                yield self.bad + self.block, end - self.bad - self.block

    def read_all(self):
        """What the guest says of every range."""
        return [(offset, n_bytes, self.ok(f"sum {offset} {n_bytes}").one("sum")["sha256"])
                for offset, n_bytes in self.readable()]

    def check_sums(self, sums):
        for offset, n_bytes, digest in sums:
            wanted = images.sha256(self.expected, offset, n_bytes)
            assert digest == wanted, f"SHA-256 of {n_bytes} bytes from {offset}: {digest} here, {wanted} on the host"

    # ------------------------------------------------------------ what is done

    def work(self, machine):
        """Has the guest do it all."""
        self.machine = machine
        self.check_listed()
        self.n_errors += self.bad == 0  # lsblk has looked for a partition table there
        self.check_sums(self.read_all())
        self.check_end()
        if self.bad is not None:
            self.fails(f"sum {self.bad} {self.block}", "io", self.bad)
        if self.row.access == "ro":
            self.check_read_only()
        elif self.end > UNIT:
            for offset, n_bytes in self.windows():
                self.write_window(offset, min(n_bytes, self.end - offset))
        elif self.end:
            self.write_block()
        self.sums = self.read_all()
        stats = self.stats()
        found = [stats[name] for name in ("errors", "timeouts", "rescues")]
        assert found == [self.n_errors * self.tries, 0, 0], \
            f"errors, time-outs, rescues are {found}, but {self.n_errors} were told, each after {self.tries} tries"

    def check_end(self):
        """Nothing is reached beyond the last whole block."""
        for line in (f"read {self.end} 1", f"read {max(self.end - 1, 0)} 2", f"write {self.end} 00"):
            self.fails(line, "range")

    def check_read_only(self):
        if self.end == 0:
            return
        for line in (f"fill 0 {self.block}", "write 1 00", f"zero 0 {self.block}"):
            self.fails(line, "read_only")
        self.fails(f"discard 0 {self.block}", "read_only" if self.range_limits("discard") else "unsupported")

    def fill(self, offset, n_bytes):
        self.seed += 1
        self.ok(f"fill {offset} {n_bytes} seed={self.seed}")
        self.put(offset, pattern.pattern(offset, n_bytes, self.seed))

    def write(self, offset, data):
        self.ok(f"write {offset} {data.hex()}")
        self.put(offset, data)

    def discard(self, offset, n_bytes):
        """What is discarded in wholes of what the host keeps apart is zeroes there."""
        if self.range_limits("discard") is None:
            self.fails(f"discard {offset} {n_bytes}", "unsupported")
            return
        n, _ = self.counted("discards", f"discard {offset} {n_bytes}")
        assert n == self.n_commands("discard", n_bytes), f"{n_bytes} bytes discarded by {n} commands"
        self.put(offset, bytes(n_bytes))

    def zero(self, offset, n_bytes):
        n, result = self.counted("zeroes", f"zero {offset} {n_bytes}")
        whole = max((offset + n_bytes) // self.block - ceil_div(offset, self.block), 0) * self.block
        by_command = self.range_limits("zeroes") is not None
        assert result.one("zero")["by"] == ("write_zeroes" if by_command else "write")
        wanted = self.n_commands("zeroes", whole) if by_command else 0
        assert n == wanted, f"{n_bytes} bytes from {offset} zeroed by {n} commands, not {wanted}"
        self.put(offset, bytes(n_bytes))

    def bench(self, offset, n_bytes, bs, depth, n_ios, more=""):
        """Each block then tells which write it is; null-co forgets it. Returns how many commands wrote."""
        run = 1 + len(self.areas)
        verify = f"verify=1 seed={run} {more}" if self.row.backend != "null" else f"seed={run}"
        n, result = self.counted("writes", f"bench rw=randwrite offset={offset} size={n_bytes} bs={bs} iodepth={depth} "
                                           f"number_ios={n_ios} {verify}")
        bench = result.one("bench")
        assert (bench["ios"], bench["errors"]) == (n_ios, 0), bench
        self.areas.append((offset, n_bytes, bs, run))
        return n

    def in_pieces(self, offset, n_bytes, bs, depth, n_ios):
        """Data in more pieces than a command takes, if blocks allow for so many: a command for every n_segments."""
        n_pieces = min(self.n_segments + 3, bs // self.block) if bs > self.block else min(self.n_segments, 5)
        n = self.bench(offset, n_bytes, bs, depth, n_ios, f"segments={n_pieces}")
        if self.row.backend == "null":
            return
        fits = n_pieces <= self.n_segments
        assert (n == n_ios) if fits else (n >= n_ios * ceil_div(n_pieces, self.n_segments)), \
            f"{n_ios} writes in {n_pieces} pieces, {self.n_segments} to a command, by {n} commands"

    def write_window(self, start, n_bytes):
        """Blocks are whole units at most, so what begins with one can be discarded."""
        self.fill(start + 513, 100_001)
        self.discard(start + 3 * UNIT, 2 * UNIT)
        self.zero(start + 5 * UNIT + 700, 2 * UNIT - 1000)
        self.write(start + 7 * UNIT + 4095, bytes.fromhex("a1b2c3d4e5"))
        self.in_pieces(start + 8 * UNIT, 2 * SEGMENTS_BYTES, SEGMENTS_BYTES, min(2, self.depth()), 5)
        bs = max(self.block, 4096)
        self.bench(start + 12 * UNIT, 2 * UNIT, bs, min(32, self.depth(), 2 * UNIT // bs), 80)
        if self.bad is not None and start <= self.bad < start + n_bytes:
            self.fails(f"fill {self.bad} {self.block}", "io", self.bad)
            self.fails(f"write {self.bad + 1} 00", "io")
        self.fill(start + n_bytes - 1000, 1000)

    def write_block(self):
        """All there is."""
        if self.bad is not None:
            self.fails(f"fill 0 {self.block}", "io", 0)
            return
        self.in_pieces(0, self.block, self.block, 1, 3)
        self.areas.clear()  # written over by what follows
        if self.range_limits("discard"):
            self.ok(f"discard 0 {self.block}")  # may be less than the host keeps apart
        self.fill(0, self.block)
        self.zero(1, self.block - 2)
        self.write(self.block // 2 + 1, b"\x12\x34\x56")

    # ------------------------------------------------------------ on the host, afterwards

    def check_host(self):
        """Once QEMU has ended: the image against what it should hold, by tools that know nothing of us."""
        if self.row.backend == "null":
            self.check_sums(self.sums)
            return
        flat = self.image
        if self.row.backend == "qcow2":
            images.run_tool("qemu-img", "check", "-f", "qcow2", self.image)
            flat = self.folder / f"{self.number}.flat"
            images.run_tool("qemu-img", "convert", "-f", "qcow2", "-O", "raw", self.image, flat)
        self.take_areas(flat)
        if self.n_bytes < 8 * TiB:
            images.run_tool("cmp", self.expected, flat)
        images.run_tool("qemu-img", "compare", "-f", "raw", "-F", self.image.suffix[1:], self.expected, self.image)
        self.check_sums(self.sums)

    def take_areas(self, flat):
        """The guest chose which write of a block was the last. It must be one of this run, and wholly there."""
        for offset, n_bytes, bs, run in self.areas:
            for at in range(offset, offset + n_bytes, bs):
                data = images.read_range(flat, at, bs)
                if data == images.read_range(self.expected, at, bs):
                    continue  # by chance not written
                seed = pattern.seed_of(data, at)
                right = seed >> 48 == run and data == pattern.pattern(at, bs, seed)
                assert right, f"the block at {at} is none that was written"
                self.put(at, data)


# ---------------------------------------------------------------- one guest

OPTIONS = f"vstor.queue_size=1024 vstor.segments={MOST_SEGMENTS}"


def run_cases(cases):
    """Runs a guest with the cases' disks to its end. What went wrong, by row."""
    wrong, objects = {}, [one for case in cases for one in case.objects()]
    with Machine(OPTIONS, disks=[case.disk() for case in cases], objects=objects, memory_mib=MEMORY_MIB) as machine:
        machine.wait_for_prompt(GUEST_DEADLINE_S)
        for case in cases:
            try:
                case.work(machine)
            except (AssertionError, KeyError) as error:
                wrong[case.row] = f"{type(error).__name__}: {error}\n{machine.describe()}"
        machine.send("exit 3\r")
        machine.wait(GUEST_DEADLINE_S).expect_status(3)
    return wrong


def run_guest(rows, make=Case):
    with tempfile.TemporaryDirectory(prefix="vstor-matrix-") as name:
        cases = [make(row, number, pathlib.Path(name)) for number, row in enumerate(rows)]
        try:
            wrong = run_cases(cases)
        except (AssertionError, OSError) as error:
            return dict.fromkeys(rows, str(error))
        for case in cases:
            try:
                if case.row not in wrong:
                    case.check_host()
            except (AssertionError, RuntimeError) as error:
                wrong[case.row] = f"{type(error).__name__}: {error}"
        return wrong


def guest_words(rows):
    """What is among the rows, for people."""
    return ["+".join(dict.fromkeys(getattr(row, name) for row in rows)) for name in ("backend", "size")]


TABLE = Table(pathlib.Path(__file__).with_suffix(".txt"), COLUMNS, Row, IMPOSSIBLE,
              heading=["The disks of the QEMU matrix. Written by matrix.py --write; matrix_disks.py tells the words.",
                       "Every three values of different columns stand in some row, but for what is impossible:"],
              guest=lambda row: "any", run_guest=run_guest, words=guest_words, summary=(("backend", "size"), "block"),
              strength=3)
