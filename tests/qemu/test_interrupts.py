# SPDX-License-Identifier: BSD-2-Clause
"""Disks that interrupt: each way, each ring, too few vectors, many queues on many CPUs; and polling without a single
interrupt."""
import pytest

import pattern
from images import MiB

DEVICE = "virtio-blk-pci,disable-legacy=on"


def properties(packed, event_idx, **others):
    return {"packed": packed, "event_idx": event_idx, **others}


def listed(machine):
    return machine.command("lsblk json=1").one("lsblk")


def exercise(machine, disk):
    """The bytes are right, and every I/O of a benchmark ends."""
    assert not machine.command("fill vda 1M 2M seed=6 json=1").errors
    assert machine.command("verify vda 1M 2M seed=6 json=1").one("verify")["bytes"] == 2 * MiB
    bench = machine.command("bench vda rw=randread number_ios=2000 json=1").one("bench")
    assert (bench["ios"], bench["errors"]) == (2000, 0)
    one = machine.command("bench vda rw=randwrite iodepth=1 number_ios=200 offset=8M size=4M json=1").one("bench")
    assert (one["ios"], one["errors"]) == (200, 0)
    assert not machine.command("flush vda").errors
    assert disk.path.read_bytes()[MiB:3 * MiB] == pattern.pattern(MiB, 2 * MiB, 6)
    for stats in listed(machine)["stats"]:
        assert (stats["errors"], stats["timeouts"], stats["rescues"]) == (0, 0, 0), stats
    return bench


@pytest.mark.parametrize("event_idx", ["on", "off"])
@pytest.mark.parametrize("packed", ["off", "on"])
@pytest.mark.parametrize("irq", ["poll", "intx", "msix"])
def test_each_way(prompt, writable, irq, packed, event_idx):
    """Waiting by interrupt where it was asked for; none at all where not. With EVENT_IDX at most one for 8 reads."""
    disk = writable(device=DEVICE, properties=properties(packed, event_idx))
    machine = prompt(f"vstor.irq={irq}", disks=[disk])
    assert listed(machine)["irq"] == irq
    bench = exercise(machine, disk)
    total = listed(machine)["stats"][0]["interrupts"]
    if irq == "poll":
        assert (bench["interrupts"], total) == (0, 0)
        return
    assert total > 0
    if event_idx == "on":
        assert bench["interrupts"] * 8 <= bench["ios"], bench
    # At depth 1 nothing but an interrupt, or its having come already, ends the wait.
    assert bench["interrupts"] > 0


@pytest.mark.parametrize("vectors,irq", [(0, "intx"), (1, "msix"), (2, "msix"), (3, "msix"), (5, "msix")])
@pytest.mark.parametrize("packed", ["off", "on"])
def test_too_few_vectors(prompt, writable, vectors, irq, packed):
    """Queues share the last vector; without any it is INTx. The CPUs of those that share it are woken."""
    disk = writable(device=DEVICE, properties=properties(packed, "on", vectors=vectors, **{"num-queues": 4}))
    machine = prompt("vstor.irq=msix vstor.queues=4", disks=[disk], smp="4")
    seen = listed(machine)
    assert (seen["irq"], seen["queues"]) == (irq, 4)
    exercise(machine, disk)
    bench = machine.command("bench vda numjobs=4 number_ios=500 json=1").one("bench")
    assert (bench["ios"], bench["errors"], bench["numjobs"]) == (2000, 0, 4)
    for number, stats in enumerate(listed(machine)["stats"]):
        assert stats["reads"] >= 500 and stats["interrupts"] > 0, (number, stats)


@pytest.mark.smoke
@pytest.mark.parametrize("irq", ["poll", "msix"])
@pytest.mark.parametrize("packed", ["off", "on"])
def test_four_cpus_on_four_queues(prompt, writable, packed, irq):
    """All four move data at once, and each queue's interrupts arrive on its CPU."""
    disk = writable(device=DEVICE, properties=properties(packed, "on", **{"num-queues": 4}))
    machine = prompt(f"vstor.irq={irq} vstor.queues=4", disks=[disk], smp="4")
    assert "MQ" in listed(machine)["features"]
    before = listed(machine)["stats"]
    bench = machine.command("bench vda numjobs=4 rw=randwrite number_ios=1000 offset=8M size=8M json=1").one("bench")
    assert (bench["ios"], bench["errors"]) == (4000, 0)
    after = listed(machine)["stats"]
    assert len(after) == 4
    for old, new in zip(before, after):
        assert new["writes"] - old["writes"] >= 1000
        assert (new["interrupts"] > 0) == (irq == "msix"), after
        assert new["interrupts_elsewhere"] == 0, after
    exercise(machine, disk)


def test_more_queues_wanted_than_offered(prompt, writable):
    """The device offers two; a job more than there are queues is refused, and so is one more than there are CPUs."""
    disk = writable(device=DEVICE, properties={"num-queues": 2})
    machine = prompt("vstor.irq=msix vstor.queues=8", disks=[disk], smp="4")
    assert listed(machine)["queues"] == 2
    refused = machine.command("bench vda numjobs=3 number_ios=10 json=1")
    assert "2 queues" in refused.error("bench")["message" if "message" in refused.error("bench") else "error"] or \
        "2 queues" in refused.text
    assert machine.command("bench vda numjobs=2 number_ios=100 json=1").one("bench")["ios"] == 200


def test_more_queues_than_cpus(prompt, writable):
    """Queues of one CPU each have their vector there."""
    disk = writable(device=DEVICE, properties={"num-queues": 4})
    machine = prompt("vstor.irq=msix vstor.queues=4", disks=[disk])
    assert listed(machine)["queues"] == 4
    exercise(machine, disk)
    assert "CPU" in machine.command("bench vda numjobs=2 number_ios=10 json=1").text


@pytest.mark.parametrize("irq", ["intx", "msix"])
def test_legacy_interface(prompt, writable, irq):
    """The legacy interface has vectors too, and its configuration moves when they are in use."""
    disk = writable(device="virtio-blk-pci,disable-modern=on,disable-legacy=off", properties={"num-queues": 2})
    machine = prompt(f"vstor.irq={irq} vstor.queues=2", disks=[disk])
    seen = listed(machine)
    assert (seen["irq"], seen["queues"], seen["bytes"]) == (irq, 2, 16 * MiB)
    assert exercise(machine, disk)["interrupts"] > 0


@pytest.mark.parametrize("irq", ["intx", "msix"])
def test_on_the_pc(prompt, writable, irq):
    """The same on the older machine."""
    disk = writable(device=DEVICE)
    machine = prompt(f"vstor.irq={irq}", disks=[disk], machine="pc")
    assert listed(machine)["irq"] == irq
    assert exercise(machine, disk)["interrupts"] > 0
