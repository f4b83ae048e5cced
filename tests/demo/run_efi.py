#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make run-efi`: the boot loader vstor.efi under UEFI firmware (OVMF), on demonstration disks or an image of one's own.

Firmware starts the loader from a virtio disk. Its menu has Debian's kernel on a SCSI disk that the firmware does not
find, a unified kernel image on a CD, our own kernel by multiboot 2, and the UEFI Shell. On a terminal it waits for keys;
without one, Debian boots and checksums the disks it was loaded from, and the status is 0 if the host agrees.
"""
import argparse
import pathlib
import re
import sys
import tempfile

import run
import boot_media
import efi
import harness
import images
import linux_guest
from harness import Disk, Machine

DISKS = ("vda", "sda", "sr0")
JOB = f"""
grep -q shell /proc/cmdline && {{
    echo "This is Debian's kernel with busybox. Ctrl-D restarts."
    setsid sh -c 'exec sh -i </dev/ttyS0 >/dev/ttyS0 2>&1'
    exit
}}
echo "Debian has been loaded, and reads its disks by its own drivers:"
cd /dev
sha256sum {' '.join(DISKS)}
"""
WHAT_THERE_IS = """Firmware starts vstor.efi, whose menu has what it finds on
  vda  virtio-blk                  its own disk: our kernel by multiboot 2, the UEFI Shell
  sda  virtio-scsi, id 5, LUN 300  a disk that the firmware does not find: Debian's kernel
  sr0  virtio-scsi, id 6           a CD: Debian's kernel as a unified kernel image
Making these disks ..."""
LINUX_WORDS = "console=ttyS0 quiet panic=-1"
CHECK_ENTRY, SHELL_ENTRY = "debian-check", "debian-shell"


def linux_entry(title, version, words):
    return f"title {title}\nversion {version}\nlinux /debian/vmlinuz\ninitrd /debian/initramfs\noptions {words}\n"


def conf(terminal):
    """What the menu does: it waits, or boots the entry that checks."""
    return f"timeout {30 if terminal else 0}\ndefault {CHECK_ENTRY}.conf\n"


def demonstration_disks(folder, terminal):
    """By the names they have in our shell and in Linux."""
    debian = {"debian/vmlinuz": linux_guest.LINUX / "vmlinuz", "debian/initramfs": linux_guest.initramfs(JOB, {}, folder),
              f"loader/entries/{CHECK_ENTRY}.conf": linux_entry("Debian checks the disks", 2, LINUX_WORDS),
              f"loader/entries/{SHELL_ENTRY}.conf": linux_entry("Debian with a shell", 1, LINUX_WORDS + " shell")}
    on_scsi = boot_media.fat(folder / "sda.raw", boot_media.tree(folder / "sda", debian), mib=40)
    unified = boot_media.unified(folder / "debian.efi", folder / "initramfs", LINUX_WORDS)
    on_cd = boot_media.iso(folder / "sr0.iso", boot_media.tree(folder / "sr0", {"EFI/Linux/debian.efi": unified}))
    small = {"EFI/BOOT/BOOTX64.EFI": efi.LOADER, "vstor.elf": harness.KERNEL, "shellx64.efi": efi.uefi_shell(),
             "loader/loader.conf": conf(terminal),
             "loader/entries/vstor.conf": "title vstor's kernel\nversion 1\nlinux /vstor.elf\noptions lsblk; lsscsi\n"}
    adapter = ["-device", "virtio-scsi-pci,id=scsi0,disable-legacy=on"]
    return {"vda": Disk(boot_media.fat(folder / "vda.raw", boot_media.tree(folder / "vda", small), mib=40), serial="ESP",
                        properties={"bootindex": 0}),
            "sda": Disk(on_scsi, serial="DEBIAN", device="scsi-hd,bus=scsi0.0,scsi-id=5,lun=300", before=adapter),
            "sr0": Disk(on_cd, serial="CD", device="scsi-cd,bus=scsi0.0,scsi-id=6", readonly=True)}


def prepare(options, folder, terminal):
    """The disks by name, and QEMU's arguments for the firmware and what it starts."""
    if not options.disk:
        print(WHAT_THERE_IS, flush=True)
        return demonstration_disks(folder, terminal), efi.firmware_arguments()
    loader = efi.volume(folder, {"EFI/BOOT/BOOTX64.EFI": efi.LOADER})
    return {"vda": run.own_disk(options)}, efi.boot_arguments(loader)


class Lines:
    """Prints the guest's output line by line, without what moves the cursor, and of blank lines none."""

    def __init__(self):
        self.rest = ""

    def show(self, text):
        *lines, self.rest = (self.rest + text).split("\n")
        for line in map(harness.plain, lines):
            if line.strip():
                print(line, flush=True)


def talk(machine):
    """Connects the terminal until the guest ends or Ctrl-A X is typed; all that it said meanwhile."""
    print(run.HELP, flush=True)
    screen = run.Screen()
    return harness.plain(run.talk(machine, screen))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    run.add_disk_arguments(parser)
    options = parser.parse_args()
    terminal = sys.stdin.isatty()
    with tempfile.TemporaryDirectory(prefix="vstor-") as folder:
        disks, boot = prepare(options, pathlib.Path(folder), terminal)
        machine = Machine(boot=boot, disks=list(disks.values()), memory_mib=512)
        with machine:
            if terminal:
                text = talk(machine)
            else:
                machine.on_output = Lines().show
                try:
                    text = machine.wait(run.DEADLINE_S).text
                except harness.MachineError as error:
                    sys.exit(f"\n{error}")
        if options.disk or terminal and not re.search(r"^END 0", text, re.M):
            return 0
        print()
        return 0 if run.compare_sums(disks, text) else 1


if __name__ == "__main__":
    sys.exit(main())
