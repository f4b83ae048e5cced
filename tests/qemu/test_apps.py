# SPDX-License-Identifier: BSD-2-Clause
"""C programs that boot: those of tests/apps, and bzip2 of Debian's, made by `make apps`. What a program says of disks is
what the same program says in a Linux guest, or on the machine that builds."""
import bz2
import re
import shutil
import subprocess

import pytest

import faults
import harness
import images
import linux_guest
from harness import Disk
from images import KiB, MiB
from write_log import logged_disk, read_log

PROBE = harness.BUILD / "apps/probe.elf"
FILES = harness.BUILD / "apps/files.elf"
HOST_APPS = harness.ROOT / "build/host/apps"
SCSI = {"device": "scsi-hd,bus=hba.0", "before": ["-device", "virtio-scsi-pci,id=hba,disable-legacy=on"]}


@pytest.fixture
def probe(run):
    """Runs tests/apps/probe.c with a command line to its end."""
    return lambda words, **machine: run(words, **{"kernel": PROBE, **machine})


@pytest.fixture
def prompt_of_probe():
    """Starts it and leaves it running; it ends with the test."""
    started = []

    def start(line, **machine):
        started.append(harness.Machine(line, kernel=PROBE, **machine))
        return started[-1].start()
    yield start
    for machine in started:
        machine.kill()


def random_disk(folder, n_bytes, name="disk.raw", **disk):
    path = folder / name
    path.write_bytes(images.random_bytes(n_bytes, len(name) + n_bytes))
    return Disk(path, writable=True, **disk)


# ---------------------------------------------------------------- starting and ending

@pytest.mark.smoke
def test_arguments(probe):
    """Words as a shell takes them, without our options; the standard error is the console, too."""
    line = r"""arguments vstor.log=error one 'two  three' "fo\"u'r" fi\ ve ''  "<6>" '2>7' """
    result = probe(line).expect_status(0)
    assert result.lines[:9] == ["0=probe|", "1=arguments|", "2=one|", "3=two  three|", "4=fo\"u'r|", "5=fi ve|", "6=|",
                                "7=<6>|", "8=2>7|"]
    assert sorted(result.lines[9:]) == ["bye", "that was on the standard error"]


@pytest.mark.parametrize("words,status", [("exit", 0), ("exit 1", 1), ("exit 42", 42), ("exit 127", 127), ("", 2),
                                          ("abort", 127), ("'", 126), ("exit <", 126), ("exit < /dev/vda", 126)])
def test_status(probe, words, status):
    """exit N ends QEMU as the shell's does; what can't be started ends with 126, what a signal ends with 127."""
    result = probe(words).expect_status(status)
    if status == 126:
        result.expect("^probe: (a quote is not closed|a file name is missing|/dev/vda: No such file)")


@pytest.mark.parametrize("loader", ["multiboot", "multiboot2", "pvh"])
def test_loaders(run, tmp_path, loader):
    """By QEMU's PVH on microvm, and by GRUB."""
    if loader == "pvh":
        boot = dict(machine="microvm,acpi=off", kernel=PROBE)
        result = run("arguments 'a  b'", **boot)
    else:
        iso = images.grub_iso(PROBE, loader, "arguments 'a  b'", tmp_path)
        result = run("", boot=["-cdrom", str(iso)])
    result.expect_status(0).expect(r"^1=arguments\|$")


def test_numbers_like_the_host(probe):
    """printf and scanf with floating point, and libm, to the last digit."""
    expected = subprocess.run([HOST_APPS / "probe", "numbers"], capture_output=True, text=True, check=True).stdout
    assert probe("numbers").expect_status(0).text == expected


def test_time(probe):
    """The date is the machine's, and sleeping takes time."""
    result = probe("time", extra=["-rtc", "base=2024-02-29T23:15:00"]).expect_status(0)
    assert re.match(r"2024-02-29T23:(1[5-9]|[2-5]\d)$|2024-03-01T0", result.lines[0]), result.lines[0]
    assert result.lines[1] == "slept enough: 1"


# ---------------------------------------------------------------- memory

def test_all_memory_is_the_programs(probe):
    """Of 256 MiB at least 220 can be had, also where RAM has a hole in the middle; all zero, and what is freed is there
    again."""
    result = probe("memory 2", memory_mib=256).expect_status(0)
    assert int(result.expect(r"^(\d+) MiB")[1]) >= 220
    result = probe("memory 2", memory_mib=256, machine="q35,max-ram-below-4g=96M").expect_status(0)
    found = result.expect(r"^(\d+) MiB, from (\d) GiB to (\d) GiB")
    assert int(found[1]) >= 220 and found.group(2, 3) == ("0", "4")


def test_stack(probe):
    """Nearly 8 MiB; what goes beyond ends with a word of it."""
    assert probe("stack 1700", memory_mib=256).expect_status(0).lines == ["1700"]
    probe("stack 3000", memory_mib=256).expect_status(127).expect("the stack has overflowed")


# ---------------------------------------------------------------- the console

def test_typed_lines(prompt_of_probe):
    """At a terminal lines can be corrected, and Ctrl-D ends them."""
    machine = prompt_of_probe("lines")
    machine.wait_for("terminal 1")
    machine.send("one\rtwo2\x7f\rx\x15three\r")
    machine.wait_for("got <one>[^$]*got <two>[^$]*got <three>")
    machine.send("\x04")
    machine.wait().expect_status(0).expect("^end$")


def test_interrupt_key(prompt_of_probe):
    machine = prompt_of_probe("lines")
    machine.wait_for("terminal 1")
    machine.send("some\x03")
    machine.wait().expect_status(127).expect("ended by signal 2")


def test_as_in_a_pipe(prompt_of_probe):
    """vstor.interactive=0: no echo, and bytes are not changed."""
    machine = prompt_of_probe("vstor.interactive=0 lines")
    machine.send("one\n")
    machine.send("two\n")
    assert machine.wait_for("terminal 0\n")
    machine.kill()


def test_all_bytes_to_a_file(tmp_path):
    """A serial line that is a file gets just what the program writes."""
    out = tmp_path / "out"
    arguments = harness.Machine("vstor.interactive=0 bytes", kernel=PROBE).arguments
    done = subprocess.run([*arguments, "-serial", f"file:{out}"], stdin=subprocess.DEVNULL, timeout=harness.DEADLINE_S,
                          check=False)
    assert (done.returncode, out.read_bytes()) == (1, bytes(range(256)) * 2)


# ---------------------------------------------------------------- files

def disk_of(folder, kind, n_bytes, serial=None):
    return random_disk(folder, n_bytes, drive={"discard": "unmap"}, serial=serial, **(SCSI if kind == "scsi" else {}))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind,name", [("blk", "vda"), ("scsi", "sda")])
def test_files_like_linux(run, tmp_path, kind, name):
    """Some 150 calls: each gives what it gives on Linux, also the error, and the disks are the same afterwards."""
    (tmp_path / "linux").mkdir()
    n_bytes = 3 * MiB - 5 * 512
    ours, linux = disk_of(tmp_path, kind, n_bytes), disk_of(tmp_path / "linux", kind, n_bytes)
    script = f"for i in 1 2 3 4 5 6 7 8; do [ -b /dev/{name} ] || sleep 1; done; chmod +x /files; /files /dev/{name}; " \
             "echo ended $?"
    text = linux_guest.run(script, [linux], tmp_path, files={"files": (HOST_APPS / "files").read_bytes()})
    result = run(f"/dev/{name}", kernel=FILES, disks=[ours]).expect_status(42)
    assert result.text + "ended 42\n" == text
    assert len(result.lines) > 150
    assert ours.path.read_bytes() == linux.path.read_bytes()


@pytest.mark.smoke
def test_files(run, tmp_path):
    """The same without the comparison: what it prints on virtio-blk it prints on SCSI."""
    (tmp_path / "scsi").mkdir()
    texts = [run(f"/dev/{name}", kernel=FILES, disks=[disk_of(folder, kind, 3 * MiB - 5 * 512)]).expect_status(42).text
             for kind, name, folder in (("blk", "vda", tmp_path), ("scsi", "sda", tmp_path / "scsi"))]
    assert texts[0] == texts[1]
    assert len(texts[0].splitlines()) > 150


def test_large_blocks(run, tmp_path):
    """Bytes that cut a block of 4096 do no harm to the rest of it."""
    disk = random_disk(tmp_path, MiB, properties={"logical_block_size": 4096, "physical_block_size": 4096})
    expected = bytearray(disk.path.read_bytes())
    result = run("transfer write /dev/vda 1000 5000 sync /dev/vda 9000 1 write /dev/vda 1048570 100", kernel=PROBE,
                 disks=[disk]).expect_status(0)
    assert result.lines == ["write 5000", "sync 1", "write 6"]
    for offset, n_bytes in ((1000, 5000), (9000, 1), (1048570, 6)):
        expected[offset:offset + n_bytes] = b"\x5a" * n_bytes
    assert disk.path.read_bytes() == expected


def test_names(probe, tmp_path):
    """A disk by each name that Linux and udev have for it; two of a serial number have none in common."""
    wwn = "0x5000c500a1b2c3d4"
    disks = [random_disk(tmp_path, MiB, "a", serial="DISK 1/x", addr="4"), random_disk(tmp_path, MiB, "b", serial="TWIN"),
             random_disk(tmp_path, MiB, "c", serial="TWIN"),
             random_disk(tmp_path, 2 * MiB, "d", serial="QM00", addr=None, device="scsi-hd,bus=hba.0,lun=1,scsi-id=3",
                         properties={"wwn": wwn},
                         before=["-device", "virtio-scsi-pci,id=hba,addr=7,disable-legacy=on"])]
    paths = {"/dev/vda": 0, "/dev/vdb": 1, "/dev/sda": 3, "/dev/disk/by-id/virtio-DISK_1_x": 0,
             "/dev/disk/by-path/pci-0000:00:04.0": 0, "/dev/disk/by-path/pci-0000:00:07.0-scsi-0:0:3:1": 3,
             "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_QM00": 3, f"/dev/disk/by-id/wwn-{wwn}": 3,
             "/dev/disk/by-id/virtio-TWIN": None, "/dev/disk/by-id/virtio-none": None}
    result = probe(f"heads {' '.join(paths)}", disks=disks).expect_status(0)
    for line, (path, n) in zip(result.lines, paths.items(), strict=True):
        if n is None:
            assert line == f"{path}: No such file or directory"
        else:
            content = disks[n].path.read_bytes()
            assert line == f"{path}: {len(content)} {content[:8].hex()}"
    listed = probe("names /dev", disks=disks).expect_status(0).lines
    assert {path for path, n in paths.items() if n is not None} <= set(listed)
    assert "/dev/null" in listed and len(set(listed)) == len(listed)


def test_partitions(probe, writable):
    """By the names that sgdisk has told; they end where the partition does, and what is behind stays."""
    disk = writable("gpt-fat.raw", serial="GPT")
    told = [images.run_tool("sgdisk", "-i", str(n), disk.path).decode() for n in (1, 2)]
    parts = [(int(re.search(r"First sector: (\d+)", text)[1]) * 512, int(re.search(r"size: (\d+)", text)[1]) * 512,
              re.search(r"unique GUID: (\S+)", text)[1].lower()) for text in told]
    before = bytearray(disk.path.read_bytes())
    paths = {"/dev/vda1": 0, "/dev/vda2": 1, f"/dev/disk/by-partuuid/{parts[0][2]}": 0,
             f"/dev/disk/by-partuuid/{parts[1][2]}": 1, "/dev/disk/by-id/virtio-GPT-part2": 1,
             "/dev/disk/by-partlabel/files": 0, "/dev/vda3": None, "/dev/vda0": None, "/dev/vda01": None}
    result = probe(f"heads {' '.join(paths)}", disks=[disk]).expect_status(0)
    for line, (path, n) in zip(result.lines, paths.items(), strict=True):
        if n is None:
            assert line == f"{path}: No such file or directory"
        else:
            at, n_bytes, _ = parts[n]
            assert line == f"{path}: {n_bytes} {before[at:at + 8].hex()}"
    assert {path for path, n in paths.items() if n is not None} <= set(probe("names /dev", disks=[disk]).lines)
    end = parts[0][1]
    result = probe(f"transfer write /dev/vda1 {end - 100} 5000 write /dev/vda1 {end} 1 read /dev/vda1 {end} 1 "
                   f"read /dev/vda1 {end - 7} 100", disks=[disk])
    assert result.lines == ["write 100", "write No space left on device", "read 0", "read 7"]
    before[parts[0][0] + end - 100:parts[0][0] + end] = b"\x5a" * 100
    assert disk.path.read_bytes() == before


def test_files_of_volumes(probe, tmp_path):
    """FAT on a partition and ISO 9660 on a CD, to be read: whole files, folders, and what can't be."""
    tree = tmp_path / "tree/A folder with a long name"
    tree.mkdir(parents=True)
    (tree / "text.txt").write_bytes(b"on the CD\n")
    images.run_tool("xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", tmp_path / "cd.iso", tmp_path / "tree")
    disks = [Disk(images.image("gpt-fat.raw")), Disk(tmp_path / "cd.iso", readonly=True, device="scsi-cd,bus=hba.0",
                                                    before=["-device", "virtio-scsi-pci,id=hba"])]
    result = probe("vstor.interactive=0 print /mnt/vda1/HELLO.TXT '/mnt/sr0/A folder with a long name/text.txt' "
                   "/mnt/vda1/none /mnt/vda2/HELLO.TXT /mnt/vda1/docs /mnt/vdz/x", disks=disks).expect_status(0)
    assert result.lines == ["Hello from the host.", "on the CD", "/mnt/vda1/none: No such file or directory",
                            "/mnt/vda2/HELLO.TXT: No such file or directory", "/mnt/vda1/docs: Is a directory",
                            "/mnt/vdz/x: No such file or directory"]
    listed = probe("names /mnt", disks=disks).expect_status(0).lines
    assert {"/mnt/vda1/HELLO.TXT", "/mnt/vda1/RANDOM.BIN", "/mnt/vda1/DOCS/LICENSE.TXT",
            "/mnt/sr0/A folder with a long name/text.txt"} == set(listed)
    out = images.sparse(tmp_path / "out.raw", 4 * MiB)
    probe("print /mnt/vda1/RANDOM.BIN >/dev/vdb", disks=[disks[0], Disk(out, writable=True)]).expect_status(0)
    content = images.FAT_FILES["RANDOM.BIN"]
    assert out.read_bytes()[:len(content)] == content
    result = probe("transfer write /mnt/vda1/HELLO.TXT 0 1 write /mnt/vda1/NEW.TXT 0 1", disks=disks)
    assert result.lines == ["write Read-only file system", "write No such file or directory"]


# ---------------------------------------------------------------- errors

def test_errors(probe, tmp_path):
    """What fails on the host, or can't be, is an error as C has it; what came before it is told."""
    for name in ("bad", "full", "late"):
        images.sparse(tmp_path / name, MiB)
    images.sparse(tmp_path / "ro", MiB)
    disks = [Disk(None, blockdev=faults.failing_nodes(tmp_path / "bad", "read", [16])),
             Disk(None, blockdev=faults.failing_nodes(tmp_path / "full", "write", [], errno=faults.ENOSPC),
                  properties={"werror": "report"}),
             Disk(None, blockdev=faults.failing_nodes(tmp_path / "late", "flush", [])),
             Disk(tmp_path / "ro", readonly=True)]
    result = probe("transfer read /dev/vda 0 8192 read /dev/vda 8192 512 read /dev/vda 8704 512 write+ /dev/vdb 0 512 "
                   "write+ /dev/vdc 0 512 write /dev/vdd 0 512 read /dev/vdd 0 512", disks=disks)
    assert result.lines[:3] == ["read 8192", "read I/O error", "read 512"]
    assert result.lines[3:8] == ["write+ 512", "fsync I/O error", "write+ 512", "fsync I/O error",
                                 "write Read-only file system"]
    assert result.lines[8] == "read 512"
    result.expect_status(1).expect("vdb: flush at the end of the program")  # what was written is nowhere


def test_lost_flush_at_the_end(probe, tmp_path):
    """A program that does not flush, on a disk that can't: that is no success."""
    images.sparse(tmp_path / "late", MiB)
    disk = Disk(None, blockdev=faults.failing_nodes(tmp_path / "late", "flush", []))
    probe("transfer write /dev/vda 0 512", disks=[disk]).expect_status(1).expect("flush at the end of the program")


def test_no_medium(probe):
    """An empty drive can't be opened."""
    extra = ["-device", "virtio-scsi-pci,id=hba", "-device", "scsi-cd,bus=hba.0"]
    result = probe("heads /dev/sr0", extra=extra).expect_status(0)
    assert result.lines == ["/dev/sr0: No such device or address"]


def test_unplugged(prompt_of_probe, small_disk):
    """A disk that leaves while it is read: an error, and then it is not there."""
    small_disk.bus = "rp1"
    machine = prompt_of_probe("insist /dev/vda", disks=[small_disk], bridges=["pcie-root-port,id=rp1,slot=1"])
    machine.wait_for("reading")
    machine.qmp("device_del", id="disk0")
    result = machine.wait().expect_status(0)
    assert result.lines[-2:] == ["read: No such device or address", "open: No such file or directory"]


# ---------------------------------------------------------------- what is durable

def test_what_is_durable(probe, tmp_path):
    """The last close of what was written flushes; fsync and O_SYNC do for each call, and the end of the program for what
    is open still."""
    disk = logged_disk(tmp_path, MiB)
    probe("transfer write /dev/vda 0 512 write+ /dev/vda 512 512 sync /dev/vda 4096 512 sync /dev/vda 5000 3 "
          "leave /dev/vda 0 512", disks=[disk]).expect_status(0)
    kinds = "".join("F" if entry.flush else "w" for entry in read_log(tmp_path / "log.raw"))
    assert kinds == "wF" * 7


# ---------------------------------------------------------------- programs of others

@pytest.fixture(scope="module")
def bzip2():
    """The program, which `make apps` builds of Debian's source."""
    program = harness.BUILD / "bzip2/bzip2.elf"
    if not program.exists():
        why = program.with_name("why-not")
        assert why.exists(), "bzip2 is not built; run `make apps`"
        pytest.skip(f"no bzip2: {why.read_text().strip()}")
    return program


def text_of(n_bytes):
    """Something worth compressing."""
    text = (harness.ROOT / "README.md").read_bytes() + (harness.ROOT / "LICENSE").read_bytes()
    return (text * (n_bytes // len(text) + 1))[:n_bytes]


def test_bzip2_expands(run, bzip2, tmp_path):
    """What the host's bzip2 has packed; the unpacked is compared with the original."""
    content = text_of(1500 * KiB) + images.random_bytes(300 * KiB, 5)
    (tmp_path / "in.raw").write_bytes(content)
    images.run_tool("bzip2", "-k", tmp_path / "in.raw")
    packed = (tmp_path / "in.raw.bz2").read_bytes()
    (tmp_path / "packed.raw").write_bytes(packed + bytes(-len(packed) % 512))
    out = images.sparse(tmp_path / "out.raw", 4 * MiB)
    disks = [Disk(tmp_path / "packed.raw"), Disk(out, writable=True)]
    run("-c -d /dev/vda >/dev/vdb", kernel=bzip2, disks=disks).expect_status(0)
    assert out.read_bytes() == content + bytes(4 * MiB - len(content))


def test_bzip2_packs(run, bzip2, tmp_path):
    """A whole disk, on SCSI: the very bytes that the host's bzip2 makes, which the host's then expands. Three blocks, the last not full."""
    content = text_of(256 * KiB)
    (tmp_path / "in.raw").write_bytes(content)
    out = images.sparse(tmp_path / "out.raw", 2 * MiB)
    disks = [Disk(tmp_path / "in.raw", **SCSI), Disk(out, writable=True)]
    result = run("-v1c /dev/sda >/dev/vda", kernel=bzip2, disks=disks).expect_status(0)
    result.expect(rf"/dev/sda: .* {256 * KiB} in, \d+ out\.")
    expected = subprocess.run(["bzip2", "-1c", tmp_path / "in.raw"], capture_output=True, check=True).stdout
    assert out.read_bytes()[:len(expected)] == expected
    assert bz2.decompress(expected) == content


def test_bzip2_notices(run, bzip2, tmp_path):
    """One bit wrong: its own message and status, 2."""
    packed = bytearray(bz2.compress(text_of(100 * KiB)))
    packed[len(packed) // 2] ^= 4
    (tmp_path / "packed.raw").write_bytes(packed + bytes(-len(packed) % 512))
    result = run("-tvv /dev/vda", kernel=bzip2, disks=[Disk(tmp_path / "packed.raw")]).expect_status(2)
    result.expect("data integrity|CRC")


def test_several_files_and_flags(run, tmp_path):
    """`make app` takes files, folders and flags; the compiler alone is enough for a Makefile of one's own."""
    parts = tmp_path / "parts"
    parts.mkdir()
    (tmp_path / "first.c").write_text('#include <stdio.h>\nint second(void);\n'
                                      'int main(int n, char **words) { return printf("%s %d\\n", words[0], second()) < n; }\n')
    (parts / "second.c").write_text("int second(void) { return NUMBER; }\n")
    options = [f"B={harness.BUILD.relative_to(harness.ROOT)}"] if harness.BUILD.name != "x86_64" else []
    subprocess.run(["make", "-s", "app", f"APP={tmp_path}/first.c {parts}", "APP_CFLAGS=-O1 -DNUMBER=77", *options],
                   cwd=harness.ROOT, env=clean_environment(), check=True)
    assert run("", kernel=harness.BUILD / "apps/first.elf").expect_status(0).lines == ["first 77"]
    (tmp_path / "Makefile").write_text("CC = vstor-cc\nCFLAGS = -O2 -DNUMBER=78\nvpath %.c parts\nown: first.o second.o\n"
                                       "\t$(CC) -o $@ $^ -lm\n")
    shutil.copytree(harness.BUILD / "sdk", tmp_path / "installed")  # as `make install` puts it somewhere
    path = f"{tmp_path}/installed/bin:{clean_environment()['PATH']}"
    subprocess.run(["make", "-s"], cwd=tmp_path, env={**clean_environment(), "PATH": path}, check=True)
    assert run("", kernel=tmp_path / "own").expect_status(0).lines == ["own 78"]


def clean_environment():
    """Nothing of a make that is above."""
    return {name: value for name, value in images.TOOL_ENVIRONMENT.items() if not name.startswith(("MAKE", "MFLAGS"))}
