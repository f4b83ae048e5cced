# SPDX-License-Identifier: BSD-2-Clause
"""Media that a boot loader boots from: trees of files as FAT, as ISO 9660, on a partition."""
import os
import shutil
import struct
import subprocess

import images
import linux_guest

MiB = images.MiB


def tree(folder, files):
    """A folder with these files: bytes, text, or a path to copy."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, os.PathLike):
            shutil.copy(content, path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def tree_mib(folder):
    return 40 + sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) // MiB


def fat(path, folder, sector=512, mib=None):
    """All of a disk, of such sectors, with the tree in a folder."""
    images.sparse(path, (mib or max(tree_mib(folder), 300 if sector > 512 else 0)) * MiB)
    images.run_tool("mkfs.fat", "-F", "32", "-S", sector, "-s", 1, "-n", "BOOT", path)
    images.run_tool("mcopy", "-Q", "-s", "-i", path, *sorted(folder.iterdir()), "::")
    return path


def esp(path, folder):
    """A GPT with the tree on an EFI system partition."""
    mib = tree_mib(folder)
    images.sparse(path, (mib + 2) * MiB)
    images.run_tool("sgdisk", "--clear", f"--new=1:2048:+{mib}M", "--typecode=1:ef00", "--change-name=1:EFI",
                    "--partition-guid=1:0cab1e00-1111-2222-3333-444455556666", path)
    images.run_tool("mkfs.fat", "-F", "32", "-n", "ESP", "--offset", 2048, path, mib * 1024)
    images.run_tool("mcopy", "-Q", "-s", "-i", f"{path}@@{MiB}", *sorted(folder.iterdir()), "::")
    return path


def esp_and_xbootldr(path, esp_folder, boot_folder):
    """A GPT with an EFI system partition and, behind it, an extended boot loader partition (UAPI.1); where that begins."""
    mib = [tree_mib(esp_folder), tree_mib(boot_folder)]
    images.sparse(path, (sum(mib) + 2) * MiB)
    images.run_tool("sgdisk", "--clear", f"--new=1:2048:+{mib[0]}M", "--typecode=1:ef00", f"--new=2:0:+{mib[1]}M",
                    "--typecode=2:ea00", path)
    for folder, at, n in ((esp_folder, 1, mib[0]), (boot_folder, 1 + mib[0], mib[1])):
        images.run_tool("mkfs.fat", "-F", "32", "--offset", at * 2048, path, n * 1024)
        images.run_tool("mcopy", "-Q", "-s", "-i", f"{path}@@{at * MiB}", *sorted(folder.iterdir()), "::")
    return (1 + mib[0]) * MiB


def mbr(path, parts):
    """An MBR with a FAT partition of each type and folder, 40 MiB each."""
    images.sparse(path, (40 * len(parts) + 1) * MiB)
    table = "label: dos\n" + "".join(f"start={(1 + 40 * i) * 2048}, size={40 * 2048}, type={kind}\n" for i, (kind, _) in enumerate(parts))
    subprocess.run(["sfdisk", "--quiet", path], input=table.encode(), check=True)
    for i, (_, folder) in enumerate(parts):
        images.run_tool("mkfs.fat", "-F", "16", "--offset", (1 + 40 * i) * 2048, path, 40 * 1024)
        images.run_tool("mcopy", "-Q", "-s", "-i", f"{path}@@{(1 + 40 * i) * MiB}", *sorted(folder.iterdir()), "::")
    return path


def iso(path, folder):
    images.run_tool("genisoimage", "-quiet", "-R", "-J", "-V", "BOOT_CD", "-o", path, folder)
    return path


def archive(path, files):
    """A newc archive, as Linux unpacks it where it comes behind its initramfs; some folder beside it is used."""
    folder = path.with_name(path.name + ".tree")
    tree(folder, files)
    with open(path, "wb") as out:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], input="\n".join(files).encode(), stdout=out,
                       cwd=folder, check=True)
    shutil.rmtree(folder)
    return path


def debian(folder, job, extra, options="console=ttyS0 quiet panic=-1", conf="timeout 0\n", files=None):
    """A tree with Debian's kernel, an initramfs that does a job, an archive besides, and the entry of all that."""
    entry = ("title Debian\nversion 6.1\nlinux /debian/vmlinuz\ninitrd /debian/initramfs\ninitrd /debian/extra.cpio\n"
             f"options {options}\n")
    return tree(folder / "tree", {
        "debian/vmlinuz": linux_guest.LINUX / "vmlinuz", "debian/initramfs": linux_guest.initramfs(job, {}, folder),
        "debian/extra.cpio": archive(folder / "extra.cpio", extra), "loader/entries/debian.conf": entry,
        "loader/loader.conf": conf, **(files or {})})


STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
OSREL = 'NAME="Debian"\nPRETTY_NAME="Debian 12 in one piece"\nID=debian\nVERSION_ID=12\n'


def unified(path, initramfs, options, stub=STUB, osrel=OSREL, profiles=()):
    """Debian's kernel as a unified kernel image, by systemd's stub; with profiles, each a text and a command line of its
    own, which objcopy adds by names that it can tell apart."""
    parts = {".osrel": (osrel, 0x20000), ".cmdline": (options, 0x30000), ".linux": (linux_guest.LINUX / "vmlinuz", 0x2000000),
             ".initrd": (initramfs, 0x3000000)}
    names = {}
    for number, (profile, line) in enumerate(profiles):
        for name, text, at in ((".profile", profile, 0x0), (".cmdline", line, 0x10000)):
            alias = f"{name[:6]}_{number}"
            parts[alias] = (text, 0x8000000 + number * 0x20000 + at)
            names[alias] = name
    words = []
    for name, (content, address) in parts.items():
        file = content
        if isinstance(content, str):
            file = path.with_name(path.name + name)
            file.write_text(content)
        words += ["--add-section", f"{name}={file}", "--change-section-vma", f"{name}={address:#x}"]
    images.run_tool("objcopy", *words, stub, path)
    for alias, name in names.items():
        path.write_bytes(path.read_bytes().replace(alias.encode(), name.encode(), 1))
    return path


def with_sections(program, added):
    """An EFI program with a few sections more; what stands between its DOS and PE headers makes room for their heads."""
    pe, = struct.unpack_from("<I", program, 0x3C)
    n, = struct.unpack_from("<H", program, pe + 6)
    table = pe + 24 + struct.unpack_from("<H", program, pe + 20)[0]
    head = bytearray(program[pe:table + 40 * n])
    place, data = 0x200000, bytearray()
    for name, content in added:
        head += struct.pack("<8sIIIIIIHHI", name.encode(), len(content), place, len(content), len(program) + len(data),
                            0, 0, 0, 0, 0x40000040)
        place += 0x1000
        data += content.encode()
    struct.pack_into("<H", head, 6, n + len(added))
    struct.pack_into("<I", head, 24 + 56, place)  # all of it in memory
    first = min(struct.unpack_from("<I", program, table + 40 * i + 20)[0] for i in range(n))
    assert 0x40 + len(head) <= first
    start = bytearray(program[:0x40])
    struct.pack_into("<I", start, 0x3C, 0x40)
    return bytes(start + head + bytes(first - 0x40 - len(head))) + program[first:] + bytes(data)
