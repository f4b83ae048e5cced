# SPDX-License-Identifier: BSD-2-Clause
"""Multiboot and PVH kernels that others wrote: Xen with Debian's Linux on top of it, that Linux itself, GNU Mach, tboot.
Started by `boot` on BIOS and by vstor.efi on UEFI firmware."""
import contextlib
import re
import time

import pytest

import foreign
import images
import linux_guest
from harness import DEADLINE_S, Machine, plain
from test_boot_other import fat_disk
from test_efi_kernels import BLK, console

JOB = """
echo "command line: $(cat /proc/cmdline)"
echo "hypervisor: $(cat /sys/hypervisor/type 2>/dev/null)"
echo "firmware: $(echo $(ls /sys/firmware))"
echo "cpus: $(grep -c ^processor /proc/cpuinfo)"
echo "disk: $(dd if=/dev/vda bs=64k count=16 2>/dev/null | sha256sum)"
"""


@contextlib.contextmanager
def prompt(firmware, **machine):
    """A machine at the prompt: that of our kernel, or of vstor.efi's console."""
    machine = dict(memory_mib=768, smp="2", debug_exit=False, **machine)
    if firmware == "efi":
        with console(**machine) as started:
            yield started
        return
    with Machine(**machine) as started:
        started.wait_for_prompt()
        yield started


def linux_disk(folder, files):
    """A disk with these files and the initramfs that does the job; the sum that the job finds."""
    disk = fat_disk(folder, {**files, "initrd.img": linux_guest.initramfs(JOB, {}, folder)}, 200 * images.MiB, **BLK)
    with open(disk.path, "rb") as content:
        return disk, images.hashlib.sha256(content.read(1 << 20)).hexdigest()


def end_of_linux(machine, digest, cpus=2):
    """What it said between start and end of its job."""
    machine.wait_for(r"BEGIN 6\S+", linux_guest.DEADLINE_S)
    text = plain(machine.transcript[machine._position:] + machine.wait(linux_guest.DEADLINE_S).text)
    for said in (f"cpus: {cpus}", f"disk: {digest}", "END 0"):
        assert said in text, f"not said: {said}\n{text[-3000:]}"
    return text


@pytest.mark.timeout(300)
@pytest.mark.parametrize("firmware", ["bios", "efi"])
def test_xen(tmp_path, firmware):
    """By multiboot 2, with nothing but its console on the command line: Debian's Linux is its dom0, whose words stand
    behind the path of the module, and comes up to user space. On UEFI Xen wants boot services left to it."""
    disk, digest = linux_disk(tmp_path, {"xen": foreign.kernel("xen"), "vmlinuz": linux_guest.LINUX / "vmlinuz"})
    with prompt(firmware, disks=[disk]) as machine:
        machine.send("boot vda /xen 'module=/vmlinuz console=hvc0 quiet panic=-1 a word' initrd=/initrd.img "
                     "first com1=115200,8n1 console=com1,vga dom0_mem=400M\r")
        machine.wait_for(r"Bootloader: vstor")
        machine.wait_for(r"Command line: com1=115200,8n1 console=com1,vga dom0_mem=400M")
        machine.wait_for("PHYSICAL MEMORY ARRANGEMENT")
        text = end_of_linux(machine, digest)
    assert "command line: console=hvc0 quiet panic=-1 a word" in text and "hypervisor: xen" in text
    assert ("efi" in re.search("firmware: .*", text)[0].split()) == (firmware == "efi")


def test_xen_by_multiboot_1(tmp_path):
    """Which hands on a memory map, modules and words in other structures."""
    disk, _ = linux_disk(tmp_path, {"xen": foreign.kernel("xen"), "vmlinuz": linux_guest.LINUX / "vmlinuz"})
    with prompt("bios", disks=[disk]) as machine:
        machine.send("boot vda /xen as=multiboot 'module=/vmlinuz console=hvc0' initrd=/initrd.img "
                     "first com1=115200,8n1 console=com1,vga dom0_mem=400M\r")
        machine.wait_for(r"Bootloader: vstor")
        machine.wait_for(r"Command line: com1=115200,8n1 console=com1,vga dom0_mem=400M")
        machine.wait_for("Init. ramdisk: ")


@pytest.mark.timeout(250)
@pytest.mark.parametrize("firmware", ["bios", "efi"])
def test_linux_by_pvh(tmp_path, firmware):
    """Debian's Linux as an ELF file with a PVH note comes up to user space, on all CPUs, with its initrd."""
    disk, digest = linux_disk(tmp_path, {"vmlinux": linux_guest.vmlinux()})
    with prompt(firmware, disks=[disk]) as machine:
        machine.send("boot vda /vmlinux initrd=/initrd.img console=ttyS0 quiet panic=-1 no_timer_check\r")
        machine.wait_for(r"pvh, \S+ read")
        text = end_of_linux(machine, digest)
    assert "command line: console=ttyS0 quiet panic=-1 no_timer_check" in text
    assert "efi" not in re.search("firmware: .*", text)[0].split()  # PVH has no word for it


MACH_FIRST, MACH_BYTES = 0x1000000, 0x200000


def mach_messages(machine, folder):
    """All text in GNU Mach's place, the ring of its messages among it. Its serial port it finds by a BIOS alone."""
    path = folder / "mach.ram"
    machine.qmp("pmemsave", val=MACH_FIRST, size=MACH_BYTES, filename=str(path))
    return b"\n".join(re.findall(rb"[ -~\n]{4,}", path.read_bytes())).decode()


@pytest.mark.timeout(200)
@pytest.mark.parametrize("firmware", ["bios", "efi"])
def test_gnu_mach(tmp_path, firmware):
    """A multiboot 1 kernel of 64 bits: it takes the memory map, its words, and a module that it would start. Of OVMF's
    pieces of memory it finds none good enough for itself, and ends when it has listed them."""
    disk = fat_disk(tmp_path, {"gnumach": foreign.kernel("gnumach"), "server": b"no program"}, **BLK)
    expected = ["GNU Mach 1.8", "biosmem: physical memory map:", r"biosmem: 0*100000:\w+, available"]
    with prompt(firmware, disks=[disk], extra=["-no-shutdown"]) as machine:
        machine.send("boot vda /gnumach initrd=/server console=com0\r")
        machine.wait_for("multiboot1, ")
        if firmware == "bios":
            for text in expected + ["Loading single multiboot module in compat mode: /server"]:
                machine.wait_for(text)
            return
        deadline = time.monotonic() + DEADLINE_S
        while "vm_page: page table size" not in mach_messages(machine, tmp_path):
            assert time.monotonic() < deadline, mach_messages(machine, tmp_path)
            time.sleep(1)
        for text in expected + [r"biosmem: \w+:\w+, ACPI NVS"]:
            assert re.search(text, mach_messages(machine, tmp_path)), text


@pytest.mark.timeout(200)
def test_tboot(tmp_path):
    """Intel's tboot, by multiboot 2: it reads memory map, words and modules, and hands over to Linux. Its place is one
    where OVMF keeps something that stays."""
    disk, _ = linux_disk(tmp_path, {"tboot": foreign.kernel("tboot"), "vmlinuz": linux_guest.LINUX / "vmlinuz"})
    with prompt("bios", disks=[disk]) as machine:
        machine.send("boot vda /tboot 'module=/vmlinuz console=ttyS0' initrd=/initrd.img logging=serial\r")
        machine.wait_for("TBOOT: command line: logging=serial")
        machine.wait_for(r"TBOOT:\s+0*100000 - \w+\s+\(1\)")
        machine.wait_for("TBOOT: Initrd from")
        machine.wait_for(r"TBOOT:\s+/vmlinuz console=ttyS0\s")
        machine.wait_for("TBOOT: transfering control to kernel")
