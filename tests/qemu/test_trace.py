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


SLOW_NS = 20_000_000  # of a device that answers nothing sooner


@pytest.mark.smoke
@pytest.mark.parametrize("device,name", [("virtio-blk-pci", "vda"), ("scsi-hd", "sda")])
def test_stats_tell_how_long_requests_take(run, device, name):
    """latency=on counts each read, write and flush, and tells no time below that of a device known to be slow; what came
    before and comes after is not in it."""
    before = ["-device", "virtio-scsi-pci"] if device == "scsi-hd" else []
    disk = Disk(blockdev=[{"driver": "null-co", "node-name": "slow", "size": 1 << 20, "latency-ns": SLOW_NS}],
                device=device, before=before)
    result = run(f"read {name} 0 512; stats {name} latency=on; read {name} 0 512; trace on; read {name} 0 512; trace off; "
                 f"fill {name} 0 64k; flush {name}; stats {name}; stats {name} json=1; stats latency=off; read {name} 0 512;"
                 f"stats {name} json=1; exit", disks=[disk]).expect_status(0)
    before, after = result.of("stats")
    assert before["lat_ns"] == after["lat_ns"] and after["reads"] == before["reads"] + 1
    assert before["lat_ns"]["read"]["n"] == 2 and before["lat_ns"]["flush"]["n"] >= 1
    assert set(before["lat_ns"]) == {"read", "write", "flush"}
    for kind, times in before["lat_ns"].items():
        assert kind == "flush" or times["min"] >= SLOW_NS * 7 // 8  # null-co flushes at once
        assert times["min"] <= times["p50"] <= times["p99"] <= times["p999"] <= times["max"]
        assert times["min"] <= times["mean"] <= times["max"]
    result.expect(rf"^{name}  0 read +2( +[\d.]+m?s){{6}}$")


def test_latency_takes_on_or_off(run, small_disk):
    result = run("stats vda latency=maybe json=1", disks=[small_disk]).expect_status(1)
    assert "on or off" in result.error("stats")["text"]
    assert "lat_ns" not in run("stats json=1; exit", disks=[small_disk]).one("stats")
