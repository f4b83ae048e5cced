# SPDX-License-Identifier: BSD-2-Clause
"""What a random read costs against depth and block size: by device, by ring, polled and by MSI-X.

Instructions, kicks and interrupts are counted from outside on a disk that costs nothing; IOPS are by the clock, on the
same kind of disk, and tell about QEMU's emulation as much as about the driver.
"""
import statistics

import harness
import icount

DEPTHS = (1, 2, 4, 8, 16, 32, 64, 128)
SIZES = ("4k", "8k", "16k", "32k", "64k", "128k", "256k", "512k", "1M")
SIZE_OF_DEPTHS, DEPTH_OF_SIZES = "4k", 8
WAYS = [(driver, ring, irq) for driver in ("blk", "scsi") for ring in ("split", "packed") for irq in ("poll", "msix")]
SLOW_NS = 20000  # of a disk whose answers don't race with the guest's going idle


def points(depths=DEPTHS, sizes=SIZES):
    """(axis, depth, size) of every point."""
    return [*(("depth", depth, SIZE_OF_DEPTHS) for depth in depths), *(("size", DEPTH_OF_SIZES, size) for size in sizes)]


def command_line(driver, irq, chosen, length, slow=()):
    """All points in one start; those of the depths `slow` on the second disk."""
    name = "vd" if driver == "blk" else "sd"
    lines = [f"bench {name}{'b' if depth in slow else 'a'} rw=randread bs={size} iodepth={depth} {length} json=1"
             for _, depth, size in chosen]
    return f"vstor.irq={irq} " + "; ".join(lines) + "; exit"


def disks(driver, ring, **options):
    return [icount.null_disk(latency_ns=latency, ring=ring, driver=driver, number=number, **options)
            for number, latency in enumerate((0, SLOW_NS))]


def counted(driver, ring, irq, chosen, n_ios):
    """One start under the plugin; a Count for each point."""
    slow = (1,) if irq == "poll" else DEPTHS
    windows, result, _ = icount.run_kernel(command_line(driver, irq, chosen, f"number_ios={n_ios}", slow),
                                           disks=disks(driver, ring), memory_mib=256)
    counts = [window.count(n_ios) for window in windows if window.number == icount.WINDOW_BENCH]
    if len(counts) != len(chosen) or any(record["errors"] for record in result.of("bench")):
        result.fail(f"expected {len(chosen)} windows without an error, got {windows}")
    return counts


def timed(driver, ring, irq, chosen, length):
    """One start as users start it; IOPS of each point."""
    result = harness.run(command_line(driver, irq, chosen, length), disks=disks(driver, ring, ioeventfd="on")[:1],
                         memory_mib=256, deadline_s=1200).expect_status(0)
    return [record["iops"] for record in result.of("bench")]


def measure(n_ios, seconds, rounds=1, say=lambda what: None, ways=WAYS, chosen=None):
    """A row for each way and point. What is timed is done in rounds of all ways: the median of each."""
    chosen, counts, iops, rows = chosen or points(), {}, {}, []
    for way in ways:
        say(f"counting depths and sizes: {', '.join(way)}")
        counts[way] = counted(*way, chosen, n_ios)
    for number in range(rounds):
        for way in ways:
            say(f"timing depths and sizes, round {number + 1} of {rounds}: {', '.join(way)}")
            iops.setdefault(way, []).append(timed(*way, chosen, f"runtime={seconds}"))
    for way in ways:
        rows += [{"axis": axis, "driver": way[0], "ring": way[1], "irq": way[2], "depth": depth, "size": size,
                  "iops": statistics.median(rates),
                  **{name: round(count.per_io(name), 4) for name in ("instructions", "kicks", "interrupts")}}
                 for (axis, depth, size), count, rates in zip(chosen, counts[way], zip(*iops[way]))]
    return rows
