# SPDX-License-Identifier: BSD-2-Clause
"""A QEMU machine whose UEFI firmware starts our test program (tests/efi) from a disk that is no virtio disk.

    result = efi.run("read_all", disks=[Disk(path)])        # the test of that name; fails unless it passes
    result = efi.run("life", options={"loops": 100}, ...)   # with numbers or texts that it asks for
"""
import contextlib
import functools
import hashlib
import lzma
import pathlib
import re
import struct
import tempfile
import uuid

import pytest

import harness
import images

DRIVER = harness.BUILD / "vstordxe.efi"
ROM = harness.BUILD / "vstor.rom"
LOADER = harness.BUILD / "vstor.efi"
PROGRAM = harness.BUILD / "efi/tests.efi"
FIRMWARE, CODE, VARIABLES, BOOT_FILE = {
    "x86_64": (pathlib.Path("/usr/share/OVMF"), "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd", "EFI/BOOT/BOOTX64.EFI"),
    "aarch64": (pathlib.Path("/usr/share/AAVMF"), "AAVMF_CODE.fd", "AAVMF_VARS.fd", "EFI/BOOT/BOOTAA64.EFI"),
}[harness.ARCH]
CODE, VARIABLES = FIRMWARE / CODE, FIRMWARE / VARIABLES
MEMORY_MIB = {"x86_64": 128, "aarch64": 256}[harness.ARCH]  # firmware clears much of it
# A disk that is no virtio disk.
OTHER_DISK = {"x86_64": ["-device", "ide-hd,drive=esp,bus=ide.0,bootindex=0"],
              "aarch64": ["-device", "nvme,drive=esp,serial=esp,bootindex=0"]}[harness.ARCH]
LZMA, SHELL = uuid.UUID("ee4e5898-3914-4259-9d6e-dc7bd79403cf"), uuid.UUID("7c04a583-9e3e-4f1c-ad65-e05268d0b4d1")
SECTION_PE32 = 0x10
VOLUME_MIB = 4


def volume(folder, files):
    """A FAT volume without partitions, as firmware boots it too."""
    image = images.sparse(pathlib.Path(folder) / "esp.raw", VOLUME_MIB * images.MiB)
    images.run_tool("mformat", "-i", image, "-v", "EFI", "::")
    for name, path in files.items():
        for depth in range(1, name.count("/") + 1):
            where = "::" + "/".join(name.split("/")[:depth])
            if images.run_tool_status("mdir", "-i", image, where):
                images.run_tool("mmd", "-i", image, where)
        images.run_tool("mcopy", "-i", image, path, "::" + name)
    return image


def uefi_shell():
    """The UEFI Shell as a program: that of the firmware, where it lies compressed. (UEFI PI 1.7, volume 3)"""
    packed = CODE.read_bytes()
    at = packed.index(LZMA.bytes_le)
    first, = struct.unpack_from("<H", packed, at + 16)
    files = lzma.LZMADecompressor(lzma.FORMAT_ALONE).decompress(packed[at - 4 + first:])
    for found in re.finditer(re.escape(SHELL.bytes_le), files):
        at = found.start() + 24  # behind the file's head: its first section
        n_bytes, kind = int.from_bytes(files[at:at + 3], "little"), files[at + 3]
        if kind == SECTION_PE32 and files[at + 4:at + 6] == b"MZ":
            return files[at + 4:at + n_bytes]
    raise harness.MachineError("there is no UEFI Shell in the firmware")


def flash_arguments(variables, snapshot="on"):
    """Firmware, with such variables."""
    return ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={CODE}",
            "-drive", f"if=pflash,unit=1,format=raw,snapshot={snapshot},file={variables}"]


def start_once(variables):
    """Lets firmware write the variables of its first start. Our test program ends that: it knows no such test."""
    with tempfile.TemporaryDirectory(prefix="vstor-efi-") as folder:
        boot = arguments(standard_volume(folder), "none", firmware=flash_arguments(variables, "off"))
        with harness.Machine(boot=boot, memory_mib=MEMORY_MIB) as machine:
            machine.wait_for("there is no test")
            machine.wait()


@functools.lru_cache
def used_variables():
    """Variables as of a machine that has been started before: writing them by the byte, as firmware writes to flash, would
    take a third of each start. Firmware's first start is in test_boot.py. Each work tree has its own, made when it is
    asked for."""
    new = VARIABLES.read_bytes()
    path = images.CACHE / f"ovmf-{hashlib.sha256(CODE.read_bytes() + new).hexdigest()[:12]}.fd"
    with images.locked("ovmf"):
        if not path.exists():
            unfinished = path.with_suffix(".new")
            unfinished.write_bytes(new)
            start_once(unfinished)
            unfinished.chmod(0o444)
            unfinished.rename(path)
    return path


def firmware_arguments():
    """OVMF on a machine that was started before, if our test program is there to have been started; AAVMF on a new one.
    What it does to its variables is gone with the machine."""
    if not CODE.exists():
        pytest.skip(f"{CODE} is not installed")
    return flash_arguments(used_variables() if harness.ARCH == "x86_64" and PROGRAM.exists() else VARIABLES)


def standard_volume(folder, files=None):
    """Our test program in the place of an operating system, and the driver."""
    return volume(folder, {BOOT_FILE: PROGRAM, "vstordxe.efi": DRIVER, **(files or {})})


def boot_arguments(image, firmware=None):
    """QEMU's, for harness.Machine's `boot`: firmware, and the volume on an AHCI port or NVMe as the first boot device."""
    return (firmware or firmware_arguments()) + ["-drive", f"if=none,id=esp,format=raw,snapshot=on,file={image}", *OTHER_DISK]


def arguments(image, test, options=None, firmware=None):
    """QEMU's, for harness.Machine's `boot`: what starts our test program with a test and its options."""
    words = {"test": test, **(options or {})}
    boot = boot_arguments(image, firmware)
    for name, value in words.items():
        boot += ["-fw_cfg", f"name=opt/vstor/{name},string={value}"]
    return boot


def wait_for_menu(machine):
    """The menu of vstor.efi has been drawn, and waits for keys."""
    machine.wait_for(r"\? more keys")


def console_from_menu(machine):
    """To the prompt of its console."""
    wait_for_menu(machine)
    machine.send("c")
    machine.wait_for_prompt()


@contextlib.contextmanager
def machine(test, files=None, options=None, **described):
    """A machine that runs one test; expect_passed() is for its end."""
    described.setdefault("memory_mib", MEMORY_MIB)
    with tempfile.TemporaryDirectory(prefix="vstor-efi-") as folder:
        boot = arguments(standard_volume(folder, files), test, options)
        with harness.Machine(boot=boot, **described) as started:
            yield started


def expect_passed(result, test):
    if f"PASS {test}" not in result.text or result.status != 0:
        result.fail(f"test {test} of tests/efi has failed")
    return result


def run(test, files=None, options=None, deadline_s=harness.DEADLINE_S, **described):
    """Runs one test to its end and returns what it said; anything but its success is an error."""
    with machine(test, files, options, **described) as started:
        return expect_passed(started.wait(deadline_s), test)
