# SPDX-License-Identifier: BSD-2-Clause
"""The boot loader on aarch64, under AAVMF: Debian's kernel, the console, and what is no kernel for this processor."""
import hashlib
import re
import struct

import pytest

import boot_media
import efi
import images
import linux_guest
from harness import Disk, Machine

BLK, SCSI = "virtio-blk-pci,disable-legacy=on", "virtio-scsi-pci,disable-legacy=on"
EXTRA = images.random_bytes(100_001, 77)
OPTIONS = "console=ttyAMA0 quiet panic=-1 some.words=" + "y" * 1000
JOB = r"""
uname -m
sha256sum /extra
cat /proc/cmdline
mount -t efivarfs efivarfs /sys/firmware/efi/efivars && cd /sys/firmware/efi/efivars || exit 1
for v in Loader*; do
    echo "$v=$(tail -c +5 $v | tr -d '\000')"
done
"""
# A multiboot 1 header whose sum is right.
MULTIBOOT = struct.pack("<III", 0x1badb002, 0, -0x1badb002 & 0xffffffff).ljust(4096, b"\0")


@pytest.fixture(scope="module")
def debian(tmp_path_factory):
    return boot_media.debian(tmp_path_factory.mktemp("debian"), JOB, {"extra": EXTRA}, options=OPTIONS,
                             files={"x86.bin": MULTIBOOT})


def expect_linux(result):
    result.expect(r"^aarch64$")
    result.expect(f"^{hashlib.sha256(EXTRA).hexdigest()}  /extra$")
    result.expect(f"^{OPTIONS}$")
    result.expect(r"^END 0")


@pytest.mark.parametrize("rom", [False, True])
def test_debian_boots_from_the_disk_that_the_loader_came_from(rom, debian, tmp_path):
    """By the firmware's driver, or by ours out of the device's option ROM; both end when the loader takes the disk over."""
    tree = boot_media.tree(debian, {efi.BOOT_FILE: efi.LOADER})
    disk = Disk(boot_media.esp(tmp_path / "esp.raw", tree), device=BLK, properties={"bootindex": 0})
    if rom:
        disk.properties["romfile"] = efi.ROM
    with Machine(boot=efi.firmware_arguments(), disks=[disk], memory_mib=1024, debug_exit=False) as guest:
        result = guest.wait(linux_guest.DEADLINE_S)
    expect_linux(result)
    told = dict(re.findall(r"^(Loader\w+)-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f=(.*)$", result.text, re.M))
    assert told["LoaderEntrySelected"] == "debian.conf"
    assert told["LoaderImageIdentifier"].upper() == "\\EFI\\BOOT\\BOOTAA64.EFI"
    assert 0 < int(told["LoaderTimeInitUSec"]) < int(told["LoaderTimeExecUSec"])


def test_console_and_a_disk_that_the_firmware_does_not_find(debian, tmp_path):
    """What the shell says of the disks; a kernel for another processor is refused; then Linux from LUN 300."""
    whole = images.image("random-16m.raw")
    (debian / "loader/loader.conf").write_text("timeout menu-force\n")
    disks = [Disk(whole, device=BLK, serial="WHOLE"),
             Disk(boot_media.fat(tmp_path / "disk.raw", debian), device="scsi-hd,bus=a0.0,scsi-id=5,lun=300",
                  before=["-device", f"{SCSI},id=a0"])]
    boot = efi.boot_arguments(efi.volume(tmp_path, {efi.BOOT_FILE: efi.LOADER}))
    with Machine(boot=boot, disks=disks, memory_mib=1024, debug_exit=False) as guest:
        efi.console_from_menu(guest)
        found = guest.command("lsblk json=1").of("lsblk")
        assert [(disk["dev"], disk.get("hctl")) for disk in found] == [("vda", None), ("sda", "0:0:5:300")]
        guest.command("sum vda").expect(hashlib.sha256(whole.read_bytes()).hexdigest())
        guest.command("boot sda /x86.bin").expect("it is a kernel for x86 processors; this one's are EFI programs")
        guest.send(f"boot sda /debian/vmlinuz initrd=/debian/initramfs initrd=/debian/extra.cpio {OPTIONS}\r")
        result = guest.wait(linux_guest.DEADLINE_S)
    expect_linux(result)
