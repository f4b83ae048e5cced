# SPDX-License-Identifier: BSD-2-Clause
"""A second model of the SCSI adapter: vhost-user-scsi, served by QEMU's sample server from a process of its own, which
passes commands on to a tgtd on the loopback and knows nothing else of SCSI.

The server is poor, which is what makes it worth having. It says that it wrote no byte whatever it wrote, answers
neither task management nor events, rejects any unit but 0 with sense of its own, has one command at a time in its
hands, and ends when it finds a fault. QEMU 7.2 negotiates no packed ring for it, and ends itself if a guest starts a
device that nobody serves any more; so who wants to outlive the server leaves the device alone: vstor.recovery=off.

It is built from Debian's source package of QEMU (tests/vhost_user_scsi/). Where no mirror has that, these tests skip.
"""
import time

import pytest

import harness
import images
import iscsi
import pattern
import vhost_user
from images import MiB
from vhost_user import listed, written_bytes

FOLDER = harness.ROOT / "build/vhost-user-scsi"


@pytest.fixture(scope="module")
def program():
    """The server, which `make` builds."""
    if not (FOLDER / "server").exists():
        why = FOLDER / "why-not"
        assert why.exists(), "the server is not built; run `make vhost-user-scsi`"
        pytest.skip(f"no server of vhost-user-scsi: {why.read_text().strip()}")
    return FOLDER / "server"


@pytest.fixture
def served(program, tmp_path):
    """A server for a private disk of tgtd's: the disk's path, the server and its socket; all end with the test."""
    path = images.copy_of(images.image("random-16m.raw"), tmp_path)
    socket = tmp_path / "vhost-user"
    with iscsi.Target(tmp_path) as target, open(tmp_path / "server.log", "wb") as log:
        uri = f"iscsi://127.0.0.1:{target.port}/{iscsi.IQN}/{target.disk(path)}"
        server = vhost_user.start([program, "--socket-path", socket, "--iscsi-uri", uri], socket, log)
        yield path, server, socket
        vhost_user.stop(server)


def machine_of(prompt, socket, queues=1, options=""):
    return vhost_user.machine(prompt, socket, f"vhost-user-scsi-pci,id=disk0,num_queues={queues}", queues, options)


@pytest.mark.parametrize("queues,irq,without", [
    (1, "poll", ""), (4, "msix", ""), (2, "msix", "INDIRECT_DESC"), (4, "intx", "EVENT_IDX"),
    (4, "poll", "EVENT_IDX,INDIRECT_DESC")])
def test_data_end_to_end(prompt, served, queues, irq, without):
    """The unit that is found, what is read and written on every queue, and what tgtd's file holds in the end."""
    path, _, socket = served
    before = path.read_bytes()
    features = "vstor.features=" + ",".join("-" + name for name in without.split(",")) if without else ""
    machine = machine_of(prompt, socket, queues, f"vstor.irq={irq} {features}")
    unit = machine.command("lsscsi json=1").one("lsscsi")
    assert (unit["dev"], unit["hctl"], unit["type"], unit["vendor"]) == ("sda", "0:0:0:0", "disk", "IET"), unit
    disk = listed(machine)
    assert (disk["bytes"], disk["queues"], disk["irq"], disk["ring"]) == (len(before), queues, irq, "split"), disk
    assert {"INDIRECT_DESC", "EVENT_IDX"} - set(disk["features"]) == set(without.split(",")) - {""}, disk
    assert machine.command("sum sda json=1").one("sum")["sha256"] == images.sha256(path)
    for queue in range(queues):
        assert not machine.command(f"fill sda {queue + 1}M 1M seed={queue + 5} queue={queue} json=1").errors
        last = queues - 1 - queue
        assert not machine.command(f"verify sda {queue + 1}M 1M seed={queue + 5} queue={last} json=1").errors
    assert not machine.command("zero sda 8M 1M json=1").errors
    command = f"bench sda rw=randrw iodepth=16 numjobs={queues} number_ios=500 offset=12M size=4M json=1"
    bench = machine.command(command).one("bench")
    assert (bench["ios"], bench["errors"]) == (500 * queues, 0), bench
    assert not machine.command("flush sda json=1").errors
    after = path.read_bytes()
    for queue in range(queues):
        assert after[(queue + 1) * MiB:(queue + 2) * MiB] == pattern.pattern((queue + 1) * MiB, MiB, queue + 5)
    assert after[8 * MiB:9 * MiB] == bytes(MiB) and after[:MiB] == before[:MiB]
    assert after[7 * MiB:8 * MiB] == before[7 * MiB:8 * MiB] and after[9 * MiB:12 * MiB] == before[9 * MiB:12 * MiB]
    assert after[12 * MiB:] != before[12 * MiB:]
    assert machine.command("sum sda json=1").one("sum")["sha256"] == images.sha256(path)
    for stats in listed(machine)["stats"]:
        assert stats["reads"] > 0 and stats["writes"] > 0
        assert (stats["errors"], stats["timeouts"], stats["rescues"], stats["device_resets"]) == (0, 0, 0, 0), stats


@pytest.mark.timeout(120)
@pytest.mark.parametrize("queues", [1, 4])
def test_server_that_dies_amid_writes(prompt, served, queues):
    """Nobody answers, not even the functions that are to help: each request fails once, and the shell goes on."""
    path, server, socket = served
    before = path.read_bytes()
    machine = machine_of(prompt, socket, queues, "vstor.irq=msix vstor.recovery=off vstor.timeout=2000")
    assert not machine.command("fill sda 1M 1M seed=7 json=1").errors
    begun = written_bytes(server)
    where = "offset=8M size=4M number_ios=1000000"
    machine.send(f"bench sda rw=randwrite verify=1 iodepth=16 numjobs={queues} {where} json=1\r")
    while written_bytes(server) < begun + MiB:
        time.sleep(0.02)
    server.kill()
    server.wait()
    said = machine.output()
    # One of each job's requests may have met a device that was out of service by then.
    bench = said.one("bench")
    assert 16 * queues <= bench["errors"] <= 17 * queues and bench["ios"] >= 256, bench
    assert said.error("bench")["error"] == "timeout", said.text
    for step in ("abort task", "LUN reset", "adapter reset"):
        said.expect(f"not answered in time: {step}")
    said.expect("device taken out of service")
    disk = listed(machine)
    assert disk["broken"] and sum(one["timeouts"] for one in disk["stats"]) == 16 * queues, disk
    assert machine.command("read sda 0 512 json=1").error("read")["text"].startswith("device out of service")
    assert machine.command("sum sda json=1").errors
    after = path.read_bytes()
    assert after[MiB:2 * MiB] == pattern.pattern(MiB, MiB, 7) and after[2 * MiB:8 * MiB] == before[2 * MiB:8 * MiB]
    assert after[:MiB] == before[:MiB] and after[12 * MiB:] == before[12 * MiB:]
