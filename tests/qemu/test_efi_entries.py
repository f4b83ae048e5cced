# SPDX-License-Identifier: BSD-2-Clause
"""What vstor.efi finds to boot, and which of it is chosen: others' loaders as entries, loader.conf and the variables of the
Boot Loader Interface, partitions of the Boot Loader Specification, files wherever they lie, loads that are stopped."""
import contextlib
import pathlib
import re
import tempfile

import pytest

import boot_media
import efi
import images
from harness import Disk, Machine, plain
from test_efi_shell import controllers, our_row, typed
from test_shell import HOME

BLK, SCSI = "virtio-blk-pci,disable-legacy=on", "virtio-scsi-pci,disable-legacy=on"
ESCAPE = "\x1b"
GRUB = pathlib.Path("/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi")
SIGNED_GRUB = pathlib.Path("/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed")
SHIM = pathlib.Path("/usr/lib/shim")
SYSTEMD_BOOT = pathlib.Path("/usr/lib/systemd/boot/efi/systemd-bootx64.efi")
LOADER_GUID = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"


def entry(title, **keys):
    """The text of an entry; `sort_key` is "sort-key", and a list is as many lines."""
    lines = [f"title {title}"]
    for key, values in keys.items():
        lines += [f"{key.replace('_', '-')} {value}" for value in (values if isinstance(values, list) else [values])]
    return "\n".join(lines) + "\n"


def says(title, sort_key, text, program="/shellx64.efi", **more):
    """An entry that starts the UEFI Shell, which says something and ends."""
    return entry(title, sort_key=sort_key, efi=program, options=f"-nostartup -exit echo {text}", **more)


@contextlib.contextmanager
def loader(files=None, **machine):
    """A machine that starts vstor.efi from a volume on an AHCI port; at the menu."""
    machine.setdefault("memory_mib", 256)
    with tempfile.TemporaryDirectory(prefix="vstor-entries-") as folder:
        image = efi.volume(folder, {"EFI/BOOT/BOOTX64.EFI": efi.LOADER, **(files or {})})
        with Machine(boot=efi.boot_arguments(image), **machine) as started:
            efi.wait_for_menu(started)
            yield started


def shown(machine):
    """The titles in the menu that has been drawn last, in its order."""
    screen = machine.transcript[machine.transcript.rindex("\x1b[01;01H"):]
    rows = re.findall(r"\x1b\[\d\d;01H((?:\x1b\[\d+m)*)[> ][* ]([1-9 ]) (.*?) *(?=\x1b|$)", screen)
    return [title for _, _, title in rows]


def boot(machine, title, *patterns):
    """Boots the entry of this title by its number; each pattern comes, then the menu again. What was said."""
    at = len(machine.transcript)
    machine.send(str(shown(machine).index(title) + 1))
    for pattern in patterns:
        machine.wait_for(pattern)
    efi.wait_for_menu(machine)
    return plain(machine.transcript[at:])


# ---------------------------------------------------------------- programs

@pytest.fixture(scope="module")
def shell():
    return efi.uefi_shell()


def test_other_loaders_are_entries(shell, tmp_path):
    """Debian's shim, GRUB and systemd-boot and the UEFI Shell, from the folders where they are installed and by entries
    that name them, from a disk that the firmware can't read by itself; each comes back to the menu, whatever it did to
    our driver."""
    files = {
        "EFI/debian/shimx64.efi": SHIM / "shimx64.efi.signed", "EFI/debian/grubx64.efi": SIGNED_GRUB,
        "EFI/debian/mmx64.efi": SHIM / "mmx64.efi", "EFI/debian/fbx64.efi": SHIM / "fbx64.efi",
        "EFI/debian/grub.cfg": "echo GRUB is here\nls /EFI/Microsoft\nexit\n",
        "EFI/grub/grubx64.efi": GRUB, "EFI/systemd/systemd-bootx64.efi": SYSTEMD_BOOT,
        "EFI/Microsoft/Boot/bootmgfw.efi": shell, "EFI/Microsoft/Boot/memtest.efi": shell, "shellx64.efi": shell,
        "EFI/drivers/vstordxe.efi": efi.DRIVER, "EFI/empty/none.efi": b"", "vstor/vstor.efi": efi.LOADER,
        "loader/loader.conf": "timeout menu-force\n",
        "loader/entries/e1.conf": entry("By systemd", sort_key="a", efi="\\EFI\\systemd\\SYSTEMD-BOOTX64.EFI"),
        "loader/entries/e2.conf": says("Words", "b", "the words that were given", devicetree="/none.dtb"),
        "loader/entries/e3.conf": entry("An error", sort_key="c", efi="/vstor/vstor.efi", options=["-c", "lsblk;", "exit 3"]),
    }
    image = boot_media.esp(tmp_path / "disk.raw", boot_media.tree(tmp_path / "tree", files))
    disk = Disk(image, device=f"{BLK},packed=on")  # OVMF's driver takes split rings alone
    with loader({"loader/entries/own.conf": write(tmp_path / "own", entry("Ourselves", efi="/EFI/BOOT/BOOTX64.EFI"))},
                disks=[disk]) as machine:
        titles = shown(machine)
        assert titles[:3] == ["By systemd", "Words", "An error"]
        assert set(titles[3:]) == {"debian (shimx64.efi)", "grub (grubx64.efi)", "systemd (systemd-bootx64.efi)",
                                   "Windows Boot Manager", "EFI Shell", "Reboot Into Firmware Interface"}
        for title in ("debian (shimx64.efi)", "grub (grubx64.efi)"):
            assert "\nBoot/" in boot(machine, title, "GRUB is here")
            assert shown(machine) == titles
        for title in ("By systemd", "systemd (systemd-bootx64.efi)"):
            machine.send(str(titles.index(title) + 1))
            machine.wait_for("Windows Boot Manager")  # it looks by itself, and is no entry of its own
            machine.send("Q")
            efi.wait_for_menu(machine)
        said = boot(machine, "Words", r"\nthe words that were given\r")
        assert "Words: its devicetree is left out" in said
        said = boot(machine, "An error", "vda1")  # another of us, which takes the disk and gives it back
        assert "/vstor/vstor.efi: it has come back with status 3, an error" in said

        machine.send(str(titles.index("Windows Boot Manager") + 1))
        machine.wait_for("any other key to continue")
        machine.send(" ")
        machine.wait_for("Shell> ")
        for function in controllers(machine, our_row(machine)[0]):
            assert "Success" in typed(machine, f"disconnect {function}")
        assert our_row(machine)[1][3:] == ["-", "-"]
        machine.send("exit\r")
        efi.wait_for_menu(machine)
        assert shown(machine) == titles
        boot(machine, "Words", r"\nthe words that were given\r")


def write(path, text):
    path.write_text(text)
    return path
