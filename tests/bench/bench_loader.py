#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make bench-loader`: what vstor.efi needs to load files from a virtio disk, beside the drivers of the firmware (OVMF).

    files    400 boot loader entries of 3 KiB, scattered over a FAT32 volume, read whole
    initrd   one file of 512 MiB, read whole

Both begin with a device that was just reset, and find partition and volume anew. The firmware's files are read by a small
program, one after the other, through its SimpleFileSystem. vstor.efi reads the entries on its way to the menu (its
instructions are also those of parsing, sorting and showing them), and the large file for `boot ... dry=1`. Instructions
are those of a start with the files less those of a start without (a string instruction counts once; loops that vstor.efi
marks as waiting don't). Requests and times are QEMU's own trace of the device, from its first request to the end of the
last. "1 ms": a disk whose every read takes a millisecond more (nbdkit).
"""
import argparse
import contextlib
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / folder) for folder in ("qemu", "icount", "bench")]
import bench_report  # noqa: E402
import efi  # noqa: E402
import harness  # noqa: E402
import icount  # noqa: E402
import images  # noqa: E402
from harness import Disk  # noqa: E402

READ_FILES = harness.ROOT / "build/firmware/readfiles.efi"
DEVICE = "virtio-blk-pci,disable-legacy=on"
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

@contextlib.contextmanager
def served(image, delay_ms, folder):
    """The disk, behind a server that waits where a delay is wanted."""
    if not delay_ms:
        yield Disk(image, device=DEVICE)
        return
    socket = pathlib.Path(folder) / "nbd"
    command = ["nbdkit", "-f", "-r", "-t", "64", "-U", socket, "--filter=delay", "file", image, f"rdelay={delay_ms}ms"]
    with subprocess.Popen(command) as server:
        try:
            while not socket.exists():
                time.sleep(0.05)
            node = {"driver": "nbd", "server": {"type": "unix", "path": str(socket)}, "node-name": "n0", "read-only": True}
            yield Disk(blockdev=[node], device=DEVICE)
        finally:
            server.terminate()


def start(program, words, disk, extra):
    boot = [*efi.firmware_arguments(), "-kernel", program] + (["-append", words] if words else [])
    with harness.Machine(boot=[str(word) for word in boot], disks=[disk], memory_mib=2048, extra=extra, smp="1",
                         debug_exit=False) as machine:
        return machine.wait(DEADLINE_S)


def segments(log):
    """Requests between resets of the device: [(first begins, last ends, requests, bytes)]."""
    found, reads, first, last = [], [], None, None
    for line in log:
        event = EVENT.match(line)
        if event is None:
            continue
        when, kind, rest = float(event[1]), event[2], event[3]
        if kind == "set_status" and rest.endswith(" val 0"):
            if reads:
                found.append((first, last, len(reads), sum(reads)))
            reads, first = [], None
        elif kind == "blk_handle_read":
            reads.append(int(re.search(r"nsectors (\d+)", rest)[1]) * SECTOR)
            first = when if first is None else first
        elif kind == "blk_req_complete":
            last = when
    return found + ([(first, last, len(reads), sum(reads))] if reads else [])


def traced(program, words, image, delay_ms, expected):
    """(Seconds, requests, bytes) of the reader's own time with the device."""
    with tempfile.TemporaryDirectory(prefix="vstor-bench-loader-") as folder, served(image, delay_ms, folder) as disk:
        log = pathlib.Path(folder) / "log"
        result = start(program, words, disk, [*EVENTS, "-D", str(log), "-msg", "timestamp=on"])
        if not re.search(expected, harness.plain(result.text)):
            result.fail(f"no {expected!r} in what it said")
        first, last, n, n_bytes = segments(log.read_text().splitlines())[-1]
    return last - first, n, n_bytes


def counted(program, words, image):
    """Instructions of the whole way, waiting left out where it is marked."""
    plugin = f",open={icount.WINDOW_BOOT}" if words and "-c" in words else ""
    windows, *_ = icount.run_counted(lambda extra: start(program, words, Disk(image, device=DEVICE), extra), plugin, clock=())
    return windows[0].count().instructions


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


def measure(options, folder):
    rows = []
    for job, make, amount, readers in jobs(options):
        image, empty = make(folder, amount), make(folder, 0)
        for reader, (program, words, words_without, expected) in readers.items():
            print(f"{job}: {reader}", flush=True)
            row = {"job": job, "reader": reader,
                   "instructions": counted(program, words, image) - counted(program, words_without, empty)}
            for delay_ms in (0, options.delay_ms):
                took = [traced(program, words, image, delay_ms, expected) for _ in range(options.starts)]
                row[f"s_{'delayed' if delay_ms else 'plain'}"] = min(seconds for seconds, *_ in took)
                row["requests"], row["bytes"] = took[0][1:]
            rows.append(row)
        os.unlink(image)
        os.unlink(empty)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=400, help="small ones (default %(default)s)")
    parser.add_argument("--mib", type=int, default=512, help="of the large one (default %(default)s)")
    parser.add_argument("--delay-ms", type=int, default=1, help="of the slow disk (default %(default)s)")
    parser.add_argument("--starts", type=int, default=2, help="of which the fastest counts (default %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vstor-bench-loader-") as folder:
        rows = measure(options, pathlib.Path(folder))
    bench_report.keep("loader", {"rows": rows, "files": options.files, "mib": options.mib, "delay_ms": options.delay_ms})
    print(bench_report.write())


if __name__ == "__main__":
    sys.exit(main())
