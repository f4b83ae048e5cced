# SPDX-License-Identifier: BSD-2-Clause
"""Disk images with real data, made by host tools and kept in build/images.

Each maker is called once whatever the number of test processes, and its result is never written afterwards: a guest
gets it under a snapshot (harness.Disk does so by itself) or a sparse copy of its own.
"""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import random
import shutil
import subprocess

import pattern

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "images"
KiB, MiB, GiB, TiB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
PATTERN_SEED = 7  # of the disks filled with the pattern
# sgdisk and mkfs.vfat live where an ordinary user's PATH does not look.
TOOL_ENVIRONMENT = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin", MTOOLS_SKIP_CHECK="1")


def run_tool(*command, **options):
    """Runs a host tool; its output is shown only if it fails."""
    done = subprocess.run([str(word) for word in command], env=TOOL_ENVIRONMENT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{done.stdout.decode(errors='replace')}")
    return done.stdout


def run_tool_status(*command):
    """Whether a host tool fails: its exit status."""
    return subprocess.run([str(word) for word in command], env=TOOL_ENVIRONMENT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode


@contextlib.contextmanager
def locked(name):
    """Holds a lock that all test processes of this work tree share."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f".lock-{name}", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def recipe_version():
    """Changes with the text of this file and of the pattern: old images are then made anew."""
    text = pathlib.Path(__file__).read_bytes() + pathlib.Path(pattern.__file__).read_bytes()
    return hashlib.sha256(text).hexdigest()[:12]


def image(name):
    """Path of the image called `name`; makes it if it isn't there."""
    path = CACHE / f"{recipe_version()}-{name}"
    with locked(name):
        if not path.exists():
            for old in CACHE.glob(f"{'[0-9a-f]' * 12}-{name}"):  # not the lock that we hold
                old.unlink()
            unfinished = CACHE / f"unfinished-{name}"
            MAKERS[name](unfinished)
            unfinished.chmod(0o444)
            unfinished.rename(path)
    return path


def copy_of(path, folder):
    """A sparse private copy that a guest may write."""
    copy = folder / path.name
    run_tool("cp", "--sparse=always", "--no-preserve=mode", path, copy)
    return copy


def sparse(path, n_bytes):
    """An empty file that occupies nothing."""
    with open(path, "wb") as file:
        file.truncate(n_bytes)
    return path


def random_bytes(n_bytes, seed):
    """The same arbitrary bytes each time."""
    return random.Random(seed).randbytes(n_bytes)


def sha256(path, offset=0, n_bytes=None):
    """SHA-256 of a range of a raw file, as `sha256sum` would say of just these bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        left = os.path.getsize(path) - offset if n_bytes is None else n_bytes
        file.seek(offset)
        while left:
            piece = file.read(min(left, MiB))
            assert piece, f"{path} ends {left} bytes before the end of the range"
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


def read_range(path, offset, n_bytes):
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(n_bytes)


# ---------------------------------------------------------------- the images

FAT_FILES = {"HELLO.TXT": b"Hello from the host.\n", "RANDOM.BIN": random_bytes(3 * MiB + 17, 1),
             "DOCS/LICENSE.TXT": (ROOT / "LICENSE").read_bytes()}


def make_gpt_fat(path):
    """64 MiB with a GPT and two partitions, the first FAT32 with real files."""
    sparse(path, 64 * MiB)
    run_tool("sgdisk", "--clear", "--disk-guid=11111111-2222-3333-4444-555555555555",
             "--new=1:2048:+40M", "--typecode=1:0700", "--change-name=1:files",
             "--new=2:0:0", "--typecode=2:8300", "--change-name=2:rest", path)
    start = 2048 * 512
    run_tool("mkfs.vfat", "-F", "32", "-n", "VSTOR", "-i", "12345678", "--offset", "2048", path, 40 * KiB)
    target = f"{path}@@{start}"
    run_tool("mmd", "-i", target, "::/DOCS")
    folder = path.with_name(path.name + ".files")
    for name, content in FAT_FILES.items():
        source = folder / name
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(content)
        run_tool("mcopy", "-i", target, source, f"::/{name}")
    shutil.rmtree(folder)


def make_qcow2(path):
    """The GPT + FAT disk in compressed qcow2."""
    run_tool("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", image("gpt-fat.raw"), path)


def make_1m(path):
    path.write_bytes(random_bytes(MiB, 2))


def write_pattern(path, n_bytes):
    """Wholly filled with the pattern, so that no two 16-byte units are equal."""
    with open(path, "wb") as file:
        for offset in range(0, n_bytes, 16 * MiB):
            file.write(pattern.pattern(offset, 16 * MiB, PATTERN_SEED))


def make_64m(path):
    write_pattern(path, 64 * MiB)


def make_256m(path):
    write_pattern(path, 256 * MiB)


# Where the 3 TiB disk has data: at both ends, and where 32 bits of bytes, sectors (2 TiB) and 4 KiB blocks end.
LARGE_ISLANDS = [(0, 64 * KiB), (4 * GiB - 32 * KiB, 64 * KiB), (2 * TiB - 32 * KiB, 64 * KiB),
                 (2 * TiB + GiB + 512, 4 * KiB), (3 * TiB - 64 * KiB, 64 * KiB)]


def make_3t(path):
    sparse(path, 3 * TiB)
    with open(path, "r+b") as file:
        for offset, n_bytes in LARGE_ISLANDS:
            file.seek(offset)
            file.write(random_bytes(n_bytes, offset))


def make_empty_16m(path):
    sparse(path, 16 * MiB)


def make_random_16m(path):
    path.write_bytes(random_bytes(16 * MiB, 3))


def make_ones(path):
    path.write_bytes(b"\xff" * 4 * KiB)


MAKERS = {"ones.rom": make_ones, "gpt-fat.raw": make_gpt_fat, "gpt-fat.qcow2": make_qcow2, "1m.raw": make_1m, "64m.raw": make_64m,
          "256m.raw": make_256m, "3t.raw": make_3t, "empty-16m.raw": make_empty_16m, "random-16m.raw": make_random_16m}


# ---------------------------------------------------------------- boot media

def grub_iso(kernel, loader_command, command_line, folder):
    """An ISO that boots `kernel` by GRUB's `multiboot` or `multiboot2`, on BIOS and on UEFI."""
    tree = folder / "iso"
    (tree / "boot/grub").mkdir(parents=True)
    shutil.copy(kernel, tree / "boot/vstor.elf")
    (tree / "boot/grub/grub.cfg").write_text(
        "set timeout=0\nset default=0\nmenuentry vstor {\n"
        f"  {loader_command} /boot/vstor.elf {quoted_for_grub(command_line)}\n  boot\n}}\n")
    iso = folder / "vstor.iso"
    run_tool("grub-mkrescue", "-o", iso, tree)
    return iso


def quoted_for_grub(command_line):
    """GRUB reads its configuration like a shell: `;` must be kept from it."""
    return " ".join(f"'{word}'" if ";" in word else word for word in command_line.split(" "))
