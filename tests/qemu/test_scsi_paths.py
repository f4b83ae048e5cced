# SPDX-License-Identifier: BSD-2-Clause
"""One disk by several adapters or LUNs: found to be one, read and written by turns, and paths that come and go under load."""
import json
import time

import pytest

import images
import pattern
from harness import DEADLINE_S, Disk, MachineError
from images import MiB

WWN = "0x5000c500a1b2c3d4"
PORTS = tuple(f"pcie-root-port,id=port{i},chassis={i + 1},slot={i + 1}" for i in range(2))
NO_ACPI = ("-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off")


def node(name, path, iops=None):
    """A way to an image that has others: QEMU is told not to lock it."""
    raw = {"driver": "raw", "node-name": f"{name}-raw" if iops else name,
           "file": {"driver": "file", "filename": str(path), "locking": "off"}}
    if not iops:
        return [raw]
    return [raw, {"driver": "throttle", "node-name": name, "throttle-group": iops, "file": f"{name}-raw"}]


class Paths:
    """A machine with a disk by two adapters, s0 and s1, each behind a port of its own."""

    def __init__(self, prompt, path, options="", iops=None, same_adapter=False, adapter="", units=2, **properties):
        self.path = path
        self.properties = {"share-rw": "on", "wwn": WWN, "serial": "ONE", **properties}
        self.iops = "slow" if iops else None
        before = [w for i in range(2) for w in
                  ("-device", f"virtio-scsi-pci,disable-legacy=on,id=s{i},bus=port{i}{adapter}")]
        disks = [Disk(path, device="scsi-hd", blockdev=node(f"n{i}", path, self.iops), before=before if i == 0 else [],
                      bus="s0.0" if same_adapter else f"s{i}.0", properties={**self.properties, "scsi-id": i})
                 for i in range(units)]
        group = [f"throttle-group,id=slow,x-iops-total={iops}"] if iops else []
        self.machine = prompt(f"vstor.log=info {options}", disks=disks, machine="q35", bridges=PORTS, extra=NO_ACPI,
                              objects=group)

    def sda(self):
        return self.machine.command("lsblk json=1").one("lsblk", "sda")

    def units(self):
        return [u for u in self.machine.command("lsscsi json=1").of("lsscsi") if u["dev"] == "sda"]

    def await_paths(self, serving):
        deadline = time.monotonic() + DEADLINE_S
        while self.sda().get("paths") != serving:
            time.sleep(0.1)
            if time.monotonic() > deadline:
                raise MachineError(f"sda never has {serving} paths\n{self.machine.describe()}")

    def start(self, command):
        """A command that has requests in flight when this returns."""
        self.machine.send(command + "\r")
        self.machine.wait_for("\n")
        time.sleep(0.5)  # to be under way; how far it is does not matter, the disk being slow

    def end_of_bench(self):
        found = self.machine.wait_for(r'\{"cmd":"bench"[^\r\n]*\}')
        self.machine.wait_for_prompt()
        return json.loads(found[0])

    def unplug_unit(self, number):
        self.machine.qmp("device_del", id=f"disk{number}")

    def plug_unit(self, number, generation=0):
        name = f"n{number}-{generation}"
        for description in node(name, self.path, self.iops):
            self.machine.qmp("blockdev-add", **description)
        self.machine.qmp("device_add", driver="scsi-hd", id=f"disk{number}-{generation}", bus=f"s{number}.0", drive=name,
                         scsi_id=number, **{k.replace("-", "_"): v if v != "on" else True
                                            for k, v in self.properties.items()})

    def await_gone(self, name):
        deadline = time.monotonic() + DEADLINE_S
        while any(o["name"] == name for o in self.machine.qmp("qom-list", path="/machine/peripheral")):
            assert time.monotonic() < deadline, "QEMU does not take the device out"
            time.sleep(0.05)


@pytest.fixture
def shared(tmp_path):
    return images.copy_of(images.image("empty-16m.raw"), tmp_path)


@pytest.mark.smoke
@pytest.mark.parametrize("same_adapter", [False, True])
def test_two_paths_are_one_disk(prompt, shared, same_adapter):
    """By two adapters, or two targets of one: one name, and what is written is there."""
    paths = Paths(prompt, shared, same_adapter=same_adapter)
    records = paths.machine.command("lsblk json=1").of("lsblk")
    assert [(r["dev"], r["paths"], r["known_paths"]) for r in records] == [("sda", 2, 2)]
    assert not paths.machine.command("fill sda 1M 8M seed=4 json=1").errors
    assert paths.machine.command("verify sda 1M 8M seed=4 json=1").one("verify")["bytes"] == 8 * MiB
    assert not paths.machine.command("zero sda 2M 1M json=1").errors
    units = paths.units()
    assert [u["state"] for u in units] == ["active/optimized"] * 2
    assert all(u["requests"] > 20 for u in units) and abs(units[0]["requests"] - units[1]["requests"]) <= 20, units
    assert not paths.machine.command("flush sda json=1").errors
    written = bytearray(pattern.pattern(MiB, 8 * MiB, 4))
    written[MiB:2 * MiB] = bytes(MiB)
    assert shared.read_bytes()[MiB:9 * MiB] == bytes(written)


@pytest.mark.parametrize("options,adapter", [
    ("vstor.irq=msix", ""), ("vstor.irq=intx", ""), ("vstor.irq=msix", ",packed=on"), ("vstor.dma=bounce", ""),
])
def test_every_way_to_wait(prompt, shared, options, adapter):
    """Interrupts of two adapters for one disk; a packed ring; data by way of a pool."""
    paths = Paths(prompt, shared, options, adapter=adapter)
    for depth in (1, 32):
        for kind in ("rw=randwrite verify=1", "rw=randrw"):
            record = paths.machine.command(f"bench sda {kind} iodepth={depth} number_ios=600 json=1").one("bench")
            assert (record["ios"], record["errors"]) == (600, 0)
    stats = paths.sda()["stats"][0]
    assert (stats["errors"], stats["timeouts"], stats["replays"]) == (0, 0, 0), stats
    assert (stats["interrupts"] > 0) == ("irq" in options), stats


def test_units_that_are_not_one(prompt, tmp_path):
    """The same serial number alone, or the same name and another size: two disks."""
    small, large = (images.copy_of(images.image(name), tmp_path) for name in ("1m.raw", "random-16m.raw"))
    before = ["-device", "virtio-scsi-pci,disable-legacy=on,id=s0"]

    def disk(path, number, **properties):
        return Disk(path, device="scsi-hd", writable=True, serial="SAME", before=before if number == 0 else [],
                    properties={"scsi-id": number, **properties})
    other = tmp_path / "other.raw"
    other.write_bytes(bytes(reversed(small.read_bytes())))
    same = Disk(small.parent / "same.raw", device="scsi-hd", serial="SAME", properties={"scsi-id": 3, "product": "OTHER"})
    same.path.write_bytes(small.read_bytes())
    machine = prompt(disks=[disk(small, 0), disk(other, 1), disk(large, 2),
                            same])
    records = machine.command("lsblk json=1").of("lsblk")
    assert [r["dev"] for r in records] == ["sda", "sdb", "sdc", "sdd"]
    assert not any("paths" in r for r in records)
    for record, path in zip(records, (small, other, large, small)):
        assert machine.command(f"sum {record['dev']} json=1").one("sum")["sha256"] == images.sha256(path)


def test_a_serial_number_and_the_same_data_will_do(prompt, tmp_path):
    """Units without a name that is unique: serial number, vendor, product, size and data are the same."""
    path = images.copy_of(images.image("1m.raw"), tmp_path)
    machine = Paths(prompt, path, wwn=None).machine
    assert machine.command("lsblk json=1").one("lsblk", "sda")["paths"] == 2
    assert machine.command("sum sda json=1").one("sum")["sha256"] == images.sha256(path)


def test_a_unit_is_taken_away_under_load_and_comes_back(prompt, shared):
    """No request fails, none is lost, by whichever path; the data are right."""
    paths = Paths(prompt, shared, iops=400)
    for number in (0, 1):
        paths.start("bench sda rw=randwrite iodepth=32 number_ios=1200 verify=1 json=1")
        paths.unplug_unit(number)
        record = paths.end_of_bench()
        assert (record["ios"], record["errors"]) == (1200, 0)
        paths.await_paths(1)
        assert paths.sda()["stats"][0]["errors"] == 0
        paths.await_gone(f"disk{number}")
        paths.plug_unit(number)
        paths.await_paths(2)
    assert not paths.machine.command("fill sda 0 16M seed=9 json=1").errors
    paths.machine.command("flush sda")
    assert shared.read_bytes() == pattern.pattern(0, 16 * MiB, 9)


def test_an_adapter_is_taken_away_under_load(prompt, shared):
    """With all that it has in flight, which QEMU lets end; the disk goes on by the other."""
    paths = Paths(prompt, shared, iops=400)
    paths.start("bench sda rw=randwrite iodepth=32 number_ios=1600 verify=1 json=1")
    paths.machine.qmp("device_del", id="s0")
    record = paths.end_of_bench()
    assert (record["ios"], record["errors"]) == (1600, 0)
    paths.await_paths(1)
    paths.await_gone("s0")
    assert paths.sda()["stats"][0]["errors"] == 0
    assert not paths.machine.command("fill sda 0 16M seed=7 json=1").errors
    paths.machine.command("flush sda")
    assert shared.read_bytes() == pattern.pattern(0, 16 * MiB, 7)


def test_all_paths_are_lost_and_one_comes_back(prompt, shared):
    """Requests wait for it; where none comes in time they end, and the disk is gone."""
    paths = Paths(prompt, shared, iops=400)
    paths.start("bench sda rw=randwrite iodepth=32 number_ios=2000 verify=1 json=1")
    paths.unplug_unit(0)
    paths.unplug_unit(1)
    for number in (0, 1):
        paths.await_gone(f"disk{number}")
    paths.plug_unit(1)
    record = paths.end_of_bench()
    assert (record["ios"], record["errors"]) == (2000, 0)
    assert paths.sda()["paths"] == 1
    paths.start("bench sda rw=randread iodepth=32 runtime=600 json=1")
    paths.machine.qmp("device_del", id="disk1-0")
    ended = paths.machine.wait_for(r'"error":"(\w+)"')
    # A request that was on its way hears that its unit has gone, one that came later that no path serves: either ends first.
    assert ended[1] in ("gone", "not_ready"), ended[0]
    paths.machine.wait_for_prompt()
    deadline = time.monotonic() + DEADLINE_S
    while paths.machine.command("lsblk json=1").of("lsblk"):
        assert time.monotonic() < deadline, "sda never leaves"


def test_a_second_path_comes_while_the_disk_is_in_use(prompt, shared):
    """The disk that had one way goes on as it was, and has two once nobody uses it."""
    paths = Paths(prompt, shared, iops=400, units=1)
    paths.start("bench sda rw=randwrite iodepth=8 number_ios=800 verify=1 json=1")
    paths.plug_unit(1)
    assert paths.end_of_bench()["errors"] == 0
    paths.await_paths(2)
    assert not paths.machine.command("fill sda 0 4M seed=2 json=1").errors
    assert shared.read_bytes()[:4 * MiB] == pattern.pattern(0, 4 * MiB, 2)
