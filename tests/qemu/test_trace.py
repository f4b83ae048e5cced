# SPDX-License-Identifier: BSD-2-Clause
"""`stats` counts what a device's queues did; `trace` shows the last events of their rings."""
import pytest

import images
from harness import Disk


@pytest.fixture(params=["vda", "sda"])
def disk(request, small_disk):
    """A disk of either kind, and its name."""
    if request.param == "vda":
        small_disk.properties["packed"] = "on"
    else:
        small_disk.device, small_disk.before = "scsi-hd", ["-device", "virtio-scsi-pci,disable-legacy=on,packed=on"]
    return small_disk, request.param


@pytest.mark.smoke
@pytest.mark.parametrize("ring", ["split", "packed"])
def test_trace_shows_each_step_of_a_read(run, disk, ring):
    """One read is one submit, one kick, one completion, in this order; before `on` and after `off` nothing is recorded."""
    small_disk, name = disk
    result = run(f"vstor.ring={ring} read {name} 0 512; trace on; read {name} 4k 1k; trace off; read {name} 8k 512; "
                 f"trace dump {name} json=1; stats {name} json=1; exit", disks=[small_disk]).expect_status(0)
    events = result.of("trace")
    assert [event["event"] for event in events] == ["submit", "kick", "complete"], result.text
    submit, kick, complete = events
    assert (submit["sector"], submit["count"], submit["detail"]) == (8, 2, 0)
    assert kick["count"] == 1
    assert (complete["id"], complete["sector"], complete["detail"]) == (submit["id"], 8, 0)
    assert submit["ns"] < kick["ns"] < complete["ns"]
    stats = result.one("stats")
    assert (stats["reads"], stats["read_bytes"], stats["errors"]) == (3, 2048, 0)


def test_trace_of_a_batch(run, disk):
    """At depth 8 the trace holds as many completions as requests, each of an id submitted, and fewer kicks."""
    small_disk, name = disk
    result = run(f"trace on; bench {name} rw=randread bs=4k iodepth=8 number_ios=64; trace off; "
                 "trace dump n=4096 json=1; exit", disks=[small_disk]).expect_status(0)
    kinds = [event["event"] for event in result.of("trace")]
    submitted = [event["id"] for event in result.of("trace") if event["event"] == "submit"]
    completed = [event["id"] for event in result.of("trace") if event["event"] == "complete"]
    assert len(completed) > 50 and set(completed) <= set(submitted)
    assert kinds.count("kick") + kinds.count("kick saved") < kinds.count("submit")


def test_trace_for_people(prompt, small_disk):
    """A line an event, with the time, and a heading for each queue."""
    machine = prompt(disks=[small_disk])
    machine.command("trace on")
    machine.command("read vda 512 512")
    dump = machine.command("trace dump vda n=3")
    dump.expect(r"^vda queue 0, the last 3 events:$")
    dump.expect(r"^ +\d+\.\d{3} us  submit read id \d+, 1 sectors at 1$")
    dump.expect(r"^ +\d+\.\d{3} us  kick for 1$")
    dump.expect(r"^ +\d+\.\d{3} us  complete id \d+, status 0, at 1$")
    machine.command("trace off")
    machine.command("trace sideways").expect("sideways")
    table = machine.command("stats")
    assert table.lines[0].split()[:3] == ["NAME", "Q", "READS"]
    table.expect(r"^vda +0 +1 ")
