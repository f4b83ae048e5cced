# SPDX-License-Identifier: BSD-2-Clause
"""CD and DVD drives behind virtio-scsi: what is read, media that come and go by either side, locked trays."""
import hashlib
import time

import pytest

import images
from harness import DEADLINE_S, Disk, MachineError
from images import MiB

CD = "scsi-cd"
ADAPTER = ["-device", "virtio-scsi-pci,id=s0,disable-legacy=on"]


def drive(path, **options):
    """A drive with that medium."""
    return Disk(path, device=CD, readonly=True, before=ADAPTER, **options)


class EmptyDrive:
    """A drive without a medium."""

    def __init__(self, before=tuple(ADAPTER), **properties):
        self.before = before
        self.properties = properties

    def arguments(self, number):
        return [*self.before, "-device", ",".join([CD, f"id=disk{number}", *(f"{k}={v}" for k, v in
                                                                            self.properties.items())])]


def medium_of(machine, name="sr0"):
    return machine.command(f"lsblk {name} json=1").one("lsblk")


def wait_for_event(machine, kind, name="sr0"):
    """Events up to the first of that kind, which is returned."""
    for _ in range(20):
        for event in machine.command("events wait=5000 json=1").of("events"):
            if (event["dev"], event["event"]) == (name, kind):
                return event
    machine.command("events").fail(f"no {kind} event of {name}")


@pytest.mark.smoke
def test_a_cd_is_read(prompt):
    """The right bytes at any place, as a read-only device of 2048-byte blocks."""
    path = images.image("random-16m.raw")
    machine = prompt(disks=[drive(path, serial="cd-1")])
    record = medium_of(machine)
    assert (record["type"], record["ro"], record["removable"], record["serial"]) == ("rom", True, True, "cd-1")
    assert (record["bytes"], record["logical_block"]) == (16 * MiB, 2048)
    assert record["medium"] == {"state": "ok", "id": 1, "profile": "CD-ROM", "tracks": 1, "data_tracks": 1}
    assert machine.command("sum sr0 json=1").one("sum")["sha256"] == images.sha256(path)
    piece = machine.command("read sr0 5000001 300 json=1").one("read")
    assert bytes.fromhex(piece["hex"]) == images.read_range(path, 5000001, 300)
    assert machine.command("write sr0 0 00 json=1").error("write")["error"] == "read_only"
    assert machine.command("events").text.strip() == "no events"


def insert(machine, path, force=False):
    """The host puts another medium in."""
    machine.qmp("blockdev-change-medium", id="disk0", filename=str(path), format="raw", read_only_mode="read-only",
                force=force)


def sum_of(machine, name="sr0"):
    return machine.command(f"sum {name} json=1").one("sum")["sha256"]


def test_a_drive_without_a_medium(prompt):
    """It is there, says so, refuses what can't be; a medium that comes is found by itself."""
    machine = prompt(disks=[EmptyDrive()])
    record = medium_of(machine)
    assert (record["bytes"], record["medium"]) == (0, {"state": "no_medium", "id": 0})
    for command in ("read sr0 0 512", "sum sr0", "bench sr0 number_ios=1"):
        name = command.split()[0]
        assert machine.command(f"{command} json=1").error(name)["error"] == "no_medium"
    assert "no medium" in machine.command("lsblk").text
    path = images.image("1m.raw")
    insert(machine, path)
    event = wait_for_event(machine, "medium")
    assert (event["old"], event["new"]) == (0, 1)
    assert medium_of(machine)["bytes"] == MiB
    assert sum_of(machine) == images.sha256(path)


@pytest.mark.smoke
def test_the_host_changes_the_medium(prompt):
    """Small to large and back, never asked about: capacity and bytes are of what is in; each has a number."""
    small, large = images.image("1m.raw"), images.image("random-16m.raw")
    machine = prompt(disks=[drive(small)])
    for number, path in enumerate([large, small, large], 2):
        insert(machine, path)
        assert sum_of(machine) == images.sha256(path)
        record = medium_of(machine)
        assert (record["bytes"], record["medium"]["id"]) == (path.stat().st_size, number)
    events = machine.command("events json=1").of("events")
    told = {e["event"]: (e["old"], e["new"]) for e in events}
    assert told["medium"] == (1, 4)
    assert told["resize"] == (MiB, 16 * MiB)


def test_a_change_is_told_without_being_asked(prompt):
    """At the prompt the drive's own events are followed: a tray that opens, and closes with another medium."""
    machine = prompt(disks=[drive(images.image("1m.raw"))])
    machine.qmp("blockdev-open-tray", id="disk0")
    assert wait_for_event(machine, "medium")["new"] == 0
    assert medium_of(machine)["medium"]["state"] == "no_medium"
    machine.qmp("blockdev-close-tray", id="disk0")
    assert wait_for_event(machine, "medium")["new"] == 2
    assert sum_of(machine) == images.sha256(images.image("1m.raw"))
    machine.qmp("eject", id="disk0")
    assert wait_for_event(machine, "medium")["new"] == 0


def test_the_guest_ejects_and_loads(prompt):
    machine = prompt(disks=[drive(images.image("1m.raw"))])
    assert machine.command("eject sr0 json=1").one("eject")["medium"] == "no_medium"
    assert machine.qmp("query-block")[0]["tray_open"]
    assert machine.command("read sr0 0 1 json=1").error("read")["error"] == "no_medium"
    assert machine.command("eject sr0 json=1").one("eject")["medium"] == "no_medium"
    loaded = machine.command("load sr0 json=1").one("load")
    assert (loaded["medium"], loaded["id"], loaded["bytes"]) == ("ok", 2, MiB)
    assert not machine.qmp("query-block")[0]["tray_open"]
    assert sum_of(machine) == images.sha256(images.image("1m.raw"))
    assert "medium 2, 1048576 bytes" in machine.command("load sr0").text


def test_load_without_anything_in_the_tray(prompt):
    machine = prompt(disks=[EmptyDrive()])
    assert machine.command("load sr0 json=1").error("load")["error"] == "no_medium"


def use(machine, seconds):
    """Begins a long command, and waits until it reads from the drive."""
    machine.send(f"bench sr0 rw=randread runtime={seconds} json=1\r")
    machine.wait_for("\n")
    deadline = time.monotonic() + DEADLINE_S
    while machine.qmp("query-blockstats")[0]["stats"]["rd_operations"] < 100:
        assert time.monotonic() < deadline, "nothing is read"
        time.sleep(0.01)


def test_a_tray_is_locked_while_the_drive_is_used(prompt):
    """The host may ask, which is told; the command that uses the drive goes on, and the next who asks gets it."""
    machine = prompt(disks=[drive(images.image("random-16m.raw"))])
    use(machine, 3)
    with pytest.raises(MachineError, match="is locked"):
        machine.qmp("eject", id="disk0")
    machine.wait_for('"errors":0')
    machine.wait_for_prompt()
    assert wait_for_event(machine, "eject_wanted")["new"] == 1
    assert not machine.qmp("query-block")[0]["locked"]
    machine.qmp("eject", id="disk0")
    assert wait_for_event(machine, "medium")["new"] == 0


@pytest.mark.parametrize("other", [None, "random-16m.raw"])
def test_what_a_command_reads_is_of_one_medium(prompt, other):
    """By force the medium is taken out from under a command, or changed: it ends, and the next uses the new one."""
    machine = prompt(disks=[drive(images.image("64m.raw"))])
    use(machine, 50)
    if other:
        insert(machine, images.image(other), force=True)
    else:
        machine.qmp("blockdev-open-tray", id="disk0", force=True)
    machine.wait_for("no_medium|medium_changed")
    machine.wait_for_prompt()
    if other:
        assert sum_of(machine) == images.sha256(images.image(other))
    else:
        assert machine.command("sum sr0 json=1").error("sum")["error"] == "no_medium"


def test_a_dvd(prompt):
    """Beyond what fits a CD it is a DVD."""
    machine = prompt(disks=[drive(images.image("3t.raw"))])
    record = medium_of(machine)
    assert (record["bytes"], record["medium"]["profile"]) == (3 << 40, "DVD-ROM")
    offset, n_bytes = images.LARGE_ISLANDS[-1]
    digest = hashlib.sha256(images.read_range(images.image("3t.raw"), offset, n_bytes)).hexdigest()
    assert machine.command(f"sum sr0 {offset} {n_bytes} json=1").one("sum")["sha256"] == digest


def test_raw_commands(prompt):
    """What comes is told, and how much of it; errors are named, with their sense; a changed medium is one of them."""
    machine = prompt(disks=[drive(images.image("1m.raw"))])
    short = machine.command("sg sr0 12 00 00 00 24 00 in=100 json=1").one("sg")
    assert (short["status"], short["bytes"], short["residual"]) == ("good", 36, 64)
    assert bytes.fromhex(short["hex"])[8:16] == b"QEMU    "
    assert "|QEMU CD-ROM     |" in machine.command("sg sr0 120000002400 in=36").text
    machine.qmp("eject", id="disk0")
    errors = [machine.command("sg sr0 00 00 00 00 00 00 json=1").error("sg") for _ in range(2)]
    assert [e["error"] for e in errors] == ["no_medium", "no_medium"]
    assert errors[1]["sense"] == {"key": 2, "asc": 0x3a, "ascq": 0}
    assert errors[1]["text"] == "NOT READY, medium not present (02/3a/00)"
    for words in ("00", "00 00 00 00 00", "12 00 00 00 24", "0g 00 00 00 00 00", "00 00 00 00 00 00 in=x",
                  "00 00 00 00 00 00 out=1", "28 00 00 00 00 00"):
        assert machine.command(f"sg sr0 {words} json=1").error("sg")["error"] == "invalid"
