# SPDX-License-Identifier: BSD-2-Clause
"""Multiboot and PVH kernels that others wrote: Xen with Debian's Linux on top of it, that Linux itself, GNU Mach, tboot.
Started by `boot` on BIOS and by vstor.efi on UEFI firmware."""
import contextlib
import re

import pytest

import foreign
import images
import linux_guest
from harness import Machine, plain
from test_boot_other import fat_disk
from test_efi_kernels import BLK, console

JOB = """
echo "command line: $(cat /proc/cmdline)"
echo "hypervisor: $(cat /sys/hypervisor/type 2>/dev/null)"
echo "firmware: $(ls /sys/firmware)"
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
    machine.wait_for(r"BEGIN 6\S+")
    text = plain(machine.transcript[machine._position:] + machine.wait(linux_guest.DEADLINE_S).text)
    for said in (f"cpus: {cpus}", f"disk: {digest}", "END 0"):
        assert said in text, f"not said: {said}\n{text[-3000:]}"
    return text


@pytest.mark.timeout(300)
@pytest.mark.parametrize("firmware", ["bios"])
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
    assert ("efi" in re.search("firmware: .*", text)[0]) == (firmware == "efi")
