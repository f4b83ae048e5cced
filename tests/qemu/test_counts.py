# SPDX-License-Identifier: BSD-2-Clause
"""The budgets. Counts of instructions are repeatable, unlike times, so a test may hold them."""
import pytest

import bench
import icount

IOS = 10000


READS = [(driver, ring, *shape, budget) for driver in bench.TITLES
         for ring, shapes in bench.BUDGET.of(driver).items() for shape, budget in shapes.items()]


@pytest.mark.parametrize("driver,ring,depth,size,budget", READS)
def test_instructions_per_read_stay_in_budget(driver, ring, depth, size, budget):
    """Guest instructions per random read, polled, through the public block API. Of 128 KiB: at most twice that of 4 KiB."""
    count = icount.random_reads(depth, IOS, ring, size, driver=driver)
    assert count.per_io("instructions") <= budget, f"{count.per_io('instructions'):.1f} per read; {count}"


@pytest.mark.parametrize("ring", ["split", "packed"])
@pytest.mark.parametrize("driver", bench.TITLES)
def test_kicks_and_interrupts_at_depth_32(driver, ring):
    """At most 1/16 doorbell a read, no interrupt while polling, and the guest's own count agrees with QEMU's trace."""
    count = icount.random_reads(32, IOS, ring, driver=driver)
    assert count.per_io("kicks") <= bench.BUDGET.kicks_depth_32, count
    assert count.per_io("interrupts") <= 0.01, count


@pytest.mark.parametrize("driver", bench.TITLES)
def test_interrupts_are_no_more_than_it_takes(driver):
    """With MSI-X: one for each read where each is waited for; for many at once at depth 32, where the guest's own polling
    may be faster than any."""
    one, many = (icount.random_reads(depth, IOS // 5, driver=driver, irq="msix") for depth in (1, 32))
    assert 0 < one.per_io("interrupts") <= 1.01, one
    assert many.per_io("kicks") <= 1 / 4 and many.per_io("interrupts") <= 1 / 4, many


@pytest.mark.smoke
def test_boot_to_first_read_stays_in_budget():
    """From _start to the end of the first read on q35 with one disk, PCI scan included."""
    count = icount.boot_to_first_read()
    assert 0 < count.instructions <= bench.BUDGET.boot_instructions, count


def test_spin_is_reported_apart():
    """At depth 1 with 20 microseconds of latency the guest waits; that is counted as waiting, not as work."""
    assert icount.random_reads(1, 500).spin > 0


@pytest.mark.parametrize("name", ["kernel_bytes", "library_text_bytes"])
def test_sizes_stay_in_budget(name):
    """Kernel image under 400 KiB; text of virtio-pci, rings and virtio-blk under 24 KiB."""
    assert 0 < bench.sizes()[name] <= getattr(bench.BUDGET, name)


def test_report_of_the_plugin_is_read_rightly():
    """A window's line as icnt writes it, and the trace around it."""
    windows = icount.parse_report("win 1 seq 0 total 1000 user 1000 kernel 0 rep2 10 pio 0 spin 90 idle 0 uniq 3 "
                                  "mmio_r 0 mmio_w 5 [virtio@fe000000 r 0 w 5]\nend total 5000 slots 9\n")
    (number, counters), = windows
    assert (number, counters["total"], counters["rep2"], counters["spin"]) == (1, 1000, 10, 90)
    assert icount.Window(1, counters, 5, 2).count(10) == icount.Count(900, 90, 5, 2, 10)
    trace = ("virtio_queue_notify vdev 0x1 n 0 vq 0x2\nMARK b 1\nvirtio_queue_notify vdev 0x1 n 0 vq 0x2\n"
             "virtio_notify vdev 0x1 vq 0x2\nMARK e 1\nvirtio_queue_notify vdev 0x1 n 0 vq 0x2\n")
    assert icount.count_events(trace.splitlines()) == [(1, 1, 1)]
