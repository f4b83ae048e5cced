# SPDX-License-Identifier: BSD-2-Clause
"""The programs of tests/embed, built from the installed files alone, as an embedder would, and run."""
import os
import re
import shutil
import subprocess

import numpy
import pytest

import harness
from harness import Disk

KiB, MiB = 1 << 10, 1 << 20
TAIL_BYTES = 64 * KiB  # what blk and disks rewrite
FACTOR = 0x9e3779b97f4a7c15
EXAMPLES = harness.ROOT / "tests/embed"


def content(size, flip=False):
    """What content.h expects of a disk of that size."""
    words = numpy.arange(size // 8, dtype=numpy.uint64) * numpy.uint64(8 * FACTOR & (1 << 64) - 1)
    return (~words if flip else words).tobytes()


def make(*words, cwd=harness.ROOT, **environment):
    """Runs make as a user would; nothing of a make above is inherited, nor anything that names our tree."""
    kept = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")}
    done = subprocess.run(["make", *words], cwd=cwd, env={**kept, **environment}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def build(folder):
    """What a `make` of this tree is told of the build that is tested."""
    return [f"B={harness.BUILD.relative_to(harness.ROOT)}"] if harness.BUILD.name != "x86_64" else []


@pytest.fixture(scope="session")
def prefix(tmp_path_factory):
    """A place with all that is installed, and nothing else."""
    place = tmp_path_factory.mktemp("prefix")
    make("-s", "install", f"PREFIX={place}", *build(place))
    return place


@pytest.fixture(scope="session")
def programs(prefix, tmp_path_factory):
    """A folder far from this tree with the examples, built."""
    folder = tmp_path_factory.mktemp("embed") / "programs"
    shutil.copytree(EXAMPLES, folder)
    said = make(cwd=folder, PKG_CONFIG_LIBDIR=str(prefix / "lib/pkgconfig"))
    assert str(harness.ROOT) not in said, "the examples see this tree"
    assert f"-I{prefix}/include " in said and f"-L{prefix}/lib -lvstor" in said
    return folder


def disk(path, size=4 * MiB, flip=False, **options):
    path.write_bytes(content(size, flip))
    return Disk(path, writable=True, **options)


def run(program, disks, **machine):
    """Runs a program to its end."""
    with harness.Machine(kernel=program, disks=disks, **machine) as guest:
        return guest.wait()


def assert_tail_rewritten(path, size=4 * MiB):
    data = path.read_bytes()
    assert data[:-TAIL_BYTES] == content(size)[:-TAIL_BYTES], "what was only read has changed"
    assert data[-TAIL_BYTES:] == content(size, flip=True)[-TAIL_BYTES:], "what was written is not there"


@pytest.mark.smoke
@pytest.mark.parametrize("machine,device", [("q35", "virtio-blk-pci"), ("pc", "virtio-blk-pci,packed=on"),
                                            ("q35", "virtio-blk-pci,disable-legacy=on,indirect_desc=off")])
def test_just_virtio_blk(programs, tmp_path, machine, device):
    """It reads the disk whole, eight requests in flight, and rewrites its end; the memory it takes is what it says."""
    path = tmp_path / "disk"
    result = run(programs / "blk.elf", [disk(path, device=device)], machine=machine).expect_status(0)
    result.expect(r"^pci-0000:00:\S+: 8192 sectors, memory \d+$")
    assert_tail_rewritten(path)


def test_a_wrong_byte_and_no_disk_are_told(programs, tmp_path):
    """One wrong bit in the middle ends in status 2, and nothing is written; no disk in status 1."""
    path = tmp_path / "disk"
    one = disk(path)
    data = bytearray(path.read_bytes())
    data[1234567] ^= 1
    path.write_bytes(data)
    run(programs / "blk.elf", [one]).expect_status(2)
    assert path.read_bytes() == data
    run(programs / "blk.elf", []).expect_status(1)


def everything(folder, **bridged):
    """Two virtio-blk disks, one behind a bridge, a SCSI disk and a CD; and the paths of those that can be written."""
    blk, behind, scsi, cd = (folder / name for name in ("blk", "bridged", "scsi", "cd"))
    cd.write_bytes(content(2 * MiB))
    return [disk(blk, device="virtio-blk-pci"), disk(behind, device="virtio-blk-pci", bus="bridge", **bridged),
            disk(scsi, device="scsi-hd", before=["-device", "virtio-scsi-pci,id=scsi"], bus="scsi.0"),
            Disk(cd, readonly=True, device="scsi-cd", bus="scsi.0")], [blk, behind, scsi]


def assert_everything_was_used(result, paths):
    result.expect_status(0).expect(r"^4 disks, memory held 0, at most \d+, mapped 0$")
    for name in ("vda", "vdb", "sda", "sr0"):
        result.expect(rf"^{name} pci-0000:\S+ virtio-pci, \d+ sectors, memory \d+: right$")  # by its BARs
    for path in paths:
        assert_tail_rewritten(path)
    assert (paths[0].parent / "cd").read_bytes() == content(2 * MiB)


@pytest.mark.smoke
def test_the_smallest_complete_embedding(programs, tmp_path):
    """Every disk behind virtio-blk and virtio-scsi is found, right, and rewritten where it can be."""
    disks, paths = everything(tmp_path, addr="1")
    assert_everything_was_used(run(programs / "disks.elf", disks, machine="pc",
                                   bridges=["pci-bridge,id=bridge,chassis_nr=1"]), paths)


@pytest.mark.parametrize("machine,bridge,addr", [("pc", "pci-bridge,id=bridge,chassis_nr=1", "1"),
                                                 ("q35", "pcie-root-port,id=bridge,chassis=1", "0")])
def test_as_the_firmware_itself(programs, tmp_path, machine, bridge, addr):
    """The same program from the reset vector, with no other firmware in the machine: buses and BARs are its to place."""
    disks, paths = everything(tmp_path, addr=addr)
    result = run(None, disks, machine=machine, bridges=[bridge], boot=["-bios", str(programs / "disks.rom")])
    assert_everything_was_used(result, paths)


@pytest.mark.smoke
def test_two_instances_side_by_side(programs, tmp_path):
    """Two platforms, two registries, two disks with different content, request by request in turn; each takes from its
    own memory exactly what its device says."""
    disks = [disk(tmp_path / "a", device="virtio-blk-pci"), disk(tmp_path / "b", flip=True, device="virtio-blk-pci")]
    result = run(programs / "two.elf", disks).expect_status(0)
    for number in range(2):
        found = result.expect(rf"^instance {number}: vda \S+ memory (\d+) of its own, (\d+) said$")
        assert found[1] == found[2]
        result.expect(rf"^instance {number}: 256 right, 0 wrong, memory held 0$")


def sections(path):
    """Bytes of code and constants, and of variables without what starts as zeroes."""
    text, data = subprocess.run(["size", path], check=True, capture_output=True, text=True).stdout.split()[6:8]
    return int(text), int(data)


def test_an_embedding_carries_only_what_it_uses(programs):
    """Just virtio-blk: under 64 KiB in all, and nothing of SCSI in it. (The archive is one object: its sections must have
    stayed apart.)"""
    names = subprocess.run(["nm", programs / "blk.elf"], check=True, capture_output=True, text=True).stdout
    assert not re.search("scsi", names, re.I)
    assert "vst_virtio_blk_attach" in names
    text, data = sections(programs / "blk.elf")
    assert 16 * KiB < text + data < 64 * KiB
    assert sum(sections(programs / "disks.elf")) < 128 * KiB


def test_what_make_install_puts_in_place(tmp_path):
    """Library, every public header, vstor.pc and the programs, in DESTDIR below PREFIX; uninstall takes all away."""
    words = ["-s", "PREFIX=/opt/vstor", f"DESTDIR={tmp_path}", *build(tmp_path)]
    make("install", *words)
    root = tmp_path / "opt/vstor"
    headers = {f"include/vstor/{path.name}" for path in (harness.ROOT / "include/vstor").glob("*.h")}
    found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert headers | {"lib/libvstor.a", "lib/pkgconfig/vstor.pc", "lib/vstor/vstordxe.efi", "lib/vstor/vstor.rom", "lib/vstor/vstor.efi",
                      "lib/vstor/vstor.elf",
                      "lib/vstor/vstor-pvh.elf"} <= found
    assert (root / "lib/vstor/vstor.elf").read_bytes() == harness.KERNEL.read_bytes()
    told = subprocess.run(["pkg-config", "--cflags", "--libs", "vstor"], check=True, capture_output=True, text=True,
                          env={**os.environ, "PKG_CONFIG_LIBDIR": str(root / "lib/pkgconfig")}).stdout.split()
    assert told == ["-I/opt/vstor/include", "-L/opt/vstor/lib", "-lvstor"]
    make("uninstall", *words)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not (root / "include/vstor").exists() and not (root / "lib/vstor").exists()


def test_each_public_header_stands_alone(prefix, tmp_path):
    """Each compiles by itself, twice, with no library's headers but the compiler's own."""
    for header in sorted((prefix / "include/vstor").glob("*.h")):
        text = f"#include <vstor/{header.name}>\n" * 2
        subprocess.run(["gcc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-ffreestanding", "-nostdinc",
                        "-isystem", compiler_headers(), f"-I{prefix}/include", "-fsyntax-only", "-x", "c", "-"],
                       input=text, text=True, check=True)


def compiler_headers():
    return subprocess.run(["gcc", "-print-file-name=include"], check=True, capture_output=True, text=True).stdout.strip()
