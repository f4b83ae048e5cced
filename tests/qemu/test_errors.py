# SPDX-License-Identifier: BSD-2-Clause
"""Each error names the device, the offset and the cause; it ends a command line with status 1; at the prompt the next
command works."""
import pytest

import images
from harness import Disk
from images import KiB, MiB

BAD_SECTOR = 1234  # of 512 bytes
BAD_BYTE = BAD_SECTOR * 512


def disk_with_bad_sector(path, what, logical_block=512):
    """blkdebug under the disk answers EIO to any request of a kind ("read", "write", "flush") that touches a sector."""
    fault = {"event": "none", "iotype": what, "errno": 5}
    if what != "flush":
        fault["sector"] = BAD_SECTOR
    nodes = [{"driver": "file", "node-name": "file0", "filename": str(path)},
             {"driver": "blkdebug", "node-name": "debug0", "image": "file0", "inject-error": [fault]},
             {"driver": "raw", "node-name": "disk0", "file": "debug0"}]
    return Disk(blockdev=nodes, properties={"rerror": "report", "werror": "report", "serial": "BAD",
                                            "logical_block_size": logical_block, "physical_block_size": 4096})


# Disks by name; each maker gets the path of a private copy of the 1 MiB image.
DISKS = {
    "none": lambda path: [],
    "small": lambda path: [Disk(path)],
    "read-only": lambda path: [Disk(path, readonly=True)],
    "bad-read": lambda path: [disk_with_bad_sector(path, "read")],
    "bad-write": lambda path: [disk_with_bad_sector(path, "write")],
    "bad-flush": lambda path: [disk_with_bad_sector(path, "flush")],
    "bad-read-4k": lambda path: [disk_with_bad_sector(path, "read", logical_block=4096)],
}

# name: (disk, command that fails, word of the error, its byte offset or None)
ERRORS = {
    "read-past-end": ("small", "read vda 1M 1", "range", MiB),
    "read-across-end": ("small", f"read vda {MiB - 256} 512", "range", MiB),
    "sum-past-end": ("small", "sum vda 2M 1", "range", 2 * MiB),
    "verify-past-end": ("small", "verify vda 1023k 1025", "range", MiB),
    "write-past-end": ("small", f"write vda {MiB - 1} 0102", "range", MiB),
    "fill-past-end": ("small", "fill vda 1000k 1M", "range", MiB),
    "offset-near-2-to-64": ("small", f"read vda {2**64 - 1} 2", "range", 2**64 - 1),
    "write-read-only": ("read-only", "write vda 0 00", "read_only", 0),
    "fill-read-only": ("read-only", "fill vda 4k 8k", "read_only", 4 * KiB),
    "bench-write-read-only": ("read-only", "bench vda rw=write number_ios=10", "read_only", None),
    "bad-sector": ("bad-read", f"read vda {BAD_BYTE} 512", "io", BAD_BYTE),
    "bad-sector-one-byte": ("bad-read", f"read vda {BAD_BYTE + 511} 1", "io", BAD_BYTE),
    "bad-sector-4k-block": ("bad-read-4k", f"read vda {BAD_BYTE} 512", "io", BAD_BYTE // 4096 * 4096),
    "bad-sector-on-write": ("bad-write", f"write vda {BAD_BYTE} " + "00" * 512, "io", BAD_BYTE),
    "bad-flush": ("bad-flush", "fill vda 0 4k", "io", None),  # QEMU flushes only where something was written
    "no-disk": ("none", "sum vda", "not_found", None),
    "no-such-serial": ("small", "sum serial=NOBODY", "not_found", None),
    "no-such-command": ("small", "frobnicate vda", "not_found", None),
    "too-few-words": ("small", "read vda", "invalid", None),
    "not-a-number": ("small", "read vda none 512", "invalid", None),
    "not-hex": ("small", "write vda 0 xyz", "invalid", None),
    "unknown-option": ("small", "sum vda speed=high", "invalid", None),
    "iodepth-too-large": ("small", "bench vda iodepth=100000", "invalid", None),
    "block-size-odd": ("small", "bench vda bs=1000", "invalid", None),
}
by_error = pytest.mark.parametrize("name", [
    pytest.param(name, marks=[pytest.mark.smoke] if name in ("bad-sector", "read-past-end") else [])
    for name in ERRORS])


@pytest.fixture
def small_copy(tmp_path):
    return images.copy_of(images.image("1m.raw"), tmp_path)


@by_error
def test_error_ends_a_command_line_with_status_1(run, small_copy, name):
    """One JSON object says what went wrong and where; what follows on the line is not run; status 1."""
    kind, command, word, offset = ERRORS[name]
    result = run(f"{command} json=1; echo not reached; exit", disks=DISKS[kind](small_copy)).expect_status(1)
    error = result.error(command.split()[0])
    assert error["error"] == word, error
    assert error["text"], "the error has no text"
    if offset is not None:
        assert error["offset"] == offset, f"wrong offset named: {error}"
    assert "not reached" not in result.text


@by_error
def test_after_an_error_the_next_command_works(prompt, small_copy, name):
    """At the prompt: the message repeats the command and says why, and the very next commands do their work."""
    kind, command, _, offset = ERRORS[name]
    disks = DISKS[kind](small_copy)
    machine = prompt(disks=disks)
    message = machine.command(command)
    first = next((line for line in message.lines if line.startswith(command.split()[0])), None)
    assert first and ": " in first, f"no message that begins with the command: {message.text!r}"
    if offset is not None:
        message.expect(rf"at byte {offset}\b")
    assert machine.command("echo still here").text.strip() == "still here"
    if disks:
        assert machine.command("sum vda 0 64k json=1").one("sum")["sha256"] == images.sha256(small_copy, 0, 64 * KiB)
        assert machine.command("lsblk json=1").one("lsblk")["broken"] is False


def test_neighbours_of_a_bad_sector_are_readable(prompt, small_copy):
    """Only the bad sector fails; the sectors before and behind carry the host's bytes."""
    machine = prompt(disks=[disk_with_bad_sector(small_copy, "read")])
    for offset in (BAD_BYTE - 512, BAD_BYTE + 512):
        summed = machine.command(f"sum vda {offset} 512 json=1").one("sum")
        assert summed["sha256"] == images.sha256(small_copy, offset, 512)
    assert machine.command(f"read vda {BAD_BYTE} 512 json=1").error("read")["offset"] == BAD_BYTE
    assert machine.command("lsblk json=1").one("lsblk")["stats"][0]["errors"] >= 1


@pytest.mark.parametrize("command,counts", [("sum vda", "bad-read"), ("verify vda 0 1M", "bad-read"),
                                            ("fill vda 0 1M", "bad-write")])
def test_long_commands_stop_at_a_bad_sector(prompt, small_copy, command, counts):
    """A long transfer over the bad sector ends with an I/O error at the start of the request that met it."""
    machine = prompt(disks=DISKS[counts](small_copy))
    message = machine.command(f"{command} json=1")
    error = message.errors[0]
    if command.startswith("verify"):
        # The image is not the pattern: that is found first, at the very beginning.
        assert error["error"] in ("mismatch", "io")
    else:
        assert error["error"] == "io" and error["offset"] <= BAD_BYTE, error
    assert machine.command("echo on").text.strip() == "on"


def test_read_only_disk_is_told_and_unchanged(run, small_copy):
    """`lsblk` says ro, reading works, and after the refused write the image is as it was."""
    before = small_copy.read_bytes()
    result = run("lsblk json=1; sum vda json=1; write vda 0 00; exit", disks=[Disk(small_copy, readonly=True)])
    result.expect_status(1)
    assert result.one("lsblk")["ro"] is True
    assert result.one("sum")["sha256"] == images.sha256(small_copy)
    assert small_copy.read_bytes() == before
    result.expect(r"^write vda 0 00: .*read-only")


def test_no_disk_messages(prompt):
    """Without any disk: an empty table, a clear message, and a shell that goes on."""
    machine = prompt()
    machine.command("sum vda").expect(r"^sum vda: .*no such")
    assert machine.command("lsblk json=1").records == []
    assert machine.command("echo on").text.strip() == "on"


@pytest.mark.timeout(60)
def test_device_that_never_answers_is_given_up_in_time(prompt):
    """A command that the device holds too long ends with a time-out; the machine goes on, with its other disk too.
    (Six seconds: QEMU's reset of the device waits until its own request has ended.)"""
    slow = Disk(blockdev=[{"driver": "null-co", "node-name": "slow0", "size": MiB, "latency-ns": 6_000_000_000}])
    other = Disk(images.image("1m.raw"), serial="OTHER")
    machine = prompt("vstor.timeout=1000 vstor.recovery=off", disks=[slow, other])
    error = machine.command("read vda 0 512 json=1").error("read")
    assert error["error"] in ("timeout", "broken"), error
    listed = machine.command("lsblk json=1").of("lsblk", "vda")[0]
    assert listed["broken"] is True and listed["stats"][0]["timeouts"] == 1, listed
    assert machine.command("sum vdb json=1").one("sum")["sha256"] == images.sha256(images.image("1m.raw"))
    assert machine.command("read vda 0 512 json=1").error("read")["error"] == "broken"
