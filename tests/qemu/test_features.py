# SPDX-License-Identifier: BSD-2-Clause
"""Whatever the device offers or we refuse, the bytes are the same; what was negotiated is asked from the device."""
import dataclasses
import pathlib
import subprocess
import tempfile
import time

import pytest

import images
import pattern
from harness import Disk
from images import MiB

TRANSITIONAL = "virtio-blk-pci"
LEGACY_OFF = "virtio-blk-pci,disable-legacy=on"

# name: (device, its properties, kernel options, features that must not be negotiated, that must be)
VARIANTS = {
    "plain": (LEGACY_OFF, {}, "", set(), {"EVENT_IDX", "INDIRECT_DESC"}),
    "transitional": (TRANSITIONAL, {}, "", set(), {"EVENT_IDX", "INDIRECT_DESC"}),
    "no-event-idx": (LEGACY_OFF, {}, "vstor.features=-EVENT_IDX", {"EVENT_IDX"}, {"INDIRECT_DESC"}),
    "no-indirect": (LEGACY_OFF, {}, "vstor.features=-INDIRECT_DESC", {"INDIRECT_DESC"}, {"EVENT_IDX"}),
    "neither": (LEGACY_OFF, {}, "vstor.features=-EVENT_IDX,-INDIRECT_DESC", {"EVENT_IDX", "INDIRECT_DESC"}, set()),
    "device-without-event-idx": (LEGACY_OFF, {"event_idx": "off"}, "", {"EVENT_IDX"}, {"INDIRECT_DESC"}),
    "device-without-indirect": (LEGACY_OFF, {"indirect_desc": "off"}, "", {"INDIRECT_DESC"}, {"EVENT_IDX"}),
    "device-without-both": (LEGACY_OFF, {"event_idx": "off", "indirect_desc": "off"}, "",
                            {"EVENT_IDX", "INDIRECT_DESC"}, set()),
    "packed": (LEGACY_OFF, {"packed": "on"}, "", set(), {"RING_PACKED", "EVENT_IDX", "INDIRECT_DESC"}),
    "packed-refused": (LEGACY_OFF, {"packed": "on"}, "vstor.ring=split", {"RING_PACKED"}, {"EVENT_IDX"}),
    "packed-no-event-idx": (LEGACY_OFF, {"packed": "on", "event_idx": "off"}, "", {"EVENT_IDX"}, {"RING_PACKED"}),
    "packed-no-indirect": (LEGACY_OFF, {"packed": "on", "indirect_desc": "off"}, "", {"INDIRECT_DESC"},
                           {"RING_PACKED"}),
    "packed-queue-4": (LEGACY_OFF, {"packed": "on", "queue-size": 4}, "", set(), {"RING_PACKED"}),
    "packed-our-queue-100": (LEGACY_OFF, {"packed": "on"}, "vstor.queue_size=100", set(), {"RING_PACKED"}),
    "packed-our-queue-37-no-indirect": (LEGACY_OFF, {"packed": "on"},
                                        "vstor.queue_size=37 vstor.features=-INDIRECT_DESC", {"INDIRECT_DESC"},
                                        {"RING_PACKED"}),
    "queue-4": (LEGACY_OFF, {"queue-size": 4}, "", set(), set()),
    "queue-8": (LEGACY_OFF, {"queue-size": 8}, "", set(), set()),
    "queue-8-no-indirect": (LEGACY_OFF, {"queue-size": 8}, "vstor.features=-INDIRECT_DESC", {"INDIRECT_DESC"}, set()),
    "queue-256": (LEGACY_OFF, {"queue-size": 256}, "vstor.queue_size=256", set(), set()),
    "queue-1024": (LEGACY_OFF, {"queue-size": 1024}, "vstor.queue_size=1024", set(), set()),
    "our-queue-4": (LEGACY_OFF, {}, "vstor.queue_size=4", set(), set()),
    "our-queue-16-no-indirect": (LEGACY_OFF, {}, "vstor.queue_size=16 vstor.features=-INDIRECT_DESC",
                                 {"INDIRECT_DESC"}, set()),
    "one-segment": (LEGACY_OFF, {}, "vstor.segments=1", set(), set()),
    "seg-max-of-4": (LEGACY_OFF, {"queue-size": 4, "seg-max-adjust": "on"}, "", set(), set()),
    "four-queues-offered": (LEGACY_OFF, {"num-queues": 4}, "", set(), set()),
    "no-msi-x": (LEGACY_OFF, {"vectors": 0}, "", set(), set()),
    "page-per-vq": (LEGACY_OFF, {"page-per-vq": "on"}, "", set(), set()),
    "modern-pio-notify": (LEGACY_OFF, {"modern-pio-notify": "on"}, "", set(), set()),
    "no-ioeventfd": (LEGACY_OFF, {"ioeventfd": "off"}, "", set(), set()),
    "write-through": (LEGACY_OFF, {"write-cache": "off"}, "", set(), set()),
    "no-config-wce": (LEGACY_OFF, {"config-wce": "off"}, "", set(), set()),
    "no-discard": (LEGACY_OFF, {"discard": "off", "write-zeroes": "off"}, "", set(), set()),
}


def negotiated(machine):
    """Feature names without their prefixes, as the device holds them."""
    names = machine.negotiated_features(0)
    return {name.removeprefix("VIRTIO_RING_F_").removeprefix("VIRTIO_BLK_F_").removeprefix("VIRTIO_F_")
            for name in names}


def exercise(machine, disk):
    """Writes and reads large and small, and compares with the host."""
    assert not machine.command("fill vda 1M 4M seed=4 json=1").errors
    assert machine.command("verify vda 1M 4M seed=4 json=1").one("verify")["bytes"] == 4 * MiB
    assert not machine.command("write vda 700 616263 json=1").errors
    assert machine.command("read vda 699 5 json=1").one("read")["hex"] == disk.path.read_bytes()[699:704].hex()
    depth = min(32, machine.command("lsblk json=1").one("lsblk")["depth"])
    for mode in ("randread", "randwrite"):
        bench = machine.command(f"bench vda rw={mode} bs=16k iodepth={depth} number_ios=500 offset=8M size=8M json=1")
        assert (bench.one("bench")["ios"], bench.one("bench")["errors"]) == (500, 0)
    machine.command("flush vda")
    assert disk.path.read_bytes()[MiB:5 * MiB] == pattern.pattern(MiB, 4 * MiB, 4)
    assert disk.path.read_bytes()[700:703] == b"abc"


@pytest.mark.parametrize("name", VARIANTS)
def test_variant(prompt, writable, name):
    """Reads and writes are right with each feature off one by one, each queue size, each shape of the device; `lsblk`
    and the device agree on what was negotiated; no doorbell had to be rung twice."""
    device, properties, options, absent, present = VARIANTS[name]
    disk = writable(device=device, properties=properties)
    machine = prompt(options, disks=[disk])
    features = negotiated(machine)
    assert "VERSION_1" in features, f"not driven as modern: {features}"
    assert not absent & features, f"negotiated although refused or unknown: {absent & features}"
    assert present <= features, f"not negotiated although offered: {present - features}"
    listed = machine.command("lsblk json=1").one("lsblk")
    assert listed["ring"] == ("packed" if "RING_PACKED" in features else "split")
    assert {f for f in listed["features"] if f in ("EVENT_IDX", "INDIRECT_DESC", "RING_PACKED")} == \
        features & {"EVENT_IDX", "INDIRECT_DESC", "RING_PACKED"}
    exercise(machine, disk)
    stats = machine.command("lsblk json=1").one("lsblk")["stats"][0]
    assert (stats["errors"], stats["timeouts"]) == (0, 0), stats
    assert stats["rescues"] == 0, f"a doorbell was lost: {stats}"


def test_device_in_a_thread_of_its_own(prompt, writable):
    """With an iothread the device works beside the guest's CPU; order and barriers between both hold."""
    disk = writable(properties={"iothread": "io0"})
    machine = prompt(disks=[disk], objects=["iothread,id=io0"])
    exercise(machine, disk)
    assert machine.command("lsblk json=1").one("lsblk")["stats"][0]["rescues"] == 0


@pytest.fixture
def storage_daemon(tmp_path):
    """QEMU's storage daemon, exporting a private 16 MiB disk by vhost-user: a device model of its own (libvhost-user).
    Yields its socket and the image."""
    path = images.copy_of(images.image("random-16m.raw"), tmp_path)
    with tempfile.TemporaryDirectory(prefix="vstor-") as folder:
        socket_path, ready = f"{folder}/socket", f"{folder}/ready"
        daemon = subprocess.Popen(
            ["qemu-storage-daemon", "--blockdev", f"driver=file,node-name=file0,filename={path}",
             "--blockdev", "driver=raw,node-name=disk0,file=file0", "--export",
             f"type=vhost-user-blk,id=export0,node-name=disk0,writable=on,addr.type=unix,addr.path={socket_path}",
             "--pidfile", ready])
        deadline = time.monotonic() + 30
        while not pathlib.Path(ready).exists():  # written once all exports listen
            assert daemon.poll() is None and time.monotonic() < deadline, "qemu-storage-daemon did not start"
            time.sleep(0.01)
        yield socket_path, path
        daemon.kill()
        daemon.wait()


def test_second_device_model(prompt, storage_daemon):
    """The same driver on another implementation of the device: reads and writes what it should.

    Without EVENT_IDX: libvhost-user 7.2 signals the first completion whatever used_event says, and gives up because a
    driver that polls has left it no descriptor to signal.
    """
    socket_path, path = storage_daemon
    before = path.read_bytes()
    machine = prompt("vstor.features=-EVENT_IDX", machine="q35,memory-backend=memory0",
                     objects=["memory-backend-memfd,id=memory0,size=128M,share=on"],
                     extra=["-chardev", f"socket,id=vhost0,path={socket_path}",
                            "-device", "vhost-user-blk-pci,chardev=vhost0,disable-legacy=on"])
    assert machine.command("sum vda json=1").one("sum")["sha256"] == images.sha256(path)
    machine.command("fill vda 1234567 3M seed=6")
    assert machine.command("bench vda number_ios=2000 json=1").one("bench")["errors"] == 0
    expected = before[:1234567] + pattern.pattern(1234567, 3 * MiB, 6) + before[1234567 + 3 * MiB:]
    assert pattern.first_difference(path.read_bytes(), expected) is None


@pytest.mark.parametrize("offered,ours,depth_at_most", [(4, 0, 4), (8, 0, 8), (256, 256, 256), (1024, 1024, 1024),
                                                        (1024, 0, 1024), (256, 16, 16)])
def test_queue_size_is_the_smaller_of_both(prompt, offered, ours, depth_at_most):
    """The depth that `lsblk` tells is that of the ring in use, never more than the device offers or we were told."""
    disk = Disk(images.image("1m.raw"), properties={"queue-size": offered})
    machine = prompt(f"vstor.queue_size={ours}" if ours else "", disks=[disk])
    depth = machine.command("lsblk json=1").one("lsblk")["depth"]
    assert 1 <= depth <= depth_at_most
    status = machine.qmp("x-query-virtio-queue-status", path="/machine/peripheral/disk0/virtio-backend", queue=0)
    assert status["vring-num"] <= depth_at_most, status
    if ours:
        assert status["vring-num"] == min(offered, ours), status


def test_large_requests_are_split_at_the_segment_limit(prompt, writable):
    """With one segment a command and unaligned memory, requests beyond a page are split; the bytes are the same."""
    disk = writable()
    few = prompt("vstor.segments=1", disks=[disk])
    assert few.command("lsblk json=1").one("lsblk")["max_segments"] == 1
    for size in ("512", "64k", "1M", "4M"):
        bench = few.command(f"bench vda rw=write bs={size} iodepth=4 number_ios=64 json=1")
        assert bench.one("bench")["errors"] == 0
    assert not few.command("fill vda 3 9M seed=11 json=1").errors
    few.kill()
    assert disk.path.read_bytes()[3:3 + 9 * MiB] == pattern.pattern(3, 9 * MiB, 11)


def test_indices_wrap_at_65536(prompt, writable):
    """More than 65536 requests through a small ring: the free-running indices wrap and nothing is lost."""
    machine = prompt("vstor.queue_size=8", disks=[writable()])
    depth = min(8, machine.command("lsblk json=1").one("lsblk")["depth"])
    bench = machine.command(f"bench vda bs=512 iodepth={depth} number_ios=70000 json=1", deadline_s=400).one("bench")
    assert (bench["ios"], bench["errors"]) == (70000, 0)
    stats = machine.command("lsblk json=1").one("lsblk")["stats"][0]
    assert stats["reads"] >= 70000 and stats["rescues"] == 0


@pytest.mark.parametrize("rw", ["read", "write", "randread", "randwrite", "randrw"])
@pytest.mark.parametrize("bs,depth", [("512", 1), ("4k", 32), ("128k", 8), ("1M", 4)])
def test_bench_modes(run, writable, rw, bs, depth):
    """`bench` in every mode does as many I/Os as it was told, without errors, and kicks less than once each at depth."""
    line = f"bench vda rw={rw} bs={bs} iodepth={depth} number_ios=300 json=1; lsblk json=1; exit"
    result = run(line, disks=[writable()]).expect_status(0)
    bench = result.one("bench")
    assert (bench["rw"], bench["iodepth"], bench["ios"], bench["errors"]) == (rw, depth, 300, 0)
    assert bench["bytes"] == 300 * bench["bs"]
    assert bench["lat_ns"]["min"] <= bench["lat_ns"]["p50"] <= bench["lat_ns"]["p99"] <= bench["lat_ns"]["max"]
    assert bench["kicks"] <= 300


def test_bench_write_stays_in_its_area(run, writable):
    """`bench` that writes leaves all bytes outside offset= and size= alone."""
    disk = writable("random-16m.raw")
    before = disk.path.read_bytes()
    line = "bench vda rw=randwrite bs=4k number_ios=2000 offset=5M size=1M; flush vda; exit"
    run(line, disks=[disk]).expect_status(0)
    after = disk.path.read_bytes()
    assert after[:5 * MiB] == before[:5 * MiB] and after[6 * MiB:] == before[6 * MiB:]
    assert after[5 * MiB:6 * MiB] != before[5 * MiB:6 * MiB]


def test_cache_mode_is_told(prompt, writable):
    """`lsblk` tells writeback and writethrough as the device has it."""
    for properties, word in (({"write-cache": "on"}, "writeback"), ({"write-cache": "off"}, "writethrough")):
        machine = prompt(disks=[dataclasses.replace(writable(), properties=properties)])
        assert machine.command("lsblk json=1").one("lsblk")["cache"] == word
        machine.kill()


def test_debug_log_does_not_disturb(run):
    """vstor.log=debug says more and changes nothing."""
    path = images.image("1m.raw")
    quiet = run("sum vda json=1; exit", disks=[Disk(path)]).expect_status(0)
    loud = run("vstor.log=debug sum vda json=1; exit", disks=[Disk(path)]).expect_status(0)
    assert loud.one("sum") == quiet.one("sum")
    assert len(loud.lines) > len(quiet.lines), "the debug log is empty"
