# SPDX-License-Identifier: BSD-2-Clause
"""A disk that stops answering is reset and goes on: what was in flight is done in the end, once, and the bytes are right.

The disk is real, and its throttle is QEMU's: hardly a request a second while it is on. A reset makes QEMU finish what it
has, throttled or not, so that time-out, reset and replay follow one another until the test lifts the throttle.
"""
import pytest

import pattern
from faults import HARDLY_ANY, UNLIMITED, throttle, throttled
from harness import Disk
import images
from images import MiB

TIMEOUT_MS = 1500  # three of them, and the resets in between, until a request is given up

# name: (device, its properties, machine, options)
WAYS = {
    "split": ("virtio-blk-pci,disable-legacy=on", {"packed": "off"}, "q35", ""),
    "packed": ("virtio-blk-pci,disable-legacy=on", {"packed": "on"}, "q35", ""),
    "no-indirect": ("virtio-blk-pci,disable-legacy=on", {"indirect_desc": "off"}, "q35", ""),
    "packed-no-indirect": ("virtio-blk-pci,disable-legacy=on", {"packed": "on", "indirect_desc": "off"}, "q35", ""),
    "no-queue-reset": ("virtio-blk-pci,disable-legacy=on", {"queue_reset": "off"}, "q35", ""),
    "msix": ("virtio-blk-pci,disable-legacy=on", {}, "q35", "vstor.irq=msix"),
    "intx": ("virtio-blk-pci,disable-legacy=on", {}, "pc", "vstor.irq=intx"),
    "legacy": ("virtio-blk-pci,disable-modern=on,disable-legacy=off", {}, "pc", ""),
    "window": ("virtio-blk-pci,disable-legacy=on", {}, "q35", "vstor.transport=pci-cfg"),
    "iothread": ("virtio-blk-pci,disable-legacy=on,iothread=t0", {}, "q35", ""),
}


def start(prompt, disk, options, **machine):
    # No request may be merged with a neighbour, which would count as one.
    disk.properties["request-merging"] = "off"
    return prompt(f"vstor.timeout={TIMEOUT_MS} {options}", disks=[disk],
                  objects=["throttle-group,id=g", "iothread,id=t0"], **machine)


def stats_of(machine):
    return machine.command("lsblk json=1").one("lsblk")["stats"]


def through_a_reset(machine, command):
    """Has the device fall silent over the command, and lets it go on after the first reset."""
    throttle(machine, HARDLY_ANY)
    machine.send(command + "\r")
    machine.wait_for(command)
    machine.wait_for("device reset")
    throttle(machine, UNLIMITED)
    machine.wait_for_prompt()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", [pytest.param(way, marks=[pytest.mark.smoke] if way == "split" else [])
                                 for way in WAYS])
def test_silent_disk_is_reset_and_goes_on(prompt, tmp_path, way):
    """Writes and reads that met a reset have all been done, and no error was seen above the driver."""
    device, properties, kind, options = WAYS[way]
    disk = throttled(tmp_path, device, dict(properties))
    machine = start(prompt, disk, options, machine=kind)
    through_a_reset(machine, "fill vda 1M 4M seed=5")
    through_a_reset(machine, "verify vda 1M 4M seed=5")
    assert machine.command("verify vda 1M 4M seed=5 json=1").one("verify")["bytes"] == 4 * MiB
    assert disk.path.read_bytes()[MiB:5 * MiB] == pattern.pattern(MiB, 4 * MiB, 5)
    stats = stats_of(machine)[0]
    assert stats["device_resets"] >= 2 and stats["replays"] >= 2 and stats["timeouts"] >= 2, stats
    assert (stats["errors"], stats["queue_resets"]) == (0, 0), stats
    bench = machine.command("bench vda rw=randread number_ios=1000 json=1").one("bench")
    assert (bench["ios"], bench["errors"]) == (1000, 0)
    assert machine.command("lsblk json=1").one("lsblk")["broken"] is False


@pytest.mark.timeout(120)
@pytest.mark.parametrize("packed", ["off", "on"])
@pytest.mark.parametrize("irq", ["poll", "msix"])
def test_four_queues_on_four_cpus(prompt, tmp_path, packed, irq):
    """One CPU finds the device silent; all four let go of it, and each replays its own."""
    disk = throttled(tmp_path, "virtio-blk-pci,disable-legacy=on", {"packed": packed, "num-queues": 4})
    machine = start(prompt, disk, f"vstor.queues=4 vstor.irq={irq}", smp="4")
    assert not machine.command("fill vda 0 16M seed=3 json=1").errors
    through_a_reset(machine, "bench vda rw=randread numjobs=4 iodepth=8 number_ios=400 json=1")
    text = machine.transcript[machine.transcript.rindex("device reset"):]
    assert '"ios":1600,' in text and '"errors":0,' in text, text
    stats = stats_of(machine)
    assert sum(queue["device_resets"] for queue in stats) >= 1, stats
    assert sum(queue["replays"] > 0 for queue in stats) >= 2, stats
    assert all(queue["errors"] == 0 for queue in stats), stats
    assert machine.command("verify vda 0 16M seed=3 json=1").one("verify")["bytes"] == 16 * MiB


@pytest.mark.timeout(120)
def test_disk_that_stays_silent_is_given_up(prompt, tmp_path):
    """Requests end with an error after three time-outs; three recoveries without an answer, and it is out of service."""
    disk = Disk(blockdev=[{"driver": "null-co", "node-name": "slow0", "size": MiB, "latency-ns": 1_500_000_000}])
    other = Disk(images.image("1m.raw"), serial="OTHER")
    machine = prompt("vstor.timeout=400", disks=[disk, other])
    assert machine.command("read vda 0 512 json=1").error("read")["error"] == "timeout"
    listed = machine.command("lsblk json=1").of("lsblk", "vda")[0]
    assert listed["broken"] is False and listed["stats"][0]["device_resets"] == 3, listed
    assert machine.command("read vda 0 512 json=1").error("read")["error"] == "timeout"
    assert machine.command("lsblk json=1").of("lsblk", "vda")[0]["broken"] is True
    assert machine.command("read vda 0 512 json=1").error("read")["error"] == "broken"
    assert machine.command("sum vdb json=1").one("sum")["sha256"] == images.sha256(images.image("1m.raw"))


def test_option_says_what_is_done(prompt, tmp_path):
    """RING_RESET is negotiated where a queue is to be reset alone, and not else."""
    for recovery, wanted in (("device", False), ("queue", True), ("off", False)):
        disk = throttled(tmp_path, "virtio-blk-pci,disable-legacy=on", {})
        machine = start(prompt, disk, f"vstor.recovery={recovery}")
        listed = machine.command("lsblk json=1").one("lsblk")
        assert ("RING_RESET" in listed["features"]) == wanted
        machine.kill()
