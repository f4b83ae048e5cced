# SPDX-License-Identifier: BSD-2-Clause
"""Disks that change while they are in use: resized by the host, and the write cache switched by the guest."""
import collections
import time

import pytest

import images
import pattern
from harness import KERNEL_PVH, Disk
from images import MiB

MODERN = "virtio-blk-pci,disable-legacy=on"
LEGACY = "virtio-blk-pci,disable-modern=on,disable-legacy=off"
MMIO = "virtio-blk-device"
CONFIG_MSIX_VECTOR = 0x10  # in the common configuration (VIRTIO 1.2, 4.1.4.3)

# How a change is noticed. `irq` is what lsblk tells; disk: properties of the device.
Way = collections.namedtuple("Way", "irq options device disk machine extra", defaults=(MODERN, {}, "q35", ()))

WAYS = {
    "msix-own-vector": Way("msix", "vstor.irq=msix"),
    "msix-shared-vector": Way("msix", "vstor.irq=msix", disk={"vectors": 1}),
    "msix-4-queues-5-vectors": Way("msix", "vstor.irq=msix vstor.queues=4", disk={"num-queues": 4, "vectors": 5}),
    "msix-4-queues-4-vectors": Way("msix", "vstor.irq=msix vstor.queues=4", disk={"num-queues": 4, "vectors": 4}),
    "msix-4-queues-2-vectors": Way("msix", "vstor.irq=msix vstor.queues=4", disk={"num-queues": 4, "vectors": 2}),
    "msix-packed": Way("msix", "vstor.irq=msix", disk={"packed": "on"}),
    "msix-window": Way("msix", "vstor.irq=msix vstor.transport=pci-cfg"),
    "no-vectors": Way("intx", "vstor.irq=msix", disk={"vectors": 0}),
    "intx": Way("intx", "vstor.irq=intx"),
    "poll": Way("poll", ""),
    "poll-window": Way("poll", "vstor.transport=pci-cfg"),
    "legacy-msix": Way("msix", "vstor.irq=msix", LEGACY),
    "legacy-msix-shared": Way("msix", "vstor.irq=msix", LEGACY, {"vectors": 1}),
    "legacy-intx": Way("intx", "vstor.irq=intx", LEGACY),
    "legacy-poll": Way("poll", "", LEGACY),
    "mmio-1": Way("poll", "", MMIO, {}, "microvm,acpi=on"),
    "mmio-2": Way("poll", "", MMIO, {}, "microvm,acpi=on", ("-global", "virtio-mmio.force-legacy=false")),
}
SMOKE = {"msix-own-vector", "poll"}


def start(prompt, disk, way, **more):
    kernel = KERNEL_PVH if "microvm" in way.machine else None
    return prompt(way.options, disks=[disk], machine=way.machine, kernel=kernel, extra=way.extra, smp="2", **more)


def resize(machine, n_bytes):
    machine.qmp("block_resize", device="drive0", size=n_bytes)


def listed(machine):
    return machine.command("lsblk json=1").one("lsblk")


def expect_resize(machine, old, new):
    """The next event, which may still be under way, is this one; and there is no other."""
    event = machine.command("events wait=30000 json=1").one("events")
    assert (event["dev"], event["event"], event["old"], event["new"], event["times"]) == ("vda", "resize", old, new, 1)
    assert listed(machine)["bytes"] == new
    assert not machine.command("events json=1").records


def check_resize(machine, disk):
    """Growth while idle: the new part is written and read. Then the disk shrinks: what lies beyond is refused."""
    resize(machine, 24 * MiB)
    expect_resize(machine, 16 * MiB, 24 * MiB)
    assert not machine.command("fill vda 15M 9M seed=8 json=1").errors
    assert machine.command("verify vda 15M 9M seed=8 json=1").one("verify")["bytes"] == 9 * MiB
    assert not machine.command("flush vda").errors
    assert disk.path.stat().st_size == 24 * MiB
    assert disk.path.read_bytes()[15 * MiB:] == pattern.pattern(15 * MiB, 9 * MiB, 8)
    resize(machine, 8 * MiB)
    expect_resize(machine, 24 * MiB, 8 * MiB)
    for line in ("read vda 8M 512 json=1", "write vda 8M 00 json=1"):
        error = machine.command(line).error(line.split()[0])
        assert (error["error"], error["offset"]) == ("range", 8 * MiB)
    assert not machine.command("fill vda 7M 1M seed=9 json=1").errors
    assert disk.path.stat().st_size == 8 * MiB
    stats = listed(machine)["stats"][0]
    assert (stats["errors"], stats["timeouts"], stats["rescues"]) == (0, 0, 0), stats


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.smoke) if n in SMOKE else n for n in WAYS])
def test_resize_while_idle(prompt, writable, name):
    """However a change is told, the new size is there, an event says so once, and the data are right."""
    way = WAYS[name]
    disk = writable(device=way.device, properties=dict(way.disk))
    machine = start(prompt, disk, way)
    assert listed(machine)["irq"] == way.irq
    check_resize(machine, disk)


@pytest.mark.parametrize("vectors", [1, 2, 3, 4])
def test_vectors_fewer_than_queues_plus_one_windows_1520(prompt, writable, vectors):
    """kvm-guest-drivers-windows#1520: four queues and fewer than five vectors, and a resize that nobody noticed. Here the
    notice shares the first queue's vector; no register is looked at, so it is this vector that brings it."""
    way = Way("msix", "vstor.irq=msix vstor.queues=4", disk={"num-queues": 4, "vectors": vectors})
    disk = writable(device=way.device, properties=dict(way.disk))
    machine = start(prompt, disk, way)
    assert (listed(machine)["irq"], listed(machine)["queues"]) == ("msix", 4)
    check_resize(machine, disk)


@pytest.mark.parametrize("queues,vectors,expected", [(1, 1, 0), (1, 2, 1), (4, 5, 4), (4, 4, 0), (2, 5, 2)])
def test_the_vector_is_the_one_meant(prompt, writable, queues, vectors, expected):
    """The device's register, asked from outside: a vector behind those of the queues, else the first queue's."""
    disk = writable(device=MODERN, properties={"num-queues": queues, "vectors": vectors})
    machine = prompt(f"vstor.irq=msix vstor.queues={queues}", disks=[disk])
    function = next(f for f in machine.command("lspci -v json=1").of("lspci") if "virtio" in f)
    common = next(s for s in function["virtio_structures"] if s["type"] == 1)
    bar = next(b for b in function["bars"] if b["bar"] == common["bar"])
    register = bar["address"] + common["offset"] + CONFIG_MSIX_VECTOR
    answer = machine.qmp("human-monitor-command", command_line=f"xp /1hx {register:#x}")
    assert int(answer.split(":")[1], 16) == expected, answer


@pytest.mark.parametrize("name", ["msix-own-vector", "msix-4-queues-2-vectors", "intx", "poll", "legacy-poll", "mmio-2"])
def test_resize_under_load(prompt, writable, name):
    """While a benchmark keeps every queue busy the disk grows, and shrinks beyond what is being read."""
    way = WAYS[name]
    disk = writable(device=way.device, properties=dict(way.disk))
    machine = start(prompt, disk, way)
    jobs = min(2, listed(machine)["queues"])
    bench = f"bench vda rw=randread runtime=600 numjobs={jobs} json=1"
    machine.send(bench + "\r")
    machine.wait_for("\n")
    resize(machine, 32 * MiB)
    time.sleep(0.3)  # for the benchmark to be under way; how far it is does not matter
    machine.send("\x03")
    machine.wait_for_prompt()
    expect_resize(machine, 16 * MiB, 32 * MiB)
    # The area is now twice as large: shrunk to less than the area, the next read beyond is refused, or fails.
    machine.send(bench + "\r")
    machine.wait_for("\n")
    time.sleep(0.3)
    resize(machine, 8 * MiB)
    ended = machine.wait_for(r'"error":"(\w+)","offset":(\d+)[,}]')
    assert ended[1] in ("range", "io") and int(ended[2]) >= 8 * MiB, ended[0]
    machine.wait_for_prompt()
    event = machine.command("events wait=30000 json=1").one("events")
    assert (event["event"], event["new"]) == ("resize", 8 * MiB)
    # The queues still work.
    assert machine.command("bench vda rw=randread number_ios=300 json=1").one("bench")["errors"] == 0
    assert not machine.command("fill vda 0 8M seed=3 json=1").errors
    assert disk.path.read_bytes() == pattern.pattern(0, 8 * MiB, 3)
    stats = listed(machine)["stats"]
    assert all((s["timeouts"], s["rescues"]) == (0, 0) for s in stats), stats


@pytest.mark.parametrize("name", ["msix-own-vector", "poll", "mmio-1"])
def test_resize_while_summing(prompt, tmp_path, name):
    """A disk that grows does not disturb `sum`, which has its end; of one that shrinks it says what is missing."""
    way = WAYS[name]
    path = images.copy_of(images.image("64m.raw"), tmp_path)
    disk = Disk(path, writable=True, device=way.device, properties=dict(way.disk))
    machine = start(prompt, disk, way)
    expected = images.sha256(path)
    machine.send("sum vda json=1\r")
    machine.wait_for("\n")
    resize(machine, 80 * MiB)
    assert machine.wait_for(r'"sha256":"(\w+)"')[1] == expected
    machine.wait_for_prompt()
    expect_resize(machine, 64 * MiB, 80 * MiB)
    machine.send("sum vda json=1\r")
    machine.wait_for("\n")
    resize(machine, 4 * MiB)
    ended = machine.wait_for(r'"error":"(\w+)","offset":(\d+)[,}]')
    assert ended[1] in ("range", "io") and int(ended[2]) >= 4 * MiB, ended[0]
    machine.wait_for_prompt()
    expect_resize(machine, 80 * MiB, 4 * MiB)  # the disk may have refused before the guest looked at its size
    assert machine.command("sum vda json=1").one("sum")["sha256"] == images.sha256(path)


def test_events_wait_for_what_comes(prompt, writable):
    """`events wait=` answers as soon as something has happened, and Ctrl-C ends it."""
    machine = start(prompt, writable(), WAYS["poll"])
    machine.send("events wait=600000 json=1\r")
    machine.wait_for("\n")
    resize(machine, 32 * MiB)
    assert machine.wait_for(r'"new":(\d+)[,}]')[1] == str(32 * MiB)
    machine.wait_for_prompt()
    machine.send("events wait=600000\r")
    machine.wait_for("\n")
    time.sleep(0.2)
    machine.send("\x03")
    machine.wait_for("interrupted")
    machine.wait_for_prompt()


def test_taken_over_without_being_asked(prompt, writable):
    """The kernel looks by itself, also in long commands: nobody has to ask for events first."""
    machine = start(prompt, writable(), WAYS["poll"])
    resize(machine, 32 * MiB)
    machine.command("sleep 500")
    assert listed(machine)["bytes"] == 32 * MiB
    expect_resize(machine, 16 * MiB, 32 * MiB)


def test_changes_between_two_looks_are_one_event(prompt, writable):
    """Whatever happened in between, the event tells the size before and the size now."""
    machine = start(prompt, writable(), WAYS["msix-own-vector"])
    for size in (20, 4, 64):
        resize(machine, size * MiB)
    machine.command("sleep 500")
    records = machine.command("events wait=30000 json=1").of("events")
    assert len(records) == 1 and (records[0]["old"], records[0]["new"]) == (16 * MiB, 64 * MiB), records
    assert 1 <= records[0]["times"] <= 3


@pytest.mark.parametrize("cache", ["on", "off"])
@pytest.mark.parametrize("settable", ["on", "off"])
@pytest.mark.parametrize("name", ["poll", "legacy-poll", "mmio-1", "mmio-2"])
def test_write_cache(prompt, writable, name, settable, cache):
    """Shown as the host has it; switched where CONFIG_WCE is there, and refused where it is not."""
    way = WAYS[name]
    disk = writable(device=way.device, properties={**way.disk, "config-wce": settable, "write-cache": cache})
    machine = start(prompt, disk, way)
    first = "writeback" if cache == "on" else "writethrough"
    shown = machine.command("cache vda json=1").one("cache")
    assert (shown["cache"], shown["cache_settable"]) == (first, settable == "on")
    assert listed(machine)["cache"] == first
    for mode in ("writethrough", "writeback", "writethrough"):
        result = machine.command(f"cache vda {mode} json=1")
        if settable == "off":
            assert result.error("cache")["error"] == "unsupported"
            assert listed(machine)["cache"] == first
            continue
        assert result.one("cache")["cache"] == mode
        assert listed(machine)["cache"] == mode
    assert not machine.command("fill vda 1M 1M seed=5 json=1").errors
    assert disk.path.read_bytes()[MiB:2 * MiB] == pattern.pattern(MiB, MiB, 5)


def test_switching_the_cache_off_flushes(prompt, writable):
    """Once, for what was written before; and QEMU's block layer has been told of either mode."""
    machine = prompt("", disks=[writable()])

    def check(mode, n_flushes):
        assert machine.command(f"cache vda {mode} json=1").one("cache")["cache"] == mode
        assert listed(machine)["stats"][0]["flushes"] == n_flushes
        caches = [b["inserted"]["cache"]["writeback"] for b in machine.qmp("query-block") if b.get("inserted")]
        assert caches == [mode == "writeback"]
        event = machine.command("events json=1").one("events")
        assert (event["event"], event["new"]) == ("cache", mode)

    assert not machine.command("write vda 0 55aa json=1").errors
    before = listed(machine)["stats"][0]["flushes"]
    check("writethrough", before + 1)
    check("writeback", before + 1)
    check("writethrough", before + 2)
