# SPDX-License-Identifier: BSD-2-Clause
"""Every disk is found wherever it is plugged in, in PCI order, and each is read as itself."""
import pytest

import images
import pattern
from harness import KERNEL_PVH, Disk
from images import GiB, KiB, MiB

DISK_BYTES = MiB

# name: (machine, bridges, [(bus, addr) of each disk])
TOPOLOGIES = {
    "pc-root": ("pc", [], [(None, None)] * 3),
    "q35-root": ("q35", [], [(None, None)] * 3),
    "pc-two-bridges": (
        "pc", ["pci-bridge,id=b1,chassis_nr=1,addr=0x8", "pci-bridge,id=b2,chassis_nr=2,bus=b1,addr=0x2"],
        [("pci.0", "0x5"), ("b1", "0x1"), ("b2", "0x1"), ("b2", "0x1f"), ("pci.0", "0x1e")]),
    "pc-three-bridges-side-by-side": (
        "pc", ["pci-bridge,id=b1,chassis_nr=1,addr=0x8", "pci-bridge,id=b2,chassis_nr=2,bus=b1,addr=0x2",
               "pci-bridge,id=b3,chassis_nr=3,bus=b1,addr=0x3", "pci-bridge,id=b4,chassis_nr=4,addr=0x9"],
        [("b2", "0x1"), ("b3", "0x1"), ("b4", "0x1"), ("b1", "0x9")]),
    "q35-root-port": ("q35", ["pcie-root-port,id=p1,chassis=1,slot=1"], [("p1", None), (None, None)]),
    "q35-root-ports": (
        "q35", [f"pcie-root-port,id=p{n},chassis={n},slot={n},multifunction=on,addr=0x4.{n - 1}" for n in range(1, 5)],
        [(f"p{n}", None) for n in range(1, 5)]),
    "q35-pcie-pci-bridge": (
        "q35", ["pcie-root-port,id=p1,chassis=1,slot=1", "pcie-pci-bridge,id=b1,bus=p1",
                "pci-bridge,id=b2,bus=b1,chassis_nr=3,addr=0x2"],
        [("b1", "0x1"), ("b2", "0x1"), ("b2", "0x7")]),
    "q35-switch": (
        "q35", ["pcie-root-port,id=p1,chassis=1,slot=1", "x3130-upstream,id=up,bus=p1",
                "xio3130-downstream,id=d1,bus=up,chassis=2,slot=2", "xio3130-downstream,id=d2,bus=up,chassis=3,slot=3"],
        [("d1", None), ("d2", None), (None, None)]),
    "q35-dmi-bridge": (
        "q35", ["i82801b11-bridge,id=b1", "pci-bridge,id=b2,bus=b1,chassis_nr=1,addr=0x1"],
        [("b2", "0x1"), ("b2", "0x2")]),
    "pc-second-root-bus": ("pc", ["pxb,id=pxb1,bus_nr=128,bus=pci.0"], [("pxb1", "0x1"), ("pci.0", None)]),
    "q35-second-root-bus": (
        "q35", ["pxb-pcie,id=pxb1,bus_nr=128,bus=pcie.0", "pcie-root-port,id=p1,bus=pxb1,chassis=9,slot=9"],
        [("p1", None), ("pcie.0", None)]),
    "functions-of-one-slot": (
        "q35", [], [(None, f"0x6.{n}") for n in range(8)]),
}


@pytest.fixture
def pattern_disks(tmp_path):
    """A function that makes disks, each full of the pattern of its own seed and with its own serial."""
    def make(places, **properties):
        disks = []
        for number, (bus, addr) in enumerate(places):
            path = tmp_path / f"{number}.raw"
            path.write_bytes(pattern.pattern(0, DISK_BYTES, seed_of(number)))
            disk = Disk(path, serial=f"DISK-{number}", bus=bus, addr=addr, properties=dict(properties))
            if addr and addr.endswith(".0"):
                disk.properties["multifunction"] = "on"
            disks.append(disk)
        return disks
    return make


def seed_of(number):
    return 1000 + number


def name_of(number):
    """After vdz comes vdaa."""
    letters = ""
    while number >= 0:
        letters = chr(ord("a") + number % 26) + letters
        number = number // 26 - 1
    return f"vd{letters}"


def check_each_disk(machine, n_disks):
    """All disks are listed in PCI order; each, found by serial, holds its own pattern; PCI finds no fault."""
    listed = machine.command("lsblk json=1").of("lsblk")
    assert sorted(d["serial"] for d in listed) == sorted(f"DISK-{n}" for n in range(n_disks)), \
        f"not every disk was found once\n{machine.describe()}"
    assert [d["dev"] for d in listed] == [name_of(n) for n in range(n_disks)]
    assert [d["pci"] for d in listed] == sorted(d["pci"] for d in listed), "not in PCI order"
    for disk in listed:
        number = int(disk["serial"].removeprefix("DISK-"))
        result = machine.command(f"verify {disk['dev']} 0 {DISK_BYTES} seed={seed_of(number)} json=1")
        assert result.one("verify")["bytes"] == DISK_BYTES
        assert machine.command(f"sum serial={disk['serial']} 0 4k json=1").one("sum")["dev"] == disk["dev"]
        assert machine.command(f"sum {disk['path']} 0 4k json=1").one("sum")["dev"] == disk["dev"]
    return listed


def functions_of(machine):
    """PCI functions by address."""
    return {f["dev"]: f for f in machine.command("lspci json=1").of("lspci")}


def check_placement(functions):
    """Every memory BAR is assigned, aligned to its size, alone in its place, and inside the bridge above it."""
    places = []
    for name, function in functions.items():
        assert not function["capabilities_malformed"], f"{name}: capability list malformed"
        for bar in function["bars"]:
            assert bar["assigned"], f"{name} BAR {bar['bar']} has no address"
            assert bar["address"] % bar["bytes"] == 0, f"{name} BAR {bar['bar']} is misaligned: {bar}"
            if bar["kind"] != "io":
                places.append((bar["address"], bar["address"] + bar["bytes"], name, bar))
    places.sort(key=lambda place: place[:2])
    for (_, end, name, _), (start, _, other, _) in zip(places, places[1:]):
        assert end <= start, f"BARs of {name} and {other} overlap"
    for start, end, name, bar in places:
        bridge = bridge_above(name, functions)
        if bridge:
            windows = [w for w in (bridge.get("memory"), bridge.get("prefetchable")) if w]
            assert any(w["first"] <= start and end - 1 <= w["last"] for w in windows), \
                f"{name} BAR {bar['bar']} at {start:#x} is outside the windows of its bridge: {windows}"


def bridge_above(name, functions):
    """The bridge whose secondary bus the function is on, or None on a root bus."""
    bus = int(name.split(":")[1], 16)
    return next((f["bridge"] for f in functions.values() if f.get("bridge", {}).get("secondary_bus") == bus), None)


@pytest.mark.parametrize("pci", ["as-found", "reassign"])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_disks_are_found_behind(prompt, pattern_disks, topology, pci):
    """Behind bridges, ports, switches and further root buses; with the firmware's BARs and with our own."""
    machine_type, bridges, places = TOPOLOGIES[topology]
    options = "vstor.pci=reassign" if pci == "reassign" else ""
    disks = pattern_disks(places)
    machine = prompt(options, machine=machine_type, bridges=bridges, disks=disks)
    check_each_disk(machine, len(places))
    check_placement(functions_of(machine))


# name: (bridges, [(bus, addr) of each disk])
WAYS_TO_64 = {
    "a-root-port-each": (
        [f"pcie-root-port,id=p{n},chassis={n},slot={n},multifunction=on,addr={4 + n // 8:#x}.{n % 8}"
         for n in range(64)],
        [(f"p{n}", None) for n in range(64)]),
    "functions-behind-root-ports": (
        [f"pcie-root-port,id=p{n},chassis={n},slot={n},multifunction=on,addr=0x4.{n}" for n in range(8)],
        [(f"p{n // 8}", f"0x0.{n % 8}") for n in range(64)]),
    "pci-bridges": (
        ["pcie-root-port,id=p,chassis=1,slot=1", "pcie-pci-bridge,id=b0,bus=p"]
        + [f"pci-bridge,id=b{n},bus=b0,chassis_nr={n + 1},addr={n:#x}" for n in (1, 2, 3)],
        [(f"b{n % 4}", f"{4 + n // 4:#x}") for n in range(64)]),
}


@pytest.mark.parametrize("way,pci", [(way, "") for way in WAYS_TO_64] + [("a-root-port-each", "vstor.pci=reassign")])
def test_64_disks(prompt, pattern_disks, way, pci):
    """64 disks of two queues at once on q35, behind bridges: each is found and verified, is written by both queues
    where no other is, and says what memory it takes, of which there is enough."""
    bridges, places = WAYS_TO_64[way]
    disks = pattern_disks(places, **{"num-queues": 2})
    for disk in disks:
        disk.writable, disk.drive = True, {"cache": "unsafe"}  # the host need not flush for this
    machine = prompt(f"vstor.queues=2 {pci}", disks=disks, bridges=bridges, smp="2")
    listed = check_each_disk(machine, 64)
    assert {disk["queues"] for disk in listed} == {2}
    assert len({(disk["memory"], disk["queue_memory"]) for disk in listed}) == 1
    own = listed[0]["memory"] - 2 * listed[0]["queue_memory"]
    assert 0 < own < 16 * KiB and 64 * listed[0]["memory"] < 64 * MiB, listed[0]
    machine.command("lsblk vdbl").expect(r"^  memory +\S+, of that \S+ for each queue$")
    for number in range(64):
        line = [f"fill serial=DISK-{number} {4096 * number + queue * 512 * KiB} 4k seed={2000 + number} queue={queue}"
                for queue in range(2)]
        assert not machine.command("; ".join(line)).text
    for number, disk in enumerate(disks):
        expected = bytearray(pattern.pattern(0, DISK_BYTES, seed_of(number)))
        for offset in (4096 * number, 4096 * number + 512 * KiB):
            expected[offset:offset + 4096] = pattern.pattern(offset, 4096, 2000 + number)
        disk.path.with_suffix(".expected").write_bytes(expected)
        images.run_tool("cmp", disk.path.with_suffix(".expected"), disk.path)


@pytest.mark.parametrize("machine_type", [pytest.param("pc", marks=pytest.mark.smoke), "q35"])
def test_24_disks(prompt, pattern_disks, machine_type):
    """24 disks with a serial each: all found in PCI order, each verified with its own content."""
    machine = prompt(machine=machine_type, disks=pattern_disks([(None, None)] * 24))
    check_each_disk(machine, 24)


def test_30_disks_are_named_past_z(prompt, pattern_disks):
    """More than 26: after vdz comes vdaa."""
    places = [(None, f"0x{4 + n // 8:x}.{n % 8}") for n in range(30)]
    machine = prompt(disks=pattern_disks(places))
    names = [d["dev"] for d in machine.command("lsblk json=1").of("lsblk")]
    assert names[25:] == ["vdz", "vdaa", "vdab", "vdac", "vdad"]
    assert machine.command(f"verify vdad 0 1M seed={seed_of(29)} json=1").one("verify")


# A BAR that does not fit below 4 GiB: SeaBIOS then places all 64-bit BARs of the bus above.
LARGE_BAR = ["-device", "pci-testdev,membar=8G"]


@pytest.mark.parametrize("pci", ["", "vstor.pci=reassign"])
@pytest.mark.parametrize("machine_type", ["pc", "q35"])
def test_64_bit_bars_above_4_gib(prompt, pattern_disks, machine_type, pci):
    """Disks whose virtio BAR lies above 4 GiB, with RAM above 4 GiB too."""
    machine = prompt(pci, machine=machine_type, memory_mib=6 * KiB, disks=pattern_disks([(None, None)] * 2),
                     extra=LARGE_BAR)
    functions = functions_of(machine)
    check_placement(functions)
    if not pci:
        for disk in machine.command("lsblk json=1").of("lsblk"):
            bars = [b for b in functions[disk["pci"]]["bars"] if b["kind"] == "memory64"]
            assert bars and all(b["address"] >= 4 * GiB for b in bars), f"not above 4 GiB: {bars}"
    check_each_disk(machine, 2)


# machine: (bridge, address of the disk behind it, address of the device with the large BAR beside it)
LARGE_WINDOWS = {"pc": ("pci-bridge,id=b1,chassis_nr=1,addr=0x8", "0x1", "0x2"),
                 "q35": ("pcie-root-port,id=b1,chassis=1,slot=1", "0x0.0", "0x0.1")}


@pytest.mark.parametrize("pci", ["", "vstor.pci=reassign"])
@pytest.mark.parametrize("machine_type", LARGE_WINDOWS)
def test_bridge_window_above_4_gib(prompt, pattern_disks, machine_type, pci):
    """A disk behind a bridge whose prefetchable window lies above 4 GiB: all 64 bits of the window are programmed."""
    bridge, disk_at, large_at = LARGE_WINDOWS[machine_type]
    machine = prompt(pci, machine=machine_type, bridges=[bridge], disks=pattern_disks([("b1", disk_at)]),
                     extra=["-device", f"pci-testdev,membar=8G,bus=b1,addr={large_at}"])
    functions = functions_of(machine)
    check_placement(functions)
    window = next(f["bridge"]["prefetchable"] for f in functions.values() if "prefetchable" in f.get("bridge", {}))
    assert window["first"] >= 4 * GiB, f"the window was to be above 4 GiB: {window}"
    check_each_disk(machine, 1)


@pytest.mark.parametrize("machine_type", ["pc", "q35"])
def test_bars_that_no_firmware_assigned(prompt, pattern_disks, machine_type):
    """qboot starts the kernel by PVH and leaves BARs and bridges alone: we number and place everything ourselves."""
    bridges = {"pc": ["pci-bridge,id=b1,chassis_nr=1,addr=0x8"], "q35": ["pcie-root-port,id=b1,chassis=1,slot=1"]}
    places = [(None, None), ("b1", "0x1" if machine_type == "pc" else None)]
    machine = prompt(machine=machine_type, kernel=KERNEL_PVH, bridges=bridges[machine_type],
                     disks=pattern_disks(places), extra=["-bios", "qboot.rom"])
    check_each_disk(machine, 2)
    check_placement(functions_of(machine))


@pytest.mark.smoke
def test_lspci_v_names_the_virtio_structures(run, small_disk):
    """`lspci -v` shows BARs, capabilities and each virtio structure by name, all usable."""
    result = run("lspci -v; lspci json=1; exit", disks=[small_disk]).expect_status(0)
    function = next(f for f in result.of("lspci") if f.get("virtio") == "virtio-blk")
    structures = {s["type"]: s for s in function["virtio_structures"]}
    assert {1, 2, 3, 4} <= set(structures), f"structures missing: {structures}"
    assert all(structures[n]["usable"] for n in (1, 2, 3, 4)), structures
    for structure in structures.values():
        result.expect(rf"virtio \[[0-9a-f]+\]: {structure['name']}, BAR {structure['bar']}")
    result.expect(r"capability \[[0-9a-f]+\]: 11 MSI-X")
    result.expect(r"BAR 4: memory64 at 0x[0-9a-f]+, 16 ?[kK]")


def test_no_pci_disk_at_all_still_lists_functions(run):
    """Without a disk `lspci` works and `lsblk` lists nothing, with status 0."""
    result = run("lspci json=1; lsblk json=1; exit").expect_status(0)
    assert result.of("lspci") and not result.of("lsblk")
