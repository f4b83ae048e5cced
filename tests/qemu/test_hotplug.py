# SPDX-License-Identifier: BSD-2-Clause
"""Disks that are plugged in and out while the guest runs, with requests in flight, by every way that QEMU has."""
import collections
import time

import pytest

import images
import pattern
from harness import DEADLINE_S, HISTORY_BYTES, Disk, MachineError
from images import MiB

NO_ACPI = ("-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off")
PORTS = tuple(f"pcie-root-port,id=port{i},chassis={i + 1},slot={i + 1}" for i in range(4))

# Where a disk is plugged in; `buses` takes one disk each.
Place = collections.namedtuple("Place", "machine bridges extra buses", defaults=((), (), ("pci.0",) * 4))

PLACES = {
    "q35-port": Place("q35", PORTS, NO_ACPI, ("port0", "port1", "port2", "port3")),
    "q35-acpi": Place("q35", PORTS, (), ("port0", "port1", "port2", "port3")),
    "q35-switch": Place("q35", ("pcie-root-port,id=root,chassis=9", "x3130-upstream,id=up,bus=root",
                                "xio3130-downstream,id=down0,bus=up,chassis=10,slot=1",
                                "xio3130-downstream,id=down1,bus=up,chassis=10,slot=2"), NO_ACPI, ("down0", "down1")),
    "pc": Place("pc"),
    "pc-bridge": Place("pc", ("pci-bridge,id=bridge,chassis_nr=1",), (), ("bridge",) * 4),
}
SMOKE = {"q35-port", "pc"}
EACH_PLACE = [pytest.param(name, marks=pytest.mark.smoke if name in SMOKE else ()) for name in PLACES]


class Slots:
    """A machine with one disk that stays, vda, and places for others."""

    def __init__(self, prompt, place, options="", **machine):
        self.place = PLACES[place]
        self.told = []
        self.names = {}
        self.n_plugged = 0
        self.stays = Disk(images.image("1m.raw"), serial="STAYS")
        self.machine = prompt(f"vstor.log=info {options}", disks=[self.stays], machine=self.place.machine,
                              bridges=self.place.bridges, extra=self.place.extra, **machine)

    def plug(self, path, number=0, throttled=False, writable=False, **properties):
        """Plugs a raw image in; throttled: so that what is asked of it is in flight for long."""
        self.n_plugged += 1
        name = self.names[number] = f"hot{number}-{self.n_plugged}"
        # Locked by none: QEMU may not have let go of the image since it was unplugged last; see await_unplugged.
        node = {"driver": "raw", "node-name": name, "read-only": not writable,
                "file": {"driver": "file", "filename": str(path), "locking": "off"}}
        if throttled:
            group = f"slow{self.n_plugged}"
            self.machine.qmp("object-add", qom_type="throttle-group", id=group, limits={"iops-total": 20})
            node.pop("node-name")
            node = {"driver": "throttle", "node-name": name, "throttle-group": group, "file": node,
                    "read-only": not writable}
        self.machine.qmp("blockdev-add", **node)
        self.machine.qmp("device_add", driver="virtio-blk-pci", id=name, drive=name, bus=self.place.buses[number],
                         serial=f"HOT{number}", **properties)

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

    def unplug(self, number=0):
        self.machine.qmp("device_del", id=self.names[number])

    def await_unplugged(self, number=0):
        """QEMU has taken the device out: the guest let it.

        Its memory, and the event that tells of it, go later: under TCG with its CPUs busy that takes what it likes."""
        deadline = time.monotonic() + DEADLINE_S
        while any(o["name"] == self.names[number] for o in self.machine.qmp("qom-list", path="/machine/peripheral")):
            assert time.monotonic() < deadline, "QEMU does not take the device out"
            time.sleep(0.05)

    def listed(self):
        return {record["serial"]: record for record in self.machine.command("lsblk json=1").of("lsblk")}

    def check_the_one_that_stays(self):
        assert self.machine.command("sum vda json=1").one("sum")["sha256"] == images.sha256(self.stays.path)


def start_bench(machine, options):
    """A benchmark that has requests in flight when this returns."""
    machine.send(f"bench vdb {options} runtime=600 json=1\r")
    machine.wait_for("\n")
    time.sleep(0.5)  # to be under way; how far it is does not matter, with a throttled disk


def expect_gone(machine):
    """The command under way ends, with an error that says why."""
    ended = machine.wait_for(r'"error":"(\w+)"')
    assert ended[1] == "gone", ended[0]
    machine.wait_for_prompt()


@pytest.mark.parametrize("place", EACH_PLACE)
def test_unplug_with_requests_in_flight(prompt, place):
    """Plugged in while the guest runs, read, and unplugged under load: an error, an event, no disk, and all goes on."""
    slots = Slots(prompt, place)
    path = images.image("64m.raw")
    slots.plug(path)
    event = slots.await_event("plugged", dev="vdb")
    assert (event["old"], event["new"]) == (0, 64 * MiB)
    assert slots.listed()["HOT0"]["bytes"] == 64 * MiB
    assert slots.machine.command("sum vdb json=1").one("sum")["sha256"] == images.sha256(path)
    slots.unplug()
    slots.await_event("unplugged", dev="vdb", old=64 * MiB, new=0)
    slots.await_unplugged()
    slots.plug(path, throttled=True)
    slots.await_event("plugged", dev="vdb")
    start_bench(slots.machine, "rw=randread iodepth=32")
    slots.unplug()
    expect_gone(slots.machine)
    slots.await_event("unplugged", dev="vdb")
    slots.await_unplugged()
    assert list(slots.listed()) == ["STAYS"]
    assert slots.machine.command("sum vdb json=1").error("sum")["error"] == "not_found"
    slots.check_the_one_that_stays()


@pytest.mark.parametrize("place", ["q35-port", "q35-acpi", "pc"])
@pytest.mark.parametrize("options,properties", [
    ("vstor.irq=msix vstor.queues=4", {"num-queues": 4}),
    ("vstor.irq=msix vstor.queues=4", {"num-queues": 4, "packed": True}),
    ("vstor.irq=intx", {}),
    ("vstor.dma=bounce", {}),
    ("vstor.transport=pci-cfg", {}),
])
def test_unplug_of_all_kinds(prompt, place, options, properties):
    """Several queues, each with a CPU at it; interrupts of each kind; data by way of a pool; registers in a window."""
    slots = Slots(prompt, place, options, smp="4")
    names = {name.replace("-", "_"): value for name, value in properties.items()}
    for _ in range(2):
        slots.plug(images.image("64m.raw"), throttled=True, **names)
        slots.await_event("plugged", dev="vdb")
        assert slots.listed()["HOT0"]["queues"] == properties.get("num-queues", 1)
        start_bench(slots.machine, f"rw=randread iodepth=8 numjobs={properties.get('num-queues', 1)}")
        slots.unplug()
        expect_gone(slots.machine)
        slots.await_event("unplugged", dev="vdb")
        slots.await_unplugged()
    slots.check_the_one_that_stays()


@pytest.mark.parametrize("place", ["q35-port", "q35-acpi", "pc"])
def test_plugged_20_times(prompt, place, tmp_path):
    """Written each time, found again each time; the guest's memory in use is the same each time."""
    slots = Slots(prompt, place, "vstor.irq=msix")
    path = images.copy_of(images.image("empty-16m.raw"), tmp_path)
    content = bytearray(16 * MiB)
    written = None
    for turn in range(20):
        slots.plug(path, throttled=turn % 4 == 3, writable=True)
        slots.await_event("plugged", dev="vdb", new=16 * MiB)
        if turn % 4 == 3:
            start_bench(slots.machine, "rw=randread iodepth=16")
            slots.unplug()
            expect_gone(slots.machine)
        else:
            if written is not None:
                assert not slots.machine.command(f"verify vdb {written % 16}M 1M seed={written} json=1").errors
            written = turn
            assert not slots.machine.command(f"fill vdb {turn % 16}M 1M seed={turn} json=1").errors
            at = turn % 16 * MiB
            content[at:at + MiB] = pattern.pattern(at, MiB, turn)
            slots.unplug()
        slots.await_event("unplugged", dev="vdb")
        slots.await_unplugged()
        assert path.read_bytes() == content
    figures = slots.machine.memory_when_disks_left()
    assert len(figures) == 20
    devices, held = zip(*figures)
    assert len(set(devices)) == 1, devices
    quiet = [held[turn] for turn in range(20) if turn % 4 != 3]  # when no benchmark holds some
    assert max(quiet) <= quiet[1] + HISTORY_BYTES, held


@pytest.mark.parametrize("place", ["q35-port", "q35-acpi", "q35-switch", "pc", "pc-bridge"])
def test_several_at_once(prompt, place):
    """Each is found, by rescan or before it, under a name of its own; each leaves alone, also out of order."""
    slots = Slots(prompt, place)
    paths = [images.image(name) for name in ("64m.raw", "empty-16m.raw", "1m.raw", "random-16m.raw")]
    paths = paths[:len(slots.place.buses)]
    for number, path in enumerate(paths):
        slots.plug(path, number)
    slots.machine.command("sleep 1500")
    assert slots.machine.command("rescan json=1").one("rescan") == {"cmd": "rescan", "added": len(paths), "removed": 0}
    listed = slots.listed()
    assert sorted(r["dev"] for r in listed.values()) == ["vd" + letter for letter in "abcde"[:len(paths) + 1]]
    assert {record["transport"] for record in listed.values()} == {"virtio-pci"}  # the BARs have addresses
    for number, path in enumerate(paths):
        name = listed[f"HOT{number}"]["dev"]
        assert slots.machine.command(f"sum {name} json=1").one("sum")["sha256"] == images.sha256(path)
    slots.unplug(0)
    slots.await_event("unplugged", dev=listed["HOT0"]["dev"])
    slots.await_unplugged(0)
    assert set(slots.listed()) == set(listed) - {"HOT0"}
    for number in range(1, len(paths)):
        slots.unplug(number)
    for number in range(1, len(paths)):
        slots.await_event("unplugged")
    assert list(slots.listed()) == ["STAYS"]
    assert slots.machine.command("rescan json=1").one("rescan") == {"cmd": "rescan", "added": 0, "removed": len(paths)}
    slots.check_the_one_that_stays()


@pytest.mark.parametrize("place", ["q35-port", "pc"])
def test_unplugged_while_others_use_it(prompt, place):
    """A copy from it ends with an error; what takes its place meanwhile is another disk, and all of it is there."""
    slots = Slots(prompt, place)
    slots.plug(images.image("64m.raw"), throttled=True)
    slots.await_event("plugged", dev="vdb")
    slots.machine.send("sum vdb json=1\r")
    slots.machine.wait_for("\n")
    time.sleep(0.3)
    slots.unplug()
    expect_gone(slots.machine)
    slots.await_event("unplugged", dev="vdb")
    slots.await_unplugged()
    slots.plug(images.image("random-16m.raw"))
    slots.await_event("plugged", dev="vdb", new=16 * MiB)
    assert (slots.machine.command("sum vdb json=1").one("sum")["sha256"] ==
            images.sha256(images.image("random-16m.raw")))
