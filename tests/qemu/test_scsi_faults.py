# SPDX-License-Identifier: BSD-2-Clause
"""SCSI commands that the host's disk fails (QEMU's blkdebug): what QEMU makes of each errno, and what the SCSI layer's
table promises for that; and disks that hardly answer (a throttle group), brought back step by step.

QEMU's sense data name no block, so what an error names is the command: where it begins. What may be tried again is,
as often as the table says: an error that comes once is not seen above the driver.
"""
import pytest

import images
import pattern
from faults import HARDLY_ANY, UNLIMITED, failing_nodes, throttle, throttled, wait_for_stop
from harness import Disk
from images import MiB
from test_scsi import UNIT, adapter

SECTOR = 512
BAD = (100, 1234, 2047)  # QEMU itself reads the first, to guess a geometry

# errno: (what it is called when it comes each time, whether once is not seen), in QEMU's words
OUTCOMES = {
    5: ("io", True),            # ABORTED COMMAND, I/O process terminated
    12: ("io", True),           # HARDWARE ERROR, internal target failure
    22: ("unsupported", False),  # ILLEGAL REQUEST, invalid field in CDB
    28: ("no_space", False),    # DATA PROTECT, space allocation failed
    52: ("reserved", False),    # RESERVATION CONFLICT
    61: ("media", True),        # MEDIUM ERROR, unrecovered read error
    121: ("io", True),          # HARDWARE ERROR, internal target failure
    123: ("no_medium", False),  # NOT READY, medium not present
}
TASK_SET_FULL = 33
COMMANDS = {"read": "read {dev} {offset} {n} json=1", "write": "fill {dev} {offset} {n} seed={seed} json=1"}


@pytest.fixture
def failing(tmp_path):
    """A function that gives the n-th disk behind an adapter, a private copy on which commands of a kind fail."""
    def make(number, iotype, bad=BAD, policy="report", **how):
        path = tmp_path / f"disk{number}.raw"
        path.write_bytes(images.image("1m.raw").read_bytes())
        return Disk(path, device=UNIT, blockdev=failing_nodes(path, iotype, bad, **how),
                    before=adapter() if number == 0 else [],
                    properties={"rerror": policy, "werror": policy, "scsi-id": number})
    return make


def name_of(number):
    return f"sd{chr(ord('a') + number)}"


class Disks:
    """Disks at a machine's prompt, one for each errno, once and for ever, beside what they should hold."""

    def __init__(self, prompt, failing, iotype, cases):
        self.iotype = iotype
        self.cases = cases
        self.disks = [failing(i, iotype, errno=errno, once=once) for i, (errno, once) in enumerate(cases)]
        self.machine = prompt(disks=self.disks)

    def attempt(self, number, sector, n=1):
        """Reads or writes, and what is said of it: None, or the name of an error, which is at the right place."""
        offset, seed = sector * SECTOR, number + 1
        data = pattern.pattern(offset, n * SECTOR, seed)
        result = self.machine.command(COMMANDS[self.iotype].format(dev=name_of(number), offset=offset, n=n * SECTOR,
                                                                   seed=seed))
        if result.errors:
            error = result.errors[0]
            assert (error["dev"], error["offset"]) == (name_of(number), offset), error
            return error["error"]
        held = self.disks[number].path.read_bytes()[offset:offset + n * SECTOR]
        assert held == (data if self.iotype == "write" else bytes.fromhex(result.one("read")["hex"]))
        return None


@pytest.mark.parametrize("iotype", [pytest.param("read", marks=pytest.mark.smoke), "write"])
def test_each_errno(prompt, failing, iotype):
    """What each errno becomes, once and for ever; the sectors beside it are read and written all the same."""
    disks = Disks(prompt, failing, iotype, [(errno, once) for errno in OUTCOMES for once in (False, True)])
    for number, (errno, once) in enumerate(disks.cases):
        name, is_hidden = OUTCOMES[errno]
        for sector in BAD:
            told = [disks.attempt(number, sector), disks.attempt(number, sector)]
            first = None if once and is_hidden else name
            assert told == [first, None if once else name], (errno, once, sector, told)
            for beside in (sector - 1, sector + 1):
                if beside < 2048:
                    assert disks.attempt(number, beside) is None, (errno, once, beside)
        stats = disks.machine.command(f"stats {name_of(number)} json=1").one("stats")
        assert (stats["timeouts"], stats["rescues"], stats["device_resets"]) == (0, 0, 0), stats


def test_task_set_full_once(prompt, failing):
    """TASK SET FULL: tried again until there is room, with fewer commands at a time; nothing is lost."""
    disk = failing(0, "write", errno=TASK_SET_FULL, once=True)
    machine = prompt(disks=[disk])
    bench = machine.command("bench sda rw=write bs=16k iodepth=32 number_ios=64 verify=1 json=1").one("bench")
    assert (bench["ios"], bench["errors"]) == (64, 0)
    stats = machine.command("stats json=1").one("stats")
    assert stats["errors"] == len(BAD) and stats["replays"] >= len(BAD), stats


@pytest.mark.parametrize("once", [False, True])
def test_failing_flush(prompt, failing, once):
    """A flush that fails is tried again; one that fails each time is told."""
    machine = prompt(disks=[failing(0, "flush", bad=(), once=once)])
    assert not machine.command("write sda 4096 0123 json=1").errors
    flushed = machine.command("flush sda json=1")
    assert [e["error"] for e in flushed.errors] == ([] if once else ["io"])


@pytest.mark.parametrize("iotype", ["read", "write"])
def test_stopped_by_the_host(prompt, failing, iotype):
    """rerror= and werror=stop: the machine stops until somebody has put things right; then the command is done."""
    disk = failing(0, iotype, bad=(1234,), policy="stop", errno=28, once=True)
    machine = prompt("vstor.timeout=1000", disks=[disk])
    machine.send({"read": "sum sda 256k 768k", "write": "fill sda 0 1M seed=5"}[iotype] + " json=1\r")
    machine.wait_for("\n")
    wait_for_stop(machine)
    machine.qmp("cont")
    machine.wait_for_prompt()
    if iotype == "write":
        assert disk.path.read_bytes() == pattern.pattern(0, MiB, 5)
    stats = machine.command("stats json=1").one("stats")
    # Of what QEMU (7.2) has tried again itself it says that nothing was transferred: it is given again.
    assert stats["errors"] <= 1 and stats["timeouts"] == 0, stats


# ---------------------------------------------------------------- functions

def test_functions_by_hand(prompt, tmp_path):
    """Each task management function, as QEMU answers it, and that the disk goes on after it."""
    path = images.copy_of(images.image("1m.raw"), tmp_path)
    machine = prompt(disks=[Disk(path, device=UNIT, before=adapter()), Disk(images.image("1m.raw"))])
    for function in ("abort", "abort_set", "clear_set", "nexus_reset", "lun_reset"):
        record = machine.command(f"tmf sda {function} json=1").one("tmf")
        assert (record["dev"], record["function"], record["response"]) == ("sda", function, "complete")
        assert machine.command("sum sda json=1").one("sum")["sha256"] == images.sha256(path), function
    for function in ("query", "query_set"):
        assert machine.command(f"tmf sda {function} tag=77 json=1").one("tmf")["present"] is False
        assert "there is no such task" in machine.command(f"tmf sda {function}").text
    assert machine.command("tmf sda clear_aca json=1").error("tmf")["error"] == "unsupported"
    assert "there is no function" in machine.command("tmf sda reset").text
    assert machine.command("tmf vda lun_reset json=1").error("tmf")["error"] == "unsupported"


# ---------------------------------------------------------------- commands that are hardly ever answered

TIMEOUT_MS = 1500


def silent(prompt, tmp_path, options="", more=(), **properties):
    """A machine whose first disk is behind the throttle group "g", and others behind the same adapter."""
    disk = throttled(tmp_path, UNIT, {}, before=adapter(**properties))
    return disk, prompt(f"vstor.timeout={TIMEOUT_MS} {options}", disks=[disk, *more],
                        objects=["throttle-group,id=g"])


def until(machine, command, step):
    """Runs a command while hardly anything is answered, until that step has been taken."""
    throttle(machine, HARDLY_ANY)
    machine.send(command + "\r")
    machine.wait_for(command)
    machine.wait_for(step)
    throttle(machine, UNLIMITED)
    machine.wait_for_prompt()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("packed", ["off", "on"])
@pytest.mark.parametrize("step", ["LUN reset", "I_T nexus reset", "adapter reset"])
def test_silent_disk_is_brought_back(prompt, tmp_path, step, packed):
    """Abort (which QEMU answers only when the host's disk has), and each step behind it, until the disk answers again:
    no error is seen, and the bytes are right."""
    disk, machine = silent(prompt, tmp_path, packed=packed)
    until(machine, "fill sda 1M 4M seed=5", f"not answered in time: {step}")
    assert "abort task" in machine.transcript
    assert machine.command("verify sda 1M 4M seed=5 json=1").one("verify")["bytes"] == 4 * MiB
    assert disk.path.read_bytes()[MiB:5 * MiB] == pattern.pattern(MiB, 4 * MiB, 5)
    stats = machine.command("stats json=1").one("stats")
    assert stats["timeouts"] >= 1 and stats["replays"] >= 1, stats
    assert stats["device_resets"] == 0 or step == "adapter reset"
    assert machine.command("lsblk json=1").one("lsblk")["broken"] is False


@pytest.mark.timeout(240)
def test_neighbour_goes_on(prompt, tmp_path):
    """A disk falls silent under one that is being read at the same time by the same command: no read of that fails,
    and it is reset for nothing."""
    source = Disk(images.image("random-16m.raw"), device=UNIT, properties={"scsi-id": 1})
    disk, machine = silent(prompt, tmp_path, more=[source])
    until(machine, "copy sdb sda 8M", "not answered in time: LUN reset")
    assert not machine.command("flush sda json=1").errors
    assert disk.path.read_bytes()[:8 * MiB] == images.image("random-16m.raw").read_bytes()[:8 * MiB]
    stats = machine.command("stats sdb json=1").one("stats")
    assert (stats["errors"], stats["timeouts"], stats["replays"], stats["device_resets"]) == (0, 0, 0, 0), stats


@pytest.mark.timeout(240)
def test_disk_that_stays_silent_is_given_up(prompt, tmp_path):
    """Its requests end with an error, it ends out of service, and its neighbour is not."""
    slow = Disk(device=UNIT, before=adapter(),
                blockdev=[{"driver": "null-co", "node-name": "slow0", "size": MiB, "latency-ns": 3_000_000_000}])
    other = Disk(images.image("1m.raw"), device=UNIT, properties={"scsi-id": 1})
    machine = prompt("vstor.timeout=400", disks=[slow, other])
    for _ in range(3):
        error = machine.command("read sda 0 512 json=1").error("read")["error"]
        assert error in ("timeout", "broken")
        assert machine.command("sum sdb json=1").one("sum")["sha256"] == images.sha256(images.image("1m.raw"))
    assert error == "broken"
    assert machine.command("lsblk json=1").of("lsblk", "sda")[0]["broken"] is True
    assert machine.command("lsblk json=1").of("lsblk", "sdb")[0]["broken"] is False
