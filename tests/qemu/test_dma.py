# SPDX-License-Identifier: BSD-2-Clause
"""How disks reach memory: through a bounce pool, and past IOMMUs. The bytes are the same; where they can't be, it is
said why."""
import contextlib
import dataclasses
import socket

import pytest

import images
import pattern
from harness import KERNEL_PVH, Machine
from images import KiB, MiB

MODERN = "virtio-blk-pci,disable-legacy=on"
PACKED = {"packed": "on"}
NO_TABLES = {"indirect_desc": "off"}


@dataclasses.dataclass
class Bounce:
    """A pool and the disk that is kept to it."""
    pool: str = ""
    properties: dict = dataclasses.field(default_factory=dict)
    options: str = ""
    device: str = MODERN
    machine: dict = dataclasses.field(default_factory=dict)


POOLS = {
    "split": Bounce(),
    "packed": Bounce(properties=PACKED),
    "split-no-tables": Bounce(properties=NO_TABLES),
    "packed-no-tables": Bounce(properties={**PACKED, **NO_TABLES}),
    "one-page": Bounce(":4"),
    "one-page-packed": Bounce(":4", PACKED),
    "one-page-packed-no-tables": Bounce(":4", {**PACKED, **NO_TABLES}),
    "twelve-pages": Bounce(":48"),
    "64k": Bounce(":64"),
    "64k-packed-no-tables": Bounce(":64", {**PACKED, **NO_TABLES}),
    "64k-msix": Bounce(":64", PACKED, "vstor.irq=msix"),
    "blocks-of-4096": Bounce(":16", {"logical_block_size": 4096, "physical_block_size": 4096}),
    "legacy": Bounce(":64", device="virtio-blk-pci,disable-modern=on,disable-legacy=off"),
    "window": Bounce(":64", options="vstor.transport=pci-cfg"),
    "iommu_platform": Bounce(":64", {"iommu_platform": "on"}),
    "mmio": Bounce(":64", device="virtio-blk-device", machine={"machine": "microvm,acpi=on", "kernel": KERNEL_PVH}),
    "one-segment": Bounce(":64", options="vstor.segments=1"),
    "256M": Bounce(":65536"),
}
SMOKE = {"split", "64k-packed-no-tables"}


def device_of(machine):
    return machine.command("lsblk json=1").one("lsblk")


def exercise(machine, disk):
    """Every command that moves data, compared with the host."""
    before = images.sha256(disk.path)
    assert machine.command("sum vda json=1").one("sum")["sha256"] == before
    assert not machine.command("fill vda 1M 3M seed=4 json=1").errors
    assert machine.command("verify vda 1M 3M seed=4 json=1").one("verify")["bytes"] == 3 * MiB
    if "WRITE_ZEROES" in device_of(machine)["features"]:
        assert not machine.command("zero vda 2M 64k json=1").errors
        assert machine.command("read vda 2M 16 json=1").one("read")["hex"] == "00" * 16
        assert not machine.command("fill vda 2M 64k seed=4 json=1").errors
    assert not machine.command("write vda 700 616263 json=1").errors
    expected = disk.path.read_bytes()
    assert machine.command("read vda 699 5 json=1").one("read")["hex"] == expected[699:704].hex()
    depth = min(32, device_of(machine)["depth"])
    for size, n in (("4k", 200), ("64k", 20), ("1M", 3)):
        for mode in ("randread", "randwrite"):
            line = f"bench vda rw={mode} bs={size} iodepth={depth} number_ios={n} offset=8M size=8M json=1"
            bench = machine.command(line).one("bench")
            assert (bench["ios"], bench["errors"]) == (n, 0)
    assert not machine.command("flush vda json=1").errors
    written = disk.path.read_bytes()
    assert written[MiB:4 * MiB] == pattern.pattern(MiB, 3 * MiB, 4)
    assert written[700:703] == b"abc"
    assert written[4 * MiB:8 * MiB] == expected[4 * MiB:8 * MiB]
    for stats in device_of(machine)["stats"]:
        assert (stats["errors"], stats["timeouts"], stats["rescues"]) == (0, 0, 0), stats


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.smoke) if n in SMOKE else n for n in POOLS])
def test_bounce(prompt, writable, name):
    """Whatever the size of the pool: reads, writes and what is larger than the pool; no command exceeds it."""
    case = POOLS[name]
    disk = writable("random-16m.raw", device=case.device, properties=case.properties)
    machine = prompt(f"vstor.log=info vstor.dma=bounce{case.pool} {case.options}", disks=[disk], memory_mib=512,
                     **case.machine)
    kib = int(case.pool[1:] or 4096)
    assert f"dma: by a pool of {kib} KiB" in machine.transcript
    listed = device_of(machine)
    largest = listed["max_segments"] * listed["max_segment_bytes"]
    assert 4 * KiB <= listed["max_segment_bytes"] <= 64 * KiB
    assert largest <= max(kib * KiB // 2, 4 * KiB), listed
    exercise(machine, disk)
    assert device_of(machine)["stats"][0]["reads"] >= 16 * MiB // largest


@pytest.mark.parametrize("pool,n_small,n_large", [(":16", 40, 1), (":64", 200, 20), ("", 300, 40)])
@pytest.mark.parametrize("irq", ["poll", "msix"])
def test_bounce_shared_by_queues_and_disks(prompt, writable, pool, n_small, n_large, irq):
    """Four CPUs on four queues, and a second disk, on one pool that is too small for them: who finds it full waits.
    (Few requests where there is room for few: four CPUs that wait take their time on a machine with two.)"""
    disk = writable("random-16m.raw", device=MODERN, properties={"num-queues": 4})
    other = writable("empty-16m.raw", device=MODERN, properties=PACKED)
    machine = prompt(f"vstor.dma=bounce{pool} vstor.queues=4 vstor.irq={irq}", disks=[disk, other], smp="4")
    for mode, size, n in (("randwrite", "4k", n_small), ("randread", "4k", n_small), ("randread", "128k", n_large)):
        line = f"bench vda rw={mode} bs={size} iodepth=16 numjobs=4 number_ios={n} offset=8M size=8M json=1"
        found = machine.command(line)
        assert not found.errors and found.of("bench"), found.text
        assert all(bench["errors"] == 0 for bench in found.of("bench"))
    assert machine.command("sum vda json=1").one("sum")["sha256"] == images.sha256(disk.path)
    assert not machine.command("fill vdb 0 16M seed=2 json=1").errors
    assert not machine.command("flush vdb json=1").errors
    assert other.path.read_bytes() == pattern.pattern(0, 16 * MiB, 2)


def test_bounce_that_makes_no_sense(run, small_disk):
    """A size that is none is named; a pool that memory can't hold ends the start rather than show what was not to be."""
    for value in ("bounce:3", "bounce:", "bounce:x", "bounced", "bounce:99999999", ""):
        result = run(f"vstor.dma={value} sum vda; exit", disks=[small_disk]).expect_status(0)
        result.expect(rf'vstor.dma: "{value}" makes no sense here')
    result = run("vstor.dma=bounce:1048576 sum vda; exit", disks=[small_disk])
    result.expect("no bounce pool of that size")
    assert result.status != 0 and "vda" not in result.text


# ---------------------------------------------------------------- IOMMUs

IOMMUS = {
    "none": ([], {}, None),
    "vtd": (["-device", "intel-iommu"], {}, "translation is off"),
    "vtd-caching-mode": (["-device", "intel-iommu,caching-mode=on,device-iotlb=on"], {}, "translation is off"),
    "vtd-intremap": (["-device", "intel-iommu,intremap=on"], {"machine": "q35,kernel-irqchip=split"},
                     "translation is off"),
    "virtio": (["-device", "virtio-iommu-pci"], {}, "bypass is on"),
    "virtio-no-boot-bypass": (["-device", "virtio-iommu-pci,boot-bypass=off"], {}, "bypass was off; turned on"),
}


@pytest.mark.parametrize("dma", ["direct", "bounce:64"])
@pytest.mark.parametrize("properties", [{}, {**PACKED, "ats": "on"}], ids=["split", "packed-ats"])
@pytest.mark.parametrize("name", IOMMUS)
def test_behind_an_iommu(prompt, writable, name, properties, dma):
    """ACCESS_PLATFORM is taken, the IOMMU lets the disk through as it is or is made to, and the bytes are right."""
    extra, machine_arguments, said = IOMMUS[name]
    disk = writable("random-16m.raw", device=MODERN, properties={"iommu_platform": "on", **properties})
    machine = prompt(f"vstor.log=info vstor.dma={dma}", disks=[disk], extra=extra, **machine_arguments)
    assert any("IOMMU_PLATFORM" in f or "ACCESS_PLATFORM" in f for f in machine.negotiated_features()), \
        machine.negotiated_features()
    assert "ACCESS_PLATFORM" in device_of(machine)["features"]
    assert (said is None) == ("iommu:" not in machine.transcript), machine.transcript
    assert said is None or said in machine.transcript, machine.transcript
    exercise(machine, disk)


@pytest.mark.parametrize("smp", ["1,maxcpus=2", "2"])
@pytest.mark.parametrize("irq", ["intx", "msix"])
def test_interrupts_behind_an_iommu(prompt, writable, irq, smp):
    """Interrupt remapping, which nobody turns on, disturbs none."""
    disk = writable("random-16m.raw", device=MODERN, properties={"iommu_platform": "on"})
    machine = prompt(f"vstor.irq={irq}", disks=[disk], machine="q35,kernel-irqchip=split", smp=smp,
                     extra=["-device", "intel-iommu,intremap=on,caching-mode=on"])
    assert device_of(machine)["irq"] == irq
    exercise(machine, disk)


def test_virtio_iommu_that_is_kept_from_letting_disks_through(run, small_disk):
    """The disk gets no answer: the error and the lines before it say why, and the guest goes on."""
    small_disk.properties = {"iommu_platform": "on"}
    result = run("vstor.iommu=keep vstor.timeout=500 echo still here; sum vda; exit", disks=[small_disk],
                 extra=["-device", "virtio-iommu-pci,boot-bypass=off"])
    result.expect(r"iommu: virtio-iommu 0000:00:02\.0 stays as it is \(vstor\.iommu=keep\)")
    result.expect(r"0000:00:01\.0: virtio-blk: no answer in time; an IOMMU may keep it from memory")
    result.expect("^still here")
    assert result.status == 1


def test_virtio_iommu_that_is_kept_and_lets_disks_through(run, small_disk):
    """`keep` forbids nothing that works."""
    small_disk.properties = {"iommu_platform": "on"}
    result = run("vstor.iommu=keep sum vda json=1; exit", disks=[small_disk], extra=["-device", "virtio-iommu-pci"])
    assert result.expect_status(0).one("sum")["sha256"] == images.sha256(small_disk.path)


# The Global Command Register of QEMU's VT-d unit, and its bit for translation. (Intel VT-d specification 4.0, 11.4.4)
VTD_COMMAND, VTD_TRANSLATE = 0xFED90018, 0x80000000


@contextlib.contextmanager
def translating(append, disk, folder):
    """A machine whose VT-d translates already as the kernel starts, with no tables: nothing passes."""
    path = folder / "qtest"
    machine = Machine(append, disks=[disk], extra=["-device", "intel-iommu", "-S", "-qtest",
                                                   f"unix:{path},server=on,wait=off"])
    with machine:
        machine.qmp("query-status")
        with socket.socket(socket.AF_UNIX) as qtest:
            qtest.connect(str(path))
            with qtest.makefile("rw") as talk:
                talk.write(f"writel {VTD_COMMAND:#x} {VTD_TRANSLATE:#x}\n")
                talk.flush()
                assert talk.readline().startswith("OK")
            machine.qmp("cont")
            yield machine


def test_vtd_left_on_is_turned_off(small_disk, tmp_path):
    """Firmware, or whoever came before, left translation on: it is turned off, which is said, and the disk works."""
    small_disk.properties = {"iommu_platform": "on"}
    with translating("sum vda json=1; exit", small_disk, tmp_path) as machine:
        result = machine.wait().expect_status(0)
    result.expect("iommu: VT-d at 0xfed90000: translation was on; turned off")
    assert result.one("sum")["sha256"] == images.sha256(small_disk.path)


def test_vtd_left_on_and_kept(small_disk, tmp_path):
    """The same untouched: no answer, and it is said why."""
    small_disk.properties = {"iommu_platform": "on"}
    with translating("vstor.iommu=keep vstor.timeout=500 sum vda; exit", small_disk, tmp_path) as machine:
        result = machine.wait()
    assert result.status == 1
    result.expect(r"translation is on and stays on \(vstor.iommu=keep\); disks behind it reach no memory")
    result.expect(r"virtio-blk: no answer in time; an IOMMU may keep it from memory")


def test_vtd_left_on_and_kept_from_a_disk_that_goes_past_it(small_disk, tmp_path):
    """Without ACCESS_PLATFORM a device's requests do not go through the IOMMU."""
    with translating("vstor.iommu=keep sum vda json=1; exit", small_disk, tmp_path) as machine:
        result = machine.wait().expect_status(0)
    assert result.one("sum")["sha256"] == images.sha256(small_disk.path)
