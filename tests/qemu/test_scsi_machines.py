# SPDX-License-Identifier: BSD-2-Clause
"""Machines that people have: the one that this project began with, and SCSI disks wherever they may be put."""
import pytest

import images
from harness import Disk
from images import MiB

SCSI = "virtio-scsi-pci,disable-legacy=on"


def adapter(name, **properties):
    return ["-device", SCSI + "".join(f",{k}={v}" for k, v in {"id": name, **properties}.items())]


@pytest.fixture
def copies(tmp_path):
    """A function that gives the n-th of several private writable disks."""
    def make(number, **disk):
        folder = tmp_path / str(number)
        folder.mkdir()
        return Disk(images.copy_of(images.image("empty-16m.raw"), folder), writable=True, **disk)
    return make


def mark(machine, name, disk, number):
    """What is written to a device is in that image and at that place."""
    assert not machine.command(f"write {name} {4096 * number} {number:02x}c0de json=1").errors
    assert not machine.command(f"flush {name} json=1").errors
    assert disk.path.read_bytes()[4096 * number:4096 * number + 3] == bytes([number, 0xc0, 0xde])


def bystanders(machine):
    """What the host sees of the devices that are none of ours: nothing of it may change."""
    blocks = {b["device"]: (b.get("tray_open"), b["locked"]) for b in machine.qmp("query-block")
              if b["device"].startswith("ide")}
    return blocks, machine.qmp("query-balloon")["actual"], machine.qmp("query-status")["running"]


@pytest.mark.smoke
def test_the_founding_machine(prompt, copies, tmp_path):
    """i440FX with two virtio-blk disks, a SCSI controller with two, two IDE CD-ROMs, USB, serial, balloon, a bridge."""
    isos = []
    for i in range(2):
        isos.append(tmp_path / f"cd{i}.iso")
        isos[i].write_bytes(images.random_bytes(MiB, 10 + i))
    extra = ["-device", "piix3-usb-uhci,id=usb,addr=1.2", "-device", "usb-tablet,bus=usb.0",
             "-device", "virtio-serial-pci,id=vser,addr=6", "-device", "virtio-balloon-pci,id=balloon,addr=8",
             "-device", "pci-bridge,id=bridge,chassis_nr=1,addr=9"]
    for i, iso in enumerate(isos):
        extra += ["-drive", f"if=none,id=ide{i},file={iso},format=raw,readonly=on,media=cdrom",
                  "-device", f"ide-cd,bus=ide.{i},drive=ide{i}"]
    disks = [copies(i, device="virtio-blk-pci,disable-legacy=on", serial=f"blk-serial-{i}", bus="pci.0", addr=hex(4 + i))
             for i in range(2)]
    for i in range(2):
        disks.append(copies(2 + i, device="scsi-hd", serial=f"scsi-serial-{i}", bus="scsi0.0",
                            before=adapter("scsi0", bus="pci.0", addr="7") if i == 0 else [],
                            properties={"scsi-id": i, "lun": 0, "wwn": f"0x5000c500aaaa000{i}", "vendor": f"VEND{i}",
                                        "product": f"PRODUCT-{i}", "ver": f"1.{i}"}))
    machine = prompt(machine="pc", disks=disks, extra=extra)
    before = bystanders(machine)
    records = machine.command("lsblk json=1").of("lsblk")
    assert [r["dev"] for r in records] == ["vda", "vdb", "sda", "sdb"]
    for i in range(2):
        blk, scsi = records[i], records[2 + i]
        assert (blk["serial"], blk["driver"], blk["path"]) == (f"blk-serial-{i}", "virtio-blk", f"pci-0000:00:0{4 + i}.0")
        assert (scsi["serial"], scsi["driver"], scsi["hctl"]) == (f"scsi-serial-{i}", "virtio-scsi", f"0:0:{i}:0")
        assert (scsi["vendor"], scsi["product"], scsi["revision"]) == (f"VEND{i}", f"PRODUCT-{i}", f"1.{i}")
        assert scsi["wwn"] == f"0x5000c500aaaa000{i}"
        assert scsi["path"] == f"pci-0000:00:07.0-scsi-0:0:{i}:0"
    for number, (record, disk) in enumerate(zip(records, disks)):
        mark(machine, record["dev"], disk, number)
    assert machine.command("read wwn=0x5000c500aaaa0001 12288 3 json=1").one("read")["hex"] == "03c0de"
    functions = machine.command("lspci").text
    assert "00:09.0" in functions and "00:08.0" in functions
    assert bystanders(machine) == before
    assert [iso.read_bytes() for iso in isos] == [images.random_bytes(MiB, 10 + i) for i in range(2)]


# Adapter, target, LUN of each disk; a CD stands where the device is scsi-cd.
SET_UPS = {
    "several disks on one adapter": [("s0", 0, 0, "scsi-hd"), ("s0", 1, 0, "scsi-hd"), ("s0", 5, 0, "scsi-hd"),
                                     ("s0", 5, 1, "scsi-hd"), ("s0", 5, 7, "scsi-hd")],
    "several adapters": [("s0", 0, 0, "scsi-hd"), ("s1", 0, 0, "scsi-hd"), ("s2", 0, 0, "scsi-hd"), ("s1", 3, 0, "scsi-hd")],
    "a CD at LUN 1": [("s0", 0, 0, "scsi-hd"), ("s0", 0, 1, "scsi-cd")],
    "a disk to boot from that is not LUN 0": [("s0", 2, 4, "scsi-hd")],
    "a CD alone, at LUN 1": [("s0", 0, 1, "scsi-cd")],
}


@pytest.mark.parametrize("places", SET_UPS.values(), ids=[name.replace(" ", "-") for name in SET_UPS])
def test_set_ups(prompt, copies, places):
    """Every unit is found at its place, by its name, with its bytes."""
    disks = []
    for i, (bus, target, lun, device) in enumerate(places):
        first = bus not in [place[0] for place in places[:i]]
        where = {"scsi-id": target, "lun": lun}
        if device == "scsi-cd":
            disks.append(Disk(images.image("1m.raw"), readonly=True, device=device, bus=f"{bus}.0", properties=where,
                              before=adapter(bus) if first else []))
        else:
            disks.append(copies(i, device=device, serial=f"unit-{i}", bus=f"{bus}.0", properties=where,
                                before=adapter(bus) if first else []))
    machine = prompt(disks=disks)
    hosts = sorted({place[0] for place in places})
    units = {r["hctl"]: r for r in machine.command("lsscsi json=1").of("lsscsi")}
    assert sorted(units) == sorted(f"{hosts.index(bus)}:0:{target}:{lun}" for bus, target, lun, _ in places)
    for i, ((bus, target, lun, device), disk) in enumerate(zip(places, disks)):
        unit = units[f"{hosts.index(bus)}:0:{target}:{lun}"]
        assert unit["path"].endswith(f"-scsi-0:0:{target}:{lun}")
        if device == "scsi-cd":
            assert unit["dev"] == "sr0"
            assert machine.command("sum sr0 json=1").one("sum")["sha256"] == images.sha256(disk.path)
        else:
            assert unit["serial"] == f"unit-{i}"
            mark(machine, unit["dev"], disk, i)
            assert machine.command(f"read {unit['path']} {4096 * i} 1 json=1").one("read")["hex"] == f"{i:02x}"
