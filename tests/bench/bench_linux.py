#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make bench-linux`: the same jobs by fio in a Linux guest and by `bench` in ours, on the same QEMU and the same disks.

Starts of the two take turns, so that what else the machine does falls on both. Guest instructions, kicks and interrupts
are counted from outside on a disk that costs nothing; IOPS by the clock are those of a file. Linux reads and writes with
io_uring and O_DIRECT, without an I/O scheduler, which suits it best. Writes build/bench/linux.json and the report.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import re
import statistics
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / folder) for folder in ("qemu", "icount", "bench")]
import bench_report  # noqa: E402
import harness  # noqa: E402
import icount  # noqa: E402
import linux_guest  # noqa: E402
from harness import Disk  # noqa: E402

FIO = harness.ROOT / "build/linux-fio"
MARK = harness.ROOT / "build/host/mark"
FILE_BYTES = 256 << 20
MEMORY_MIB = 512  # with fio, whose libraries are large
BOOT_MEMORY_MIB = 256
FIRST_WINDOW = 10
END = 128


@dataclasses.dataclass(frozen=True)
class Job:
    rw: str
    bs: str
    depth: int
    tuned: bool = False  # Linux only: buffers and files registered, batches of 16, nothing counted by the block layer

    @property
    def key(self):
        return f"{self.rw} {self.bs} {self.depth}"

    @property
    def name(self):
        words = {"randread": "random read", "randwrite": "random write", "read": "sequential read"}
        return f"{self.bs[:-1]} KiB {words[self.rw]}, depth {self.depth}{', Linux tuned' if self.tuned else ''}"


JOBS = [Job("randread", "4k", 1), Job("randread", "4k", 32), Job("randwrite", "4k", 1), Job("randwrite", "4k", 32),
        Job("read", "128k", 8), Job("randread", "4k", 32, tuned=True)]
TUNED = ["fixedbufs", "registerfiles", "iodepth_batch_submit=16", "iodepth_batch_complete_min=1",
         "iodepth_batch_complete_max=32"]


# ---------------------------------------------------------------- fio in the Linux guest

def section(name, job, disk, length):
    return [f"[{name}]", f"filename=/dev/{disk}", f"rw={job.rw}", f"bs={job.bs}", f"iodepth={job.depth}",
            *(TUNED if job.tuned else []), *length]


def script(sections_of, jobs, disk):
    """The guest's /job: fio on all jobs, the tuned ones by themselves. sections_of(number, job) makes lines of a job file."""
    head = ["[global]", "ioengine=io_uring", "direct=1", "thread", "norandommap", "stonewall"]
    lines = ["cd /", f"echo none >/sys/block/{disk}/queue/scheduler || exit"]
    for tuned in (False, True):
        chosen = [(number, job) for number, job in enumerate(jobs) if job.tuned == tuned]
        if not chosen:
            continue
        lines += [f"echo {int(not tuned)} >/sys/block/{disk}/queue/iostats || exit"]
        lines += ["cat >jobs <<END", *head, *(line for one in chosen for line in sections_of(*one)), "END",
                  "fio --output-format=terse --terse-version=3 jobs || exit"]
    return "\n".join(lines) + "\n"


def fio_records(text):
    """IOPS by section, from fio's terse output of version 3 (fio(1)): what was read, what was written."""
    records = {}
    for line in text.splitlines():
        fields = line.split(";")
        if fields[0] == "3" and len(fields) > 100:
            if fields[4] != "0":
                raise harness.MachineError(f"fio's job {fields[2]} failed with error {fields[4]}")
            records[fields[2]] = float(fields[7]) + float(fields[48])
    return records


def run_fio(job_script, disks, extra=(), **machine):
    files = {"bin/mark": MARK.read_bytes()}
    with tempfile.TemporaryDirectory(prefix="vstor-bench-linux-") as folder:
        return linux_guest.run(job_script, disks, pathlib.Path(folder), files=files, tree=FIO / "root", extra=extra,
                               memory_mib=MEMORY_MIB, deadline_s=1200, **machine)


# ---------------------------------------------------------------- counted

def null_disks(driver, ring):
    """Behind which nothing costs anything. An answer takes 20 microseconds: those of no latency race with going idle."""
    return [icount.null_disk(latency_ns=20000, ring=ring, driver=driver)]


def disk_name(driver):
    return "vda" if driver == "blk" else "sda"


def linux_counts(driver, ring, n_ios):
    """Counts by job of one start of Linux. fio's own beginning and end are in a short run and in a long one alike: the
    difference of the two is n_ios I/Os and nothing else."""
    short, disk = max(n_ios // 5, 1), disk_name(driver)

    def sections(number, job):
        window = FIRST_WINDOW + 2 * number
        marks = [[f"exec_prerun=/bin/mark {w}", f"exec_postrun=/bin/mark {w + END}"] for w in (window, window + 1)]
        return [*section(f"warm{number}", job, disk, [f"number_ios={short}"]),
                *section(f"short{number}", job, disk, [f"number_ios={short}", *marks[0]]),
                *section(f"long{number}", job, disk, [f"number_ios={short + n_ios}", *marks[1]])]

    text = script(sections, JOBS, disk)
    windows, *_ = icount.run_counted(lambda extra: run_fio(text, null_disks(driver, ring), extra, smp="1"))
    by_number = {window.number: window.count() for window in windows}
    return [difference(by_number[FIRST_WINDOW + 2 * i], by_number[FIRST_WINDOW + 2 * i + 1], n_ios)
            for i in range(len(JOBS))]


def difference(short, long, n_ios):
    names = ("instructions", "spin", "kicks", "interrupts")
    return icount.Count(*(getattr(long, name) - getattr(short, name) for name in names), n_ios)


def bench_line(job, disk, length):
    return f"bench {disk} rw={job.rw} bs={job.bs} iodepth={job.depth} {length} json=1"


def our_counts(driver, ring, irq, n_ios):
    """The same of one start of ours."""
    lines = [bench_line(job, disk_name(driver), f"number_ios={n_ios}") for job in JOBS if not job.tuned]
    windows, result, _ = icount.run_kernel(f"vstor.irq={irq} " + "; ".join(lines) + "; exit",
                                           disks=null_disks(driver, ring), memory_mib=MEMORY_MIB)
    if any(record["errors"] or record["ios"] != n_ios for record in result.of("bench")):
        result.fail("not all was read or written")
    counts = [window.count(n_ios) for window in windows if window.number == icount.WINDOW_BENCH]
    return [counts[position_of(job)] for job in JOBS]


def position_of(job):
    """Of the job among those of ours: a tuned one is compared with what we do anyhow."""
    return [one.key for one in JOBS if not one.tuned].index(job.key)


# ---------------------------------------------------------------- by the clock

def file_disk(path, driver):
    if driver == "blk":
        return Disk(path, writable=True)
    return Disk(path, writable=True, device="scsi-hd", before=["-device", "virtio-scsi-pci,disable-legacy=on"])


def linux_iops(driver, path, seconds):
    disk = disk_name(driver)

    def sections(number, job):
        return section(f"job{number}", job, disk, [f"runtime={seconds}", "time_based", "ramp_time=500ms"])

    records = fio_records(run_fio(script(sections, JOBS, disk), [file_disk(path, driver)]))
    return [records[f"job{number}"] for number in range(len(JOBS))]


def our_iops(driver, irq, path, seconds):
    lines = [bench_line(job, disk_name(driver), f"runtime={seconds}") for job in JOBS if not job.tuned]
    result = harness.run(f"vstor.irq={irq} " + "; ".join(lines) + "; exit", disks=[file_disk(path, driver)],
                         memory_mib=MEMORY_MIB, deadline_s=1200).expect_status(0)
    records = result.of("bench")
    return [records[position_of(job)]["iops"] for job in JOBS]


# ---------------------------------------------------------------- from power-on to the first read

def resident_mib(process_id):
    """Of the guest's memory, which is a memfd: what was touched, firmware's included."""
    text = pathlib.Path(f"/proc/{process_id}/smaps").read_text()
    sizes = re.findall(r"memfd:memory-backend-memfd.*\n(?:.*\n)*?Rss: +(\d+) kB", text)
    return sum(int(size) for size in sizes) / 1024


def time_first_read(pattern, machine):
    """Seconds from the start of QEMU until the guest says that it has read, and the guest's memory then."""
    start = time.monotonic()
    with machine as guest:
        guest.wait_for(pattern, 600)
        seconds = time.monotonic() - start
        time.sleep(1)
        return {"seconds": seconds, "mib": resident_mib(guest.process.pid)}


def booted(driver, **machine):
    memory = f"memory-backend-memfd,id=m,size={BOOT_MEMORY_MIB}M"
    return harness.Machine(machine="q35,memory-backend=m", objects=[memory], memory_mib=BOOT_MEMORY_MIB,
                           disks=[icount.null_disk(driver=driver)], **machine)


READ_ONE = "dd if=/dev/{} of=/dev/null bs=512 count=1 2>/dev/null || exit\n"


def linux_boot(driver, folder):
    archive = linux_guest.initramfs(READ_ONE.format(disk_name(driver)) + "echo FIRST READ\nsleep 600\n", {}, folder)
    kernel = linux_guest.LINUX / "vmlinuz"  # packed, as people start it
    machine = booted(driver, boot=linux_guest.boot_arguments(archive, kernel), debug_exit=False)
    return {**time_first_read("FIRST READ", machine), "image_bytes": archive.stat().st_size + kernel.stat().st_size}


def our_boot(driver):
    machine = booted(driver, append=f"read {disk_name(driver)} 0 512 json=1; echo FIRST READ")
    return {**time_first_read("FIRST READ", machine), "image_bytes": harness.KERNEL.stat().st_size}


def boot_instructions(driver):
    """From power-on, firmware included, to the end of the first read: Linux's and ours."""
    job = READ_ONE.format(disk_name(driver)) + f"mark {icount.WINDOW_BOOT + END}\n"

    def start(extra):
        with tempfile.TemporaryDirectory(prefix="vstor-bench-linux-") as folder:
            return linux_guest.run(job, [icount.null_disk(driver=driver)], pathlib.Path(folder), extra=extra, smp="1",
                                   files={"bin/mark": MARK.read_bytes()}, memory_mib=BOOT_MEMORY_MIB, deadline_s=1200)

    plugin = f",open={icount.WINDOW_BOOT}"
    linux = icount.run_counted(start, plugin)[0]
    ours = icount.run_kernel(f"read {disk_name(driver)} 0 512; exit", plugin=plugin, memory_mib=BOOT_MEMORY_MIB,
                             disks=[icount.null_disk(driver=driver)])[0]
    return [windows[0].count().instructions for windows in (linux, ours)]


# ---------------------------------------------------------------- all of it

def median_of(rounds):
    """Of lists or dictionaries of numbers, number by number."""
    if isinstance(rounds[0], dict):
        return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
    return [statistics.median(column) for column in zip(*rounds)]


def counted_row(job, count):
    return {"job": job.name, **{name: round(count.per_io(name), 4)
                                for name in ("instructions", "spin", "kicks", "interrupts")}}


def counted(n_ios, rings, say):
    """Each machine once by Linux and once by each way of ours, in turns."""
    ways = {"linux": linux_counts, **{irq: lambda driver, ring, n, irq=irq: our_counts(driver, ring, irq, n)
                                      for irq in ("poll", "msix")}}
    figures = []
    for driver in ("blk", "scsi"):
        for ring in rings:
            for way, function in ways.items():
                say(f"counting {driver}, {ring}, {way}")
                figures += [{"driver": driver, "ring": ring, "way": way, **counted_row(job, count)}
                            for job, count in zip(JOBS, function(driver, ring, n_ios))]
    return figures


def timed(rounds, seconds, say):
    """IOPS on a file: rounds of all ways, the median of each."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="vstor-bench-linux-") as folder:
        path = pathlib.Path(folder) / "disk.raw"
        path.write_bytes(os.urandom(FILE_BYTES))
        for driver in ("blk", "scsi"):
            ways = {"linux": [], "poll": [], "msix": []}
            for number in range(rounds):
                say(f"timing {driver}, round {number + 1} of {rounds}")
                ways["linux"].append(linux_iops(driver, path, seconds))
                for irq in ("poll", "msix"):
                    ways[irq].append(our_iops(driver, irq, path, seconds))
            figures += [{"driver": driver, "way": way, "job": job.name, "iops": iops}
                        for way, found in ways.items() for job, iops in zip(JOBS, median_of(found))]
    return figures


def boots(rounds, say):
    """From power-on to the first read: medians of rounds in turns."""
    figures = []
    for driver in ("blk", "scsi"):
        linux, ours = [], []
        for number in range(rounds):
            say(f"booting {driver}, round {number + 1} of {rounds}")
            with tempfile.TemporaryDirectory(prefix="vstor-bench-linux-") as folder:
                linux.append(linux_boot(driver, pathlib.Path(folder)))
            ours.append(our_boot(driver))
        instructions = boot_instructions(driver)
        figures += [{"driver": driver, "way": way, **median_of(found), "instructions": n}
                    for way, found, n in zip(("linux", "vstor"), (linux, ours), instructions)]
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ios", type=int, default=10000, help="I/Os counted per job (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of what is timed (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=2, help="per timed job (default %(default)s)")
    parser.add_argument("--rings", nargs="+", default=["split", "packed"], choices=("split", "packed"))
    options = parser.parse_args()
    began = time.monotonic()

    def say(what):
        print(f"{time.monotonic() - began:5.0f}s  {what}", flush=True)

    result = {"linux": (linux_guest.LINUX / "version").read_text().strip(), "ios": options.ios,
              "rounds": options.rounds, "seconds": options.seconds, "boots": boots(options.rounds, say),
              "counted": counted(options.ios, options.rings, say),
              "timed": timed(options.rounds, options.seconds, say)}
    bench_report.keep("linux", result)
    print(bench_report.write())


if __name__ == "__main__":
    sys.exit(main())
