# SPDX-License-Identifier: BSD-2-Clause
"""`boot`: our kernel starts others from virtio disks, Linux up to user space, itself, and a small one that says what it
was told; and says what is wrong with files that it does not start."""
import re
import struct
import zlib

import pytest

import harness
import images
import linux_guest
from harness import KERNEL, KERNEL_PVH, Disk
from images import KiB, MiB

TOLD = harness.ROOT / "tests/qemu/told"
TOLD_KINDS = {"multiboot1": "-DMULTIBOOT1 -DDEMAND=", "multiboot1-addresses": "-DADDRESSES1",
              "multiboot2": "-DMULTIBOOT2", "multiboot2-addresses": "-DADDRESSES2", "pvh": "-DPVH"}
TOLD_STATUS = 21
ADAPTER = ["-device", "virtio-scsi-pci,id=s0,disable-legacy=on"]
PLACES = {
    "blk": ("vda", {"device": "virtio-blk-pci,disable-legacy=on"}),
    "blk-packed": ("vda", {"device": "virtio-blk-pci,disable-legacy=on,packed=on"}),
    "scsi": ("sda", {"device": "scsi-hd", "before": ADAPTER, "properties": {"scsi-id": 1, "lun": 1}}),
    "cd": ("sr0", {"device": "scsi-cd", "before": ADAPTER, "readonly": True}),
}


def build_told(folder, options, name="told.elf"):
    """The kernel that says what it was told; its path."""
    path = folder / name
    images.run_tool("gcc", "-m32", "-march=i686", "-O1", "-ffreestanding", "-fno-pic", "-fno-pie", "-no-pie",
                    "-fno-stack-protector", "-fcf-protection=none", "-fno-asynchronous-unwind-tables", "-nostdlib",
                    "-static", "-Wall", "-Werror", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments",
                    f"-Wl,-T,{TOLD}/told.ld", *options.split(), "-o", path, TOLD / "start.S", TOLD / "told.c")
    return path


def fat_disk(folder, files, n_bytes=64 * MiB, name="boot.raw", **disk):
    """A disk that is one FAT32 file system with `files`: names, and paths or bytes."""
    path = images.sparse(folder / name, n_bytes)
    images.run_tool("mkfs.fat", "-F", "32", path)
    for number, (target, source) in enumerate(files.items()):
        if isinstance(source, bytes):
            content, source = source, folder / f"content-{number}"
            source.write_bytes(content)
        images.run_tool("mcopy", "-i", path, source, f"::/{target}")
    return Disk(path, **disk)


def iso_disk(folder, files, **disk):
    tree = folder / "tree"
    tree.mkdir()
    for target, source in files.items():
        (tree / target).write_bytes(source if isinstance(source, bytes) else source.read_bytes())
    images.run_tool("genisoimage", "-quiet", "-R", "-o", folder / "boot.iso", tree)
    return Disk(folder / "boot.iso", **disk)


def memory_lines(text):
    return re.findall(r"^memory .*", text, re.M)


# ---------------------------------------------------------------- a small kernel

@pytest.mark.smoke
@pytest.mark.parametrize("kind", TOLD_KINDS)
def test_told(run, tmp_path, kind):
    """Both multiboots, by ELF headers and by address fields, and PVH: loaded over ourselves, zeroes behind the data,
    words, modules byte for byte on pages of their own, ACPI's root."""
    modules = {"one.bin": images.random_bytes(300 * KiB + 5, 1), "two.bin": b"x", "none": b""}
    disk = fat_disk(tmp_path, {"told.elf": build_told(tmp_path, TOLD_KINDS[kind]), **modules})
    result = run("boot vda /told.elf initrd=/one.bin initrd=/TWO.BIN initrd=/none  plain 'two words;' json=0 last",
                 disks=[disk])
    result.expect_status(TOLD_STATUS)
    result.expect(rf"^told {kind.partition('-')[0]}$")
    result.expect(r"^bss 1$")
    result.expect(r"^command plain two words; last$")
    for name, said in zip(modules, ["/one.bin", "/TWO.BIN", "/none"]):
        result.expect(rf"^module {said} {len(modules[name]):x} {zlib.crc32(modules[name]):x}$")
    assert [line for line in memory_lines(result.text) if line.endswith(" 1")]
    if not kind.startswith("multiboot1"):
        result.expect("^rsdp 1$")
    if kind.startswith("multiboot"):
        result.expect("^(loader vstor|rsdp 1)$")


def test_moved(run, tmp_path):
    """A multiboot 2 kernel linked where there are devices, which may lie from 32 to 64 MiB: it does, and is told where."""
    told = build_told(tmp_path, "-DMULTIBOOT2 -DMOVABLE=0x2000000,0x3ffffff -fpie -Wl,--defsym,BASE=0xd0000000")
    disk = fat_disk(tmp_path, {"told.elf": told, "one.bin": b"module"})
    result = run("boot vda /told.elf initrd=/one.bin json=1 words", disks=[disk])
    result.expect_status(TOLD_STATUS)
    assert result.one("boot")["first"] == 0x2000000
    result.expect("^base 2000000$")
    result.expect("^bss 1$")
    result.expect("^command words$")
    result.expect(rf"^module /one.bin 6 {zlib.crc32(b'module'):x}$")


def test_modules_of_other_devices(run, tmp_path):
    """DEV:/PATH: another disk, a CD by its path with colons in it, a partition's own disk, and the kernel's. What module=
    says behind the path is handed on with it."""
    modules = {"on-disk": images.random_bytes(5 * KiB, 1), "on-cd": images.random_bytes(300 * KiB, 2), "here": b"here"}
    disks = [fat_disk(tmp_path, {"told.elf": build_told(tmp_path, TOLD_KINDS["pvh"]), "here": modules["here"]}),
             fat_disk(tmp_path, {"on-disk": modules["on-disk"]}, name="other.raw", serial="OTHER"),
             iso_disk(tmp_path, {"on-cd": modules["on-cd"]}, **PLACES["cd"][1])]
    line = ("boot vda /told.elf initrd=serial=OTHER:/on-disk initrd=/here initrd=sr0:/on-cd initrd=vda:/here "
            "'module=sr0:/on-cd two words' 'module=/here root=/dev/vda' json=1")
    result = run(line, disks=disks)
    result.expect_status(TOLD_STATUS)
    told = re.findall(r"^module (.+) (\w+) (\w+)$", result.text, re.M)
    said = ["on-disk", "here", "on-cd", "here", "on-cd two words", "here root=/dev/vda"]
    assert told == [(f"/{text}", f"{len(modules[name]):x}", f"{zlib.crc32(modules[name]):x}")
                    for text, name in zip(said, [text.split()[0] for text in said])]
    assert result.one("boot")["files"] == 7


@pytest.mark.parametrize("kind", ["multiboot1", "pvh"])
def test_memory_map_is_handed_on(run, tmp_path, kind):
    """What the small kernel hears from us is what it hears where QEMU itself starts it."""
    told = build_told(tmp_path, TOLD_KINDS[kind])
    machine = {"disks": [fat_disk(tmp_path, {"told.elf": told})], "memory_mib": 5 * 1024}
    direct = run("", kernel=told, **machine)
    by_us = run(f"boot vda /told.elf as={kind}", kernel=KERNEL_PVH if kind == "pvh" else KERNEL, **machine)
    assert memory_lines(direct.text) and memory_lines(by_us.text) == memory_lines(direct.text)


# ---------------------------------------------------------------- ourselves

@pytest.mark.parametrize("kernel,kind,protocol", [
    (KERNEL, "multiboot", "multiboot 1"), (KERNEL, "multiboot2", "multiboot 2"), (KERNEL, "pvh", "PVH"),
    (KERNEL_PVH, "pvh", "PVH"), (KERNEL_PVH, "multiboot2", "multiboot 2")],
    ids=["multiboot1", "multiboot2", "pvh", "pvh-file", "multiboot2-of-pvh-file"])
@pytest.mark.parametrize("place", ["blk", "scsi"])
def test_ourselves(prompt, tmp_path, small_disk, kernel, kind, protocol, place):
    """Started anew on all CPUs, with every disk there again, after they were in use with interrupts."""
    device, disk = PLACES[place]
    boot = fat_disk(tmp_path, {"vstor.elf": kernel}, **disk)
    machine = prompt(disks=[small_disk, boot], smp="4")
    device = {"vda": "vdb"}.get(device, device)
    machine.command(f"bench {device} rw=randread number_ios=500 irq=1")
    machine.command("bench serial=SMALL rw=randread number_ios=500 numjobs=4")
    machine.send(f"boot {device} /vstor.elf as={kind} initrd=/vstor.elf 'vstor.log=info sum serial=SMALL json=1; exit 7'\r")
    result = machine.wait()
    result.expect_status(7)
    result.expect(rf'boot: {protocol}, loader "{"" if kind == "pvh" else "vstor"}"')
    result.expect("cpus: 4 of 4 run")
    assert result.one("sum")["sha256"] == images.sha256(images.image("1m.raw"))


def test_again_and_again(run, tmp_path):
    """Eight kernels, each started by the one before."""
    result = run("boot vda /vstor.elf " * 8 + "exit 9", disks=[fat_disk(tmp_path, {"vstor.elf": KERNEL})])
    result.expect_status(9)
    assert len(re.findall("^multiboot2, ", result.text, re.M)) == 8


# ---------------------------------------------------------------- Linux

CHECK = """
echo "command line: $(cat /proc/cmdline)"
echo "initrd: $(sha256sum </large)"
echo "cpus: $(grep -c ^processor /proc/cpuinfo)"
for disk in /sys/block/vd* /sys/block/sd*; do
    [ -e $disk/size ] && echo "disk: $(dd if=/dev/${disk##*/} bs=64k count=16 2>/dev/null | sha256sum)"
done
true
"""


def cpio_of(folder, name, content):
    (folder / name).write_bytes(content)
    archive = folder / f"{name}.cpio"
    archive.write_bytes(images.run_tool("sh", "-c", f"cd {folder} && echo {name} | cpio --quiet -o -H newc -R 0:0"))
    return archive


@pytest.mark.timeout(300)
def test_linux_by_its_32_bit_entry(run, tmp_path):
    """Debian's kernel with the mark of its 64-bit entry taken away, as kernels of 32 bits have none: it is entered in
    protected mode, and comes up."""
    linux = (linux_guest.LINUX / "vmlinuz").read_bytes()
    flags, = struct.unpack_from("<H", linux, 0x236)
    assert flags & 1
    disk = fat_disk(tmp_path, {"vmlinuz": patched(linux, (0x236, struct.pack("<H", flags & ~3))),
                               "initrd.img": linux_guest.initramfs("echo came up", {}, tmp_path)})
    result = run("boot vda /vmlinuz initrd=/initrd.img json=1 console=ttyS0 quiet panic=-1 no_timer_check", disks=[disk],
                 memory_mib=512, deadline_s=linux_guest.DEADLINE_S)
    result.expect("^came up$")
    result.expect(r"^END 0$")
    assert result.one("boot")["entry"] == result.one("boot")["first"], "entered elsewhere than at its first byte"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("place", ["blk", "scsi", "cd", "blk-packed"])
def test_linux_to_user_space(prompt, tmp_path, small_disk, place):
    """Debian's kernel with two initrds, of which the second holds 64 MiB of random bytes: its init finds them unharmed,
    the command line, all CPUs, and disks that answer."""
    device, disk = PLACES[place]
    large = images.random_bytes(64 * MiB, 5)
    files = {"vmlinuz": linux_guest.LINUX / "vmlinuz", "initrd.img": linux_guest.initramfs(CHECK, {}, tmp_path),
             "large.img": cpio_of(tmp_path, "large", large)}
    boot = iso_disk(tmp_path, files, **disk) if place == "cd" else fat_disk(tmp_path, files, 160 * MiB, **disk)
    small_disk.device = "virtio-blk-pci,disable-legacy=on"
    machine = prompt(disks=[small_disk, boot], smp="2", memory_mib=512)
    device = {"vda": "vdb"}.get(device, device)
    # Linux panics where the host is too busy to give it timer interrupts on time, unless told not to look.
    machine.send(f"boot {device} /vmlinuz initrd=/initrd.img initrd=/large.img json=1 "
                 "console=ttyS0 quiet panic=-1 no_timer_check "
                 "\"a 'quoted' word\"\r")
    result = machine.wait(linux_guest.DEADLINE_S)
    result.expect(r"^END 0$")
    result.expect(r"^command line: console=ttyS0 quiet panic=-1 no_timer_check a 'quoted' word$")
    result.expect(rf"^initrd: {images.hashlib.sha256(large).hexdigest()}")
    result.expect(r"^cpus: 2$")
    assert f"disk: {images.sha256(images.image('1m.raw'))}" in result.text
    told = result.one("boot")
    assert told["kind"] == "linux" and told["version"].startswith("6.") and told["files"] == 3
    assert told["bytes"] > 72 * MiB
    assert told["requests"] < told["bytes"] // (512 * KiB), "files are read in pieces as long as the device takes"


def test_memory_comes_back(prompt, tmp_path):
    """Loaded again and again without being started: 64 MiB of initrd in a machine that has room for one or two."""
    disk = fat_disk(tmp_path, {"vmlinuz": linux_guest.LINUX / "vmlinuz", "large": images.random_bytes(64 * MiB, 6)},
                    160 * MiB)
    machine = prompt(disks=[disk], memory_mib=192)
    for _ in range(12):
        machine.command("boot vda /vmlinuz initrd=/large dry=1 json=1").one("boot")
        error = machine.command("boot vda /vmlinuz initrd=/large initrd=/large initrd=/large dry=1 json=1").error("boot")
        assert "not enough memory for the initrd" in error["text"]
    assert machine.command("sum vda 0 1M json=1").one("sum")


# ---------------------------------------------------------------- what is not started

def patched(content, *changes):
    """The bytes with some at offsets replaced."""
    content = bytearray(content)
    for offset, new in changes:
        content[offset:offset + len(new)] = new
    return bytes(content)


def elf_segment(content, number, field, value):
    """An ELF32 file with one field of a program header changed: 1 offset, 3 physical, 4 bytes, 5 memory bytes."""
    table, = struct.unpack_from("<I", content, 28)
    return patched(content, (table + 32 * number + 4 * field, struct.pack("<I", value)))


def efi_program():
    head = patched(bytes(512), (0, b"MZ"), (0x3C, struct.pack("<I", 128)), (128, b"PE\0\0\x64\x86"),
                   (148, struct.pack("<H", 112)), (152, struct.pack("<H", 0x20B)), (220, struct.pack("<H", 10)))
    return head


def bad_files(folder):
    """Name -> content, what is said of it."""
    linux = (linux_guest.LINUX / "vmlinuz").read_bytes()
    kernel = build_told(folder, TOLD_KINDS["multiboot1"]).read_bytes()
    second = build_told(folder, TOLD_KINDS["multiboot2"]).read_bytes()
    pvh = build_told(folder, TOLD_KINDS["pvh"]).read_bytes()
    addresses = build_told(folder, TOLD_KINDS["multiboot1-addresses"]).read_bytes()
    at = addresses.index(struct.pack("<I", 0x1BADB002)) + 12
    return {
        "empty": (b"", "the file is empty"),
        "text": (b"hello\n" * 1000, "no kernel of Linux, multiboot or PVH"),
        "efi": (efi_program(), "a program for EFI firmware"),
        "lin-cut": (linux[:2000], "the file ends before Linux begins"),
        "lin-old": (patched(linux, (0x206, b"\x05\x02")), "older than Linux 2.6.31"),
        "lin-algn": (patched(linux, (0x230, b"\0\0\x30\0")), "its alignment makes no sense"),
        "lin-huge": (patched(linux, (0x260, b"\0\0\0\x70")), "is not RAM"),
        "lin-far": (patched(linux, (0x258, b"\0\0\0\xff\0\0\0\0")), "above 4 GiB"),
        "elf-cut": (kernel[:0x1400], "the file ends before its last part does"),
        "elf-rom": (elf_segment(kernel, 1, 3, 0xFFFC0000), "is not RAM"),
        "elf-wrap": (elf_segment(kernel, 1, 5, 0xFFFFFFFF), "above 4 GiB"),
        "elf-more": (elf_segment(kernel, 1, 4, 0x7000), "larger in the file than in memory"),
        "elf-head": (patched(kernel, (44, b"\xff\xff")), "its ELF header makes no sense"),
        "elf-entr": (patched(kernel, (24, b"\0\0\0\x50")), "the entry is outside"),
        "pvh-entr": (patched(pvh, (pvh.index(b"Xen\0") + 4, b"\0\0\0\x50")), "the entry is outside"),
        "mb1-want": (build_told(folder, "-DMULTIBOOT1 -DDEMAND=|8").read_bytes(), "demands what is not known"),
        "mb2-want": (build_told(folder, "-DMULTIBOOT2 -DDEMAND=99").read_bytes(), "demands what is not known"),
        "mb2-efi": (build_told(folder, "-DMULTIBOOT2 -DDEMAND=7").read_bytes(), "EFI boot services"),
        "mb2-tag": (patched(second, (second.index(struct.pack("<I", 0xE85250D6)) + 20, b"\1\0\0\0")),
                    "a tag of its header has no end"),
        "mb1-addr": (patched(addresses, (at + 4, b"\0\0\x20\0")), "address fields make no sense"),
    }


def test_malformed_files_are_refused(prompt, tmp_path):
    """Each with a message, on a shell that goes on and afterwards starts a kernel all the same."""
    files = bad_files(tmp_path)
    disk = fat_disk(tmp_path, {name: content for name, (content, _) in files.items()} |
                    {"told.elf": build_told(tmp_path, TOLD_KINDS["pvh"])}, 400 * MiB)
    machine = prompt(disks=[disk])
    for name, (_, said) in files.items():
        error = machine.command(f"boot vda /{name} json=1").error("boot")
        assert said in error["text"], f"{name}: {error['text']}"
    machine.send("boot vda /told.elf\r")
    assert machine.wait().status == TOLD_STATUS


def test_wrong_words_are_refused(prompt, tmp_path):
    disk = fat_disk(tmp_path, {"vmlinuz": linux_guest.LINUX / "vmlinuz", "told.elf": build_told(tmp_path, "-DPVH")})
    machine = prompt(disks=[disk])
    for line, said in {
            "boot vda": "something is missing",
            "boot vdz /vmlinuz": "no such device",
            "boot vda /nothing": "/nothing: no such file or directory",
            "boot vda /": "no regular file",
            "boot vda /vmlinuz initrd=/nothing": "/nothing: no such file or directory",
            "boot vda /vmlinuz initrd=vdz:/nothing": "there is no device 'vdz'",
            "boot vda /vmlinuz initrd=vda:/nothing": "/nothing: no such file or directory",
            "boot vda /vmlinuz 'module=vda:/nothing at all'": "/nothing: no such file or directory",
            "boot vda /vmlinuz as=windows": "as= takes linux",
            "boot vda /vmlinuz as=multiboot2": "it is no kernel of that kind",
            "boot vda /told.elf as=linux": "it is no kernel of that kind",
            "boot vda /told.elf" + " initrd=/told.elf" * 32: "more than 31 files"}.items():
        error = machine.command(line + " json=1").error("boot")
        assert said in error["text"], f"{line}: {error['text']}"
    text = machine.command("help boot").text
    assert "initrd=" in text and "as=linux" in text


def test_a_long_command_line_is_refused(run, tmp_path):
    """Linux takes 2047 bytes; a cut line would be worse than none."""
    disk = fat_disk(tmp_path, {"vmlinuz": linux_guest.LINUX / "vmlinuz"})
    result = run(f"boot vda /vmlinuz {'x' * 1023} {'y' * 1024}", disks=[disk])
    result.expect_status(1)
    result.expect("longer than this kernel takes")
    assert run(f"boot vda /vmlinuz dry=1 {'x' * 1023} {'y' * 1023}; exit 4", disks=[disk]).status == 4


def test_a_disk_that_fails_is_no_end(prompt, tmp_path):
    """Reading fails in the middle of the initrd: a message, the prompt, and the memory is free again."""
    disk = fat_disk(tmp_path, {"vmlinuz": linux_guest.LINUX / "vmlinuz", "large": images.random_bytes(32 * MiB, 7)},
                    96 * MiB)
    nodes = [{"driver": "file", "node-name": "f", "filename": str(disk.path), "read-only": True},
             {"driver": "blkdebug", "node-name": "d", "image": "f", "read-only": True,
              "inject-error": [{"event": "none", "iotype": "read", "errno": 5, "sector": 60000}]}]
    machine = prompt(disks=[Disk(blockdev=nodes, properties={"rerror": "report"})])
    for _ in range(3):
        text = machine.command("boot vda /vmlinuz initrd=/large").text
        assert re.search(r"/large: .* at byte \d+ of the file", text), text
    assert machine.command("boot vda /vmlinuz dry=1 json=1").one("boot")["kind"] == "linux"
