# SPDX-License-Identifier: BSD-2-Clause
"""What the QEMU tests share. Images: see images.py; machines: see harness.py."""
import pytest

import harness
import images
from harness import Disk


def dealt(items, n_workers):
    """The same, so that each of xdist's workers has its share of the first ones: it hands to one after the other a quarter
    of what an equal part would be, and only then one by one. (xdist/scheduler/load.py)"""
    n_each = max(len(items) // n_workers // 4, 2)
    first = items[:n_workers * n_each]
    return [item for worker in range(n_workers) for item in first[worker::n_workers]] + items[len(first):]


def pytest_collection_modifyitems(config, items):
    """
    Tests that carry a time limit are long ones, and start first, so that none of them is left running alone at the end.
    Limits are for a machine of one's own; one that others use as well gets four times as long.
    """
    def limit(item):
        marker = item.get_closest_marker("timeout")
        return marker.args[0] if marker else 0
    items.sort(key=limit, reverse=True)
    for item in items:
        if limit(item):
            item.add_marker(pytest.mark.timeout(4 * limit(item)), append=False)
    items[:] = dealt(items, getattr(config, "workerinput", {"workercount": 1})["workercount"])


@pytest.fixture(scope="session")
def run():
    """harness.run, as a fixture so that a test reads: run("lsblk json=1; exit", disks=[...])."""
    return harness.run


@pytest.fixture
def prompt():
    """Starts machines that stay at their prompt; they end with the test."""
    started = []

    def start(append="", **machine):
        one = harness.Machine(append, **machine)
        started.append(one)
        one.start()
        one.wait_for_prompt()
        return one

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def small_disk():
    """1 MiB of random bytes."""
    return Disk(images.image("1m.raw"), serial="SMALL")


@pytest.fixture
def writable(tmp_path):
    """A function that gives a private writable disk from an image's name."""
    def make(name="empty-16m.raw", **disk):
        return Disk(images.copy_of(images.image(name), tmp_path), writable=True, **disk)
    return make
