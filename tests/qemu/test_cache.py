# SPDX-License-Identifier: BSD-2-Clause
"""The block cache on QEMU's devices: power cuts under write-back, write errors, read-ahead, and what a hit costs."""
import pytest

import faults
import icount
import images
import test_durability as durability
from harness import Disk
from images import KiB, MiB
from test_durability import Bench, fill
from write_log import SECTOR_BYTES, logged_disk, read_log

# What 4 KiB through the cache may cost in guest instructions: a hit; and each read of a stream, all of it. Linux takes
# 4,357 for the same read() (make bench-cache), of which a sixteenth is 272.
HIT_BUDGET, STREAM_BUDGET = 100, 272
# And what a random read of 4 KiB may cost that is not there, beyond a blocking read without a cache.
MISS_BUDGET = 180

class CachedBench(Bench):
    """`bench verify=1` through a cache: of two writes to one block the first need not reach the disk. Where there is one
    I/O at a time it is known which block each was for."""

    def __init__(self, offset, n_bytes, n_ios, options, bs=4096, run=1):
        super().__init__(offset, n_bytes, n_ios, options, bs=bs, run=run)
        self.blocks = [None] * (n_ios + 1)
        if "iodepth=1 " in options and "rw=randwrite" in options:
            place = run
            for n in range(1, n_ios + 1):
                place = (place * 6364136223846793005 + 1442695040888963407) % (1 << 64)
                self.blocks[n] = place * (n_bytes // bs) >> 64

    def promise(self, job, number):
        per_block = self.bs // SECTOR_BYTES
        for n in range(self.durable[job] + 1, number + 1):
            where = self.written[job].pop(n, None)
            if where is None and self.blocks[n] is not None:
                where = slice(self.blocks[n] * per_block, (self.blocks[n] + 1) * per_block)
            if where is not None:
                self.required[where] = n
            self.durable[job] = n


CACHED = [lambda: fill(0, 256 * KiB, 11),
          lambda: CachedBench(MiB, 512 * KiB, 600, "rw=randwrite iodepth=1 fsync=16 cache=128k", run=2),
          lambda: CachedBench(2 * MiB, 256 * KiB, 300, "rw=randwrite iodepth=6 sync=1 cache=80k", run=3),
          lambda: CachedBench(MiB, MiB, 400, "rw=randwrite iodepth=8 fsync=5 cache=256k", run=4),
          lambda: CachedBench(3 * MiB, 128 * KiB, 300, "rw=randwrite iodepth=1 fsync=7 cache=64k cachemode=writethrough",
                              bs=512, run=5)]


@pytest.mark.parametrize("kind", [durability.blk(), durability.scsi()], ids=["blk", "scsi"])
def test_a_thousand_power_cuts(run, tmp_path, kind):
    """Writes through a cache, several at once, with flushes and durable writes among them: at each of 1,000 cuts all is
    there that a flush had been answered for, and nothing from after a flush without all from before."""
    disk = logged_disk(tmp_path, durability.DISK_BYTES, **kind)
    steps = [make() for make in CACHED]
    result = durability.run_steps(run, disk, steps)
    assert [b["errors"] for b in result.of("bench")] == [0] * 4
    entries = read_log(tmp_path / "log.raw")
    durability.check_replay(entries, disk, tmp_path)
    durability.check_cuts(entries, steps, durability.N_CUTS)


@pytest.mark.parametrize("mode", ["writeback", "writethrough"])
def test_write_errors_reach_the_flusher(run, tmp_path, mode):
    """One bad sector among a megabyte of writes: the bench fails and names the place; all else is on the disk."""
    bad = (512 * KiB + 5 * 512) // 512
    path = images.sparse(tmp_path / "bad.raw", 4 * MiB)
    disk = Disk(path, blockdev=faults.failing_nodes(path, "write", [bad]), writable=True,
                properties={"werror": "report", "rerror": "report"})
    result = run(f"bench vda verify=1 rw=write bs=4k iodepth=1 size=1M number_ios=256 cache=256k cachemode={mode} "
                 "json=1; exit", disks=[disk]).expect_status(1)
    error = result.error("bench")
    assert error["error"] in ("io", "mismatch") and error["offset"] // 4096 == 128
    written = path.read_bytes()
    blocks = [n for n in range(256) if any(written[n * 4096:(n + 1) * 4096])]
    assert blocks == [n for n in range(256) if n != 128]


def cached(result):
    record = result.one("bench")
    return record, record["cache"]


@pytest.mark.parametrize("size", ["1536k", "6M"])
@pytest.mark.parametrize("driver", ["blk", "scsi"])
def test_a_stream_is_read_ahead(run, driver, size):
    """4 KiB at a time from a disk that takes 20 ms: requests of 128 KiB and more, four and more in flight."""
    disk = icount.null_disk(n_bytes=1 << 30, latency_ns=20_000_000, driver=driver)
    name = "vda" if driver == "blk" else "sda"
    record, cache = cached(run(f"bench {name} rw=read bs=4k cache={size} number_ios=16384 json=1; exit", disks=[disk])
                           .expect_status(0))
    assert record["ios"] == 16384 and record["errors"] == 0
    assert cache["read_bytes"] / cache["device_reads"] >= 128 * KiB
    assert cache["in_flight_sum"] / cache["device_reads"] >= 4
    assert cache["ahead_unread_bytes"] == 0


def test_random_reads_read_only_what_is_asked(run):
    """Nothing is read ahead but by chance, once in 4,000 reads."""
    record, cache = cached(run("bench vda rw=randread bs=4k cache=6M number_ios=20000 json=1; exit",
                               disks=[icount.null_disk(n_bytes=1 << 40)]).expect_status(0))
    assert cache["hits"] + cache["misses"] == record["ios"]
    assert cache["read_bytes"] <= cache["misses"] * 4 * KiB + 5 * 64 * KiB


def count(options, **disk):
    counted, result = icount.measure(f"vstor.irq=poll bench vda bs=4k {options} json=1; exit", icount.WINDOW_BENCH,
                                     disks=[icount.null_disk(**disk)])
    return counted.instructions / result.one("bench")["ios"]


def test_a_hit_costs_few_instructions():
    assert count("rw=read cache=6M size=256k number_ios=50000") <= HIT_BUDGET


def test_a_miss_costs_few_more_than_no_cache():
    """Reads that never come back, and enough of them for the cache to have seen that."""
    disk = {"n_bytes": 1 << 40, "latency_ns": 20000}
    without = count("rw=randread cache=none number_ios=20000", **disk)
    assert count("rw=randread cache=1M number_ios=40000", **disk) <= without + MISS_BUDGET


@pytest.mark.parametrize("size", ["1M", "6M"])
def test_a_stream_costs_few_instructions(size):
    """All of it: the application's loop, the hit, and its share of reading ahead, down to the ring."""
    assert count(f"rw=read cache={size} number_ios=50000") <= STREAM_BUDGET


def test_stats_tell_of_caches(run, tmp_path):
    """What bench says of its caches adds up; of a disk without one nothing is said."""
    disks = [icount.null_disk(n_bytes=1 << 30), Disk(images.sparse(tmp_path / "w.raw", 4 * MiB), writable=True)]
    result = run("bench vda rw=read bs=4k cache=1M number_ios=2000 json=1; bench vda bs=1M cache=1M number_ios=8 json=1; "
                 "stats vda; stats vda json=1; stats vdb json=1; "
                 "bench vdb rw=write verify=1 size=1M number_ios=256 cache=256k json=1; stats vdb json=1; exit", disks=disks)
    result.expect_status(0)
    first, second = (record["cache"] for record in result.of("bench")[:2])
    read, unused, written = result.of("stats")
    for name in ("hits", "misses", "device_reads", "read_bytes", "ahead_bytes", "straight_bytes"):
        assert read["cache"][name] == first[name] + second[name], name
    assert first["hits"] > 1900 and first["ahead_bytes"] > 0 and second["straight_bytes"] == 8 * MiB
    assert "cache" not in unused
    assert written["cache"]["written_bytes"] == MiB
    assert written["cache"]["dirty_bytes"] == written["cache"]["lost_bytes"] == written["cache"]["open"] == 0
    row = next(line.split() for line in result.text.splitlines() if line.startswith("vda ") and "M" in line.split()[-4])
    assert int(row[2]) == read["cache"]["hits"] and int(row[3]) == read["cache"]["misses"]
