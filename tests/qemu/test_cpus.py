# SPDX-License-Identifier: BSD-2-Clause
"""All CPUs start, take work, are interrupted, and wake from their sleep; a fault on any of them is told."""
import re

import pytest

import images
from harness import KERNEL_PVH, Machine
from test_boot import FIRMWARE_DEADLINE_S, MEDIA, ovmf
from harness import KERNEL

CHECK = (r"cpus: check: (\d+) ran, (\d+) were interrupted, (\d+) wake-ups, (\d+) elsewhere, (\d+) strays")
# Bits of IA32_MCi_STATUS: valid, uncorrected, enabled, context corrupt. (Intel SDM 3B, 15.3.2.2)
MACHINE_CHECK = 0xB200000000000000


def check_cpus(result, n, of=None):
    """`n` CPUs of `of` run; each ran its function and got its interrupt, on itself, and nobody another's."""
    result.expect_status(3)
    running, there = map(int, result.expect(r"cpus: (\d+) of (\d+) run").groups())
    assert (running, there) == (n, of or n), result.text
    counts = tuple(map(int, result.expect(CHECK).groups()))
    assert counts == (n, n, 100 if n > 1 else 0, 0, 0), result.text
    assert "warning:" not in result.text, result.text


@pytest.mark.smoke
@pytest.mark.parametrize("smp", ["1,maxcpus=2", "4"])
@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_all_cpus_run(run, machine, smp):
    check_cpus(run("vstor.log=debug; exit 3", machine=machine, smp=smp), int(smp[0]))


@pytest.mark.timeout(150)
@pytest.mark.parametrize("cpu", ["qemu64", "max"])
@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_64_cpus(run, machine, cpu):
    check_cpus(run("vstor.log=debug; exit 3", machine=machine, cpu=cpu, smp="64", deadline_s=400), 64)


@pytest.mark.timeout(150)
@pytest.mark.parametrize("smp", ["1,maxcpus=2", "4"])
def test_after_uefi(run, tmp_path, smp):
    """OVMF has had the other CPUs running, and leaves its own interrupts behind."""
    iso = images.grub_iso(KERNEL, "multiboot2", "vstor.log=debug ; exit 3", tmp_path)
    result = run("", boot=[], extra=MEDIA["cd"](iso) + ovmf(tmp_path), smp=smp, memory_mib=256,
                 deadline_s=FIRMWARE_DEADLINE_S)
    check_cpus(result, int(smp[0]))


def test_ids_with_gaps(run):
    """Three cores take two bits of an APIC id: ids are not numbers of CPUs."""
    check_cpus(run("vstor.log=debug; exit 3", smp="12,sockets=2,cores=3,threads=2"), 12)


def test_slots_are_no_cpus(run):
    """CPUs that could be plugged in are not waited for."""
    check_cpus(run("vstor.log=debug; exit 3", smp="2,maxcpus=8"), 2)


def test_without_firmware(run):
    check_cpus(run("vstor.log=debug; exit 3", smp="3", kernel=KERNEL_PVH), 3)
    check_cpus(run("vstor.log=debug; exit 3", smp="3", kernel=KERNEL_PVH, machine="microvm"), 3)


def test_one_cpu_where_no_table_names_them(run):
    """Without ACPI nothing says how many there are."""
    result = run("vstor.log=debug; exit 3", smp="4", kernel=KERNEL_PVH, machine="microvm,acpi=off")
    check_cpus(result, 1)


@pytest.mark.timeout(150)
def test_more_than_64(run):
    """64 are used, and the log says so."""
    result = run("vstor.log=debug; exit 3", smp="70", deadline_s=400).expect_status(3)
    result.expect(r"acpi: 6 CPUs more than the 64 that are used")
    result.expect(r"cpus: 64 of 70 run")
    result.expect(r"check: 64 ran, 64 were interrupted, 100 wake-ups, 0 elsewhere, 0 strays")


def test_option_limits_them(run):
    check_cpus(run("vstor.log=debug vstor.cpus=2; exit 3", smp="4"), 2, 4)
    check_cpus(run("vstor.log=debug vstor.cpus=1; exit 3", smp="4"), 1, 4)


@pytest.mark.smoke
@pytest.mark.parametrize("cpu", [0, 2])
def test_a_fault_names_its_cpu(cpu):
    """A machine check, which QEMU can raise on any CPU: the dump tells which, and the machine ends."""
    with Machine("", smp="4") as machine:
        machine.wait_for_prompt()
        machine.qmp("human-monitor-command", command_line=f"mce {cpu} 9 {MACHINE_CHECK:#x} 4 0 0")
        result = machine.wait()
    result.expect_status(0x7F)
    result.expect(rf"#MC machine check \(exception 18, error code 0x0\) at [0-9a-f]+ on CPU {cpu}$")
    result.expect(r"likely return addresses")
    assert len(re.findall("exception 18", result.text)) == 1, result.text
