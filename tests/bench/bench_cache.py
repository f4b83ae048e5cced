#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make bench-cache`: what reading through the cache costs, beside Linux's page cache and beside no cache.

A file of 1 GiB is read from one end to the other, 4 KiB at a time: by `bench cache=6M`, and by read() in a Linux guest
(tests/bench/read_loop.c). Guest instructions are counted from outside (tests/icount). Random reads are counted and timed
with the cache and without, by the same loop of blocking calls, in turns of a second or so in one machine. Writes
build/bench-cache.json.
"""
import argparse
import json
import pathlib
import statistics
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / folder) for folder in ("qemu", "icount")]
import harness  # noqa: E402
import icount  # noqa: E402
import linux_guest  # noqa: E402
from harness import Disk  # noqa: E402

KiB, MiB = 1024, 1 << 20
READ_LOOP = harness.ROOT / "build/host/read_loop"
GOAL_OF_LINUX, GOAL_OF_RANDOM = 1 / 16, 1.10


def make_file(path, n_bytes):
    """Bytes that are nowhere zero for long, so that no host skips them."""
    piece = bytes(range(256)) * (MiB // 256)
    with open(path, "wb") as out:
        for _ in range(n_bytes // MiB):
            out.write(piece)


def ours(path, n_ios, options):
    """Instructions per read, and what `bench` says."""
    count, result = icount.measure(f"vstor.irq=poll bench vda bs=4k {options} number_ios={n_ios} json=1; exit",
                                   icount.WINDOW_BENCH, deadline_s=1200, disks=[Disk(path)])
    return count.instructions / n_ios, result.one("bench")


def linux(path, n_ios, order):
    """Instructions per read() of a Linux guest, and the requests that its device saw."""
    job = (f"chmod +x /bin/read_loop; before=$(cat /sys/block/vda/stat); /bin/read_loop /dev/vda {order} {n_ios} || "
           "exit; echo stat $before / $(cat /sys/block/vda/stat)")
    files = {"bin/read_loop": READ_LOOP.read_bytes()}
    with tempfile.TemporaryDirectory(prefix="vstor-bench-cache-") as folder:
        windows, text, _ = icount.run_counted(
            lambda extra: linux_guest.run(job, [Disk(path)], pathlib.Path(folder), files=files, extra=extra, smp="1",
                                          deadline_s=1200))
    before, after = (part.split() for part in text.split("stat ")[1].split("/"))
    return windows[0].count().instructions / n_ios, int(after[0]) - int(before[0])


def random_iops(path, seconds, rounds):
    """Random reads a second, one at a time: without a cache, with one; in turns. The median of each, and that of the
    ratios of neighbours."""
    jobs = ["cache=none", "cache=6M"]
    line = "; ".join(f"bench vda rw=randread bs=4k {job} runtime={seconds} seed={n + 1} json=1"
                     for n in range(rounds) for job in jobs)
    result = harness.run(f"vstor.irq=poll {line}; exit", disks=[Disk(path)], deadline_s=600).expect_status(0)
    iops = [record["iops"] for record in result.of("bench")]
    without, cached = iops[::2], iops[1::2]
    return {"without": statistics.median(without), "with": statistics.median(cached),
            "ratio": statistics.median(a / b for a, b in zip(without, cached))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024, help="size of the file (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=1, help="of each timed run (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="timed runs of each kind (default %(default)s)")
    parser.add_argument("--no-linux", action="store_true", help="without the Linux guest")
    options = parser.parse_args()
    n_ios = options.mib * MiB // (4 * KiB)
    with tempfile.TemporaryDirectory(prefix="vstor-bench-cache-", dir=harness.ROOT / "build") as folder:
        path = pathlib.Path(folder) / "disk.raw"
        make_file(path, options.mib * MiB)
        stream, record = ours(path, n_ios, "rw=read cache=6M")
        cache = record["cache"]
        result = {"stream": {"instructions": stream, "request_bytes": cache["read_bytes"] / cache["device_reads"],
                             "in_flight": cache["in_flight_sum"] / cache["device_reads"],
                             "max_in_flight": cache["max_in_flight"]},
                  "hit": ours(path, n_ios, "rw=read cache=6M size=256k")[0],
                  "miss": ours(path, 100000, "rw=randread cache=6M")[0],
                  "no_cache": ours(path, 20000, "rw=randread cache=none")[0],
                  "not_blocking": ours(path, 20000, "rw=randread iodepth=1")[0],
                  "random_iops": random_iops(path, options.seconds, options.rounds)}
        if not options.no_linux:
            instructions, requests = linux(path, n_ios, "seq")
            result["linux"] = {"instructions": instructions, "request_bytes": n_ios * 4 * KiB / requests,
                               "ratio": instructions / stream}
    print(f"guest instructions per 4 KiB read of a file of {options.mib} MiB, waiting loops left out")
    print(f"  through the cache, one after the other  {stream:8.1f}   requests of "
          f"{result['stream']['request_bytes'] / KiB:.0f} KiB, {result['stream']['in_flight']:.1f} in flight when one is "
          f"added, at most {cache['max_in_flight']}")
    if "linux" in result:
        print(f"  the same by read() in Linux             {result['linux']['instructions']:8.1f}   requests of "
              f"{result['linux']['request_bytes'] / KiB:.0f} KiB; ratio {result['linux']['ratio']:.1f}, goal "
              f"{1 / GOAL_OF_LINUX:.0f}")
    print(f"  a hit                                   {result['hit']:8.1f}")
    print(f"  a random read that misses               {result['miss']:8.1f}")
    print(f"  the same without a cache                {result['no_cache']:8.1f}   ratio "
          f"{result['miss'] / result['no_cache']:.2f}; by submit and poll {result['not_blocking']:.1f}")
    iops = result["random_iops"]
    print(f"random reads a second, one at a time: {iops['without']:.0f} without a cache, {iops['with']:.0f} with: "
          f"{iops['ratio']:.2f} times as long, goal {GOAL_OF_RANDOM:.2f}")
    (harness.ROOT / "build/bench-cache.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
