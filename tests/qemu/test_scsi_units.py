# SPDX-License-Identifier: BSD-2-Clause
"""SCSI units: which are found, by what names, what they tell of themselves; many of them; what a scan costs."""
import hashlib

import pytest

import images
import scan
from harness import Disk

ADAPTER = ["-device", "virtio-scsi-pci,disable-legacy=on,id=s0"]
IDENTITY = {"vendor": "ACME", "product": "ROADRUNNER", "ver": "2.1", "wwn": "0x5000c500a1b2c3d4", "rotation_rate": 1}


def unit(path=None, *, kind="scsi-hd", serial=None, before=(), blockdev=None, **properties):
    """A SCSI device with its options in QEMU's words."""
    return Disk(path, device=kind, serial=serial, before=list(before), blockdev=blockdev,
                properties={name.replace("_id", "-id") if name == "scsi_id" else name: value
                            for name, value in properties.items()})


def units_of(machine):
    return machine.command("lsscsi json=1").of("lsscsi")


@pytest.fixture
def identified(prompt):
    """A machine with a disk that has every name, one that has none, and a CD."""
    return prompt(disks=[
        unit(images.image("1m.raw"), serial="SERIAL-OF-A-DISK-THAT-IS-LONG", before=ADAPTER, scsi_id=1, lun=3, **IDENTITY),
        unit(images.image("random-16m.raw"), scsi_id=2),
        unit(images.image("1m.raw"), kind="scsi-cd", scsi_id=4, lun=1)])


@pytest.mark.smoke
def test_identity(identified):
    """lsscsi, lsblk and inq tell who a unit is."""
    disk, plain, other = units_of(identified)
    assert {name: disk[name] for name in ("dev", "hctl", "type", "vendor", "product", "revision", "wwn", "serial")} == {
        "dev": "sda", "hctl": "0:0:1:3", "type": "disk", "vendor": "ACME", "product": "ROADRUNNER", "revision": "2.1",
        "wwn": "0x5000c500a1b2c3d4", "serial": "SERIAL-OF-A-DISK-THAT-IS-LONG"}
    assert (plain["dev"], plain["hctl"], plain["vendor"]) == ("sdb", "0:0:2:0", "QEMU")
    assert (other["dev"], other["hctl"], other["type"], other["removable"]) == ("sr0", "0:0:4:1", "cd/dvd", True)
    listed = identified.command("lsblk json=1")
    record = listed.one("lsblk", "sda")
    assert (record["vendor"], record["product"], record["wwn"], record["hctl"], record["rotational"]) == (
        "ACME", "ROADRUNNER", "0x5000c500a1b2c3d4", "0:0:1:3", False)
    assert listed.one("lsblk", "sdb")["rotational"] is True
    identified.command("lsscsi").expect(r"^0:0:1:3 +disk +ACME +ROADRUNNER +2\.1 +0x5000c500a1b2c3d4 +sda$")
    identified.command("lsblk -v sda").expect(r"^  device +ACME ROADRUNNER, revision 2\.1, not rotational, at 0:0:1:3$")


def fields(machine, line):
    return {f["name"]: f["value"] for f in machine.command(f"{line} json=1").one("inq")["fields"]}


def test_pages(identified):
    """Each page is decoded; one that the device does not have is an error, one that nobody knows is dumped."""
    assert fields(identified, "inq sda")["product"] == "ROADRUNNER"
    assert fields(identified, "inq sda 80") == {"serial": "SERIAL-OF-A-DISK-THAT-IS-LONG"}
    assert fields(identified, "inq sda 0x83")["wwn"] == "0x5000c500a1b2c3d4"
    assert fields(identified, "inq sda b1")["rotational"] == "no"
    assert int(fields(identified, "inq sda b0")["max_unmap"]) > 0
    assert fields(identified, "inq sda b2")["unmap"] in ("yes", "no")
    identified.command("inq sda 00").expect(r"^  page +0x83$")
    assert identified.command("inq sda c0 json=1").error("inq")["error"] == "unsupported"
    assert identified.command("inq sda xx json=1").error("inq")["error"] == "invalid"
    assert identified.command("inq sdz json=1").error("inq")["error"] == "not_found"


@pytest.mark.parametrize("name", ["sda", "serial=SERIAL-OF-A-DISK-THAT-IS-LONG", "wwn=0x5000c500a1b2c3d4", "path"])
def test_names(identified, name):
    """A disk is found by name, serial number, world-wide name and path."""
    if name == "path":
        name = units_of(identified)[0]["path"]
        assert name.startswith("pci-0000:00:") and name.endswith("-scsi-0:0:1:3")
    assert identified.command(f"sum {name} json=1").records[0]["sha256"] == images.sha256(images.image("1m.raw"))
    assert fields(identified, f"inq {name}")["product"] == "ROADRUNNER"


def test_luns(identified):
    """REPORT LUNS as it is; what is no target is refused."""
    assert [r["lun"] for r in identified.command("luns 0:1 json=1").of("luns")] == [0, 3]
    for line, error in (("luns 0:9", "not_found"), ("luns 3:1", "not_found"), ("luns 0:256", "range"), ("luns 1", "invalid")):
        assert identified.command(f"{line} json=1").error("luns")["error"] == error, line


# ---------------------------------------------------------------- many


def crowd(tmp_path, places):
    """Disks of 64 KiB, each with its own content, at (target, LUN)."""
    disks = []
    for number, (target, lun) in enumerate(places):
        path = tmp_path / f"{number}.raw"
        path.write_bytes(hashlib.shake_128(f"{target}:{lun}".encode()).digest(65536))
        node = {"driver": "raw", "node-name": f"n{number}", "read-only": True,
                "file": {"driver": "file", "filename": str(path), "read-only": True, "locking": "off"}}
        disks.append(unit(path, blockdev=[node], before=ADAPTER if number == 0 else (), serial=f"S{target}-{lun}",
                          scsi_id=target, lun=lun))
    return disks


def check_all(machine, disks, places):
    """Each place has its disk, in order, and that the bytes that belong there."""
    found = units_of(machine)
    assert [r["hctl"] for r in found] == [f"0:0:{target}:{lun}" for target, lun in places]
    assert [r["serial"] for r in found] == [f"S{target}-{lun}" for target, lun in places]
    for start in range(0, len(found), 32):
        line = "; ".join(f"sum {r['dev']} json=1" for r in found[start:start + 32])
        sums = machine.command(line).of("sum")
        assert [r["sha256"] for r in sums] == [images.sha256(disk.path) for disk in disks[start:start + 32]]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("places", [
    pytest.param([(target, 0) for target in range(256)], id="256-targets"),
    pytest.param([(0, lun) for lun in range(512)], id="512-luns"),
    pytest.param([(3, 255), (3, 256), (3, 300), (3, 16383), (255, 1), (255, 16383)], id="far"),
])
def test_all_are_found(prompt, tmp_path, places):
    """256 targets with a LUN each, 512 LUNs of a target, and numbers at the ends: found in order, the bytes verified."""
    disks = crowd(tmp_path, places)
    machine = prompt(disks=disks, memory_mib=256)
    check_all(machine, disks, places)


def test_cost_of_a_scan_is_a_straight_line():
    """Instructions from _start to the first read, against 8, 40 and 72 units: so many targets, or LUNs of one. Of two
    starts the better one: waiting costs what it likes."""
    for many_luns in (False, True):
        few, more, most = (min(scan.instructions(n, many_luns) for _ in range(2)) for n in (8, 40, 72))
        assert abs((most - more) / (more - few) - 1) < 0.02, (few, more, most)
        assert (more - few) / 32 < 50_000, (few, more)


def test_commands_of_a_scan():
    """256 REPORT LUNS, and for each disk INQUIRY and five of its pages, capacity (twice: the first contact brings a unit
    attention), mode sense (twice: what is, and what can be changed)."""
    for n in (1, 17):
        sent = scan.ours(scan.units(n))
        assert sent == {"a0": 256, "12": 6 * n, "9e": 2 * n, "5a": 2 * n}, sent
