#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make bench-firmware`: what a read costs by the readers of OVMF, SeaBIOS and GRUB, beside ours polled at depth 1.

OVMF: ReadBlocks of Block IO, by a small EFI program between marks. SeaBIOS: int 13h, by a boot sector between marks.
GRUB's commands can't execute marks, so two starts that differ in how much its `testspeed` reads are counted as wholes.
GRUB reads through SeaBIOS, as much at a time as it sees fit: its figure is a share of one long read.

All of them poll, and how often they look before the host's threads have answered is the host's affair: of several
starts the one counts that has waited least.
"""
import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / folder) for folder in ("qemu", "icount", "bench")]
import bench_report  # noqa: E402
import harness  # noqa: E402
import icount  # noqa: E402
from harness import Disk  # noqa: E402

FIRMWARE = harness.ROOT / "build/firmware"
OVMF = pathlib.Path("/usr/share/OVMF")
SECTOR = 512
SIZES = {"4k": 8, "32k": 64}  # in sectors; SeaBIOS takes no more than 127 at once
PARAMETERS = 500  # in the boot sector: reads, reads before the marks, sectors of each; little-endian, 16 bits
DEADLINE_S = 600
GRUB_CONFIG = """set timeout=0
menuentry bench {{
    insmod biosdisk
    insmod testspeed
    testspeed -s {size} (hd0)0+{sectors}
    halt
}}
"""


def boot(arguments, disks, extra, machine="q35", **options):
    """Runs a machine to its end; what it printed."""
    with harness.Machine(boot=arguments, disks=disks, machine=machine, memory_mib=256, extra=extra, smp="1",
                         **options) as started:
        return started.wait(DEADLINE_S)


def window_of(start, n_reads, why):
    """Counts of one read between marks."""
    windows, result, _ = icount.run_counted(start)
    counts = [window.count(n_reads) for window in windows if window.number == icount.WINDOW_BENCH]
    if len(counts) != 1 or why not in result.text:
        result.fail(f"the reader did not do all of its reads; windows: {windows}")
    return counts[0]


def ovmf(driver, size, n_reads, folder):
    shutil.copy(OVMF / "OVMF_VARS_4M.fd", folder)
    flash = "if=pflash,format=raw,file="
    arguments = ["-drive", f"{flash}{OVMF}/OVMF_CODE_4M.fd,readonly=on", "-drive", f"{flash}{folder}/OVMF_VARS_4M.fd",
                 "-kernel", str(FIRMWARE / "readblocks.efi"), "-append", f"{n_reads} {SIZES[size]}"]
    return window_of(lambda extra: boot(arguments, [icount.null_disk(driver=driver)], extra), n_reads, "READS DONE")


def seabios(driver, size, n_reads, folder):
    sector = bytearray((FIRMWARE / "int13.bin").read_bytes())
    for place, value in enumerate((n_reads, n_reads // 10 + 1, SIZES[size])):
        sector[PARAMETERS + 2 * place:PARAMETERS + 2 * place + 2] = value.to_bytes(2, "little")
    image = folder / "boot.raw"
    image.write_bytes(sector + bytes((1 << 20) - SECTOR))
    disks = [Disk(image, device="ide-hd,bootindex=0"), icount.null_disk(driver=driver, properties={"bootindex": 1})]
    return window_of(lambda extra: boot([], disks, extra), n_reads, "+")


def grub_whole(driver, size, n_reads, folder):
    """All instructions and kicks of one start in which GRUB reads so much and halts."""
    tree = folder / f"tree{n_reads}"
    (tree / "boot/grub").mkdir(parents=True)
    (tree / "boot/grub/grub.cfg").write_text(GRUB_CONFIG.format(size=SIZES[size] * SECTOR, sectors=n_reads * SIZES[size]))
    image = folder / f"grub{n_reads}.iso"
    subprocess.run(["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", image, tree], check=True, capture_output=True)
    disks = [icount.null_disk(driver=driver, properties={"bootindex": 1})]
    cd = ["-drive", f"if=none,id=cd,media=cdrom,format=raw,readonly=on,file={image}", "-device", "ide-cd,drive=cd,bootindex=0"]
    plugin = f",open={icount.WINDOW_BOOT}"
    windows, *_ = icount.run_counted(lambda extra: boot(cd, disks, extra), plugin)
    return windows[0].count()


def grub(driver, size, n_reads, folder):
    few, many = (grub_whole(driver, size, n, folder) for n in (n_reads, 3 * n_reads))
    return icount.Count(many.instructions - few.instructions, 0, many.kicks - few.kicks, 0, 2 * n_reads)


def ours(driver, size, n_reads, _folder):
    """One in flight, as the others have it; on the disk without latency, so that none of them waits for long."""
    name = "vda" if driver == "blk" else "sda"
    line = f"bench {name} rw=randread bs={size} iodepth=1 number_ios={n_reads}; exit"
    windows, *_ = icount.run_kernel(line, disks=[icount.null_disk(driver=driver)])
    return windows[0].count(n_reads)


READERS = {"vstor, polled": (ours, "counted between marks"),
           "OVMF, ReadBlocks": (ovmf, "counted between marks"), "SeaBIOS, int 13h": (seabios, "counted between marks"),
           "GRUB on SeaBIOS, testspeed": (grub, "difference of two starts")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reads", type=int, default=4000, help="per figure (default %(default)s)")
    parser.add_argument("--starts", type=int, default=3, help="per figure (default %(default)s)")
    options = parser.parse_args()
    rows = []
    for driver in ("blk", "scsi"):
        for size in SIZES:
            own = None
            for name, (reader, how) in READERS.items():
                print(f"{name}: {driver}, {size}", flush=True)
                count = least(reader, driver, size, options)
                own = own or count
                rows.append(row(name, driver, size, count, how, own))
    bench_report.keep("firmware", {"rows": rows, "reads": options.reads, "starts": options.starts})
    print(bench_report.write())


def whole(count):
    """Instructions of a read, waiting included."""
    return count.per_io("instructions") + count.per_io("spin")


def least(reader, driver, size, options):
    counts = []
    for _ in range(options.starts):
        with tempfile.TemporaryDirectory(prefix="vstor-bench-firmware-") as folder:
            counts.append(reader(driver, size, options.reads, pathlib.Path(folder)))
    return min(counts, key=whole)


def row(name, driver, size, count, how, own):
    """Only ours tells apart what it waits."""
    return {"reader": name, "device": driver, "size": size, "instructions": round(whole(count), 1),
            "waiting": round(count.per_io("spin"), 1) if reader_is_ours(name) else None, "kicks": count.per_io("kicks"),
            "how": how, "ratio": whole(count) / whole(own)}


def reader_is_ours(name):
    return READERS[name][0] is ours


if __name__ == "__main__":
    sys.exit(main())
