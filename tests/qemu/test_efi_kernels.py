# SPDX-License-Identifier: BSD-2-Clause
"""Kernels that know no EFI, started by vstor.efi: ours in its three forms, the small one that says what it was told, and
others'. Firmware's services end, and what it knew is handed on."""
import contextlib
import pathlib
import re
import tempfile
import zlib

import pytest

import boot_media
import efi
import images
import linux_guest
from harness import KERNEL, Disk, Machine, plain
from images import KiB, MiB
from test_boot_other import TOLD_KINDS, TOLD_STATUS, build_told, bad_files, fat_disk, memory_lines

BLK = {"device": "virtio-blk-pci,disable-legacy=on"}
SCSI = {"device": "scsi-hd,bus=a0.0,scsi-id=5,lun=300", "before": ["-device", "virtio-scsi-pci,disable-legacy=on,id=a0"]}
MEMTEST = pathlib.Path("/boot/memtest86+x64.bin")
DEADLINE_S = 150


@contextlib.contextmanager
def console(commands=None, **machine):
    """A machine at the prompt of vstor.efi's console, or one that runs these commands there."""
    machine.setdefault("memory_mib", 256)
    line = f"vstor.efi -c '{commands}'" if commands else "vstor.efi shell"
    with tempfile.TemporaryDirectory(prefix="vstor-kernels-") as folder:
        startup = pathlib.Path(folder) / "startup.nsh"
        startup.write_text(f"fs0:\r\n{line}\r\necho left with %lasterror%\r\n")
        image = efi.volume(folder, {"vstor.efi": efi.LOADER, "startup.nsh": startup})
        with Machine(boot=efi.boot_arguments(image), **machine) as started:
            started.wait_for("any other key to continue")
            started.send(" ")
            if not commands:
                started.wait_for_prompt()
            yield started


# ---------------------------------------------------------------- ourselves

@pytest.mark.timeout(200)
@pytest.mark.parametrize("kind,protocol,place", [
    pytest.param("multiboot2", "multiboot 2", SCSI, marks=pytest.mark.smoke), ("multiboot", "multiboot 1", BLK),
    ("pvh", "PVH", BLK)], ids=["multiboot2", "multiboot1", "pvh"])
def test_ourselves(tmp_path, small_disk, kind, protocol, place):
    """Our kernel comes up on all CPUs and reads its disks rightly, though firmware had a driver on them, and we another."""
    boot = fat_disk(tmp_path, {"vstor.elf": KERNEL}, serial="BOOT", **place)
    small_disk.device = BLK["device"]
    with console(disks=[small_disk, boot], smp="2") as machine:
        device = "sda" if place is SCSI else "vdb"
        machine.send(f"boot {device} /vstor.elf as={kind} initrd=/vstor.elf "
                     "'vstor.log=info lsblk json=1; sum serial=SMALL json=1; sum serial=BOOT json=1; exit 7'\r")
        result = machine.wait(DEADLINE_S)
    result.expect_status(7)
    result.expect(rf'boot: {protocol}, loader "{"" if kind == "pvh" else "vstor"}"')
    if kind != "multiboot":  # which has no way to tell where ACPI's tables are
        result.expect("cpus: 2 of 2 run")
    assert len(result.of("lsblk")) == 2
    sums = {record["bytes"]: record["sha256"] for record in result.of("sum")}
    assert sums == {small_disk.path.stat().st_size: images.sha256(small_disk.path),
                    boot.path.stat().st_size: images.sha256(boot.path)}


@pytest.mark.timeout(200)
@pytest.mark.parametrize("changes", [3, 100])
def test_memory_that_changes_as_boot_services_end(tmp_path, changes):
    """The key is void then: the loader looks at the map anew and asks again, so often; in the end the machine starts anew."""
    options = {"options": "-c boot vda /vstor.elf 'exit 7'", "changes": changes}
    with efi.machine("late_changes", {"vstor.efi": efi.LOADER}, options,
                     disks=[fat_disk(tmp_path, {"vstor.elf": KERNEL}, **BLK)]) as machine:
        result = machine.wait(DEADLINE_S)
    calls = re.findall(r"^call \d+: status (\w+)$", result.text, re.M)
    if changes < 8:
        result.expect_status(7)
        assert calls == ["8000000000000002"] * changes + ["0"]
    else:
        result.expect("boot: the firmware does not end its boot services; the machine starts again")
        assert result.process_status == 0 and calls == ["8000000000000002"] * 8


# ---------------------------------------------------------------- what it is told

def check_memory(lines, memory_mib):
    """In order, apart, joined where they touch and are of one type; what is usable adds up; ACPI's tables are named."""
    pieces = [tuple(int(word, 16) for word in line.split()[1:]) for line in lines]
    for (first, n_bytes, kind), (next_first, _, next_kind) in zip(pieces, pieces[1:]):
        assert first + n_bytes <= next_first, lines
        assert first + n_bytes < next_first or kind != next_kind, f"not joined: {lines}"
    usable = sum(n_bytes for _, n_bytes, kind in pieces if kind == 1)
    assert (memory_mib - 32) * MiB < usable < memory_mib * MiB, lines
    assert {kind for _, _, kind in pieces} >= {1, 2, 3, 4}


def pixel(path, x, y):
    """Of a screen dump (PPM)."""
    head, width, _, _, data = re.match(rb"(P6)\s+(\d+)\s+(\d+)\s+(\d+)\s(.*)", path.read_bytes(), re.S).groups()
    assert head == b"P6"
    at = 3 * (y * int(width) + x)
    return tuple(data[at:at + 3])


@pytest.mark.timeout(200)
@pytest.mark.parametrize("kind", ["multiboot1-addresses", "multiboot2", "pvh"])
def test_told(tmp_path, kind):
    """Modules, words, a memory map without overlaps, ACPI, EFI's tables; and a screen: the kernel draws on it, and QEMU
    sees the colours."""
    modules = {"one.bin": images.random_bytes(300 * KiB + 5, 1), "two": b"x", "none": b""}
    disk = fat_disk(tmp_path, {"told.elf": build_told(tmp_path, TOLD_KINDS[kind]), **modules}, **BLK)
    name = kind.partition("-")[0]
    with console(disks=[disk], extra=["-device", "VGA"]) as machine:
        machine.send("boot vda /told.elf initrd=/one.bin initrd=/two initrd=/none wait 'for me;' json=0\r")
        machine.wait_for("waiting")
        dump = tmp_path / "screen.ppm"
        machine.qmp("screendump", filename=str(dump))
        text = plain(machine.transcript)
    assert f"told {name}\n" in text and "bss 1\n" in text and "command wait for me;\n" in text
    for module, content in modules.items():
        assert f"module /{module} {len(content):x} {zlib.crc32(content):x}\n" in text
    check_memory(memory_lines(text), 256)
    if name != "multiboot1":
        assert "rsdp 1\n" in text
    if name == "multiboot2":
        assert "efi 1\n" in text and re.search(r"^efi-map [1-9a-f][0-9a-f]*$", text, re.M)
    if name == "pvh":  # which knows no screen
        return
    assert re.search(r"^screen \w+000 \w+ \w+ \w+ 20 pixels$", text, re.M), text
    assert [pixel(dump, x, 32) for x in (32, 96, 160)] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


@pytest.mark.timeout(200)
def test_told_by_an_entry(tmp_path):
    """Of the menu: its modules, one of them with words, in order."""
    files = {"told.elf": build_told(tmp_path, TOLD_KINDS["multiboot2"]), "with words": b"1", "plain": b"22",
             "loader/loader.conf": "timeout 0\n",
             "loader/entries/told.conf": "title Told\nlinux /told.elf\ninitrd /with words\nmodule /plain  root=/dev/vda2 quiet\n"
                                         "module /plain\noptions two words\n"}
    disk = boot_media.fat(tmp_path / "boot.raw", boot_media.tree(tmp_path / "tree", files))
    image = efi.volume(tmp_path, {"EFI/BOOT/BOOTX64.EFI": efi.LOADER})
    with Machine(boot=efi.boot_arguments(image), disks=[Disk(disk, **BLK)], memory_mib=256) as machine:
        result = machine.wait(DEADLINE_S)
    result.expect_status(TOLD_STATUS)
    result.expect("^command two words$")
    assert re.findall(r"^module (.*) (\w+) \w+$", result.text, re.M) == [
        ("/with words", "1"), ("/plain  root=/dev/vda2 quiet", "2"), ("/plain", "2")]


# ---------------------------------------------------------------- others

@pytest.mark.timeout(250)
def test_others(tmp_path):
    """What does not start says why, again and again without memory getting lost; then Debian's kernel, by its boot
    protocol and not its EFI stub: it comes up with its initrd, knows the firmware, and sees all memory."""
    bad = bad_files(tmp_path)
    files = {name: content for name, (content, _) in bad.items()}
    said = {name: why for name, (_, why) in bad.items() if name != "efi"}
    large = images.random_bytes(32 * MiB, 3)
    job = "ls /sys/firmware/efi/runtime-map | wc -l; grep -c . /proc/iomem; sha256sum </large"
    initrd = linux_guest.initramfs(job, {"large": large}, tmp_path)
    disk = fat_disk(tmp_path, {**files, "vmlinuz": linux_guest.LINUX / "vmlinuz", "initrd.img": initrd}, 400 * MiB, **BLK)
    with console(disks=[disk], memory_mib=512, smp="2") as machine:
        for name, why in said.items():
            kind = "as=linux " if name.startswith("lin-") else ""  # each of these says that it is an EFI program, too
            error = machine.command(f"boot vda /{name} {kind}json=1").error("boot")
            assert why in error["text"], f"{name}: {error['text']}"
        for name in ("lin-cut", "efi"):
            text = machine.command(f"boot vda /{name}").text
            assert f"/{name}: not started: the place where it begins is not in the file" in text
        for _ in range(6):
            machine.command("boot vda /vmlinuz as=linux initrd=/initrd.img initrd=/initrd.img dry=1 json=1").one("boot")
            error = machine.command("boot vda /vmlinuz as=linux dry=1 json=1" + " initrd=/initrd.img" * 12).error("boot")
            assert "not enough memory for the initrd" in error["text"]
        machine.send("boot vda /vmlinuz as=linux initrd=/initrd.img console=ttyS0 quiet panic=-1 no_timer_check\r")
        result = machine.wait(linux_guest.DEADLINE_S)
    result.expect(r"^END 0$")
    runtime, memory, digest = re.search(r"^BEGIN 6\S+\n(\d+)\n(\d+)\n(\w{64})", result.text.replace("\r", ""), re.M).groups()
    assert int(runtime) > 0, "Linux has no runtime services"
    assert int(memory) > 10 and digest == images.hashlib.sha256(large).hexdigest()


@pytest.mark.timeout(200)
def test_memtest(tmp_path):
    """Debian's memtest86+, a kernel of Linux's boot protocol that is not Linux: it finds the machine, and runs its tests."""
    if not MEMTEST.exists():
        pytest.skip("memtest86+ is not installed")
    with console("boot vda /memtest as=linux console=ttyS0,115200", disks=[fat_disk(tmp_path, {"memtest": MEMTEST}, **BLK)],
                 smp="2", extra=["-device", "VGA"]) as machine:
        machine.wait_for("CPU: 2 Cores")
        machine.wait_for("Address test, walking ones")
