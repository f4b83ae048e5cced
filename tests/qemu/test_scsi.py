# SPDX-License-Identifier: BSD-2-Clause
"""SCSI disks behind virtio-scsi: each ring, each way to interrupt, several units and queues; errors."""
import hashlib

import pytest

import images
import pattern
from harness import Disk
from images import MiB

ADAPTER = "virtio-scsi-pci,disable-legacy=on"
UNIT = "scsi-hd"


def adapter(name="s0", device=ADAPTER, **properties):
    """An adapter's arguments."""
    options = "".join(f",{k}={v}" for k, v in {"id": name, **properties}.items())
    return ["-device", device + options]


@pytest.fixture
def many(tmp_path):
    """A function that gives the n-th of several private writable disks."""
    def make(number, **disk):
        folder = tmp_path / str(number)
        folder.mkdir()
        return Disk(images.copy_of(images.image("empty-16m.raw"), folder), writable=True, device=UNIT, **disk)
    return make


def exercise(machine, name, disk):
    """The bytes are right, and every I/O of a benchmark ends."""
    assert not machine.command(f"fill {name} 1M 2M seed=6 json=1").errors
    assert machine.command(f"verify {name} 1M 2M seed=6 json=1").one("verify")["bytes"] == 2 * MiB
    assert not machine.command(f"write {name} 700 616263 json=1").errors
    bench_record = machine.command(f"bench {name} rw=randread number_ios=1000 json=1").one("bench")
    assert (bench_record["ios"], bench_record["errors"]) == (1000, 0)
    one = machine.command(f"bench {name} rw=randwrite iodepth=1 number_ios=100 offset=8M size=4M json=1").one("bench")
    assert (one["ios"], one["errors"]) == (100, 0)
    assert not machine.command(f"flush {name}").errors
    assert disk.path.read_bytes()[MiB:3 * MiB] == pattern.pattern(MiB, 2 * MiB, 6)
    assert disk.path.read_bytes()[700:703] == b"abc"
    return bench_record


def listed(machine, name):
    return machine.command("lsblk json=1").one("lsblk", name)


@pytest.mark.parametrize("event_idx", ["on", "off"])
@pytest.mark.parametrize("packed", ["off", "on"])
@pytest.mark.parametrize("irq", ["poll", "intx", "msix"])
def test_each_way(prompt, writable, irq, packed, event_idx):
    """Split and packed, with and without event index, polled and by each kind of interrupt."""
    disk = writable(device=UNIT, serial="scsi-1", before=adapter(packed=packed, event_idx=event_idx))
    machine = prompt(f"vstor.irq={irq}", disks=[disk])
    record = listed(machine, "sda")
    assert (record["irq"], record["driver"], record["serial"]) == (irq, "virtio-scsi", "scsi-1")
    assert record["ring"] == ("packed" if packed == "on" else "split")
    exercise(machine, "sda", disk)
    stats = listed(machine, "sda")["stats"][0]
    assert (stats["errors"], stats["timeouts"]) == (0, 0), stats
    assert (stats["interrupts"] > 0) == (irq != "poll"), stats


@pytest.mark.smoke
def test_units_of_two_adapters(prompt, many):
    """Any target and LUN, the last of them, too, LUN 0 not there; the right bytes by the right name."""
    places = [("s0", 0, 0), ("s0", 3, 1), ("s0", 3, 700), ("s0", 255, 16383), ("s1", 7, 2)]
    disks = []
    for i, (bus, target, lun) in enumerate(places):
        before = adapter("s0") + adapter("s1", packed="on") if i == 0 else []
        disks.append(many(i, serial=f"unit-{i}", bus=f"{bus}.0", before=before,
                          properties={"scsi-id": target, "lun": lun}))
    machine = prompt(disks=disks)
    records = {r["serial"]: r for r in machine.command("lsblk json=1").of("lsblk")}
    assert sorted(r["dev"] for r in records.values()) == ["sda", "sdb", "sdc", "sdd", "sde"]
    for i, ((_, target, lun), disk) in enumerate(zip(places, disks)):
        record = records[f"unit-{i}"]
        assert record["path"].endswith(f"-scsi-0:0:{target}:{lun}")
        assert not machine.command(f"write {record['dev']} {4096 * i} {i:02x}{i:02x} json=1").errors
        machine.command(f"flush {record['dev']}")
        assert disk.path.read_bytes()[4096 * i:4096 * i + 2] == bytes([i, i])


def test_queues_of_many_cpus(prompt, many):
    """A queue for each CPU, each with its own interrupt; two disks share all of them."""
    disks = [many(0, before=adapter(num_queues=4)), many(1, properties={"scsi-id": 1})]
    machine = prompt("vstor.queues=4 vstor.irq=msix", disks=disks, smp="4")
    for name in ("sda", "sdb"):
        assert listed(machine, name)["queues"] == 4
        record = machine.command(f"bench {name} rw=randwrite numjobs=4 number_ios=500 verify=1 json=1").one("bench")
        assert record["errors"] == 0
        for stats in listed(machine, name)["stats"]:
            assert stats["writes"] >= 500, stats


@pytest.mark.parametrize("block", [512, 4096])
def test_block_sizes(prompt, writable, block):
    """Sums of a disk with other logical blocks; 3 TiB are reached by long commands."""
    disk = Disk(images.image("random-16m.raw"), device=UNIT, before=adapter(),
                properties={"logical_block_size": block, "physical_block_size": block})
    big = Disk(device=UNIT, blockdev=[{"driver": "null-co", "node-name": "big", "size": 20 << 40, "read-zeroes": True}],
               properties={"logical_block_size": block, "physical_block_size": block})
    machine = prompt(disks=[disk, big])
    assert machine.command("sum sda json=1").one("sum")["sha256"] == hashlib.sha256(disk.path.read_bytes()).hexdigest()
    record = listed(machine, "sdb")
    assert (record["bytes"], record["logical_block"]) == (20 << 40, block)
    end = machine.command(f"read sdb {(20 << 40) - 4096} 4096 json=1").one("read")
    assert set(end["hex"]) == {"0"}


@pytest.mark.parametrize("errno,error", [(5, "io"), (28, "no_space"), (61, "media"), (52, "reserved")])
def test_errors_of_the_host_have_names(prompt, tmp_path, errno, error):
    """What QEMU makes of an error of the host's disk is told, for the sector that failed; others are read."""
    path = tmp_path / "disk.raw"
    path.write_bytes(images.image("1m.raw").read_bytes())
    nodes = [{"driver": "file", "node-name": "f0", "filename": str(path)},
             {"driver": "blkdebug", "node-name": "d0", "image": "f0",
              "inject-error": [{"event": "none", "iotype": "read", "errno": errno, "sector": 1000}]}]
    disk = Disk(path, device=UNIT, blockdev=nodes, before=adapter(), properties={"rerror": "report"})
    machine = prompt(disks=[disk])
    assert machine.command("read sda 512000 512 json=1").error("read")["error"] == error
    assert machine.command("read sda 512512 512 json=1").one("read")["hex"] == path.read_bytes()[512512:513024].hex()


# ---------------------------------------------------------------- beyond reading and writing

MIDDLE = (3 * MiB, 5 * MiB)  # offset and length of what is discarded or zeroed


def random_disk(tmp_path, ring="split", **properties):
    """A private copy of 16 MiB of random bytes that gives discarded space back to the host."""
    path = images.copy_of(images.image("random-16m.raw"), tmp_path)
    return Disk(path, writable=True, device=UNIT, drive={"discard": "unmap"}, before=adapter(packed="on"),
                properties=properties)


@pytest.mark.smoke
@pytest.mark.parametrize("options", ["vstor.ring=split", "vstor.ring=packed",
                                     "vstor.ring=packed vstor.features=-INDIRECT_DESC", "vstor.dma=bounce"])
def test_discard(run, tmp_path, options):
    """UNMAP gives the range's space back on the host; zeroes by WRITE SAME cut blocks where they must; all else stays."""
    disk = random_disk(tmp_path)
    before = disk.path.stat().st_blocks * 512
    result = run(f"{options} discard sda {MIDDLE[0]} {MIDDLE[1]}; zero sda 9000001 2000003 json=1; stats json=1; exit",
                 disks=[disk]).expect_status(0)
    data = bytearray(images.image("random-16m.raw").read_bytes())
    for offset, length in (MIDDLE, (9000001, 2000003)):
        data[offset:offset + length] = bytes(length)
    assert disk.path.read_bytes() == data
    assert disk.path.stat().st_blocks * 512 <= before - MIDDLE[1] + 64 * 1024
    stats = result.one("stats")
    assert (stats["discards"], stats["zeroes"], stats["errors"]) == (1, 1, 0) and result.one("zero")["by"] == "write_zeroes"


def test_limits_of_discard(run, tmp_path):
    """A unit that unmaps 64 KiB at once gets 5 MiB in so many commands, cut at its granules."""
    disk = random_disk(tmp_path, max_unmap_size=64 * 1024, discard_granularity=4096)
    result = run(f"lsblk json=1; discard sda {MIDDLE[0]} {MIDDLE[1]}; stats json=1; exit", disks=[disk])
    assert result.one("lsblk")["discard"] == {"max_bytes": 64 * 1024, "ranges": 63, "alignment": 4096}
    assert result.one("stats")["discards"] == MIDDLE[1] // (64 * 1024)
    data = disk.path.read_bytes()
    assert data[MIDDLE[0]:sum(MIDDLE)] == bytes(MIDDLE[1])
    assert data[:MIDDLE[0]] + data[sum(MIDDLE):] == (lambda old: old[:MIDDLE[0]] + old[sum(MIDDLE):])(
        images.image("random-16m.raw").read_bytes())


def test_units_that_can_not(run, tmp_path):
    """No discard where QEMU has none; none of all that on a read-only disk."""
    disk = random_disk(tmp_path, discard_granularity=0)
    assert run("discard sda 0 1M json=1", disks=[disk]).records[-1]["error"] == "unsupported"
    read_only = Disk(images.image("random-16m.raw"), readonly=True, device=UNIT, before=adapter())
    for command in ("discard sda 0 1M", "zero sda 0 1M", "fill sda 0 1M", "write sda 1 00"):
        record = run(f"{command} json=1", disks=[read_only]).records[-1]
        assert record["error"] == "read_only", record
    assert disk.path.read_bytes() == images.image("random-16m.raw").read_bytes()


@pytest.mark.parametrize("cache", ["on", "off"])
def test_the_cache_is_switched(prompt, tmp_path, cache):
    """MODE SELECT, as QEMU's own flag for the drive shows."""
    disk = random_disk(tmp_path)
    disk.properties["write-cache"] = cache
    machine = prompt(disks=[disk])
    for word in ("writethrough", "writeback", "writeback", "writethrough"):
        record = machine.command(f"cache sda {word} json=1").one("cache")
        assert (record["cache"], record["cache_settable"]) == (word, True)
        block = next(one for one in machine.qmp("query-block") if one["qdev"] == "disk0")
        assert block["inserted"]["cache"]["writeback"] == (word == "writeback")
        assert not machine.command("fill sda 0 1M seed=3 json=1").errors


@pytest.mark.parametrize("fua", ["on", "off"])
def test_durable_writes(prompt, tmp_path, fua):
    """By FUA where the unit has it: no flush then; else by a flush behind."""
    disk = random_disk(tmp_path, dpofua=fua)
    machine = prompt(disks=[disk])
    assert machine.command("bench sda rw=randwrite verify=1 sync=1 number_ios=50 size=1M json=1").one("bench")["ios"] == 50
    flushes = machine.command("stats sda json=1").one("stats")["flushes"]
    assert flushes == (0 if fua == "on" else 50)
