# SPDX-License-Identifier: BSD-2-Clause
"""The library, compiled for this machine under ASan and UBSan, drives QEMU's own device models over qtest.

One row, one machine, one disk of random bytes: placed by vst_pci_assign (there is no firmware), attached, random traffic
in which every byte is checked, detached, attached again; then the image file is compared. See tests/qtest/machine.h for
what else would be noticed.
"""
import dataclasses
import functools
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "build/host/qtest"
IMAGE_BYTES = 8 << 20
# Both follow the sources, so that a row begins to demand packed rings, or legacy devices, with the driver that has them.
DRIVER_SOURCES = sorted((ROOT / "drivers").glob("*.c"))
HAS_PACKED = any("VIRTIO_BIT(VIRTIO_F_RING_PACKED)" in s.read_text() for s in DRIVER_SOURCES)
HAS_LEGACY = any("legacy" in s.name for s in DRIVER_SOURCES)
NEEDS_LEGACY = pytest.mark.skipif(not HAS_LEGACY, reason="the legacy transport is not in drivers/ yet")
SPLIT_NO_EVENT_IDX = "RING_PACKED,EVENT_IDX"  # what the interrupt tests refuse: they write the split ring's flags


@dataclasses.dataclass(frozen=True)
class Row:
    """What QEMU offers, how the driver is told to take it, and what must have been negotiated."""
    name: str
    device: str = ""             # options of virtio-blk-pci
    options: str = ""            # of the program: see options.c
    machine: str = "q35"
    extra: str = ""              # further arguments of QEMU
    has: str = ""                # features that must be negotiated
    lacks: str = ""              # and those that must not be
    expect: tuple = ()           # pairs of what is printed at attach
    marks: tuple = ()
    scsi: bool = False           # behind virtio-scsi; `device` are that one's options

    def __str__(self):
        return self.name


def row(name, device="", **more):
    """A row as a parameter of a test."""
    marks = more.pop("marks", ())
    return pytest.param(Row(name, device, **more), id=name, marks=marks)


def queue_sizes():
    """Every ring that QEMU offers, the driver asking for all of it; chains are cut to two less than the ring."""
    for size in (4, 8, 16, 64, 256, 512, 1024):
        yield row(f"queue-{size}", f"queue-size={size}", options="queue_size=1024",
                  expect=(("depth", size), ("max_segments", min(30, size - 2))))


SMOKE = (pytest.mark.smoke,)
WRAP = "lives=1 requests=66500 small=1 depth=64"
ROWS = [
    # The longest ones first. 16-bit indices come round: Linux ee7cd898 and its like.
    row("wrap-65536", options=WRAP),
    row("wrap-65536-packed", "packed=on,indirect_desc=off", options=WRAP, has="RING_PACKED",
        marks=() if HAS_PACKED else (pytest.mark.skip("the same as wrap-65536 until the driver takes packed rings"),)),
    row("default", marks=SMOKE, has="EVENT_IDX,INDIRECT_DESC,VERSION_1,FLUSH,SEG_MAX", lacks="RING_PACKED",
        expect=(("depth", 128), ("serial", "qtest"))),
    row("copy", options="dma=copy", marks=SMOKE),
    row("no-event_idx", "event_idx=off", lacks="EVENT_IDX"),
    row("no-indirect", "indirect_desc=off", lacks="INDIRECT_DESC", expect=(("depth", 42),), marks=SMOKE),
    row("neither", "event_idx=off,indirect_desc=off", lacks="EVENT_IDX,INDIRECT_DESC"),
    row("neither-copy", "event_idx=off,indirect_desc=off", options="dma=copy", lacks="EVENT_IDX,INDIRECT_DESC"),
    row("refused", options="refuse=EVENT_IDX,INDIRECT_DESC", lacks="EVENT_IDX,INDIRECT_DESC"),
    *queue_sizes(),
    row("queue-4-no-indirect", "queue-size=4,indirect_desc=off", expect=(("depth", 1), ("max_segments", 2))),
    row("queue-1024-no-indirect", "queue-size=1024,indirect_desc=off", options="queue_size=1024",
        expect=(("depth", 341),)),
    row("queue-16-seg_max-126", "queue-size=16,seg-max-adjust=off", expect=(("max_segments", 14),)),
    row("driver-takes-less", "queue-size=1024", options="queue_size=100", expect=(("depth", 64),)),
    row("two-segments", options="max_segments=2", expect=(("max_segments", 2),)),
    row("one-segment", options="max_segments=1", expect=(("max_segments", 1),)),
    # packed
    row("packed", "packed=on", has="RING_PACKED", marks=SMOKE),
    row("packed-copy", "packed=on", options="dma=copy", has="RING_PACKED"),
    row("packed-refused", "packed=on", options="refuse=RING_PACKED", lacks="RING_PACKED"),
    row("packed-no-event_idx", "packed=on,event_idx=off", has="RING_PACKED", lacks="EVENT_IDX"),
    row("packed-no-indirect", "packed=on,indirect_desc=off", has="RING_PACKED", lacks="INDIRECT_DESC"),
    row("packed-neither", "packed=on,event_idx=off,indirect_desc=off", has="RING_PACKED"),
    row("packed-queue-4", "packed=on,queue-size=4", has="RING_PACKED"),
    row("packed-queue-4-no-indirect", "packed=on,queue-size=4,indirect_desc=off", has="RING_PACKED"),
    row("packed-queue-1024", "packed=on,queue-size=1024", options="queue_size=1024", has="RING_PACKED"),
    # queues, vectors, doorbells
    row("num-queues-4", "num-queues=4"),
    row("vectors-0", "vectors=0"),
    row("vectors-1", "vectors=1,num-queues=4"),
    row("page-per-vq", "page-per-vq=on"),
    row("modern-pio-notify", "modern-pio-notify=on"),
    row("ioeventfd-off", "ioeventfd=off"),
    row("iothread", "iothread=t0", extra="-object iothread,id=t0", marks=SMOKE),
    row("iothread-copy-no-indirect", "iothread=t0,indirect_desc=off", options="dma=copy",
        extra="-object iothread,id=t0"),
    # transports
    row("transitional", "disable-legacy=off", marks=SMOKE),
    row("transitional-pc", "disable-legacy=off", machine="pc"),
    row("modern", "disable-legacy=on", marks=SMOKE),
    row("modern-pc", "disable-legacy=on", machine="pc"),
    row("legacy", "disable-modern=on,disable-legacy=off", lacks="VERSION_1", marks=(NEEDS_LEGACY,)),
    row("legacy-pc", "disable-modern=on,disable-legacy=off", machine="pc", lacks="VERSION_1", marks=(NEEDS_LEGACY,)),
    row("legacy-no-indirect", "disable-modern=on,disable-legacy=off,indirect_desc=off", lacks="INDIRECT_DESC",
        marks=(NEEDS_LEGACY,)),
    row("ecam", options="access=ecam"),
    row("root-port", "bus=rp", extra="-device pcie-root-port,id=rp,chassis=1,slot=1"),
    row("root-port-ecam", "bus=rp", options="access=ecam", extra="-device pcie-root-port,id=rp,chassis=1,slot=1"),
    row("switch", "bus=down", extra="-device pcie-root-port,id=rp,chassis=1,slot=1 -device x3130-upstream,id=up,bus=rp "
        "-device xio3130-downstream,id=down,bus=up,chassis=2,slot=2"),
    row("bridge-pc", "bus=br,addr=3", machine="pc", extra="-device pci-bridge,id=br,chassis_nr=1"),
    row("bridge-below-bridge-pc", "bus=b2,addr=3", machine="pc",
        extra="-device pci-bridge,id=b1,chassis_nr=1 -device pci-bridge,id=b2,chassis_nr=2,bus=b1,addr=4"),
    # memory
    row("iommu_platform", "iommu_platform=on,disable-legacy=on", has="ACCESS_PLATFORM"),
    row("iommu_platform-copy", "iommu_platform=on,disable-legacy=on", options="dma=copy", has="ACCESS_PLATFORM"),
    row("intel-iommu-off", "iommu_platform=on,disable-legacy=on,ats=on", extra="-device intel-iommu,device-iotlb=on",
        has="ACCESS_PLATFORM"),
    # the disk
    row("block-4096", "logical_block_size=4096,physical_block_size=4096", expect=(("logical_block_bytes", 4096),)),
    row("block-4096-copy", "logical_block_size=4096,physical_block_size=4096", options="dma=copy"),
    row("block-4096-no-indirect-8", "logical_block_size=4096,physical_block_size=4096,indirect_desc=off,queue-size=8"),
    row("physical-4096", "logical_block_size=512,physical_block_size=4096"),
    row("discard", "discard=on,write-zeroes=on"),
    row("config-wce-off", "config-wce=off", lacks="CONFIG_WCE"),
    row("write-through", "write-cache=off"),
    row("no-serial", "serial="),
]


def qemu_arguments(entry, image, drive="d", blockdevs=()):
    """QEMU's side of a row. `blockdevs` stand between the raw image, node "raw", and the device's `drive`."""
    serial = "" if "serial=" in entry.device else ",serial=qtest"
    rest = f",{entry.device}" if entry.device else ""
    node = "d" if drive == "d" else "raw"
    arguments = ["-M", f"{entry.machine},memory-backend=m", *entry.extra.split(),
                 "-blockdev", f"driver=file,node-name=file,filename={image}",
                 "-blockdev", f"driver=raw,node-name={node},file=file"]
    for blockdev in blockdevs:
        arguments += ["-blockdev", blockdev]
    if "driver=scsi" in entry.options or entry.scsi:
        return [*arguments, "-device", f"virtio-scsi-pci{rest}", "-device", f"scsi-hd,drive={drive}{serial}"]
    return [*arguments, "-device", f"virtio-blk-pci,drive={drive}{serial}{rest}"]


@functools.lru_cache(maxsize=1)
def random_bytes():
    """What is on the disk at first."""
    return os.urandom(IMAGE_BYTES)


def run(program, entry, folder, **disk):
    """Runs one program on one machine; returns what it printed as lists of values by name."""
    image = folder / "disk.raw"
    image.write_bytes(random_bytes())
    command = [PROGRAMS / program, f"image={image}", *entry.options.split(), "--", *qemu_arguments(entry, image, **disk)]
    # QEMU dies with the program, the program by its alarm: nothing is left behind.
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    printed = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", result.stdout, re.MULTILINE):
        printed.setdefault(name, []).append(value)
    assert result.returncode == 0 and "passed" in printed, \
        f"{' '.join(map(str, command))}\n{result.stdout}\n{result.stderr}"
    return printed


def check_negotiated(entry, printed):
    """A row that negotiates something else than it says tests nothing."""
    for features, ring in zip(printed["features"], printed["ring"], strict=True):
        features = set(features.split(","))
        has = set(filter(None, entry.has.split(","))) - (set() if HAS_PACKED else {"RING_PACKED"})
        assert has <= features
        assert not set(filter(None, entry.lacks.split(","))) & features
        assert ring == ("packed" if "RING_PACKED" in features else "split")
    for name, value in entry.expect:
        assert printed[name] == [str(value)] * len(printed[name]), name


@pytest.mark.timeout(200)
@pytest.mark.parametrize("entry", ROWS)
def test_traffic(entry, tmp_path):
    printed = run("traffic", entry, tmp_path)
    check_negotiated(entry, printed)
    for name in ("errors", "rescues", "timeouts"):
        assert set(printed[name]) == {"0"}, f"{name}: a doorbell or an answer was lost"
    assert (int(printed["maps"][-1]) > 0) == ("dma=copy" in entry.options)


ERROR_ROWS = [
    row("default", marks=SMOKE),
    row("copy", options="dma=copy"),
    row("no-indirect", "indirect_desc=off"),
    row("packed", "packed=on", has="RING_PACKED"),
    row("packed-no-indirect", "packed=on,indirect_desc=off", has="RING_PACKED"),
    row("legacy", "disable-modern=on,disable-legacy=off", marks=(NEEDS_LEGACY,)),
]


@pytest.mark.timeout(200)
@pytest.mark.parametrize("entry", ERROR_ROWS)
def test_errors(entry, tmp_path):
    """blkdebug fails one sector's reads, another's writes, and one flush."""
    blkdebug = ("driver=blkdebug,node-name=bad,image=raw"
                ",inject-error.0.event=none,inject-error.0.iotype=read,inject-error.0.sector=5000,inject-error.0.errno=5"
                ",inject-error.1.event=none,inject-error.1.iotype=write,inject-error.1.sector=6000"
                ",inject-error.1.errno=5"
                ",inject-error.2.event=none,inject-error.2.iotype=flush,inject-error.2.once=on,inject-error.2.errno=5")
    options = f"{entry.options} bad_read=5000 bad_write=6000"
    # Merged, the requests beside a failing one would fail with it.
    device = f"{entry.device},rerror=report,werror=report,request-merging=off".lstrip(",")
    entry = dataclasses.replace(entry, options=options, device=device)
    check_negotiated(entry, run("errors", entry, tmp_path, drive="bad", blockdevs=[blkdebug]))


RESET_ROWS = [
    row("default", marks=SMOKE),
    row("no-indirect", "indirect_desc=off"),
    row("copy", options="dma=copy"),
    row("iothread", "iothread=t0", extra="-object iothread,id=t0"),
    row("packed", "packed=on", has="RING_PACKED"),
    row("legacy", "disable-modern=on,disable-legacy=off", marks=(NEEDS_LEGACY,)),
]


@pytest.mark.timeout(200)
@pytest.mark.parametrize("entry", RESET_ROWS)
def test_resets(entry, tmp_path):
    """Twenty requests a second: the device is reset, or times out, or is attached anew, with most of them in flight."""
    entry = dataclasses.replace(entry, options=f"{entry.options} timeout_ms=300 depth=32",
                                extra=f"{entry.extra} -object throttle-group,id=g,x-iops-total=20")
    check_negotiated(entry, run("resets", entry, tmp_path, drive="slow",
                                blockdevs=["driver=throttle,node-name=slow,throttle-group=g,file=raw"]))


INTERRUPT_ROWS = [
    row("q35", expect=(("vectors", 2),), marks=SMOKE),
    row("pc", machine="pc", expect=(("vectors", 2),)),
    row("vectors-0", "vectors=0", expect=(("vectors", 0),)),
    row("vectors-1", "vectors=1", expect=(("vectors", 1),)),
    row("root-port", "bus=rp", extra="-device pcie-root-port,id=rp,chassis=1,slot=1"),
    row("iothread", "iothread=t0", extra="-object iothread,id=t0"),
]


@pytest.mark.timeout(200)
@pytest.mark.parametrize("entry", INTERRUPT_ROWS)
def test_interrupts(entry, tmp_path):
    """MSI-X, unmasked and masked either way, as writes to guest memory; INTx as the I/O APIC sees it."""
    entry = dataclasses.replace(entry, options=f"{entry.options} refuse={SPLIT_NO_EVENT_IDX}")
    check_negotiated(entry, run("interrupts", entry, tmp_path))


SCSI_TRAFFIC_ROWS = [
    row("default", has="EVENT_IDX,INDIRECT_DESC,VERSION_1,HOTPLUG,CHANGE", lacks="RING_PACKED",
        expect=(("depth", 128), ("serial", "qtest")), marks=SMOKE),
    row("copy", options="dma=copy", marks=SMOKE),
    row("no-event_idx", "event_idx=off", lacks="EVENT_IDX"),
    row("no-indirect", "indirect_desc=off", lacks="INDIRECT_DESC", expect=(("depth", 42),)),
    row("neither-copy", "event_idx=off,indirect_desc=off", options="dma=copy", lacks="EVENT_IDX,INDIRECT_DESC"),
    row("queue-1024", "virtqueue_size=1024", options="queue_size=1024"),
    row("queue-16", "virtqueue_size=16", expect=(("depth", 16), ("max_segments", 14))),
    row("driver-takes-less", options="queue_size=20", expect=(("depth", 16),)),
    row("one-segment", options="max_segments=1", expect=(("max_segments", 1),)),
    row("max_sectors-8", "max_sectors=8"),
    row("cmd_per_lun-1", "cmd_per_lun=1", expect=(("depth", 1),)),
    row("packed", "packed=on", has="RING_PACKED", marks=SMOKE),
    row("packed-copy", "packed=on", options="dma=copy", has="RING_PACKED"),
    row("packed-no-indirect", "packed=on,indirect_desc=off", has="RING_PACKED", lacks="INDIRECT_DESC"),
    row("packed-queue-1024", "packed=on,virtqueue_size=1024", options="queue_size=1024", has="RING_PACKED"),
    row("num_queues-4", "num_queues=4"),
    row("iothread", "iothread=t0", extra="-object iothread,id=t0"),
    row("transitional-pc", "disable-legacy=off", machine="pc"),
    row("legacy", "disable-modern=on,disable-legacy=off", lacks="VERSION_1", marks=(NEEDS_LEGACY,)),
    row("window-of-modern", "disable-legacy=on", options="access=ecam"),
    row("iommu_platform", "iommu_platform=on,disable-legacy=on", has="ACCESS_PLATFORM"),
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("entry", SCSI_TRAFFIC_ROWS)
def test_scsi_traffic(entry, tmp_path):
    """The same traffic on a disk behind virtio-scsi."""
    entry = dataclasses.replace(entry, options=f"{entry.options} driver=scsi")
    printed = run("traffic", entry, tmp_path)
    check_negotiated(entry, printed)
    for name in ("errors", "rescues", "timeouts"):
        assert set(printed[name]) == {"0"}, f"{name}: a doorbell or an answer was lost"
    assert (int(printed["maps"][-1]) > 0) == ("dma=copy" in entry.options)


SCSI_ROWS = [
    row("default", marks=SMOKE),
    row("copy", options="dma=copy"),
    row("no-indirect", "indirect_desc=off"),
    row("packed", "packed=on"),
    row("packed-no-indirect", "packed=on,indirect_desc=off"),
    row("legacy", "disable-modern=on,disable-legacy=off", marks=(NEEDS_LEGACY,)),
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("entry", SCSI_ROWS)
def test_scsi_commands_and_functions(entry, tmp_path):
    """Any CDB, every task management function; a command that is late is aborted while QEMU still has it."""
    entry = dataclasses.replace(entry, options=f"{entry.options} timeout_ms=200", scsi=True,
                                extra=f"{entry.extra} -object throttle-group,id=g,x-iops-total=1")
    run("scsi", entry, tmp_path, drive="slow", blockdevs=["driver=throttle,node-name=slow,throttle-group=g,file=raw"])
