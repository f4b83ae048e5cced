# SPDX-License-Identifier: BSD-2-Clause
"""What the guest was told is durable outlives a power cut at any moment. QEMU logs all that reaches the disk; from the
log the disk is rebuilt as it may be after a cut at each flush and in between (see write_log.py).

What the guest was told is in the log as well, so that nothing depends on when the host looks:
- `bench verify=1` says in each block which write of its job it is, and how many before it are not yet durable;
- a command that has ended is followed by a record, one sector in a place of its own: it goes out after the command, and
  the flush in it, have been answered. So once the record is in the log, what the command did must be there for good.
"""
import collections
import random

import numpy
import pytest

import images
import pattern
from images import KiB, MiB
from write_log import SECTOR_BYTES, Replay, disks_after_cuts, logged_disk, read_log

N_CUTS = 1000
DISK_BYTES = 4 * MiB
RECORDS = DISK_BYTES - 64 * KiB  # the n-th record is sector n from here on

# Words of a command: DISK stands for the name of the disk.
Step = collections.namedtuple("Step", "command offset n_bytes content", defaults=(None, 0, None))


def fill(offset, n_bytes, seed):
    return Step(f"fill DISK {offset} {n_bytes} seed={seed}", offset, n_bytes, pattern.pattern(offset, n_bytes, seed))


def zero(offset, n_bytes):
    return Step(f"zero DISK {offset} {n_bytes}", offset, n_bytes, bytes(n_bytes))


def discard(offset, n_bytes):
    """What is there afterwards is nobody's business."""
    return Step(f"discard DISK {offset} {n_bytes}; flush DISK", offset, n_bytes)


class Bench:
    """`bench verify=1` over an area, and what its blocks say."""

    def __init__(self, offset, n_bytes, n_ios, options, bs=4096, jobs=1, run=1, then="; flush DISK"):
        self.offset, self.n_bytes, self.n_ios, self.bs, self.run = offset, n_bytes, n_ios, bs, run
        self.command = (f"bench DISK verify=1 offset={offset} size={n_bytes} bs={bs} numjobs={jobs} seed={run} "
                        f"number_ios={n_ios} {options} json=1{then}")
        self.first = offset // SECTOR_BYTES
        self.n_sectors = n_bytes // SECTOR_BYTES
        self.sectors_per_job = n_bytes // bs // jobs * bs // SECTOR_BYTES
        self.required = numpy.zeros(self.n_sectors, numpy.uint64)  # the least number of the write that a sector holds
        self.written = [{} for _ in range(jobs)]  # of each job: sectors by the number of the write, until durable
        self.durable = [0] * jobs
        self.n_told = 0  # promises that blocks told of

    def overwritten(self, entry):
        """By another command: what was promised of these sectors is over."""
        first = max(entry.sector - self.first, 0)
        self.required[first:max(entry.sector + entry.n_sectors - self.first, 0)] = 0

    def take(self, entry):
        """A command over whole blocks (QEMU may have made one of several) that belong where they are: books what each
        block says."""
        for at in range(0, len(entry.data), self.bs):
            block = entry.data[at:at + self.bs]
            offset = entry.sector * SECTOR_BYTES + at
            seed = pattern.seed_of(block, offset)
            assert block == pattern.pattern(offset, self.bs, seed), f"block at {offset} is not what the guest makes"
            number, behind, run = seed & 0xFFFFFFFF, seed >> 32 & 0xFFFF, seed >> 48
            assert run == self.run and 0 < behind <= number, f"seed {seed:#x} at {offset}"
            first = offset // SECTOR_BYTES - self.first
            job = first // self.sectors_per_job
            if behind != 0xFFFF:
                self.n_told += max(number - behind - self.durable[job], 0)
                self.promise(job, number - behind)
            self.written[job][number] = slice(first, first + self.bs // SECTOR_BYTES)

    def promise(self, job, number):
        """All of a job's writes up to this number are durable, says the guest: then the disk must have had them."""
        for n in range(self.durable[job] + 1, number + 1):
            assert n in self.written[job], f"write {n} is called durable and never reached the disk"
            self.required[self.written[job].pop(n)] = n
            self.durable[job] = n

    def promise_all(self):
        for job, written in enumerate(self.written):
            self.promise(job, max(written, default=0))

    def wrong(self, sectors):
        """Sectors of a rebuilt disk that don't hold what they must."""
        area = sectors[self.first:self.first + self.n_sectors]
        seeds, offsets = pattern.seeds_of_sectors(area)
        here = offsets == (numpy.arange(self.n_sectors, dtype=numpy.uint64) + numpy.uint64(self.first)) * SECTOR_BYTES
        right = here & (seeds >> numpy.uint64(48) == self.run) & (seeds & numpy.uint64(0xFFFFFFFF) >= self.required)
        return self.first + numpy.flatnonzero((self.required > 0) & ~right)


class Promises:
    """What the disk must hold, command for command of the log."""

    def __init__(self, steps):
        self.steps = steps
        self.benches = [step for step in steps if isinstance(step, Bench)]
        self.expected = Replay(DISK_BYTES).sectors
        self.fixed = numpy.zeros(len(self.expected), bool)
        self.n_done = 0  # steps

    def take(self, entry):
        """One more command has reached the disk."""
        if entry.flush or entry.n_sectors == 0:
            return
        if entry.sector >= RECORDS // SECTOR_BYTES:
            assert entry.sector == RECORDS // SECTOR_BYTES + self.n_done, "a record out of order"
            self.step_done(self.steps[self.n_done])
            self.n_done += 1
            return
        # What a command under way overwrites may be as before or as after.
        self.fixed[entry.sector:entry.sector + entry.n_sectors] = False
        current = self.steps[self.n_done]
        for bench in self.benches:
            if bench is not current:
                bench.overwritten(entry)
        if isinstance(current, Bench):
            current.take(entry)

    def step_done(self, step):
        if isinstance(step, Bench):
            step.promise_all()
        elif step.content is not None:
            part = slice(step.offset // SECTOR_BYTES, (step.offset + step.n_bytes) // SECTOR_BYTES)
            self.expected[part] = numpy.frombuffer(step.content, numpy.uint8).reshape(-1, SECTOR_BYTES)
            self.fixed[part] = True

    def wrong(self, sectors):
        """Numbers of the sectors that do not hold what was promised."""
        fixed = numpy.flatnonzero(self.fixed)
        found = [fixed[(sectors[fixed] != self.expected[fixed]).any(axis=1)]]
        return numpy.concatenate(found + [bench.wrong(sectors) for bench in self.benches])


def run_steps(run, disk, steps, options="", **machine):
    """Each step and its record, on one command line. Returns all that the guest said."""
    line = "; ".join(f"{step.command}; fill DISK {RECORDS + n * SECTOR_BYTES} 512 seed={n}"
                     for n, step in enumerate(steps))
    line = f"{options} {line}; stats json=1; exit".replace("DISK", "sda" if disk.device == "scsi-hd" else "vda")
    return run(line, disks=[disk], **machine).expect_status(0)


def check_cuts(entries, steps, n_cuts, seed=1):
    """Every flush, and as many other moments as make up n_cuts: each must hold what was promised until then."""
    chance = random.Random(seed)
    cuts = {i + 1 for i, entry in enumerate(entries) if entry.flush}
    others = sorted(set(range(1, len(entries) + 1)) - cuts)
    cuts |= set(chance.sample(others, min(len(others), max(0, n_cuts - len(cuts)))))
    promises, n_taken = Promises(steps), 0
    for cut, replay in disks_after_cuts(entries, DISK_BYTES, sorted(cuts), chance):
        for entry in entries[n_taken:cut]:
            promises.take(entry)
        n_taken = cut
        wrong = promises.wrong(replay.sectors)
        assert not len(wrong), f"cut after {cut} of {len(entries)} commands: {len(wrong)} sectors, the first {wrong[0]}"
    assert len(cuts) >= n_cuts
    # So that it is not for want of promises that none was broken.
    assert all(step.n_told > len(step.written) * step.n_ios * 0.9 for step in promises.benches)


def check_replay(entries, disk, folder):
    """Without any cut, the log is the disk: by cmp."""
    replay = Replay(DISK_BYTES)
    for entry in entries:
        replay.apply(entry)
    rebuilt = folder / "rebuilt.raw"
    rebuilt.write_bytes(replay.sectors.tobytes())
    images.run_tool("cmp", rebuilt, disk.path)


MIXED = [lambda: fill(0, 512 * KiB, 11), lambda: zero(64 * KiB, 96 * KiB), lambda: discard(256 * KiB, 64 * KiB),
         lambda: Bench(MiB, MiB, 500, "rw=randwrite iodepth=8 fsync=16", jobs=2, run=2),
         lambda: fill(32 * KiB, 300 * KiB, 12),
         lambda: Bench(2 * MiB, 256 * KiB, 300, "rw=randwrite iodepth=6 sync=1", bs=1024, run=3),
         lambda: Bench(MiB, MiB, 150, "rw=write iodepth=4 fsync=5", bs=12 * KiB, run=4),
         lambda: zero(0, 100 * KiB)]


def blk(**properties):
    """harness.Disk's arguments for a virtio-blk disk."""
    return {"properties": {"num-queues": 2, "packed": "on", **properties}}


def scsi(**properties):
    """The same for a SCSI disk behind an adapter with two queues."""
    adapter = ["-device", "virtio-scsi-pci,disable-legacy=on,num_queues=2,packed=on"]
    return {"device": "scsi-hd", "before": adapter, "properties": properties}


@pytest.mark.parametrize("kind", [blk(), scsi(), scsi(dpofua="on")], ids=["blk", "scsi", "scsi-fua"])
@pytest.mark.parametrize("ring", ["split", "packed"])
def test_a_thousand_power_cuts(run, tmp_path, ring, kind):
    """Mixed writes on two queues, several deep, with flushes among them: at each of 1,000 cuts all is there that a
    flush, or a durable write, had been answered for. The same area is written over by later commands."""
    disk = logged_disk(tmp_path, DISK_BYTES, **kind)
    steps = [make() for make in MIXED]
    result = run_steps(run, disk, steps, f"vstor.queues=2 vstor.ring={ring}", smp="2")
    assert [b["errors"] for b in result.of("bench")] == [0] * 3
    entries = read_log(tmp_path / "log.raw")
    check_replay(entries, disk, tmp_path)
    check_cuts(entries, steps, N_CUTS)


# name: the disk, options of the kernel, commands before
CACHE_OFF = {"by-host": (blk(**{"write-cache": "off"}), "", ""),
             "by-guest": (blk(), "", "cache DISK writethrough; "),
             "no-flush-feature": (blk(), "vstor.features=-FLUSH,-CONFIG_WCE", ""),
             "scsi-by-host": (scsi(**{"write-cache": "off"}), "", ""),
             "scsi-by-guest": (scsi(), "", "cache DISK writethrough; ")}


@pytest.mark.parametrize("how", CACHE_OFF)
def test_with_the_cache_off_what_has_ended_is_durable(run, tmp_path, how):
    """Nobody flushes: QEMU does after each write. At each cut all is there that had ended for the guest."""
    kind, options, before = CACHE_OFF[how]
    disk = logged_disk(tmp_path, DISK_BYTES, **kind)
    steps = [fill(0, 256 * KiB, 21), fill(100 * KiB, 64 * KiB, 22),
             Bench(MiB, 512 * KiB, 400, "rw=randwrite iodepth=8", run=5, then="")]
    result = run_steps(run, disk, steps, f"{options} {before}")
    bench = result.one("bench")
    assert (bench["errors"], bench["flushes"]) == (0, 0)
    entries = read_log(tmp_path / "log.raw")
    check_replay(entries, disk, tmp_path)
    check_cuts(entries, steps, N_CUTS // 4)


@pytest.mark.parametrize("name,kind", [("vda", blk()), ("sda", scsi())])
def test_seen_from_outside(prompt, tmp_path, name, kind):
    """The moment a command has ended the host looks: what it did stands before a flush in the log."""
    disk = logged_disk(tmp_path, DISK_BYTES, **kind)
    machine = prompt(disks=[disk])
    for line, offset, content in ((f"fill {name} 4k 100k seed=3", 4 * KiB, pattern.pattern(4 * KiB, 100 * KiB, 3)),
                                  (f"zero {name} 8k 64k", 8 * KiB, bytes(64 * KiB)),
                                  (f"write {name} 513 0102; flush {name}", 513, b"\x01\x02")):
        assert not machine.command(line).text
        entries = read_log(tmp_path / "log.raw")
        for _, replay in disks_after_cuts(entries, DISK_BYTES, [len(entries)], None):
            assert replay.sectors.tobytes()[offset:offset + len(content)] == content, line
