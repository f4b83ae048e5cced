# SPDX-License-Identifier: BSD-2-Clause
"""Disks that interrupt: each way, each ring, too few vectors, many queues on many CPUs; and polling without a single
interrupt."""
import collections
import re

import pytest

import pattern
from harness import Disk
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


def slow_reads(machine, n_queues):
    """Reads so slow that every CPU has to wait for each of its own: nothing but an interrupt ends that in time."""
    machine.qmp("human-monitor-command", command_line="block_set_io_throttle drive0 0 0 0 100 0 0")
    bench = machine.command(f"bench vda rw=randread iodepth=1 numjobs={n_queues} number_ios=20 json=1").one("bench")
    assert (bench["ios"], bench["errors"]) == (20 * n_queues, 0)
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
    slow = slow_reads(machine, 1)
    total = listed(machine)["stats"][0]["interrupts"]
    if irq == "poll":
        assert (bench["interrupts"], slow["interrupts"], total) == (0, 0, 0)
        return
    if event_idx == "on":
        assert bench["interrupts"] * 8 <= bench["ios"], bench
    assert total >= slow["interrupts"] > 0


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
    slow_reads(machine, 4)
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


def messages(trace):
    """Of a trace of QEMU: how often each queue of the only disk notified which CPU, as {(queue, APIC id): times}.

    A message is delivered by the thread that notifies, so its line is the one after that of the notification."""
    queue_of, notified, found = {}, None, collections.Counter()
    for line in trace.splitlines():
        if told := re.match(r"virtio_queue_notify vdev \S+ n (\d+) vq (\S+)", line):
            queue_of[told[2]] = int(told[1])
        elif told := re.match(r"virtio_notify vdev \S+ vq (\S+)", line):
            notified = told[1]
        elif (told := re.match(r"apic_deliver_irq dest (\d+) ", line)) and notified:
            found[queue_of[notified], int(told[1])] += 1
            notified = None
    return found


TRACED = [word for event in ("virtio_queue_notify", "virtio_notify", "apic_deliver_irq") for word in ("-trace", event)]


@pytest.mark.parametrize("packed", ["off", "on"])
def test_four_queues_at_once_each_interrupting_its_cpu(prompt, writable, tmp_path, packed):
    """In one run all four move data, the last begins before the first ends, and the messages that QEMU delivers for
    queue k go to CPU k and to no other, as the guest counts too."""
    # Without ioeventfd the notifying thread delivers the message itself, so that the trace tells whose it is.
    disk = writable(device=DEVICE, properties=properties(packed, "on", ioeventfd="off", **{"num-queues": 4}))
    machine = prompt("vstor.irq=msix vstor.queues=4", disks=[disk], smp="4",
                     extra=[*TRACED, "-D", tmp_path / "trace"])
    for rw in ("randread", "randwrite"):
        bench = machine.command(f"bench vda rw={rw} numjobs=4 runtime=2 json=1").one("bench")
        queues = bench["per_queue"]
        assert [one["queue"] for one in queues] == [0, 1, 2, 3] and bench["errors"] == 0, bench
        assert sum(one["ios"] for one in queues) == bench["ios"]
        assert max(one["start_ns"] for one in queues) < min(one["end_ns"] for one in queues), "not at once"
        for one in queues:
            assert one["ios"] > 0 and one["kicks"] > 0 and one["interrupts"] > 0, bench
            assert (one["errors"], one["interrupts_elsewhere"]) == (0, 0), bench
    counted = [stats["interrupts"] for stats in listed(machine)["stats"]]
    machine.kill()
    delivered = messages((tmp_path / "trace").read_text())
    assert set(delivered) == {(queue, queue) for queue in range(4)}, delivered
    # A message that finds the one before it still waiting is no second interrupt.
    assert all(0 < counted[queue] <= delivered[queue, queue] for queue in range(4)), (counted, delivered)


@pytest.mark.parametrize("ioeventfd", ["on", "off"])
@pytest.mark.parametrize("packed", ["off", "on"])
def test_an_eighth_of_a_kick_and_of_an_interrupt_per_read(prompt, tmp_path, packed, ioeventfd):
    """At depth 32 by MSI-X, on a disk that answers at once; the kicks are those of QEMU's trace."""
    null = [{"driver": "null-co", "node-name": "null0", "size": 16 * MiB, "read-zeroes": True}]
    disk = Disk(blockdev=null, device=DEVICE, properties=properties(packed, "on", ioeventfd=ioeventfd))
    machine = prompt("vstor.irq=msix", disks=[disk], extra=[*TRACED, "-D", tmp_path / "trace"])
    assert listed(machine)["irq"] == "msix"
    bench = machine.command("bench vda rw=randread iodepth=32 number_ios=8000 json=1").one("bench")
    assert (bench["ios"], bench["errors"]) == (8000, 0)
    assert 0 < bench["kicks"] * 8 <= bench["ios"], bench
    assert bench["interrupts"] * 8 <= bench["ios"], bench
    counted = listed(machine)["stats"][0]
    machine.kill()
    if ioeventfd == "on":  # then QEMU may find several kicks at once, and looks unkicked when it begins
        return
    trace = (tmp_path / "trace").read_text()
    n_kicks, n_messages = trace.count("virtio_queue_notify "), sum(messages(trace).values())
    assert n_kicks == counted["kicks"] + 1  # that which asked for the serial number, before anybody counted
    assert counted["interrupts"] <= n_messages <= bench["ios"] / 8, (counted, n_messages)


@pytest.mark.parametrize("irq,others", [("intx", {}), ("msix", {"vectors": 0})])
def test_the_window_has_no_line(prompt, writable, irq, others):
    """A handler can't acknowledge through the window, and two CPUs can't look through it at once: the disk is polled, by
    one queue, and the log says so."""
    disk = writable(device=DEVICE, properties={"num-queues": 4, **others})
    machine = prompt(f"vstor.transport=pci-cfg vstor.irq={irq} vstor.queues=4", disks=[disk], smp="4")
    assert "polling" in machine.transcript
    seen = listed(machine)
    assert (seen["irq"], seen["queues"], seen["transport"]) == ("poll", 1, "virtio-pci-cfg")
    assert exercise(machine, disk)["interrupts"] == 0


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
