# SPDX-License-Identifier: BSD-2-Clause
"""Commands that the host's disk fails (QEMU's blkdebug), every kind at chosen sectors: what the guest says, what the
disk then holds, and that everything around it works.

What an error names is the command: the offset is that of the first command, of those that a long request was made of,
that failed. All before it is done, what is behind it is done or not. The device tells no more: which sector of a
command was bad is not known, nor how much of a failed write was written (blkdebug writes nothing of it). And where
QEMU merges commands to neighbouring sectors into one of its own, they fail together.
"""
import hashlib
import time

import pytest

import images
import pattern
from faults import EIO, ENOSPC, failing_nodes, wait_for_stop
from harness import Disk
from images import KiB, MiB

SECTOR = 512
DISK_BYTES = MiB
BAD = (0, 1234, 2047)  # sectors: the first, one in between, the last


def debugged(path, iotype, *, bad=BAD, errno=EIO, once=False, policy="report", times=1, **properties):
    """A private copy of 1 MiB, on which commands of a kind that touch a bad sector fail; without sectors all do."""
    return Disk(path, blockdev=failing_nodes(path, iotype, bad, errno, once, times),
                properties={"rerror": "report" if policy == "enospc" else policy, "werror": policy,
                            "request-merging": "off", "max-discard-sectors": 128, "max-write-zeroes-sectors": 128,
                            **properties})


@pytest.fixture
def copy(tmp_path):
    """A function that gives a private copy of the 1 MiB image by a name."""
    def make(name):
        path = tmp_path / name
        path.write_bytes(images.image("1m.raw").read_bytes())
        return path
    return make


class Kind:
    """A command of the shell whose device commands fail. `piece`: how long one of them is at most."""

    def __init__(self, iotype, command, piece, content):
        self.iotype, self.command, self.piece, self.content = iotype, command, piece, content

    def pieces(self, offset, n_bytes):
        while n_bytes:
            n = min(self.piece - offset % self.piece if self.piece < 256 * KiB else self.piece, n_bytes)
            yield offset, n
            offset, n_bytes = offset + n, n_bytes - n


# content: what a range holds afterwards, by offset, length and seed; None where nothing changes.
KINDS = {
    "read": Kind("read", "sum {dev} {offset} {n}", 256 * KiB, None),
    "write": Kind("write", "fill {dev} {offset} {n} seed={seed}", 256 * KiB, pattern.pattern),
    "discard": Kind("discard", "discard {dev} {offset} {n}", 64 * KiB, lambda offset, n, seed: bytes(n)),
    "write-zeroes": Kind("write-zeroes", "zero {dev} {offset} {n}", 64 * KiB, lambda offset, n, seed: bytes(n)),
}


class Checked:
    """A disk at a machine's prompt, beside what it should hold."""

    def __init__(self, machine, name, disk, kind, once):
        self.machine, self.name, self.disk, self.kind, self.once = machine, name, disk, kind, once
        # QEMU reads the first sector itself, to guess a geometry, when the device is made: that was the once.
        self.bad = set(BAD) - ({0} if once and kind.iotype == "read" else set())
        self.content = bytearray(disk.path.read_bytes())
        self.n_errors = self.n_done = 0

    def attempt(self, offset, n_bytes):
        """Runs the command on a range: it fails, at the right place, if a bad sector is there, and only then."""
        self.n_done += 1
        seed, failed = 1000 + self.n_done, []
        for start, n in self.kind.pieces(offset, n_bytes):
            hit = {sector for sector in self.bad if start <= sector * SECTOR < start + n}
            if hit:
                failed.append(start)
                self.bad -= hit if self.once else set()
            elif self.kind.content:
                self.content[start:start + n] = self.kind.content(start, n, seed)
        line = self.kind.command.format(dev=self.name, offset=offset, n=n_bytes, seed=seed)
        result = self.machine.command(line + " json=1")
        if failed:
            error = result.error(line.split()[0])
            assert (error["dev"], error["error"], error["offset"]) == (self.name, "io", failed[0]), (line, error)
        else:
            assert not result.errors, (line, result.text)
            if self.kind.content is None:
                held = hashlib.sha256(self.content[offset:offset + n_bytes]).hexdigest()
                assert result.one("sum")["sha256"] == held, line
        self.n_errors += len(failed)

    def check(self):
        """The counters, what QEMU counted itself, and the file by cmp."""
        listed = self.machine.command(f"lsblk {self.name} json=1").one("lsblk")
        stats = listed["stats"][0]
        assert (stats["errors"], stats["timeouts"], stats["rescues"], listed["broken"]) == (self.n_errors, 0, 0, False)
        expected = self.disk.path.with_suffix(".expected")
        expected.write_bytes(self.content)
        images.run_tool("cmp", expected, self.disk.path)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.smoke) if n == "write" else n for n in KINDS])
def test_failing_commands(prompt, copy, name):
    """EIO and ENOSPC, once and for ever, split and packed ring: in long commands and in single sectors."""
    kind = KINDS[name]
    ways = [(errno, once) for errno in (EIO, ENOSPC) for once in (False, True)]
    disks = [debugged(copy(f"disk{i}.raw"), kind.iotype, errno=errno, once=once, packed="on" if i in (0, 3) else "off")
             for i, (errno, once) in enumerate(ways)]
    machine = prompt(disks=disks)
    machine.qmp("query-status")  # QEMU tells events from here on
    checked = [Checked(machine, f"vd{'abcd'[i]}", disks[i], kind, once) for i, (_, once) in enumerate(ways)]
    for one in checked:
        one.attempt(256 * KiB, 768 * KiB)
        for sector in BAD:
            for n in (sector, sector - 1, sector + 1, sector):
                if 0 <= n * SECTOR < DISK_BYTES:
                    one.attempt(n * SECTOR, SECTOR)
        one.attempt(0, DISK_BYTES)
    machine.qmp("query-status")  # takes in the events before it
    told = [event["data"] for event in machine.events if event["event"] == "BLOCK_IO_ERROR"]
    for one in checked:  # last, for lsblk reads the partition table
        one.check()
    assert len(told) == sum(one.n_errors for one in checked)
    assert {(e["action"], e["operation"]) for e in told} == {("report", "read" if name == "read" else "write")}


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("cache", ["on", "off"])
def test_failing_flush(prompt, copy, once, cache):
    """A flush that fails is told, and may be tried again; the data are there. With the cache off QEMU flushes behind
    each write: then it is the write that fails, although its data are there as well."""
    disk = debugged(copy("disk.raw"), "flush", bad=(), once=once, **{"write-cache": cache})
    machine = prompt(disks=[disk])
    for n, fails in enumerate((True, not once, not once)):
        offset = (100 + n) * SECTOR
        written = machine.command(f"write vda {offset} 0123 json=1")
        if cache == "off" and fails:
            error = written.error("write")
            assert (error["error"], error["offset"]) == ("io", offset)
        else:
            assert not written.errors
        if cache == "on":
            flushed = machine.command("flush vda json=1")
            assert [e["error"] for e in flushed.errors] == (["io"] if fails else [])
        assert images.read_range(disk.path, offset, 2) == b"\x01\x23"
    assert machine.command("lsblk json=1").one("lsblk")["stats"][0]["errors"] == (1 if once else 3)


def test_failing_writes_deep_in_a_queue(run, copy):
    """`bench verify=1` with 16 writes in flight: as many errors as bad blocks were written to, all others as they
    should be; for the host each block is as the guest left it or as it was."""
    disk = debugged(copy("disk.raw"), "write", **{"num-queues": 2})
    before = disk.path.read_bytes()
    line = "bench vda rw=write verify=1 iodepth=16 number_ios=128 numjobs=2 seed=77 json=1"
    result = run(f"vstor.queues=2 {line}; exit", disks=[disk], smp="2").expect_status(1)
    assert (result.one("bench")["errors"], result.one("bench")["verified"]) == (3, 253)
    assert result.error("bench")["error"] == "io" and result.error("bench")["offset"] in (0, 1234 * SECTOR & ~4095)
    after = disk.path.read_bytes()
    bad = {sector * SECTOR // 4096 for sector in BAD}
    for block in range(256):
        here = slice(block * 4096, block * 4096 + 4096)
        seed = pattern.seed_of(after[here], block * 4096)
        if block in bad:
            assert after[here] == before[here]
        else:
            assert seed >> 48 == 77 and after[here] == pattern.pattern(block * 4096, 4096, seed)


def test_merged_by_the_host(prompt, copy):
    """QEMU may make one of several commands, which then fail together: all before the offset that is told is done."""
    disk = debugged(copy("disk.raw"), "write", bad=(1234,), **{"request-merging": "on"})
    before = disk.path.read_bytes()
    machine = prompt(disks=[disk])
    error = machine.command("fill vda 0 1M seed=4 json=1").error("fill")
    assert error["error"] == "io" and error["offset"] in (0, 256 * KiB, 512 * KiB)
    after = disk.path.read_bytes()
    for offset in range(0, DISK_BYTES, 256 * KiB):
        piece = slice(offset, offset + 256 * KiB)
        written = after[piece] == pattern.pattern(offset, 256 * KiB, 4)
        assert written or (offset >= error["offset"] and after[piece] == before[piece])


# ---------------------------------------------------------------- what the host may do instead of telling

POLICY_COMMANDS = {"read": "sum {dev} 256k 768k", "write": "fill {dev} 256k 768k seed=5",
                   "flush": "fill {dev} 0 4k seed=5", "discard": "discard {dev} 256k 768k",
                   "write-zeroes": "zero {dev} 256k 768k"}


def stopped_at(policy, iotype, errno):
    return policy == "stop" or (policy == "enospc" and errno == ENOSPC and iotype != "read")


def check_policy(machine, name, disk, case, pause_s):
    policy, iotype, errno = case
    stops = stopped_at(*case)
    machine.send(POLICY_COMMANDS[iotype].format(dev=name) + " json=1\r")
    machine.wait_for("\n")
    if stops:
        wait_for_stop(machine)
        time.sleep(pause_s)
        machine.qmp("cont")
    machine.wait_for_prompt()
    assert disk.path.read_bytes() == content_after(iotype, done=stops), case
    stats = machine.command(f"lsblk {name} json=1").one("lsblk")["stats"][0]
    told = policy in ("report", "enospc") and not stops
    assert (stats["errors"], stats["timeouts"], stats["rescues"]) == (int(told), 0, 0), (case, stats)


def content_after(iotype, done):
    """Of the disk; unless the command is done the piece with the bad sector is as it was."""
    before = images.image("1m.raw").read_bytes()
    content = bytearray(before)
    if iotype == "flush":
        content[:4 * KiB] = pattern.pattern(0, 4 * KiB, 5)
    elif iotype != "read":
        kind = KINDS[iotype]
        content[256 * KiB:] = kind.content(256 * KiB, 768 * KiB, 5)
        bad = 1234 * SECTOR // kind.piece * kind.piece
        if not done:
            content[bad:bad + kind.piece] = before[bad:bad + kind.piece]
    return content


@pytest.mark.parametrize("policy,timeout_ms", [("report", 60000), ("ignore", 60000), ("enospc", 60000), ("stop", 60000),
                                               ("stop", 1000)])
def test_policies(prompt, copy, policy, timeout_ms):
    """rerror= and werror=: told; kept from the guest, which then can't know; or the machine stopped until somebody has
    put things right, then the command is done. That may take longer than the guest's time-out: under TCG its clock
    stands as well, and one that went on would count as one interval of the time-out only, because nobody polled."""
    cases = [(policy, iotype, errno) for iotype in POLICY_COMMANDS for errno in (EIO, ENOSPC)]
    disks = [debugged(copy(f"disk{i}.raw"), iotype, bad=() if iotype == "flush" else (1234,), errno=errno, once=True,
                      policy=policy) for i, (_, iotype, errno) in enumerate(cases)]
    machine = prompt(f"vstor.timeout={timeout_ms}", disks=disks)
    for i, case in enumerate(cases):
        pause = timeout_ms == 1000 and case[1:] in (("read", EIO), ("write", EIO))
        check_policy(machine, f"vd{'abcdefghij'[i]}", disks[i], case, 1.3 if pause else 0)


def test_what_was_ignored_is_found_by_verify(prompt, copy):
    """werror=ignore loses a write without a word: checking the data is what finds it."""
    machine = prompt(disks=[debugged(copy("disk.raw"), "write", bad=(1234,), policy="ignore")])
    assert not machine.command("fill vda 0 1M seed=6 json=1").errors
    error = machine.command("verify vda 0 1M seed=6 json=1").error("verify")
    assert error["error"] == "mismatch" and error["offset"] // (256 * KiB) == 2
    error = machine.command("bench vda rw=write verify=1 number_ios=256 json=1").error("bench")
    assert error["error"] == "mismatch" and error["offset"] // 4096 == 1234 * SECTOR // 4096


def test_stopped_more_than_once(prompt, copy):
    """Two faults in one command: the machine stops twice, and nothing is lost or done by halves."""
    disk = debugged(copy("disk.raw"), "write", bad=(1234,), once=True, times=2, policy="stop")
    machine = prompt(disks=[disk])
    machine.send("fill vda 0 1M seed=5 json=1\r")
    machine.wait_for("\n")
    for _ in range(2):
        wait_for_stop(machine)
        machine.qmp("cont")
    machine.wait_for_prompt()
    assert disk.path.read_bytes() == pattern.pattern(0, MiB, 5)
    assert machine.command("stats json=1").one("stats")["errors"] == 0


# ---------------------------------------------------------------- slow and paused

@pytest.mark.parametrize("irq", ["poll", "msix"])
def test_paused_longer_than_the_time_out(prompt, writable, irq):
    """A machine stopped with commands in flight: its clock stands (TCG), and no command is called late."""
    disk = writable(drive={"cache": "unsafe"})
    machine = prompt(f"vstor.timeout=1000 vstor.irq={irq}", disks=[disk])
    machine.send("bench vda rw=randwrite verify=1 runtime=600 fsync=100\r")
    machine.wait_for("\n")
    for pause_s in (0.01, 1.3, 0.01):
        time.sleep(0.1)
        machine.qmp("stop")
        time.sleep(pause_s)
        machine.qmp("cont")
    time.sleep(0.1)
    machine.send("\x03")
    machine.wait_for("interrupted")
    machine.wait_for_prompt()
    stats = machine.command("stats json=1").one("stats")
    assert (stats["errors"], stats["timeouts"], stats["rescues"]) == (0, 0, 0) and stats["writes"] > 0, stats
    assert not machine.command("bench vda rw=randwrite verify=1 number_ios=500 json=1").errors


def throttled(path, per_second):
    """A disk of so many commands a second, and the throttle that does it."""
    nodes = [{"driver": "file", "node-name": "file0", "filename": str(path), "cache": {"no-flush": True}},
             {"driver": "raw", "node-name": "raw0", "file": "file0"},
             {"driver": "throttle", "node-name": "slow0", "throttle-group": "slow", "file": "raw0"}]
    return {"disks": [Disk(path, blockdev=nodes, properties={"request-merging": "off"})],
            "objects": [f"throttle-group,id=slow,x-iops-total={per_second}"]}


def test_throttled_is_not_late(prompt, copy):
    """A disk of 40 commands a second with a deep queue: each waits for its turn, and all are done."""
    machine = prompt("vstor.timeout=30000", **throttled(copy("disk.raw"), 40))
    bench = machine.command("bench vda rw=write verify=1 bs=16k iodepth=40 number_ios=40 json=1").one("bench")
    assert (bench["ios"], bench["errors"], bench["verified"]) == (40, 0, 40)
    stats = machine.command("stats json=1").one("stats")
    assert (stats["errors"], stats["timeouts"], stats["rescues"]) == (0, 0, 0), stats


def test_throttled_beyond_the_time_out(prompt, copy):
    """Where commands wait for longer than the time-out the device is reset, which has QEMU end them all, and they are
    done again: no write that comes late undoes a newer one to the same block."""
    machine = prompt("vstor.timeout=1500", **throttled(copy("disk.raw"), 1))
    machine.send("bench vda rw=randwrite verify=1 size=64k iodepth=8 number_ios=400 json=1\r")
    machine.wait_for("device reset")
    machine.qmp("qom-set", path="/objects/slow", property="limits", value={"iops-total": 0})
    machine.wait_for(r'"ios":400,.*"errors":0,.*"verified":16}')
    machine.wait_for_prompt()
    stats = machine.command("stats json=1").one("stats")
    assert stats["timeouts"] >= 1 and stats["replays"] >= 1 and stats["errors"] == 0, stats


def test_slow_disk_is_not_rung_again(run):
    """Nothing moves for two seconds and more, but the device has seen all there is: no doorbell is rung again."""
    slow = Disk(blockdev=[{"driver": "null-co", "node-name": "slow0", "size": MiB, "latency-ns": 2_400_000_000}],
                properties={"cyls": 2, "heads": 16, "secs": 63})  # else QEMU reads once itself, to guess them
    result = run("vstor.timeout=30000 read vda 0 512 json=1; stats json=1; exit", disks=[slow]).expect_status(0)
    stats = result.one("stats")
    assert (stats["reads"], stats["errors"], stats["timeouts"], stats["rescues"]) == (1, 0, 0, 0), stats
