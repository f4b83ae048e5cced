# SPDX-License-Identifier: BSD-2-Clause
"""A second device model: vhost-user-blk, served by qemu-storage-daemon from a process of its own, which may die and come
back while requests are in flight.

QEMU 7.2 gives the daemon nothing to interrupt with unless the guest has turned MSI-X on, and the daemon, which interrupts
at the first completion under EVENT_IDX whatever the guest asks for, takes that for an error and hangs up, whoever the
guest is. So polling is tried without EVENT_IDX, and INTx not at all.
"""
import json
import time

import pytest

import images
import pattern
import vhost_user
from images import MiB
from vhost_user import listed

SLOW_IOS_PER_S = 1000
WAYS = [(1, "vstor.irq=poll vstor.features=-EVENT_IDX"), (4, "vstor.irq=msix")]


class Daemon:
    """qemu-storage-daemon with one writable disk as vhost-user-blk."""

    def __init__(self, path, folder, queues, ios_per_s=0):
        self.socket = folder / "vhost-user"
        nodes = [{"driver": "file", "node-name": "file0", "filename": str(path), "discard": "unmap"},
                 {"driver": "throttle", "node-name": "disk0", "throttle-group": "g", "file": "file0"}]
        group = {"qom-type": "throttle-group", "id": "g", "limits": {"iops-total": ios_per_s}}
        export = {"type": "vhost-user-blk", "id": "export0", "node-name": "disk0", "writable": True,
                  "num-queues": queues, "addr": {"type": "unix", "path": str(self.socket)}}
        self.command = ["qemu-storage-daemon", "--object", json.dumps(group)]
        for node in nodes:
            self.command += ["--blockdev", json.dumps(node)]
        self.command += ["--export", json.dumps(export)]
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        self.kill()

    def start(self):
        self.process = vhost_user.start(self.command, self.socket)

    def kill(self):
        if self.process:
            vhost_user.stop(self.process)
            self.process = None

    def written_bytes(self):
        return vhost_user.written_bytes(self.process)


@pytest.fixture
def daemon(tmp_path):
    """Starts a daemon on a private disk; it ends with the test."""
    started = []

    def start(**options):
        path = images.copy_of(images.image("random-16m.raw"), tmp_path)
        one = Daemon(path, tmp_path, **options)
        started.append(one)
        one.start()
        return path, one

    yield start
    for one in started:
        one.kill()


def machine_of(prompt, served, queues, options="", packed="off"):
    """A guest that finds the daemon again when it comes back."""
    return vhost_user.machine(prompt, served.socket, f"vhost-user-blk-pci,num-queues={queues},packed={packed}", queues,
                              options, reconnect=",reconnect=1")


@pytest.mark.parametrize("queues,irq,features", [
    (1, "poll", "-EVENT_IDX"), (4, "poll", "-EVENT_IDX,-INDIRECT_DESC"), (1, "msix", ""), (4, "msix", ""),
    (4, "msix", "-INDIRECT_DESC"), (4, "msix", "-EVENT_IDX")])
def test_data_end_to_end(prompt, daemon, queues, irq, features):
    """Reads, writes, zeroes and discards on every queue, and what the file holds in the end."""
    path, served = daemon(queues=queues)
    before = path.read_bytes()
    machine = machine_of(prompt, served, queues, f"vstor.irq={irq} " + (f"vstor.features={features}" if features else ""))
    disk = listed(machine)
    assert (disk["bytes"], disk["queues"], disk["irq"]) == (len(before), queues, irq)
    assert machine.command("sum vda json=1").one("sum")["sha256"] == images.sha256(path)
    for queue in range(queues):
        assert not machine.command(f"fill vda {queue + 1}M 1M seed={queue + 5} queue={queue} json=1").errors
        last = queues - 1 - queue
        assert not machine.command(f"verify vda {queue + 1}M 1M seed={queue + 5} queue={last} json=1").errors
    assert not machine.command("zero vda 8M 1M json=1").errors
    assert not machine.command("discard vda 10M 1M json=1").errors
    bench = machine.command(f"bench vda rw=randrw numjobs={queues} number_ios=500 offset=12M size=4M json=1").one("bench")
    assert (bench["ios"], bench["errors"]) == (500 * queues, 0)
    assert not machine.command("flush vda json=1").errors
    after = path.read_bytes()
    for queue in range(queues):
        assert after[(queue + 1) * MiB:(queue + 2) * MiB] == pattern.pattern((queue + 1) * MiB, MiB, queue + 5)
    assert after[8 * MiB:9 * MiB] == bytes(MiB) and after[:MiB] == before[:MiB]
    assert after[6 * MiB:8 * MiB] == before[6 * MiB:8 * MiB] and after[9 * MiB:10 * MiB] == before[9 * MiB:10 * MiB]
    assert machine.command("sum vda json=1").one("sum")["sha256"] == images.sha256(path)
    for stats in listed(machine)["stats"]:
        assert stats["reads"] > 0 and stats["writes"] > 0
        assert (stats["errors"], stats["timeouts"], stats["rescues"], stats["device_resets"]) == (0, 0, 0, 0), stats


def killed_amid_writes(machine, served, queues, absent_s):
    """Kills the daemon with writes in flight on every queue, has it back after a while; what the command said."""
    command = f"bench vda rw=randwrite verify=1 iodepth=16 numjobs={queues} number_ios=1000 seed=3 json=1"
    machine.send(command + "\r")
    while served.written_bytes() < MiB:
        time.sleep(0.02)
    served.kill()
    time.sleep(absent_s)
    served.start()
    said = machine.output(deadline_s=400)
    assert served.written_bytes() > MiB, "all had been written before the daemon died"
    return said


@pytest.mark.timeout(240)
@pytest.mark.parametrize("queues,options", WAYS)
def test_daemon_that_comes_back_has_lost_nothing(prompt, daemon, queues, options):
    """QEMU keeps a list of what was in flight and the next daemon does it: nothing is late enough for a reset."""
    path, served = daemon(queues=queues, ios_per_s=SLOW_IOS_PER_S)
    machine = machine_of(prompt, served, queues, options)
    bench = killed_amid_writes(machine, served, queues, 0).one("bench")
    assert (bench["ios"], bench["errors"]) == (1000 * queues, 0)
    assert not machine.command("flush vda json=1").errors
    assert machine.command("sum vda json=1").one("sum")["sha256"] == images.sha256(path)
    for stats in listed(machine)["stats"]:
        assert (stats["errors"], stats["timeouts"], stats["device_resets"]) == (0, 0, 0), stats


@pytest.mark.timeout(240)
@pytest.mark.parametrize("queues,options", WAYS)
def test_daemon_that_comes_back_late_finds_a_reset(prompt, daemon, queues, options):
    """Beyond the time-out the device is reset while nobody serves it; what was in flight is done again, and is right."""
    path, served = daemon(queues=queues, ios_per_s=SLOW_IOS_PER_S)
    machine = machine_of(prompt, served, queues, f"{options} vstor.timeout=3000")
    bench = killed_amid_writes(machine, served, queues, 5).one("bench")
    assert (bench["ios"], bench["errors"]) == (1000 * queues, 0)
    assert not machine.command("flush vda json=1").errors
    assert machine.command("sum vda json=1").one("sum")["sha256"] == images.sha256(path)
    stats = listed(machine)["stats"]
    assert sum(one["device_resets"] for one in stats) >= 1 and sum(one["replays"] for one in stats) >= 1, stats
