#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make bench-loader`: what vstor.efi needs to load files from a virtio disk, beside the drivers of the firmware (OVMF).

    files    400 boot loader entries of 3 KiB, scattered over a FAT32 volume, read whole
    initrd   one file of 512 MiB, read whole

Both begin with a device that was just reset, and find partition and volume anew. The firmware's files are read by a small
program, one after the other, through its SimpleFileSystem. vstor.efi reads the entries on its way to the menu (its
instructions are also those of parsing, sorting and showing them), and the large file for `boot ... dry=1`.

Instructions, and the bytes that the processor stores, are those of a start with the files less those of a start without (a
string instruction counts once; loops that vstor.efi marks as waiting don't). "copied" are the bytes that string moves store,
which is how the firmware's CopyMem and our memcpy copy; what is copied otherwise is among "stored", with all else: what
zeroing, the screen and the stack take. Requests and times are QEMU's own trace of the device, from its first read to the end
of its last request; the firmware flushes the disk after each file, which are the requests that are no reads.

The slow disk is a file beside a null-co with latency-ns, joined by `quorum`: a read has ended when the slower one has. An
I/O thread serves it, for QEMU's main loop rounds waiting up to milliseconds. The readers take turns, and of several starts
the fastest counts: the processor is emulated, and whatever else the machine does is in the times.
"""
import argparse
import dataclasses
import os
import pathlib
import random
import re
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / folder) for folder in ("qemu", "icount", "bench")]
import bench_report  # noqa: E402
import efi  # noqa: E402
import harness  # noqa: E402
import icount  # noqa: E402
import images  # noqa: E402
from harness import Disk  # noqa: E402

READ_FILES = harness.ROOT / "build/firmware/readfiles.efi"
DEVICE = "virtio-blk-pci,disable-legacy=on"
IO_THREAD = ("-object", "iothread,id=io0")
CONF = "timeout 1\nauto-poweroff yes\ndefault auto-poweroff\n"
ENTRY_BYTES, FILLER_BYTES = 3000, 40000
SECTOR = 512
EVENT = re.compile(r"(?:\d+@)?(\d+\.\d+):virtio_(set_status|blk_handle_read|blk_req_complete) (.*)")
EVENTS = [word for name in ("virtio_set_status", "virtio_blk_handle_read", "virtio_blk_req_complete")
          for word in ("-trace", name)]
DEADLINE_S = 900


# ---------------------------------------------------------------- disks

def entry(number):
    text = f"title Kernel {number}\nversion {number}\nlinux /vmlinuz\noptions console=ttyS0\n"
    return text + "#" * (ENTRY_BYTES - len(text) - 1) + "\n"


def copy_in(image, source, name):
    images.run_tool("mcopy", "-i", image, source, f"::{name}")


def disk_of_files(folder, n_files):
    """Entries between files that are of no interest, in an order by chance."""
    image = images.sparse(folder / f"files{n_files}.raw", 256 * images.MiB)
    images.run_tool("mkfs.fat", "-F", "32", "-s", 2, "-n", "BOOT", image)
    images.run_tool("mmd", "-i", image, "::loader", "::loader/entries", "::filler")
    part, conf = folder / "part", folder / "loader.conf"
    conf.write_text(CONF)
    copy_in(image, conf, "loader/loader.conf")
    numbers = list(range(n_files))
    random.Random(1).shuffle(numbers)
    for number in numbers:
        part.write_text(entry(number))
        copy_in(image, part, f"loader/entries/{number:03}.conf")
        part.write_bytes(bytes(FILLER_BYTES))
        copy_in(image, part, f"filler/{number:03}")
    return image


def disk_of_initrd(folder, mib):
    image = images.sparse(folder / f"initrd{mib}.raw", (mib + 64) * images.MiB)
    images.run_tool("mkfs.fat", "-F", "32", "-n", "BOOT", image)
    images.run_tool("mmd", "-i", image, "::initrd")
    copy_in(image, harness.KERNEL, "kernel")
    if mib:
        big = folder / "big"
        with open(big, "wb") as out:
            for number in range(mib):
                out.write(images.random_bytes(images.MiB, number))
        copy_in(image, big, "initrd/big")
        big.unlink()
    return image


# ---------------------------------------------------------------- machines

def slow_disk(image, delay_us):
    """The disk, each of whose requests takes at least so long."""
    size = pathlib.Path(image).stat().st_size
    nodes = [{"driver": "null-co", "node-name": "slow", "size": size, "latency-ns": delay_us * 1000, "read-zeroes": True},
             {"driver": "file", "filename": str(image), "node-name": "file"},
             # The vote of one is enough, and of votes that differ the last one wins: the file's.
             {"driver": "quorum", "node-name": "both", "children": ["slow", "file"], "vote-threshold": 1}]
    return Disk(blockdev=[{**node, "read-only": True} for node in nodes], device=f"{DEVICE},iothread=io0")


def start(program, words, disk, extra):
    boot = [*efi.firmware_arguments(), "-kernel", program] + (["-append", words] if words else [])
    with harness.Machine(boot=[str(word) for word in boot], disks=[disk], memory_mib=2048, extra=extra, smp="1",
                         debug_exit=False) as machine:
        return machine.wait(DEADLINE_S)


@dataclasses.dataclass
class Segment:
    """What happened between two resets of the device."""
    first: float = None  # seconds
    last: float = None
    reads: int = 0
    bytes: int = 0
    ended: int = 0


def segments(log):
    """Those with reads."""
    found, now = [], Segment()
    for line in log:
        event = EVENT.match(line)
        if event is None:
            continue
        when, kind, rest = float(event[1]), event[2], event[3]
        if kind == "set_status" and rest.endswith(" val 0"):
            found, now = found + [now], Segment()
        elif kind == "blk_handle_read":
            now.first = now.first or when
            now.reads += 1
            now.bytes += int(re.search(r"nsectors (\d+)", rest)[1]) * SECTOR
        elif kind == "blk_req_complete":
            now.last = when
            now.ended += 1
    return [segment for segment in found + [now] if segment.reads]


def traced(program, words, disk, expected):
    """The reader's own time with the device."""
    with tempfile.TemporaryDirectory(prefix="vstor-bench-loader-") as folder:
        log = pathlib.Path(folder) / "log"
        result = start(program, words, disk, [*IO_THREAD, *EVENTS, "-D", str(log), "-msg", "timestamp=on"])
        if not re.search(expected, harness.plain(result.text)):
            result.fail(f"no {expected!r} in what it said")
        return segments(log.read_text().splitlines())[-1]


COUNTED = {"instructions": lambda window: window.count().instructions, "stored": lambda window: window.counters["stored"],
           "copied": lambda window: window.counters["copied"]}


def counted(program, words, image):
    """Figures of the whole way, waiting left out where it is marked."""
    plugin = ",stores=on" + (f",open={icount.WINDOW_BOOT}" if words and "-c" in words else "")
    windows, *_ = icount.run_counted(lambda extra: start(program, words, Disk(image, device=DEVICE), extra), plugin, clock=())
    return {name: figure(windows[0]) for name, figure in COUNTED.items()}


# ---------------------------------------------------------------- jobs

def jobs(options):
    """Name, maker of the disk, sizes with and without, and per reader: program, words, what it must say."""
    boot = "-c boot vda /kernel initrd=/initrd/big dry=1; reboot"
    bare = "-c boot vda /kernel dry=1; reboot"
    return [
        ("files", disk_of_files, options.files, {
            "OVMF's drivers": (READ_FILES, r"\loader\entries", r"\loader\entries", rf"{options.files} FILES.*Success"),
            "vstor.efi": (efi.LOADER, "", "", "booting Power Off")}),
        ("initrd", disk_of_initrd, options.mib, {
            "OVMF's drivers": (READ_FILES, r"\initrd", r"\initrd", r"1 FILES.*Success"),
            "vstor.efi": (efi.LOADER, boot, bare, r"read by \d+ requests")}),
    ]


def timed(readers, image, options):
    """The fastest of several starts of each reader, who take turns: {(reader, slow): its segment}."""
    best = {}
    for number in range(options.starts):
        for reader, (program, words, _, expected) in readers.items():
            for slow in (False, True):
                print(f"  {reader}, start {number + 1}{', slow disk' if slow else ''}", flush=True)
                disk = slow_disk(image, options.delay_us) if slow else Disk(image, device=f"{DEVICE},iothread=io0")
                segment = traced(program, words, disk, expected)
                before = best.get((reader, slow))
                if before is None or segment.last - segment.first < before.last - before.first:
                    best[reader, slow] = segment
    return best


def measure(options, folder):
    rows = []
    for job, make, amount, readers in jobs(options):
        print(f"{job}:", flush=True)
        image, empty = make(folder, amount), make(folder, 0)
        best = timed(readers, image, options)
        for reader, (program, words, words_without, _) in readers.items():
            print(f"  {reader}, counted", flush=True)
            whole, without = counted(program, words, image), counted(program, words_without, empty)
            plain, slow = best[reader, False], best[reader, True]
            rows.append({"job": job, "reader": reader, **{name: whole[name] - without[name] for name in COUNTED},
                         "requests": plain.ended, "reads": plain.reads, "bytes": plain.bytes,
                         "s_plain": plain.last - plain.first, "s_delayed": slow.last - slow.first})
        os.unlink(image)
        os.unlink(empty)
        print("\n".join(bench_report.loader_table({"rows": rows, "delay_us": options.delay_us})), flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=400, help="small ones (default %(default)s)")
    parser.add_argument("--mib", type=int, default=512, help="of the large one (default %(default)s)")
    parser.add_argument("--delay-us", type=int, default=200, help="of the slow disk (default %(default)s)")
    parser.add_argument("--starts", type=int, default=4, help="of which the fastest counts (default %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vstor-bench-loader-") as folder:
        rows = measure(options, pathlib.Path(folder))
    result = {"rows": rows, "files": options.files, "mib": options.mib, "delay_us": options.delay_us}
    bench_report.keep("loader", result)
    print(bench_report.write())


if __name__ == "__main__":
    sys.exit(main())
