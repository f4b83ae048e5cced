# SPDX-License-Identifier: BSD-2-Clause
"""Real SCSI targets: tgtd's disk, CD and tape, to which scsi-block and scsi-generic pass on what they are given; and two
guests that reserve one disk against each other."""
import hashlib
import time

import pytest

import images
import iscsi
import pattern
from harness import DEADLINE_S
from images import MiB

HOSTS = ["iqn.2007-10.org.example:one", "iqn.2007-10.org.example:two"]
KEYS = [0x1111, 0x2222]


@pytest.fixture
def target(tmp_path):
    with iscsi.Target(tmp_path) as one:
        yield one


@pytest.fixture
def disk_path(tmp_path):
    return images.copy_of(images.image("random-16m.raw"), tmp_path)


def ok(machine, line):
    """Runs a command that must not fail; its records."""
    result = machine.command(f"{line} json=1")
    if result.errors:
        result.fail(f"`{line}` failed")
    return result.records


def refused(machine, line):
    """Runs a command that must fail; its error."""
    return machine.command(f"{line} json=1").error(line.split()[0])


def sense_of(error):
    return tuple(error["sense"][name] for name in ("key", "asc", "ascq"))


def ready(machine, name):
    """Raw commands get what the unit has to tell first; afterwards it is ready."""
    for _ in range(4):
        result = machine.command(f"sg {name} 00 00 00 00 00 00 json=1")
        if not result.errors:
            return
        assert sense_of(result.error("sg"))[0] == 6, result.text
    result.fail(f"{name} does not get ready")


# ---------------------------------------------------------------- disk, CD, tape

@pytest.mark.smoke
@pytest.mark.parametrize("device", ["scsi-block", "scsi-generic"])
def test_disk_and_cd(prompt, target, disk_path, device):
    """Read, written and described by the target itself."""
    target.set(target.disk(disk_path), vendor_id="VSTOR", product_id="FAR-DISK", scsi_sn="far-1")
    cd = images.image("1m.raw")
    target.cd(images.copy_of(cd, target.folder))
    machine = prompt(disks=[target.unit(1, device), target.unit(2, device, before=(), **{"scsi-id": 1, "lun": 1})])
    units = {r["dev"]: r for r in ok(machine, "lsscsi")}
    assert (units["sda"]["vendor"], units["sda"]["product"], units["sda"]["serial"]) == ("VSTOR", "FAR-DISK", "far-1")
    assert (units["sr0"]["type"], units["sr0"]["product"]) == ("cd/dvd", "VIRTUAL-CDROM")
    assert ok(machine, "sum sda")[0]["sha256"] == images.sha256(disk_path)
    assert ok(machine, "sum sr0")[0]["sha256"] == images.sha256(cd)
    ok(machine, "fill sda 1M 2M seed=6")
    ok(machine, "flush sda")
    assert ok(machine, "verify sda 1M 2M seed=6")[0]["bytes"] == 2 * MiB
    assert ok(machine, "bench sda rw=randread number_ios=500")[0]["errors"] == 0
    assert disk_path.read_bytes()[MiB:3 * MiB] == pattern.pattern(MiB, 2 * MiB, 6)
    assert refused(machine, "write sr0 0 00")["error"] == "read_only"


def test_a_disk_that_gets_ready_later(prompt, target, disk_path):
    """What is not ready when it is found can be sent raw commands; `rescan` makes a disk of it once it is."""
    late = target.unit(target.disk(disk_path), "scsi-generic")
    machine = prompt(disks=[target.unit(target.disk(images.copy_of(images.image("1m.raw"), target.folder)), "scsi-block")])
    machine.qmp("blockdev-add", **late.blockdev[0])
    target.set(1, removable=1, online=0)
    machine.qmp("device_add", driver="scsi-generic", bus="s0.0", drive=late.blockdev[0]["node-name"], **{"scsi-id": 3})
    deadline = time.monotonic() + DEADLINE_S
    while "sg0" not in [r["dev"] for r in ok(machine, "lsscsi")]:
        assert time.monotonic() < deadline, machine.describe()
    assert "sdb" not in [r["dev"] for r in ok(machine, "lsblk")]
    ok(machine, "rescan")
    assert "sdb" not in [r["dev"] for r in ok(machine, "lsblk")]
    target.set(1, online=1)
    ok(machine, "rescan")
    assert [r["dev"] for r in ok(machine, "lsscsi")] == ["sda", "sdb"]
    assert ok(machine, "sum sdb")[0]["sha256"] == images.sha256(disk_path)


@pytest.mark.parametrize("device", ["scsi-block", "scsi-generic"])
def test_a_far_cd_is_ejected_and_loaded(prompt, target, device):
    target.cd(images.copy_of(images.image("1m.raw"), target.folder))
    machine = prompt(disks=[target.unit(1, device)])
    assert ok(machine, "eject sr0")[0]["medium"] == "no_medium"
    assert refused(machine, "sum sr0")["error"] == "no_medium"
    assert ok(machine, "load sr0")[0]["id"] == 2
    assert ok(machine, "sum sr0")[0]["sha256"] == images.sha256(images.image("1m.raw"))


def test_a_tape_takes_raw_commands(prompt, target):
    """Two blocks and a file mark are written, read back after a rewind; the mark and the end come as sense."""
    target.tape()
    machine = prompt(disks=[target.unit(1, "scsi-generic")])
    unit = ok(machine, "lsscsi")[0]
    assert (unit["dev"], unit["type"], unit["product"]) == ("st0", "tape", "VIRTUAL-TAPE")
    ready(machine, "st0")
    blocks = [hashlib.sha512(bytes([i])).digest() * 2 for i in range(2)]
    ok(machine, "sg st0 01 00 00 00 00 00")
    for block in blocks:
        ok(machine, f"sg st0 0a 00 00 00 80 00 out={block.hex()}")
    ok(machine, "sg st0 10 00 00 00 01 00")
    ok(machine, "sg st0 01 00 00 00 00 00")
    for block in blocks:
        record = ok(machine, "sg st0 08 00 00 00 80 00 in=128")[0]
        assert (record["status"], record["bytes"], record["hex"]) == ("good", 128, block.hex())
    mark = machine.command("sg st0 08 00 00 00 80 00 in=128")
    assert "filemark detected (00/00/01)" in mark.text
    assert machine.command("read st0 0 1 json=1").error("read")["error"] == "not_found"


@pytest.mark.parametrize("device", ["scsi-block", "scsi-generic"])
def test_raw_commands_to_a_disk(prompt, target, disk_path, device):
    """Data both ways (a key is registered), and errors with their sense."""
    target.disk(disk_path)
    machine = prompt(disks=[target.unit(1, device)])
    record = ok(machine, "sg sda 28 00 00 00 00 08 00 00 01 00 in=512")[0]
    assert record["hex"] == images.read_range(disk_path, 4096, 512).hex()
    ok(machine, f"sg sda 5f 00 00 00 00 00 00 00 18 00 out={0:016x}{0xabcdef:016x}{0:016x}")
    assert ok(machine, "sg sda 5e 00 00 00 00 00 00 00 10 00 in=16")[0]["hex"] == f"{1:08x}{8:08x}{0xabcdef:016x}"
    assert ok(machine, "reserve sda keys")[0]["keys"] == ["0xabcdef"]
    error = refused(machine, "sg sda 28 00 7f ff ff ff 00 00 01 00 in=512")
    assert (error["error"], sense_of(error)) == ("range", (5, 0x21, 0))
    error = refused(machine, "sg sda e0 00 00 00 00 00")
    assert (error["error"], sense_of(error)) == ("unsupported", (5, 0x20, 0))
    assert "(05/20/00)" in error["text"]


# ---------------------------------------------------------------- reservations

@pytest.fixture(params=["scsi-block", "scsi-generic"])
def two(request, prompt, target, disk_path):
    """Two guests, each an initiator of its own, with the same disk."""
    target.disk(disk_path)
    return [prompt(disks=[target.unit(1, request.param, initiator=host)]) for host in HOSTS]


def write(machine):
    """True if it may."""
    result = machine.command("write sda 4096 0102 json=1")
    if result.errors:
        assert result.error("write")["error"] == "reserved", result.text
    return not result.errors


def read(machine):
    result = machine.command("read sda 4096 2 json=1")
    if result.errors:
        assert result.error("read")["error"] == "reserved", result.text
    return not result.errors


def register_both(machines):
    for machine, key in zip(machines, KEYS):
        ok(machine, f"reserve sda register key={key:#x}")


def holder(machine):
    return ok(machine, "reserve sda")[0]


# type, and whether another who is registered, and one who is not, may read and write
TYPES = [("we", "write exclusive", (True, False), (True, False)),
         ("ea", "exclusive access", (False, False), (False, False)),
         ("wero", "write exclusive, registrants only", (True, True), (True, False)),
         ("earo", "exclusive access, registrants only", (True, True), (False, False)),
         ("wear", "write exclusive, all registrants", (True, True), (True, False)),
         ("eaar", "exclusive access, all registrants", (True, True), (False, False))]


@pytest.mark.parametrize("two", ["scsi-block"], indirect=True)
@pytest.mark.parametrize("kind,name,registered,stranger", TYPES)
def test_each_type_of_reservation(two, kind, name, registered, stranger):
    """Who may read and write under each type, and who is named to those who may not."""
    one, other = two
    register_both(two)
    ok(one, f"reserve sda reserve key={KEYS[0]:#x} type={kind}")
    for machine in two:
        assert (holder(machine)["held"], holder(machine)["type"]) == (True, name)
    assert read(one) and write(one)
    assert (read(other), write(other)) == registered
    ok(other, "reserve sda register key=0 old={:#x}".format(KEYS[1]))
    assert (read(other), write(other)) == stranger
    error = refused(other, "write sda 0 00") if not stranger[1] else None
    assert "RESERVATION CONFLICT: held by 0x" in error["text"] and name in error["text"]
    ok(one, f"reserve sda release key={KEYS[0]:#x} type={kind}")
    assert not holder(other)["held"]
    assert read(other) and write(other)


def test_registering(two):
    """Keys are listed in both guests; a key that is not one's own changes nothing; 0 ends a registration."""
    one, other = two
    register_both(two)
    for machine in two:
        assert sorted(ok(machine, "reserve sda keys")[0]["keys"]) == ["0x1111", "0x2222"]
    assert refused(one, "reserve sda register key=0x5 old=0x2222")["error"] == "reserved"
    ok(one, "reserve sda register key=0x5 old=0x1111")
    ok(one, "reserve sda register-ignore key=0x6")
    assert sorted(ok(other, "reserve sda keys")[0]["keys"]) == ["0x2222", "0x6"]
    ok(one, "reserve sda register key=0 old=0x6")
    assert ok(other, "reserve sda keys")[0]["keys"] == ["0x2222"]
    assert "wero" in ok(one, "reserve sda capabilities")[0]["types"]


def test_taking_a_reservation_from_another(two):
    """The one who lost it is no longer registered, and is told who holds it now."""
    one, other = two
    register_both(two)
    ok(one, "reserve sda reserve key=0x1111 type=ea")
    assert refused(other, "reserve sda reserve key=0x2222 type=ea")["text"] == \
        "RESERVATION CONFLICT: held by 0x1111 (exclusive access)"
    assert not read(other)
    # tgtd can't end commands of others, nor tell who is registered by which name: the unit tests have that.
    assert refused(other, "reserve sda preempt-abort key=0x2222 victim=0x1111 type=ea")["error"] == "unsupported"
    assert refused(other, "reserve sda full")["error"] == "unsupported"
    ok(other, "reserve sda preempt key=0x2222 victim=0x1111 type=ea")
    assert holder(one)["key"] == "0x2222"
    assert ok(one, "reserve sda keys")[0]["keys"] == ["0x2222"]
    assert read(other) and write(other)
    assert not read(one)
    assert "held by 0x2222" in refused(one, "read sda 0 1")["text"]


def test_clearing(two):
    one, other = two
    register_both(two)
    ok(one, "reserve sda reserve key=0x1111 type=we")
    assert refused(other, "reserve sda clear key=0x7")["error"] == "reserved"
    ok(other, "reserve sda clear key=0x2222")
    assert not holder(one)["held"]
    assert ok(one, "reserve sda keys")[0]["keys"] == []
    assert write(one) and write(other)


def test_a_reservation_survives_the_guest_that_made_it(prompt, target, disk_path, two):
    """A guest that is gone still holds the disk; the other takes it by force of its key."""
    one, other = two
    register_both(two)
    ok(one, "reserve sda reserve key=0x1111 type=earo")
    one.kill()
    ok(other, "reserve sda register key=0 old=0x2222")
    assert not read(other)
    ok(other, "reserve sda register key=0x2222")
    ok(other, "reserve sda preempt key=0x2222 victim=0x1111 type=ea")
    assert holder(other)["key"] == "0x2222"
    assert write(other)
