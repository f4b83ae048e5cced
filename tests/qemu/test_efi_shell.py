# SPDX-License-Identifier: BSD-2-Clause
"""The EFI driver's life in the hands of the UEFI Shell, which OVMF has built in: commands that a person would type."""
import re

import pytest

import efi
from harness import Disk, Machine, plain

PROMPT = r"(?:Shell|FS\d:\\)> "
TEXT = "what stands in the file"
LOOP = """@echo -off
for %i run (1 %1)
  reconnect %2
  reconnect %3
endfor
"""
N_ROUNDS = 50


@pytest.fixture
def shell(tmp_path):
    """The shell's prompt; startup.nsh has loaded our driver. A FAT volume with a file on virtio-blk, and the same on the
    unit 5:300 of virtio-scsi, which OVMF's own driver does not find."""
    (tmp_path / "startup.nsh").write_text("@echo -off\r\nload fs0:\\vstordxe.efi\r\n")
    (tmp_path / "loop.nsh").write_text(LOOP.replace("\n", "\r\n"))
    (tmp_path / "text").write_text(TEXT + "\r\n")
    (tmp_path / "data").mkdir()
    image = efi.volume(tmp_path, {"startup.nsh": tmp_path / "startup.nsh", "loop.nsh": tmp_path / "loop.nsh",
                                  "vstordxe.efi": efi.DRIVER})
    data = efi.volume(tmp_path / "data", {"A.TXT": tmp_path / "text"})
    disks = [Disk(data), Disk(data, device="scsi-hd,bus=a0.0,scsi-id=5,lun=300",
                              before=["-device", "virtio-scsi-pci,id=a0,disable-legacy=on"])]
    with Machine(boot=efi.boot_arguments(image), disks=disks, memory_mib=256) as machine:
        machine.wait_for(r"vstordxe.efi' loaded at \w+ - Success")
        machine.wait_for(PROMPT)
        yield machine


def typed(machine, line):
    """Types a command; what it printed."""
    machine.send(line + "\r")
    start = machine._position
    machine.wait_for(PROMPT)
    return plain(machine.transcript[start:machine._position])


def our_row(machine):
    """Our line in `drivers`: its handle and the words behind; None if we are not loaded."""
    found = re.search(r"^(\w+) 00000100 (.*) vstor virtio storage driver ", typed(machine, "drivers"), re.M)
    return found and (found[1], found[2].split())


def controllers(machine, driver):
    """The handles of the functions that the driver has diagnosed well."""
    text = typed(machine, f"drvdiag -s {driver}")
    return re.findall(rf"^DrvDiag - \({driver},(\w+),00\) Result Success", text, re.M)


def volumes(machine):
    """The names that the shell gives to volumes, by device path."""
    text = typed(machine, "map -r")
    return {path: name for name, path in re.findall(r"^ +(FS\d):.*\n +(\S+)$", text, re.M)}


BLK_PATH, SCSI_PATH = "PciRoot(0x0)/Pci(0x1,0x0)", "PciRoot(0x0)/Pci(0x2,0x0)/Scsi(0x5,0x12C)"


def expect_files(machine, paths):
    """Those virtio disks, and no others, have volumes, and the file is there."""
    found = volumes(machine)
    assert {path for path in found if "Sata" not in path} == set(paths)
    for path in paths:
        assert TEXT in typed(machine, f"type {found[path]}:\\A.TXT")


def test_a_driver_lives_as_the_shell_wants(shell):
    """load, drivers, drvdiag, devices, map, type, disconnect, connect, reconnect, dh, unload."""
    driver, (kind, configures, diagnoses, n_devices, n_children) = our_row(shell)
    assert (configures, diagnoses, n_devices) == ("-", "X", "2")
    blk, scsi = controllers(shell, driver)
    assert "virtio-scsi host adapter" in typed(shell, "devices")
    expect_files(shell, [BLK_PATH, SCSI_PATH])

    assert "Success" in typed(shell, f"disconnect {scsi} {driver}")
    expect_files(shell, [BLK_PATH])
    assert "Success" in typed(shell, f"disconnect {blk}")
    assert our_row(shell)[1][3:] == ["-", "-"]
    expect_files(shell, [])
    assert "Success" in typed(shell, f"connect {blk} {driver}")
    assert "Success" in typed(shell, f"connect -r {scsi}")
    expect_files(shell, [BLK_PATH, SCSI_PATH])
    assert typed(shell, f"reconnect {scsi}").count("Success") == 2
    assert "error" not in typed(shell, "reconnect -r").lower()  # of everything there is
    expect_files(shell, [BLK_PATH, SCSI_PATH])

    told = typed(shell, f"dh -d -v {driver}")
    assert re.search(r"Child\[\w+\] +: ", told) and re.search(r"Driver Version +: 00000100", told)
    assert "virtio-scsi host adapter" in told and "DriverDiagnostics2" in told and "SupportedEfiSpecVersion" in told
    assert "Success" in typed(shell, f"unload -n {driver}")
    assert our_row(shell) is None
    expect_files(shell, [BLK_PATH])  # the firmware's own driver has it again; it does not find the other

    assert "Success" in typed(shell, f"load {name_of_boot_volume(shell)}:\\vstordxe.efi")
    expect_files(shell, [BLK_PATH, SCSI_PATH])


def name_of_boot_volume(machine):
    return next(name for path, name in volumes(machine).items() if "Sata" in path)


def free_pages(machine):
    found = re.search(r"^ +Available *: +([\d,]+) Pages", typed(machine, "memmap"), re.M)
    return int(found[1].replace(",", ""))


def lost_in_loop(machine, n_rounds, *handles):
    """Pages that are fewer behind so many rounds of two reconnects."""
    before = free_pages(machine)
    text = typed(machine, f"fs0:\\loop.nsh {n_rounds} {' '.join(handles)}")
    assert text.count("Success") == 4 * n_rounds
    return before - free_pages(machine)


def test_reconnects_in_a_loop_leak_nothing(shell):
    """The shell itself keeps some pages for each command of a script: as many as with a device of the firmware's."""
    driver, _ = our_row(shell)
    keyboard = re.search(r"^ +(\w+) .* PS/2 Keyboard Device$", typed(shell, "devices"), re.M)[1]
    blk, scsi = controllers(shell, driver)
    for handles in ((keyboard, keyboard), (blk, scsi)):
        lost_in_loop(shell, 5, *handles)
    of_shell = lost_in_loop(shell, N_ROUNDS, keyboard, keyboard)
    assert lost_in_loop(shell, N_ROUNDS, blk, scsi) <= of_shell + N_ROUNDS // 25, f"{of_shell} with others"
    typed(shell, f"connect -r {scsi}")  # `reconnect` leaves out what stands on children
    expect_files(shell, [BLK_PATH, SCSI_PATH])
