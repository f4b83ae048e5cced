#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make matrix`: every combination of matrix.txt, and every row of matrix_disks.txt and matrix_scsi.txt, on a guest, its
data checked end to end.

    matrix.py [COLUMN=VALUE ...]    runs the rows that have these values (all without any), e.g. irq=msix* machine=pc;
                                    of all tables that have the columns
    matrix.py --cover ...           runs of these the ones that `make test` runs
    matrix.py --list ...            prints rows instead of running them
    matrix.py --write               writes the files anew from the columns

This is about the ways to a disk, matrix.txt; matrix_disks.py and matrix_scsi.py are about the disks, matrix_table.py
about tables.
A row of matrix.txt is one disk, SCSI disks with an adapter of their own. What each value asks of QEMU and of the kernel, and what must then be found, says its
Part below. To add a column: give COLUMNS a name with its values' Parts, say in IMPOSSIBLE what can't be had together,
`--write`, and read the difference. Nothing else knows the columns, but that check_interrupts counts queues.

Rows that ask the same of machine and kernel share a guest as several disks. In every guest, for every disk:
1. `lsblk`, QEMU's own list of negotiated features, and where they tell QEMU's trace, agree with the row;
2. SHA-256 in the guest is that of the host; `fill` by each queue alone, across the edges of blocks, is the host's
   pattern; `verify` by another queue than wrote it agrees;
3. all queues write at once, each from its own CPU, and each block is what one of them wrote;
4. no other byte has changed on the host, and the guest sees the same in the end;
5. no error, no time-out, no doorbell rung twice; interrupts where they should be and nowhere else.
"""
import argparse
import collections
import dataclasses
import fnmatch
import hashlib
import multiprocessing
import os
import pathlib
import sys
import tempfile
import time

import images
import matrix_disks
import matrix_scsi
import pattern
from harness import KERNEL_PVH, Disk, Machine
from images import KiB, MiB
from matrix_table import GUEST_DEADLINE_S, Table

N_CPUS = 4
DISK_BYTES = MiB


# ---------------------------------------------------------------- what the values of the columns mean

@dataclasses.dataclass(frozen=True)
class Part:
    """What a value contributes. The Parts of a row are put together; no two of them say the same thing."""
    machine: str = ""  # QEMU's machine; ends in options
    options: str = ""  # the kernel's
    extra: tuple = ()  # arguments of QEMU
    device: str = ""
    properties: dict = dataclasses.field(default_factory=dict)  # of the device
    listed: dict = dataclasses.field(default_factory=dict)      # members of lsblk's record
    features: dict = dataclasses.field(default_factory=dict)    # name: whether negotiated
    traced: dict = dataclasses.field(default_factory=dict)      # event of QEMU's trace: whether it occurs
    n_interrupted_cpus: int = 0  # interrupts of queue k reach CPU k, or CPU 0 if there are no more than k

    def __add__(self, other):
        both = {}
        for field in dataclasses.fields(self):
            mine, others = getattr(self, field.name), getattr(other, field.name)
            if isinstance(mine, dict):
                assert not mine.keys() & others.keys(), f"{field.name}: {mine} and {others}"
                both[field.name] = {**mine, **others}
            elif field.name == "options":
                both[field.name] = f"{mine} {others}".strip()
            elif field.name == "extra":
                both[field.name] = mine + others
            else:
                assert not (mine and others), f"{field.name}: {mine} and {others}"
                both[field.name] = mine or others
        return Part(**both)

    def guest(self):
        """Rows that agree in this can share a guest."""
        return self.machine, self.options, self.extra, tuple(sorted(self.traced.items()))


# DEVICE is blk, or scsi: an adapter of its own for each disk.
MODERN = "virtio-DEVICE-pci,disable-legacy=on"
TRANSITIONAL = "virtio-DEVICE-pci,disable-legacy=off"
LEGACY = "virtio-DEVICE-pci,disable-modern=on,disable-legacy=off"
MMIO = "virtio-DEVICE-device"


def transport(name, device, legacy=False, **others):
    return Part(device=device, listed={"transport": name}, features={"VERSION_1": not legacy}, **others)


def feature(name, property_name):
    """A feature that the device offers or not; what we refuse of what is offered, test_features.py does."""
    return {word: Part(properties={property_name: word}, features={name: word == "on"}) for word in ("on", "off")}


def ring(name):
    packed = name == "packed"
    return Part(properties={"packed": "on" if packed else "off"}, listed={"ring": name},
                features={"RING_PACKED": packed})


def irq(asked, got, n_interrupted_cpus, **properties):
    return Part(options=f"vstor.irq={asked}", listed={"irq": got}, n_interrupted_cpus=n_interrupted_cpus,
                properties=properties)


def queues(n):
    return Part(properties={"num-queues": n}, listed={"queues": n}, features={"MQ": n > 1})


def scsi(part):
    """What a Part is where the device is an adapter: its properties have other names, and it has queues without MQ."""
    return dataclasses.replace(part, properties={name.replace("num-", "num_"): value for name, value in part.properties.items()},
                               features={name: value for name, value in part.features.items() if name != "MQ"})


COLUMNS = {
    "device": {
        "blk": Part(listed={"driver": "virtio-blk"}),
        "scsi": Part(listed={"driver": "virtio-scsi"}),
    },
    "machine": {
        "pc": Part(machine="pc"),
        "q35": Part(machine="q35"),
        "microvm": Part(machine="microvm,acpi=on"),
    },
    "transport": {
        "modern": transport("virtio-pci", MODERN),
        "page-per-vq": transport("virtio-pci", MODERN, properties={"page-per-vq": "on"}),
        # Without ioeventfd QEMU's trace tells which doorbell was rung.
        "pio-notify": transport("virtio-pci", MODERN, properties={"modern-pio-notify": "on", "ioeventfd": "off"},
                                options="vstor.notify=pio",
                                traced={"virtio_pci_notify_write_pio": True, "virtio_pci_notify_write": False}),
        "window": transport("virtio-pci-cfg", MODERN, options="vstor.transport=pci-cfg"),
        "transitional": transport("virtio-pci-legacy", TRANSITIONAL, legacy=True, options="vstor.transport=legacy"),
        "legacy": transport("virtio-pci-legacy", LEGACY, legacy=True),
        "mmio1": transport("virtio-mmio-1", MMIO, legacy=True),
        "mmio2": transport("virtio-mmio-2", MMIO, extra=("-global", "virtio-mmio.force-legacy=false")),
    },
    "ring": {name: ring(name) for name in ("split", "packed")},
    "event_idx": feature("EVENT_IDX", "event_idx"),
    "indirect": feature("INDIRECT_DESC", "indirect_desc"),
    "irq": {
        "poll": irq("poll", "poll", 0),
        "intx": irq("intx", "intx", 1),
        "msix": irq("msix", "msix", N_CPUS),
        "msix-of-2": irq("msix", "msix", 2, vectors=2),
        "msix-of-1": irq("msix", "msix", 1, vectors=1),
        "msix-of-0": irq("msix", "intx", 1, vectors=0),
    },
    "queues": {str(n): queues(n) for n in (1, 4)},
}

Row = collections.namedtuple("Row", COLUMNS)

# Why there is no such row, and of which rows that is said.
IMPOSSIBLE = [
    ("microvm: its PCI Express is not handled yet",
     lambda row: row.machine == "microvm" and not row.transport.startswith("mmio")),
    ("virtio-mmio: QEMU has it on microvm only",
     lambda row: row.transport.startswith("mmio") and row.machine != "microvm"),
    ("packed rings: a feature above bit 31, which legacy interfaces do not reach",
     lambda row: row.ring == "packed" and row.transport in ("transitional", "legacy", "mmio1")),
    ("virtio-mmio: has no MSI-X, and the kernel does not know which line is whose",
     lambda row: row.transport.startswith("mmio") and row.irq != "poll"),
    ("window: interrupt handlers can't share it, so the line can't be acknowledged",
     lambda row: row.transport == "window" and row.irq in ("intx", "msix-of-0")),
    ("window: only one CPU can look through it at a time, so it has one queue",
     lambda row: row.transport == "window" and row.queues != "1"),
    ("two vectors: are not fewer than one queue's",
     lambda row: row.irq == "msix-of-2" and row.queues == "1"),
]


def part_of(row):
    """All that a row asks for."""
    part = Part()
    for values, value in zip(COLUMNS.values(), row):
        part += values[value]
    part = dataclasses.replace(part, device=part.device.replace("DEVICE", row.device))
    return scsi(part) if row.device == "scsi" else part


# ---------------------------------------------------------------- one disk

# Each queue fills a piece that begins and ends amid a block; behind them is the area where all queues write at once.
PIECE_EVERY, PIECE_OFFSET, PIECE_BYTES = 128 * KiB, 513, 100_001
AREA_OFFSET, AREA_BYTES, BLOCK_BYTES, AREA_DEPTH = 640 * KiB, 256 * KiB, 4 * KiB, 8
AREA_IOS = AREA_BYTES // BLOCK_BYTES  # of each queue
SINGLE_IOS = 20
# A disk that answers before a CPU has gone to sleep need not interrupt: so in the end each is slowed down, by a limit
# that lets through a tenth of a second's worth at once. Then some of each queue's requests must wait.
SLOW_IOS_PER_S = 500
SLOW_IOS = SLOW_IOS_PER_S // 10 + 5


class Case:
    """A row on its way through a guest: its disk, its commands, its checks."""

    def __init__(self, row, number, folder):
        self.row, self.number, self.part = row, number, part_of(row)
        self.n_queues = self.part.listed["queues"]
        self.seed = 1000 * (number + 1)
        self.serial = f"ROW-{number}"
        self.name = f"serial={self.serial}"
        self.path = folder / f"{number}.raw"
        self.before = images.random_bytes(DISK_BYTES, " ".join(row))
        self.path.write_bytes(self.before)
        self.disk = self.make_disk(dict(self.part.properties))
        self.negotiated = set()

    def make_disk(self, properties):
        common = {"path": self.path, "writable": True, "serial": self.serial}
        if self.row.device == "blk":
            return Disk(device=self.part.device, properties=properties, **common)
        words = "".join(f",{name}={value}" for name, value in {"id": f"host{self.number}", **properties}.items())
        return Disk(device="scsi-hd", before=["-device", self.part.device + words], bus=f"host{self.number}.0", **common)

    def pieces(self):
        return [(PIECE_EVERY * queue + PIECE_OFFSET, PIECE_BYTES, self.seed + queue) for queue in range(self.n_queues)]

    def commands(self):
        yield f"sum {self.name}"
        for queue, (offset, n_bytes, seed) in enumerate(self.pieces()):
            yield f"fill {self.name} {offset} {n_bytes} seed={seed} queue={queue}"
        for queue, (offset, n_bytes, seed) in enumerate(self.pieces()):
            yield f"verify {self.name} {offset} {n_bytes} seed={seed} queue={(queue + 1) % self.n_queues}"
        yield self.bench("write", AREA_DEPTH, AREA_IOS)
        yield self.bench("randread", 1, SINGLE_IOS)
        yield f"sum {self.name} queue={self.n_queues - 1}"

    def bench(self, mode, depth, n_ios):
        """On all queues, each from its own CPU."""
        return (f"bench {self.name} rw={mode} numjobs={self.n_queues} bs={BLOCK_BYTES} iodepth={depth} "
                f"number_ios={n_ios} offset={AREA_OFFSET} size={AREA_BYTES} seed={self.seed}")

    def work(self, machine):
        """Has the guest do it all."""
        for command in self.commands():
            machine.command(f"{command} json=1", GUEST_DEADLINE_S)
        if self.part.n_interrupted_cpus > 0:
            limit = f"block_set_io_throttle drive{self.number} 0 0 0 {SLOW_IOS_PER_S} 0 0"
            machine.qmp("human-monitor-command", command_line=limit)
            machine.command(f"{self.bench('randread', 1, SLOW_IOS)} json=1", GUEST_DEADLINE_S)

    def look_from_outside(self, machine):
        """Keeps what QEMU holds for negotiated."""
        names = machine.negotiated_features(self.number, "" if self.part.device.endswith("-device") else "/virtio-backend",
                                            "disk" if self.row.device == "blk" else "host")
        self.negotiated = {name.split("_F_", 1)[1] for name in names}

    def check(self, result):
        """Whether the row is what it says, and its data right; raises AssertionError."""
        listed = [record for record in result.of("lsblk") if record["serial"] == self.serial]
        assert len(listed) == 2, f"lsblk lists it {len(listed)} times, not twice"
        mine = [record for record in result.records if record.get("dev") == listed[0]["dev"]]
        errors = [record for record in mine if "error" in record]
        assert not errors, errors
        self.check_shape(listed[0])
        self.check_data([record["sha256"] for record in mine if record["cmd"] == "sum"])
        self.check_benches([record for record in mine if record["cmd"] == "bench"])
        self.check_interrupts(listed[1]["stats"])

    def check_shape(self, listed):
        found = {name: listed[name] for name in self.part.listed}
        assert found == self.part.listed, f"lsblk: {found}, not {self.part.listed}"
        for source, names in (("lsblk", set(listed["features"])), ("QEMU", self.negotiated)):
            found = {name: name in names for name in self.part.features}
            assert found == self.part.features, f"{source}: negotiated is {found}, not {self.part.features}"

    def check_data(self, sums):
        after = self.path.read_bytes()
        expected = bytearray(self.before)
        for offset, n_bytes, seed in self.pieces():
            expected[offset:offset + n_bytes] = pattern.pattern(offset, n_bytes, seed)
        self.check_area(after)
        expected[AREA_OFFSET:AREA_OFFSET + AREA_BYTES] = after[AREA_OFFSET:AREA_OFFSET + AREA_BYTES]
        wrong = pattern.first_difference(after, bytes(expected))
        assert wrong is None, f"byte {wrong} is wrong on the host"
        wanted = [hashlib.sha256(data).hexdigest() for data in (self.before, after)]
        assert sums == wanted, f"SHA-256 before and after: {sums} in the guest, {wanted} on the host"

    def check_area(self, after):
        """`bench` writes from one buffer per request, which it has filled with the pattern of offset 0 on."""
        buffers = pattern.pattern(0, AREA_DEPTH * BLOCK_BYTES, self.seed)
        written = {buffers[at:at + BLOCK_BYTES] for at in range(0, len(buffers), BLOCK_BYTES)}
        for at in range(AREA_OFFSET, AREA_OFFSET + AREA_BYTES, BLOCK_BYTES):
            assert after[at:at + BLOCK_BYTES] in written, f"the block at {at} is none that any queue has written"

    def check_benches(self, benches):
        wanted = [("write", AREA_IOS), ("randread", SINGLE_IOS), ("randread", SLOW_IOS)]
        wanted = wanted if self.part.n_interrupted_cpus > 0 else wanted[:2]
        for bench, (mode, n_ios) in zip(benches, wanted, strict=True):
            assert bench["rw"] == mode, bench
            done = [(one["queue"], one["ios"], one["errors"]) for one in bench["per_queue"]]
            assert done == [(queue, n_ios, 0) for queue in range(self.n_queues)], f"bench: {done}"

    def check_interrupts(self, stats):
        assert len(stats) == self.n_queues, f"{len(stats)} queues have counters"
        n_cpus = self.part.n_interrupted_cpus
        for queue, counts in enumerate(stats):
            assert (counts["errors"], counts["timeouts"], counts["rescues"]) == (0, 0, 0), f"queue {queue}: {counts}"
            # `fill` ends with a flush by its queue.
            idle = [name for name in ("reads", "writes", "flushes") if counts[name] == 0]
            assert not idle, f"queue {queue} did no {idle}: {counts}"
            assert (counts["interrupts"] > 0) == (n_cpus > 0), f"queue {queue}: {counts}"
            elsewhere = counts["interrupts"] if queue >= n_cpus else 0
            assert counts["interrupts_elsewhere"] == elsewhere, f"queue {queue}, not on its CPU: {counts}"


# ---------------------------------------------------------------- one guest

def check_trace(part, text):
    words = set(text.split())
    for event, occurs in part.traced.items():
        assert (event in words) == occurs, f"QEMU's trace: {event} {'never' if occurs else 'was not to'} occurred"


def run_cases(cases, folder):
    """Runs a guest with the cases' disks to its end; its Result. QEMU's trace is in folder/trace then."""
    part = cases[0].part
    traces = [word for event in part.traced for word in ("-trace", event)]
    kernel = KERNEL_PVH if part.machine.startswith("microvm") else None
    options = f"vstor.queues={N_CPUS} {part.options}"
    # strict: else SeaBIOS 1.16 asks SCSI disks what they are, and with pio-notify waits for the answer for ever.
    extra = ["-boot", "strict=on", *part.extra, *traces, "-D", folder / "trace"]
    with Machine(options, disks=[case.disk for case in cases], machine=part.machine, kernel=kernel, smp=str(N_CPUS),
                 extra=extra) as machine:
        machine.wait_for_prompt(GUEST_DEADLINE_S)
        machine.command("lsblk json=1", GUEST_DEADLINE_S)
        for case in cases:
            case.look_from_outside(machine)
            case.work(machine)
        machine.send("lsblk json=1; exit 3\r")
        return machine.wait(GUEST_DEADLINE_S).expect_status(3)


def run_guest(rows):
    """What is wrong with each row: a dictionary of row and text, without those that are well."""
    with tempfile.TemporaryDirectory(prefix="vstor-matrix-") as name:
        folder = pathlib.Path(name)
        (folder / "trace").touch()
        cases = [Case(row, number, folder) for number, row in enumerate(rows)]
        try:
            result = run_cases(cases, folder)
            check_trace(cases[0].part, (folder / "trace").read_text())
        except (AssertionError, OSError) as error:
            return dict.fromkeys(rows, str(error))
        wrong = {}
        for case in cases:
            try:
                case.check(result)
            except (AssertionError, KeyError) as error:
                wrong[case.row] = f"{type(error).__name__}: {error}\n{result.describe()}"
        return wrong


def guest_words(rows):
    """What the rows have in common, for people."""
    return [next(iter(values)) if len(values) == 1 else "" for values in map(set, zip(*rows))][1:3] + [
        "+".join(dict.fromkeys(row.irq for row in rows))]


TABLE = Table(pathlib.Path(__file__).with_suffix(".txt"), COLUMNS, Row, IMPOSSIBLE,
              heading=["The QEMU matrix: a row is a disk, and how it is reached. Written by matrix.py --write,",
                       "which also says what the words mean. Missing in the product of the columns are:"],
              guest=lambda row: part_of(row).guest(), run_guest=run_guest, words=guest_words,
              summary=(("machine", "transport"), "irq"))
TABLES = (TABLE, matrix_disks.TABLE, matrix_scsi.TABLE)


# ---------------------------------------------------------------- all of them

def timed(job):
    run, rows = job
    start = time.monotonic()
    try:
        return rows, run(rows), time.monotonic() - start
    except Exception as error:  # whatever it is, the other guests go on
        return rows, dict.fromkeys(rows, f"{type(error).__name__}: {error}"), time.monotonic() - start


def run_all(table, rows, n_jobs):
    """Runs all guests, telling how far it is; what is wrong, by row."""
    wrong, n_done = {}, 0
    width = len(str(len(rows)))
    with multiprocessing.Pool(n_jobs) as pool:
        jobs = [(table.run_guest, some) for some in table.guests_of(rows)]
        for some, faults, seconds in pool.imap_unordered(timed, jobs):
            n_done += len(some)
            wrong.update(faults)
            asked = ", ".join(word for word in table.words(some) if word)
            print(f"  {n_done:{width}}/{len(rows)}  {len(some)} disks in {seconds:4.1f} s  {asked}"
                  + (f": {len(faults)} FAILED" if faults else ""), flush=True)
            for row, text in faults.items():
                print(f"FAILED {' '.join(row)}\n    " + text.replace("\n", "\n    "), flush=True)
    return wrong


def print_summary(table, rows, wrong):
    """Rows that passed of rows that ran, by the values of some columns."""
    def place_of(row):
        return tuple(getattr(row, name) for name in names)
    names, across = table.summary
    heads = [value for value in table.columns[across] if any(getattr(row, across) == value for row in rows)]
    lines = [list(names) + heads]
    order = [list(table.columns[name]).index for name in names]
    for place in sorted(set(map(place_of, rows)), key=lambda place: [index(word) for index, word in zip(order, place)]):
        lines.append(list(place))
        for value in heads:
            there = [row for row in rows if (place_of(row), getattr(row, across)) == (place, value)]
            n_good = sum(row not in wrong for row in there)
            lines[-1].append(f"{n_good}/{len(there)}" if there else "-")
    widths = [max(map(len, column)) for column in zip(*lines)]
    print()
    for line in lines:
        left = [word.ljust(width) for word, width in zip(line, widths)][:len(names)]
        print("  " + " ".join(left + [word.rjust(max(width, 9)) for word, width in zip(line, widths)][len(names):]))


def chosen(table, conditions):
    """The rows that have the values; COLUMN=VALUE with wild cards. None of a table that has not all the columns."""
    rows = table.read_rows()
    for condition in conditions:
        name, _, value = condition.partition("=")
        rows = [row for row in rows if name in table.columns and fnmatch.fnmatch(getattr(row, name), value)]
    return rows


def main():
    parser = argparse.ArgumentParser(description="Runs the QEMU matrix of matrix.txt, matrix_disks.txt and matrix_scsi.txt.")
    parser.add_argument("conditions", nargs="*", metavar="COLUMN=VALUE", help="only rows with this value; wild cards")
    parser.add_argument("--cover", action="store_true", help="of these only a pairwise cover, as make test does")
    parser.add_argument("--list", action="store_true", help="print the rows and do nothing")
    parser.add_argument("--write", action="store_true", help="write the tables' files anew")
    parser.add_argument("--jobs", type=int, default=(os.cpu_count() or 1) + 1, help="guests at a time")
    arguments = parser.parse_args()
    if arguments.write:
        for table in TABLES:
            table.file.write_text(table.text(table.all_rows()))
        return 0
    parts = [(table, rows) for table in TABLES if (rows := chosen(table, arguments.conditions))]
    if not parts:
        raise SystemExit("matrix.py: there is no such row; the columns are "
                         + ", or ".join(" ".join(table.columns) for table in TABLES))
    parts = [(table, table.pairwise_cover(rows) if arguments.cover else rows) for table, rows in parts]
    if arguments.list:
        for table, rows in parts:
            print(table.text(rows), end="")
        return 0
    n_rows, n_wrong, start = 0, 0, time.monotonic()
    for table, rows in parts:
        wrong = run_all(table, rows, arguments.jobs)
        print_summary(table, rows, wrong)
        n_rows, n_wrong = n_rows + len(rows), n_wrong + len(wrong)
    print(f"\n{n_rows - n_wrong} of {n_rows} rows passed in {time.monotonic() - start:.0f} s")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
