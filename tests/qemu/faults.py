# SPDX-License-Identifier: BSD-2-Clause
"""Disks of the host that fail or hardly answer: QEMU's blkdebug and throttle groups."""
import time

from harness import Disk
import images

EIO, ENOSPC = 5, 28
HARDLY_ANY = {"iops-total": 1}
UNLIMITED = {"iops-total": 0}


def throttled(tmp_path, device, properties, **disk):
    """A private writable disk behind the throttle group "g"."""
    path = images.copy_of(images.image("empty-16m.raw"), tmp_path)
    nodes = [{"driver": "file", "node-name": "file0", "filename": str(path)},
             {"driver": "raw", "node-name": "raw0", "file": "file0"},
             {"driver": "throttle", "node-name": "slow0", "throttle-group": "g", "file": "raw0"}]
    return Disk(path=path, blockdev=nodes, device=device, properties=properties, **disk)


def throttle(machine, limits):
    machine.qmp("qom-set", path="/objects/g", property="limits", value=limits)


def failing_nodes(path, iotype, bad, errno=EIO, once=False, times=1):
    """Nodes for a file of which commands of a kind fail that touch a bad sector; without sectors all do."""
    rule = {"event": "none", "iotype": iotype, "errno": errno, "once": once}
    rules = [dict(rule, sector=sector) for sector in bad] if bad else [rule]
    return [{"driver": "file", "node-name": f"file-{path.name}", "filename": str(path), "discard": "unmap",
             "cache": {"no-flush": True}},  # a slow host would be taken for a fault
            {"driver": "blkdebug", "node-name": f"debug-{path.name}", "image": f"file-{path.name}",
             "inject-error": rules * times, "discard": "unmap"},
            {"driver": "raw", "node-name": f"disk-{path.name}", "file": f"debug-{path.name}", "discard": "unmap"}]


def wait_for_stop(machine):
    deadline = time.monotonic() + 60
    while (status := machine.qmp("query-status")["status"]) != "io-error":
        assert time.monotonic() < deadline, f"the machine is {status}, not stopped by an error"
        time.sleep(0.01)
