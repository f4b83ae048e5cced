# SPDX-License-Identifier: BSD-2-Clause
"""Discard, write zeroes, copies: what the host's file then holds."""
import os

import pytest

import images
from harness import Disk
from images import KiB, MiB

MIDDLE = (3 * MiB, 5 * MiB)  # offset and length of what is discarded or zeroed


def random_disk(tmp_path, **properties):
    """A private copy of 16 MiB of random bytes that gives discarded space back to the host."""
    path = images.copy_of(images.image("random-16m.raw"), tmp_path)
    return Disk(path, writable=True, drive={"discard": "unmap"}, properties=properties)


def blocks_in_use(path):
    """Bytes that the host's file system has given the file."""
    return os.stat(path).st_blocks * 512


def expect_zeroes_between(path, offset, length):
    """The range reads as zeroes, and all around it is as it was."""
    original = images.image("random-16m.raw").read_bytes()
    data = path.read_bytes()
    assert data[:offset] == original[:offset]
    assert data[offset:offset + length] == bytes(length)
    assert data[offset + length:] == original[offset + length:]


@pytest.mark.smoke
@pytest.mark.parametrize("ring", ["split", "packed"])
@pytest.mark.parametrize("features", ["", "vstor.features=-INDIRECT_DESC"])
def test_discard(run, tmp_path, ring, features):
    """A discarded range has given its space back on the host, and nothing around it has changed."""
    disk = random_disk(tmp_path, packed="on")
    before = blocks_in_use(disk.path)
    run(f"vstor.ring={ring} {features} discard vda {MIDDLE[0]} {MIDDLE[1]}; exit", disks=[disk]).expect_status(0)
    expect_zeroes_between(disk.path, *MIDDLE)
    assert blocks_in_use(disk.path) <= before - MIDDLE[1] + 64 * KiB


@pytest.mark.parametrize("rw", ["trim", "randtrim"])
def test_bench_of_discards(run, tmp_path, rw):
    """Exactly so many, of that size, in that area; and at a pace."""
    disk = random_disk(tmp_path)
    result = run(f"bench vda rw={rw} bs=64k iodepth=4 number_ios=200 offset={MIDDLE[0]} size={MIDDLE[1]} "
                 "rate_iops=2000 json=1; stats vda json=1; exit", disks=[disk]).expect_status(0)
    measured = result.one("bench")
    assert (measured["rw"], measured["ios"], measured["errors"]) == (rw, 200, 0)
    assert measured["bytes"] == 200 * 64 * KiB and measured["iops"] <= 2100
    assert result.one("stats")["discards"] == 220  # the warm-up included
    data, original = disk.path.read_bytes(), images.image("random-16m.raw").read_bytes()
    first, end = MIDDLE[0], MIDDLE[0] + MIDDLE[1]
    assert data[:first] == original[:first] and data[end:] == original[end:]
    changed = [data[at:at + 64 * KiB] for at in range(first, end, 64 * KiB)]
    assert all(piece == bytes(64 * KiB) for piece in changed if rw == "trim")
    assert sum(piece == bytes(64 * KiB) for piece in changed) > 40


@pytest.mark.parametrize("unmap", [0, 1])
def test_zero_by_command(run, tmp_path, unmap):
    """`zero` by write zeroes: with unmap the space is given back, without it is kept."""
    disk = random_disk(tmp_path)
    before = blocks_in_use(disk.path)
    result = run(f"zero vda {MIDDLE[0]} {MIDDLE[1]} unmap={unmap} json=1; exit", disks=[disk]).expect_status(0)
    assert result.one("zero")["by"] == "write_zeroes"
    expect_zeroes_between(disk.path, *MIDDLE)
    given_back = before - blocks_in_use(disk.path)
    assert (given_back >= MIDDLE[1] - 64 * KiB) if unmap else (given_back <= 64 * KiB)


@pytest.mark.parametrize("offset,length", [(0, 1), (511, 2), (4096 + 7, 3 * MiB + 11), (513, 510), (512, 512)])
@pytest.mark.parametrize("by", ["write_zeroes", "write"])
def test_zero_any_range(run, tmp_path, offset, length, by):
    """Offsets that cut blocks, with a device that knows write zeroes and with one that does not."""
    disk = random_disk(tmp_path, **{"write-zeroes": "on" if by == "write_zeroes" else "off"})
    result = run(f"zero vda {offset} {length} json=1; exit", disks=[disk]).expect_status(0)
    assert result.one("zero")["by"] == by
    expect_zeroes_between(disk.path, offset, length)


@pytest.mark.parametrize("command,kind", [("discard", "discard"), ("zero", "write-zeroes")])
def test_limits_split_a_range(run, tmp_path, command, kind):
    """A device that takes 128 sectors at once gets a range of 5 MiB in so many commands."""
    disk = random_disk(tmp_path, **{f"max-{kind}-sectors": 128})
    stats = run(f"{command} vda {MIDDLE[0]} {MIDDLE[1]}; stats json=1; exit", disks=[disk]).expect_status(0).one("stats")
    name = {"discard": "discards", "zero": "zeroes"}[command]
    assert stats[name] == MIDDLE[1] // (128 * 512) and stats["errors"] == 0
    expect_zeroes_between(disk.path, *MIDDLE)


def test_device_without_discard(run, tmp_path):
    """No DISCARD, no SECURE_ERASE: a clear error, and nothing has changed."""
    disk = random_disk(tmp_path, discard="off")
    result = run("discard vda 0 1M json=1", disks=[disk])
    assert result.records[-1]["error"] == "unsupported"
    result = run("erase vda 0 1M json=1", disks=[disk])
    assert result.records[-1]["error"] == "unsupported"
    assert disk.path.read_bytes() == images.image("random-16m.raw").read_bytes()


@pytest.mark.parametrize("command,error", [("discard vda 1 512", "invalid"), ("discard vda 15M 2M", "range"),
                                           ("erase vda 100 512", "invalid")])
def test_ranges_that_make_no_sense(run, tmp_path, command, error):
    """Ranges that cut blocks or leave the disk are refused before anything is done."""
    disk = random_disk(tmp_path)
    result = run(command + " json=1", disks=[disk])
    assert result.records[-1]["error"] == error
    assert disk.path.read_bytes() == images.image("random-16m.raw").read_bytes()


def test_read_only(run):
    """A read-only disk is neither discarded nor zeroed."""
    disk = Disk(images.image("random-16m.raw"), readonly=True)
    for command in ("discard", "zero"):
        record = run(f"{command} vda 0 1M json=1", disks=[disk]).records[-1]
        # QEMU offers no DISCARD for a read-only disk.
        assert record["error"] in ("read_only", "unsupported"), record


@pytest.mark.smoke
@pytest.mark.parametrize("length", ["", " 5M", " 512"])
def test_copy(run, tmp_path, length):
    """`copy` makes the beginning of one disk that of another; the rest stays."""
    target = images.copy_of(images.image("empty-16m.raw"), tmp_path)
    result = run(f"copy vda vdb{length} json=1; stats vda json=1; exit",
                 disks=[Disk(images.image("random-16m.raw")), Disk(target, writable=True)]).expect_status(0)
    n = {"": 16 * MiB, " 5M": 5 * MiB, " 512": 512}[length]
    assert result.one("copy")["bytes"] == n and result.one("copy")["to"] == "vdb"
    data = target.read_bytes()
    assert data[:n] == images.image("random-16m.raw").read_bytes()[:n]
    assert data[n:] == bytes(16 * MiB - n)
    assert result.one("stats")["kicks"] < result.one("stats")["reads"] or length == " 512"


def test_copy_that_cannot_be(run, small_disk):
    """To a smaller disk, to itself, to nowhere: refused, naming why."""
    disks = [Disk(images.image("random-16m.raw")), small_disk]
    run("copy vda vdb", disks=disks).expect_status(1).expect(r"vdb holds only 1048576 bytes")
    run("copy vda vda", disks=disks).expect_status(1).expect("itself")
    run("copy vda vdz", disks=disks).expect_status(1).expect("vdz")


def test_zones_of_a_disk_that_has_none(run, tmp_path):
    """`zone` says so; nothing of it reaches the disk. QEMU 7.2 has no zoned virtio-blk."""
    disk = random_disk(tmp_path)
    for action in ("report", "open", "reset 0 1M"):
        run(f"zone vda {action}", disks=[disk]).expect_status(1).expect("not a zoned device")
    assert run("zone vda reset json=1", disks=[disk]).expect_status(1).errors[0]["error"] == "unsupported"


def test_limits_are_shown(run, tmp_path):
    """`lsblk` tells what QEMU says of discard, write zeroes, the topology and the geometry."""
    disk = random_disk(tmp_path, **{"max-discard-sectors": 4096, "max-write-zeroes-sectors": 1000,
                                    "discard_granularity": 65536, "min_io_size": 4096, "opt_io_size": 65536,
                                    "cyls": 77, "heads": 5, "secs": 9})
    result = run("lsblk json=1; lsblk vda; exit", disks=[disk]).expect_status(0)
    record = result.one("lsblk")
    assert record["discard"] == {"max_bytes": 4096 * 512, "ranges": 1, "alignment": 65536}
    assert record["write_zeroes"]["max_bytes"] == 1000 * 512 and record["zeroes_may_unmap"] is True
    assert (record["min_io"], record["opt_io"]) == (4096, 65536)
    assert record["geometry"] == {"cylinders": 77, "heads": 5, "sectors": 9}
    assert not {"secure_erase", "lifetime", "zoned"} & set(record)
    result.expect(r"^  discard +1 range of at most 2 ?M.*, best aligned to 64k")
    result.expect(r"^  write zeroes +1 range of at most .*may give space back")
    result.expect(r"^  geometry +77 cylinders, 5 heads, 9 sectors \(a hint\)")
