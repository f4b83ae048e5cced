# SPDX-License-Identifier: BSD-2-Clause
"""Debian boots to user space with our driver as option ROM, by what knows nothing of it: the firmware's own boot manager,
GRUB, systemd-boot. The disks are such as OVMF's own drivers don't find, or don't drive as we do."""
import hashlib
import pathlib

import pytest

import boot_media
import efi
import images
import linux_guest
from harness import Disk, Machine

STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
SYSTEMD_BOOT = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"
PROGRAM = "EFI/BOOT/BOOTX64.EFI"
OPTIONS = "console=ttyS0 quiet panic=-1"
EXTRA = images.random_bytes(3_000_001, 78)
JOB = "sha256sum /extra; cat /proc/cmdline; test -d /sys/firmware/efi"
ROM = f"romfile={efi.ROM}"
BRIDGES = ["pcie-root-port,id=b1,chassis=1,slot=1", "pcie-pci-bridge,id=b2,bus=b1",
           "pci-bridge,id=b3,bus=b2,addr=1,chassis_nr=9"]


def unified_image(folder, tree):
    """Kernel, initrds and command line in one program: what the firmware starts by itself."""
    (folder / "cmdline").write_text(OPTIONS)
    (folder / "release").write_text("ID=debian\n")
    (folder / "initrd").write_bytes((tree / "debian/initramfs").read_bytes() + (tree / "debian/extra.cpio").read_bytes())
    sections = {".osrel": ("release", 0x20000), ".cmdline": ("cmdline", 0x30000), ".initrd": ("initrd", 0x3000000)}
    words = [word for name, (file, address) in sections.items()
             for word in (f"--add-section={name}={folder / file}", f"--change-section-vma={name}={address:#x}")]
    images.run_tool("objcopy", *words, f"--add-section=.linux={tree}/debian/vmlinuz", "--change-section-vma=.linux=0x2000000",
                    STUB, folder / "unified.efi")
    return folder / "unified.efi"


def grub(folder):
    """GRUB that looks for the kernel on whatever disks the firmware shows it."""
    (folder / "grub.cfg").write_text("search.file /debian/vmlinuz root\n"
                                     f"linux /debian/vmlinuz {OPTIONS}\n"
                                     "initrd /debian/initramfs /debian/extra.cpio\nboot\n")
    images.run_tool("grub-mkimage", "-O", "x86_64-efi", "-p", "/", "-c", folder / "grub.cfg", "-o", folder / "grub.efi",
                    "fat", "iso9660", "search_fs_file", "linux", "boot")
    return folder / "grub.efi"


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """By the name of what boots, a tree with it in the place where firmware looks."""
    def made(name, program):
        folder = tmp_path_factory.mktemp(name)
        tree = boot_media.debian(folder, JOB, {"extra": EXTRA}, OPTIONS)
        return boot_media.tree(tree, {PROGRAM: program(folder, tree)})

    programs = {"firmware": lambda folder, tree: unified_image(folder, tree), "grub": lambda folder, _: grub(folder),
                "systemd-boot": lambda *_: pathlib.Path(SYSTEMD_BOOT)}
    return lambda name: made(name, programs[name])


def bootable_cd(folder, tree):
    """El Torito: firmware starts what stands on a FAT image in it. (UEFI 2.9, 13.3.2)"""
    inner = boot_media.tree(folder / "inner", {PROGRAM: tree / PROGRAM})
    boot_media.fat(tree / "efi.img", inner)
    images.run_tool("genisoimage", "-quiet", "-R", "-J", "-V", "BOOT_CD", "-e", "efi.img", "-no-emul-boot", "-o",
                    folder / "cd.iso", tree)
    return folder / "cd.iso"


def disk(where, tree, folder, rom=ROM):
    """A disk with the tree. What makes it ours to find, or to drive so, is in the comments."""
    adapter = ["-device", "virtio-scsi-pci,disable-legacy=on,id=a0" + (f",{rom}" if rom else "")]
    packed = f"virtio-blk-pci,disable-legacy=on,packed=on,{rom}"  # OVMF's driver takes split rings alone
    if where == "cd":  # target 0 is not there: OVMF's driver looks no further
        return Disk(bootable_cd(folder, tree), device="scsi-cd,bus=a0.0,scsi-id=5", before=adapter, readonly=True)
    image = boot_media.fat(folder / "disk.raw", tree, 4096 if "4Kn" in where else 512)
    if where == "scsi 5:300":
        return Disk(image, device="scsi-hd,bus=a0.0,scsi-id=5,lun=300", before=adapter)
    if where == "4Kn behind bridges":
        return Disk(image, device=packed, bus="b3", properties={"logical_block_size": 4096, "physical_block_size": 4096})
    return Disk(image, device=packed)


@pytest.mark.parametrize("program,where", [("firmware", "scsi 5:300"), ("grub", "cd"), ("grub", "packed"),
                                           ("systemd-boot", "scsi 5:300"), ("systemd-boot", "4Kn behind bridges")])
def test_debian_boots_by_option_rom(program, where, trees, tmp_path):
    described = disk(where, trees(program), tmp_path)
    with Machine(boot=efi.flash_arguments(efi.VARIABLES), disks=[described], bridges=BRIDGES if "bridges" in where else [],
                 memory_mib=512, debug_exit=False) as machine:
        machine.wait_for(r"BdsDxe: starting Boot")
        if "scsi" not in described.device:
            assert "VIRTIO_F_RING_PACKED" in machine.negotiated_features()
        result = machine.wait(linux_guest.DEADLINE_S)
    result.expect(r"^END 0")
    result.expect(f"^{hashlib.sha256(EXTRA).hexdigest()}  /extra$")
    result.expect(rf"{OPTIONS}$")


def test_firmware_alone_finds_no_disk_there(trees, tmp_path):
    """So what the tests above show is our driver's doing."""
    with Machine(boot=efi.flash_arguments(efi.VARIABLES), disks=[disk("scsi 5:300", trees("firmware"), tmp_path, rom="")],
                 memory_mib=512) as machine:
        machine.wait_for(r"EFI Internal Shell")
        assert "Scsi(" not in machine.transcript
