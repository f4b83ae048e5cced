# SPDX-License-Identifier: BSD-2-Clause
"""Guest instructions, kicks and interrupts, counted from outside the guest. (tests/icount/README.md)

What is counted is what happens between two marks that the guest executes; start-up and warm-up lie before the first.
"""
import bisect
import collections
import dataclasses
import json
import pathlib
import re
import statistics
import subprocess
import tempfile

import harness
from harness import Disk

PLUGIN = harness.ROOT / "build/host/libicnt.so"
WINDOW_BENCH, WINDOW_BOOT = 1, 2
KICK, INTERRUPTS = "virtio_queue_notify", ("virtio_notify", "virtio_notify_irqfd")


@dataclasses.dataclass(frozen=True)
class Count:
    """One window: instructions without the repeats of string instructions and without waiting, and what waiting took."""
    instructions: int
    spin: int
    kicks: int
    interrupts: int
    ios: int = 1
    functions: dict = dataclasses.field(default_factory=dict)  # instructions by function, where they were asked for

    def per_io(self, name):
        return getattr(self, name) / self.ios


def null_disk(n_bytes=16 << 30, latency_ns=0, ring="split", driver="blk", number=0, ioeventfd="off", **disk):
    """A disk behind which nothing costs anything, the `number`-th such of a machine; SCSI disks share an adapter.
    ioeventfd=off makes kicks and completions repeatable."""
    packed = f"packed={'on' if ring == 'packed' else 'off'}"
    node = {"driver": "null-co", "node-name": f"null{number}", "size": n_bytes, "read-zeroes": True}
    if latency_ns:
        node["latency-ns"] = latency_ns
    if driver == "scsi":
        adapter = ["-device", f"virtio-scsi-pci,disable-legacy=on,ioeventfd={ioeventfd},{packed}"]
        return Disk(blockdev=[node], device="scsi-hd", before=[] if number else adapter, **disk)
    return Disk(blockdev=[node], device=f"virtio-blk-pci,disable-legacy=on,ioeventfd={ioeventfd},{packed}", **disk)


@dataclasses.dataclass(frozen=True)
class Window:
    """What happened between one pair of marks."""
    number: int
    counters: dict  # of the plugin, by its names
    kicks: int = 0
    interrupts: int = 0

    def count(self, ios=1):
        """As figures per I/O want it: waiting apart, a string instruction once however often it repeats."""
        spin = self.counters["spin"]
        return Count(self.counters["total"] - self.counters["rep2"] - spin, spin, self.kicks, self.interrupts, ios)


def parse_report(text):
    """Number and counters of each window in the order of their ends, from the plugin's report."""
    windows = []
    for line in text.splitlines():
        found = re.match(r"win (\d+) (.*)", line)
        if found:
            plain_pairs = re.sub(r"\[.*?\]", "", found[2]).split()
            windows.append((int(found[1]), {k: int(v) for k, v in zip(plain_pairs[::2], plain_pairs[1::2])}))
    return windows


def count_events(trace):
    """(Number, kicks, interrupts) of each window in the order of their ends, from the lines of QEMU's log."""
    kicks, interrupts, begun, windows = 0, 0, {}, []
    for line in trace:
        if line.startswith("MARK "):
            _, kind, number = line.split()
            if kind == "b":
                begun[number] = kicks, interrupts
            else:
                before = begun.get(number, (0, 0))
                windows.append((int(number), kicks - before[0], interrupts - before[1]))
        else:
            event = line.split(" ", 1)[0].split("@")[-1].split(":")[-1]
            kicks += event == KICK
            interrupts += event in INTERRUPTS
    return windows


def functions_of(kernel):
    """Addresses and names of the functions of an ELF file with symbols, in ascending order."""
    table = subprocess.run(["nm", "--defined-only", "-n", kernel], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in table.splitlines()]
    found = [(int(address, 16), name) for address, kind, name in rows if kind in "tTwW"]
    return [address for address, _ in found], [name for _, name in found]


def by_function(histogram, kernel):
    """Instructions by function, from the plugin's histogram of one window."""
    addresses, names = functions_of(kernel)
    counts = collections.Counter()
    for line in histogram.splitlines():
        address, executions, n_instructions, repeats = line.split()
        if int(repeats) == 0:
            name = names[bisect.bisect_right(addresses, int(address, 16)) - 1]
            counts[name] += int(executions) * int(n_instructions)
    return dict(counts)


CLOCK = ("-icount", "shift=0,sleep=on")


def run_counted(start, plugin="", events=True, clock=CLOCK):
    """Has start(arguments of QEMU) run a machine to its end under the plugin. Returns its windows, what `start` returned,
    and the plugin's histograms, where `plugin`, more of its arguments, asks for them: {hist} there is a folder.

    `clock` (): without -icount, whose time makes firmware's delays long; for guests that mark all their waiting."""
    if not PLUGIN.exists():
        raise harness.MachineError(f"{PLUGIN} is not built; run `make build/host/libicnt.so` first")
    with tempfile.TemporaryDirectory(prefix="vstor-icount-") as folder:
        report, trace = pathlib.Path(folder) / "report", pathlib.Path(folder) / "trace"
        plugin = f"{PLUGIN},out={report}{plugin.format(hist=folder)}"
        extra = [*clock, "-plugin", plugin, "-d", "plugin", "-D", str(trace)]
        for event in (KICK, *INTERRUPTS) if events else ():
            extra += ["-trace", event]
        result = start(extra)
        with open(trace) as lines:
            happened = count_events(lines)
        counters = parse_report(report.read_text())
        if [number for number, *_ in happened] != [number for number, _ in counters]:
            raise harness.MachineError(f"windows of the report and of the trace differ: {counters}, {happened}")
        windows = [Window(number, values, kicks, interrupts)
                   for (number, values), (_, kicks, interrupts) in zip(counters, happened)]
        histograms = sorted(pathlib.Path(folder).glob("*.hist"), key=lambda path: int(path.name.split(".")[1]))
        return windows, result, [path.read_text() for path in histograms]


def run_kernel(append, deadline_s=400, plugin="", clock=CLOCK, **machine):
    """run_counted of the vstor kernel with a command line that must end well."""
    # The counters are not atomic: one CPU for good. -icount has no fences whatever maxcpus says.
    return run_counted(lambda extra: harness.run(append, deadline_s, smp="1", extra=extra, **machine).expect_status(0),
                       plugin, clock=clock)


def measure(append, window, deadline_s=400, functions=False, clock=CLOCK, **machine):
    """Runs one machine under the plugin. Returns the first such window's Count and the guest's own Result.

    With `functions`, which is slow, also where the instructions went: waiting included, each by itself.
    """
    plugin = ",mode=insn,hist={hist}" if functions else ""
    windows, result, histograms = run_kernel(append, deadline_s, plugin, clock, **machine)
    found = [n for n, one in enumerate(windows) if one.number == window]
    if not found:
        result.fail(f"the guest did not execute both marks of window {window}; windows seen: {windows}")
    where = by_function(histograms[found[0]], harness.BUILD / "vstor.debug") if functions else {}
    return dataclasses.replace(windows[found[0]].count(), functions=where), result


def random_reads(depth, n_ios, ring="split", size="4k", functions=False, driver="blk", irq="poll"):
    """One start of `bench` with random reads. Driver: "blk", "scsi"; irq: as the kernel's option has it."""
    # At depth 1 a completion must not race with going idle: it takes 20 microseconds. (performance.md)
    disk = null_disk(latency_ns=20000 if depth == 1 else 0, ring=ring, driver=driver)
    name = "vda" if driver == "blk" else "sda"
    line = f"vstor.irq={irq} bench {name} rw=randread bs={size} iodepth={depth} number_ios={n_ios} json=1; exit"
    count, result = measure(line, WINDOW_BENCH, disks=[disk], functions=functions)
    record = result.one("bench")
    if record["ios"] != n_ios or record["errors"]:
        result.fail(f"expected {n_ios} reads without an error, got {json.dumps(record)}")
    return dataclasses.replace(count, ios=n_ios)


def boot_to_first_read(machine="q35"):
    """From _start to the end of the first read, with one disk."""
    count, _ = measure("read vda 0 512 json=1; exit", WINDOW_BOOT, machine=machine, disks=[null_disk()])
    return count


def median(counts):
    """The start in the middle by instructions, and the spread of all starts in per cent."""
    ordered = sorted(counts, key=lambda count: count.instructions)
    middle = ordered[len(ordered) // 2]
    spread = 100 * (ordered[-1].instructions - ordered[0].instructions) / max(1, middle.instructions)
    assert middle.instructions == statistics.median_high(c.instructions for c in counts)
    return middle, spread
