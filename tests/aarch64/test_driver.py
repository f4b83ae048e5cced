# SPDX-License-Identifier: BSD-2-Clause
"""What the EFI driver does on aarch64 and nowhere else. All that is alike is in tests/qemu/test_efi.py."""
import efi
import images
from harness import Disk


def test_a_device_that_has_ports_only_stays_with_the_firmwares_driver():
    """A PCI bus's ports are memory to this processor, at a place that the firmware alone knows."""
    efi.run("left_alone", disks=[Disk(images.image("1m.raw"), device="virtio-blk-pci,disable-modern=on,disable-legacy=off")])
