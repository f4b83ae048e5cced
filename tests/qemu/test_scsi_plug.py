# SPDX-License-Identifier: BSD-2-Clause
"""SCSI units and adapters that come, go and change while the guest runs, with requests in flight."""
import os
import re
import time

import pytest

import images
import pattern
from harness import DEADLINE_S, HISTORY_BYTES, Disk, MachineError
from images import MiB

# Of test_rounds_under_load; VSTOR_ROUNDS=200 for the whole of it.
ROUNDS = int(os.environ.get("VSTOR_ROUNDS", "30"))

PORT = ("pcie-root-port,id=port0,chassis=1,slot=1",)


class Units:
    """A machine with an adapter, a disk sda that stays, and room for others."""

    def __init__(self, prompt, options="", path=None, before=(), adapter="", **machine):
        self.path = path or images.image("1m.raw")
        self.told = []
        self.n_plugged = 0
        adapter = f"virtio-scsi-pci,disable-legacy=on,id=s0{adapter}"
        stays = Disk(self.path, device="scsi-hd", serial="STAYS", writable=path is not None,
                     before=[*before, "-device", adapter])
        self.machine = prompt(f"vstor.log=info {options}", disks=[stays], **machine)

    def add_node(self, path, throttled=False):
        """A block node of its own for an image, which nobody locks; throttled: it takes 20 requests a second."""
        self.n_plugged += 1
        name = f"n{self.n_plugged}"
        node = {"driver": "raw", "node-name": name,
                "file": {"driver": "file", "filename": str(path), "locking": "off"}}
        if throttled:
            group = f"slow{self.n_plugged}"
            self.machine.qmp("object-add", qom_type="throttle-group", id=group, limits={"iops-total": 20})
            node.pop("node-name")
            node = {"driver": "throttle", "node-name": name, "throttle-group": group, "file": node}
        self.machine.qmp("blockdev-add", **node)
        return name

    def plug(self, path, target, lun=0, name=None, throttled=False, **properties):
        """A disk at that place; returns the name by which QEMU knows it."""
        node = self.add_node(path, throttled)
        name = name or f"u{self.n_plugged}"
        arguments = {"driver": "scsi-hd", "id": name, "drive": node, "bus": "s0.0", "scsi-id": target, "lun": lun,
                     "serial": name, **properties}
        self.machine.qmp("device_add", **arguments)
        return name

    def unplug(self, name):
        self.machine.qmp("device_del", id=name)

    def await_event(self, event, **fields):
        """Waits until `events` of the guest tells this; others that it tells meanwhile are kept."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            for record in self.told:
                if record["event"] == event and all(record[name] == value for name, value in fields.items()):
                    self.told.remove(record)
                    return record
            self.told += self.machine.command("events wait=1000 json=1").of("events")
        raise MachineError(f"no event {event} {fields}\n{self.machine.describe()}")

    def listed(self):
        return {record["serial"]: record for record in self.machine.command("lsblk json=1").of("lsblk")}

    def places(self):
        return {record["hctl"] for record in self.machine.command("lsscsi json=1").of("lsscsi")}

    def memory_after_one_left(self):
        """Plugs and unplugs one while nothing else is done: KiB free for devices, bytes that malloc's callers hold."""
        name = self.plug(images.image("1m.raw"), 7, 7)
        self.await_event("plugged", new=MiB)
        self.unplug(name)
        self.await_event("unplugged", old=MiB)
        return self.machine.memory_when_disks_left()[-1]

    def check_the_one_that_stays(self):
        assert self.machine.command("sum serial=STAYS json=1").records[0]["sha256"] == images.sha256(self.path)


def expect_gone(machine):
    """The command under way ends, with an error that says why."""
    ended = machine.wait_for(r'"error":"(\w+)"')
    assert ended[1] == "gone", ended[0]
    machine.wait_for_prompt()


@pytest.mark.smoke
def test_plug_and_unplug(prompt):
    """A unit that is plugged in is found and read; unplugged with requests in flight it ends them, and is no more."""
    units = Units(prompt)
    path = images.image("random-16m.raw")
    name = units.plug(path, 3, 5)
    event = units.await_event("plugged", dev="sdb")
    assert (event["old"], event["new"]) == (0, 16 * MiB)
    assert units.listed()[name]["hctl"] == "0:0:3:5"
    assert units.machine.command("sum sdb json=1").one("sum")["sha256"] == images.sha256(path)
    units.unplug(name)
    units.await_event("unplugged", dev="sdb", old=16 * MiB)
    assert units.places() == {"0:0:0:0"}
    units.plug(path, 3, 5, throttled=True)
    units.await_event("plugged", dev="sdb")
    units.machine.send("bench sdb rw=randread iodepth=32 runtime=600 json=1\r")
    units.machine.wait_for("\n")
    time.sleep(0.5)  # to be under way; how far it is does not matter: the disk is slow
    units.unplug(f"u{units.n_plugged}")
    expect_gone(units.machine)
    units.await_event("unplugged", dev="sdb")
    assert list(units.listed()) == ["STAYS"]
    units.check_the_one_that_stays()


def test_neighbours_of_lun_0(prompt):
    """LUN 0 goes while another LUN of its target stays, which QEMU's REPORT LUNS does not tell; and comes again."""
    units = Units(prompt)
    first = units.plug(images.image("1m.raw"), 2, 0)
    units.plug(images.image("1m.raw"), 2, 7)
    units.await_event("plugged")
    units.await_event("plugged")
    units.unplug(first)
    units.await_event("unplugged")
    assert units.places() == {"0:0:0:0", "0:0:2:7"}
    units.plug(images.image("1m.raw"), 2, 0)
    units.await_event("plugged")
    assert units.places() == {"0:0:0:0", "0:0:2:0", "0:0:2:7"}


@pytest.mark.parametrize("adapter", ["", ",hotplug=off", ",param_change=off"])
def test_another_in_its_place(prompt, adapter):
    """Unplugged and another plugged in at once at the same place: two events, and the other's bytes. Where the adapter
    does not tell, the periodic check finds it out."""
    units = Units(prompt, adapter=adapter)
    first = units.plug(images.image("random-16m.raw"), 1)
    units.await_event("plugged", dev="sdb")
    units.unplug(first)
    second = units.plug(images.image("1m.raw"), 1, product="OTHER")
    units.await_event("unplugged", dev="sdb", old=16 * MiB)
    units.await_event("plugged", new=MiB)
    assert set(units.listed()) == {"STAYS", second}
    assert (units.machine.command(f"sum serial={second} json=1").records[0]["sha256"] ==
            images.sha256(images.image("1m.raw")))


@pytest.mark.parametrize("size", [8, 32])
@pytest.mark.parametrize("adapter", ["", ",param_change=off"])
def test_resize(prompt, tmp_path, size, adapter):
    """block_resize of a disk in use shows in lsblk and events at once; where no event tells, with the next request."""
    path = images.copy_of(images.image("empty-16m.raw"), tmp_path)
    units = Units(prompt, path=path, adapter=adapter)
    assert units.listed()["STAYS"]["bytes"] == 16 * MiB
    node = units.machine.qmp("query-block")[0]["inserted"]["node-name"]
    units.machine.qmp("block_resize", node_name=node, size=size * MiB)
    if adapter:
        units.machine.command("read sda 0 512")
    event = units.await_event("resize", dev="sda")
    assert (event["old"], event["new"]) == (16 * MiB, size * MiB)
    assert units.listed()["STAYS"]["bytes"] == size * MiB
    assert not units.machine.command(f"read sda {size}M-512 512 json=1".replace(f"{size}M-512", str(size * MiB - 512))).errors
    assert units.machine.command(f"read sda {size}M 512 json=1").error("read")["error"] == "range"


@pytest.mark.parametrize("options", ["vstor.irq=poll", "vstor.irq=msix", "vstor.irq=intx", "vstor.dma=bounce"])
def test_adapter_is_unplugged(prompt, options):
    """device_del of the adapter under load ends everything on it, and gives its memory back; it comes again."""
    units = Units(prompt, options, bridges=PORT)
    free = []
    for _ in range(3):
        units.machine.qmp("device_add", driver="virtio-scsi-pci", id="s1", bus="port0")
        for lun in (0, 3):
            node = units.add_node(images.image("random-16m.raw"), throttled=True)
            units.machine.qmp("device_add", driver="scsi-hd", id=f"v{lun}", drive=node, bus="s1.0",
                              **{"scsi-id": 0, "lun": lun})
        for _ in range(2):
            units.await_event("plugged", new=16 * MiB)
        assert units.places() == {"0:0:0:0", "1:0:0:0", "1:0:0:3"}
        units.machine.send("bench sdc rw=randread iodepth=16 runtime=600 json=1\r")
        units.machine.wait_for("\n")
        time.sleep(0.5)
        units.machine.qmp("device_del", id="s1")
        expect_gone(units.machine)
        for _ in range(2):
            units.await_event("unplugged", old=16 * MiB)
        assert units.places() == {"0:0:0:0"}
        units.check_the_one_that_stays()
        deadline = time.monotonic() + DEADLINE_S
        while any(o["name"] == "s1" for o in units.machine.qmp("qom-list", path="/machine/peripheral")):
            assert time.monotonic() < deadline, "QEMU does not take the adapter out"
            time.sleep(0.05)
    free = re.findall(r"an adapter has left; (\d+) KiB for devices", units.machine.transcript)
    assert len(free) == 3 and len(set(free)) == 1, free


def test_rescan_of_an_adapter(prompt):
    """rescan HOST finds what an adapter that tells nothing has got, and what it has lost; another number is refused."""
    units = Units(prompt, adapter=",hotplug=off")
    name = units.plug(images.image("1m.raw"), 9, 9)
    record = units.machine.command("rescan 0 json=1").one("rescan")
    assert record["removed"] == 0 and units.places() == {"0:0:0:0", "0:0:9:9"}
    units.unplug(name)
    units.machine.command("rescan 0")
    assert units.places() == {"0:0:0:0"}
    assert units.machine.command("rescan 7 json=1").error("rescan")["error"] == "not_found"


@pytest.mark.timeout(1800)
def test_rounds_under_load(prompt, tmp_path):
    """Units come and go at two targets while another is written and read all the time: none is lost, none stays that is
    gone, and no request of the one that stays fails. VSTOR_ROUNDS says how many rounds."""
    path = images.copy_of(images.image("empty-16m.raw"), tmp_path)
    units = Units(prompt, path=path, smp="2")
    machine = units.machine
    for turn in range(ROUNDS):
        machine.send("bench sda rw=randwrite iodepth=32 number_ios=3000 verify=1 json=1\r")
        machine.wait_for("\n")
        first = units.plug(images.image("1m.raw"), 0, 1 + turn % 5)
        second = units.plug(images.image("random-16m.raw"), 1 + turn % 7, turn % 3)
        ended = machine.wait_for(r'"errors":(\d+)')
        machine.wait_for_prompt()
        assert ended[1] == "0", f"turn {turn}"
        for size in (MiB, 16 * MiB):
            units.await_event("plugged", new=size)
        listed = units.listed()
        assert set(listed) == {"STAYS", first, second}, f"turn {turn}"
        assert (machine.command(f"sum serial={second} json=1").records[0]["sha256"] ==
                images.sha256(images.image("random-16m.raw")))
        machine.send("bench sda rw=randrw iodepth=32 number_ios=3000 json=1\r")
        machine.wait_for("\n")
        units.unplug(first)
        units.unplug(second)
        ended = machine.wait_for(r'"errors":(\d+)')
        machine.wait_for_prompt()
        assert ended[1] == "0", f"turn {turn}"
        for size in (MiB, 16 * MiB):
            units.await_event("unplugged", old=size)
        assert units.places() == {"0:0:0:0"}, f"turn {turn}"
        if turn == 0:
            devices_at_first, held_at_first = units.memory_after_one_left()
    assert machine.transcript.count("a disk has left") == 2 * ROUNDS + 1
    devices, held = units.memory_after_one_left()
    assert devices == devices_at_first
    assert held <= held_at_first + HISTORY_BYTES
