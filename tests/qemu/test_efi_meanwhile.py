# SPDX-License-Identifier: BSD-2-Clause
"""vstor.efi on disks that others read at the same time: tests/efi/meanwhile.c, with a timer that uses Block IO."""
import hashlib
import re
import zlib

import pytest

import boot_media
import efi
import images
from harness import Disk
from images import MiB
from test_efi_loader import boots_linux

BLK, SCSI = "virtio-blk-pci,disable-legacy=on", "virtio-scsi-pci,disable-legacy=on"
KNOWN_BYTES = 65536


def read_meanwhile(result, *paths):
    """That the timer has read the beginnings of these disks, both ways; all of it was right, or the test had failed."""
    counts = re.findall(r"^meanwhile disk \d+: (\d+) read, (\d+) landed, \d+ aborted, crc (\w+)", result.text, re.M)
    assert all(int(read) > 20 and int(landed) > 20 for read, landed, _ in counts), counts
    assert [int(crc, 16) for _, _, crc in counts] == [zlib.crc32(images.read_range(path, 0, KNOWN_BYTES)) for path in paths]


COMMANDS = """lsblk json=1; bench A rw=randread bs=4k iodepth=32 number_ios=3000 json=1; fill B 1M 8M seed=7
verify B 1M 8M seed=7; sum A json=1; copy A C json=1; bench B rw=randrw bs=4k iodepth=8 number_ios=1000 offset=12M size=2M json=1
bench B rw=randwrite bs=4k iodepth=4 number_ios=200 offset=14M size=1M verify=1 json=1; ls A1; sum A1 /RANDOM.BIN json=1
flush B; events; sleep 100; rescan; sum A 1M 1M json=1"""


@pytest.mark.parametrize("adapter", ["blk", "scsi"])
def test_commands(adapter, tmp_path):
    """Commands of the console, long and short, read and write what is right; no driver of the firmware's is there but ours."""
    devices, names, before = [BLK] * 3, ("vda", "vdb", "vdc"), []
    if adapter == "scsi":
        devices = [f"scsi-hd,bus=a0.0,scsi-id=0,lun={lun}" for lun in range(3)]
        names, before = ("sda", "sdb", "sdc"), ["-device", f"{SCSI},id=a0"]
    source = images.image("gpt-fat.raw")
    targets = [Disk(images.sparse(tmp_path / f"{name}.raw", 64 * MiB), device=device, writable=True)
               for name, device in zip(names[1:], devices[1:])]
    line = COMMANDS.replace("\n", "; ")
    for letter, name in zip("ABC", names):
        line = re.sub(f" {letter}(?=[ ;1])", f" {name}", line)
    result = efi.run("meanwhile", {"vstor.efi": efi.LOADER}, {"options": f"-c {line}", "disks": 2, "alone": 1},
                     disks=[Disk(source, device=devices[0], before=before), *targets])
    assert "status 0" in result.lines
    read_meanwhile(result, source, targets[0].path)
    assert [record["sha256"] for record in result.of("sum")] == [
        images.sha256(source), hashlib.sha256(images.FAT_FILES["RANDOM.BIN"]).hexdigest(), images.sha256(source, MiB, MiB)]
    assert [record["errors"] for record in result.of("bench")] == [0, 0, 0]
    assert images.sha256(targets[1].path, 0, source.stat().st_size) == images.sha256(source)


@pytest.mark.parametrize("adapter", ["blk", "scsi"])
def test_a_kernel_is_loaded(adapter, tmp_path):
    """Debian's, with an initrd whose checksum is checked there."""
    extra = images.random_bytes(24 * MiB, 78)
    tree = boot_media.debian(tmp_path, "sha256sum /extra", {"extra": extra})
    image = boot_media.fat(tmp_path / "disk.raw", tree)
    disk = Disk(image, device=BLK) if adapter == "blk" else \
        Disk(image, device="scsi-hd,bus=a0.0,scsi-id=0", before=["-device", f"{SCSI},id=a0"])
    disk.drive["throttling.bps-total"] = 16 * MiB  # so that there is something meanwhile
    volume = efi.standard_volume(tmp_path, {"vstor.efi": efi.LOADER})
    result = boots_linux([disk], efi.arguments(volume, "meanwhile", {"options": "vstor.efi"}), extra)
    read_meanwhile(result, image)
