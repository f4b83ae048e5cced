# SPDX-License-Identifier: BSD-2-Clause
"""Every way in: loaders, firmware, sizes of memory, and devices that somebody drove before us."""
import shutil

import pytest

import images
from harness import KERNEL, KERNEL_PVH, Disk
from images import GiB, MiB

OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"
FIRMWARE_DEADLINE_S = 300


@pytest.fixture
def data_disk():
    """What every start has to read rightly."""
    return Disk(images.image("1m.raw"), serial="DATA")


def check_start(result):
    """The guest ran its command line to the end, read the disk rightly, and left with the status it was told."""
    result.expect_status(3)
    assert result.one("sum")["sha256"] == images.sha256(images.image("1m.raw"))


def ovmf(folder):
    """Arguments for UEFI firmware with variables of its own."""
    variables = folder / "vars.fd"
    shutil.copy(OVMF_VARS, variables)
    return ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={OVMF_CODE}",
            "-drive", f"if=pflash,unit=1,format=raw,file={variables}"]


@pytest.mark.smoke
@pytest.mark.parametrize("machine", ["pc", "q35"])
@pytest.mark.parametrize("kernel", [KERNEL, KERNEL_PVH], ids=["multiboot1", "pvh"])
def test_direct_start(run, data_disk, kernel, machine):
    """QEMU's -kernel: multiboot 1 for vstor.elf, the PVH note for vstor-pvh.elf."""
    check_start(run("sum serial=DATA json=1; exit 3", kernel=kernel, machine=machine, disks=[data_disk]))


@pytest.mark.parametrize("cpu", ["qemu64", "max", "Westmere"])
def test_processors(run, data_disk, cpu):
    """A plain, an old and the richest processor that QEMU emulates."""
    check_start(run("sum serial=DATA json=1; exit 3", cpu=cpu, disks=[data_disk]))


# How an ISO made by grub-mkrescue reaches the machine.
MEDIA = {
    "cd": lambda iso: ["-drive", f"if=none,id=cd,media=cdrom,readonly=on,file={iso}", "-device", "ide-cd,drive=cd"],
    "virtio-disk": lambda iso: ["-drive", f"if=none,id=boot,format=raw,snapshot=on,file={iso}",
                                "-device", "virtio-blk-pci,drive=boot,disable-legacy=on,bootindex=1,serial=BOOT"],
}


@pytest.mark.timeout(150)
@pytest.mark.parametrize("firmware", ["bios", "uefi"])
@pytest.mark.parametrize("medium", MEDIA)
@pytest.mark.parametrize("loader", ["multiboot", "multiboot2"])
def test_start_by_grub(run, tmp_path, data_disk, loader, medium, firmware):
    """GRUB's multiboot and multiboot2, on BIOS and UEFI; from a CD, and from a virtio disk, which the firmware has
    then driven before us: it must be reset first, and reads rightly too."""
    iso = images.grub_iso(KERNEL, loader, "sum serial=BOOT json=1 ; sum serial=DATA json=1 ; exit 3"
                          if medium == "virtio-disk" else "sum serial=DATA json=1 ; exit 3", tmp_path)
    extra = MEDIA[medium](iso) + (ovmf(tmp_path) if firmware == "uefi" else [])
    result = run("", boot=[], extra=extra, disks=[data_disk], memory_mib=256, deadline_s=FIRMWARE_DEADLINE_S)
    result.expect_status(3)
    sums = {record["bytes"]: record["sha256"] for record in result.of("sum")}
    assert sums[MiB] == images.sha256(images.image("1m.raw"))
    if medium == "virtio-disk":
        assert sums[iso.stat().st_size] == images.sha256(iso), "the disk that the firmware drove reads wrongly"


@pytest.mark.timeout(150)
def test_uefi_places_bars_and_all_is_found(run, tmp_path, data_disk):
    """UEFI on q35 with 6 GiB: disks behind a root port, wherever the firmware placed their BARs."""
    iso = images.grub_iso(KERNEL, "multiboot2", "lspci json=1 ; sum serial=DATA json=1 ; exit 3", tmp_path)
    data_disk.bus = "p1"
    result = run("", boot=[], extra=MEDIA["cd"](iso) + ovmf(tmp_path), disks=[data_disk], memory_mib=6144,
                 bridges=["pcie-root-port,id=p1,chassis=1,slot=1"], deadline_s=FIRMWARE_DEADLINE_S)
    check_start(result)
    function = next(f for f in result.of("lspci") if f.get("virtio") == "virtio-blk")
    bars = [bar for bar in function["bars"] if bar["kind"] == "memory64"]
    assert bars and all(bar["assigned"] for bar in bars), function
    assert any(bar["address"] >= 4 * GiB for bar in bars), f"OVMF no longer places them above 4 GiB: {bars}"


@pytest.mark.parametrize("kernel", [KERNEL, KERNEL_PVH], ids=["multiboot1", "pvh"])
@pytest.mark.parametrize("machine", ["pc", "q35"])
@pytest.mark.parametrize("memory_mib", [64, 6144])
def test_memory_sizes(run, data_disk, memory_mib, machine, kernel):
    """64 MiB are enough, and 6 GiB, of which a part lies above 4 GiB, do no harm."""
    check_start(run("sum serial=DATA json=1; exit 3", memory_mib=memory_mib, machine=machine, kernel=kernel,
                    disks=[data_disk]))


def test_command_line_is_taken_as_it_stands(run, tmp_path):
    """Several commands, quotes and a path of the kernel with a blank in it."""
    kernel = tmp_path / "my kernels" / "vstor.elf"
    kernel.parent.mkdir()
    shutil.copy(KERNEL, kernel)
    result = run('echo "one;  two" three; echo four;exit 5', kernel=kernel).expect_status(5)
    assert result.lines[-2:] == ["one;  two three", "four"]


@pytest.mark.smoke
def test_without_exit_comes_the_prompt(prompt):
    """A command line without `exit` ends at the prompt, an empty one as well."""
    assert prompt("echo done").command("echo here").text.strip() == "here"
    assert prompt().command("echo here").text.strip() == "here"


@pytest.mark.parametrize("status", [0, 1, 7, 127])
def test_exit_status(run, status):
    """`exit N` is what the machine's process ends with."""
    run(f"exit {status}").expect_status(status)


def test_exit_without_debug_exit_device_powers_off(run):
    """Where there is no isa-debug-exit the machine is powered off: QEMU ends with status 0."""
    with_device = run("exit")
    assert with_device.status == 0
    result = run("echo bye; exit", debug_exit=False)
    assert result.process_status == 0, f"QEMU ended with {result.process_status}\n{result.text}"


def test_system_reset_starts_anew(prompt, data_disk):
    """After a reset in the middle of things the same machine boots again and reads rightly."""
    machine = prompt(disks=[data_disk], reboot=True)
    machine.command("read vda 0 4k")
    machine.qmp("system_reset")
    machine.wait_for("vstor> ")
    assert machine.command("sum vda json=1").one("sum")["sha256"] == images.sha256(images.image("1m.raw"))


def test_reboot_command(prompt, data_disk):
    """`reboot` starts the machine again."""
    machine = prompt(disks=[data_disk], reboot=True)
    machine.send("reboot\r")
    machine.wait_for("\n")
    machine.wait_for("vstor> ")
    assert machine.command("sum vda json=1").one("sum")["bytes"] == MiB
