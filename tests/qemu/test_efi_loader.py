# SPDX-License-Identifier: BSD-2-Clause
"""The boot loader vstor.efi under OVMF, started from a volume that is on no virtio disk, or from one that is."""
import contextlib
import re
import tempfile

import pytest

import efi
import images
from harness import Disk, Machine, plain

BLK, SCSI = "virtio-blk-pci,disable-legacy=on", "virtio-scsi-pci,disable-legacy=on"


@contextlib.contextmanager
def loader(files=None, **machine):
    """A machine that starts vstor.efi from a volume with these files besides."""
    machine.setdefault("memory_mib", 256)
    with tempfile.TemporaryDirectory(prefix="vstor-loader-") as folder:
        image = efi.volume(folder, {"EFI/BOOT/BOOTX64.EFI": efi.LOADER, **(files or {})})
        with Machine(boot=efi.boot_arguments(image), **machine) as started:
            yield started


@pytest.mark.smoke
@pytest.mark.parametrize("rom", [False, True])
def test_disks_are_found_wherever_they_are(rom):
    """Also those that the firmware's driver misses; and where another of our drivers has the disk already."""
    path = images.image("1m.raw")
    disks = [Disk(path, device=BLK, properties={"romfile": efi.ROM} if rom else {}),
             Disk(path, device="scsi-hd,bus=a0.0,scsi-id=1,lun=1", before=["-device", f"{SCSI},id=a0"]),
             Disk(path, device="scsi-cd,bus=a0.0,scsi-id=3"),
             Disk(path, device="scsi-hd,bus=a0.0,scsi-id=5,lun=300")]
    with loader(disks=disks) as machine:
        machine.wait_for("sdb .*\n")
        found = re.findall(r"^(\w+) +virtio-\w+, pci-([^ :]+:[^ ]+?):? .*$", plain(machine.transcript), re.M)
    assert [(name, re.sub("^.*-scsi-", "", place)) for name, place in found[1:]] == [
        ("sda", "0:0:1:1"), ("sr0", "0:0:3:0"), ("sdb", "0:0:5:300")]
    assert found[0][0] == "vda"
