# SPDX-License-Identifier: BSD-2-Clause
"""Partitions: what the guest says beside what sfdisk, sgdisk, fdisk, parted and xorriso say, of sound tables and of damaged ones; and
reads and writes through names like vda1, checked from the host."""
import hashlib
import json
import re
import subprocess

import pytest

import images
import pattern
from harness import Disk
from images import KiB, MiB, run_tool

CD = dict(device="scsi-cd", readonly=True, before=["-device", "virtio-scsi-pci,id=s0,disable-legacy=on"])
DISK_BYTES = 64 * MiB
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"


# ---------------------------------------------------------------- the host's side

def sgdisk(path, *words):
    run_tool("sgdisk", *words, path)
    return path


def script(path, text, tool="sfdisk", *options):
    """Runs a tool on what would be typed or piped into it."""
    done = subprocess.run([tool, *options, str(path)], input=text.encode(), env=images.TOOL_ENVIRONMENT, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()
    return path


def blank(folder, n_bytes=DISK_BYTES, name="disk.raw"):
    return images.sparse(folder / name, n_bytes)


def gpt(folder, **more):
    """Three partitions, the numbers with gaps."""
    return sgdisk(blank(folder, **more), "-o", "-n", "1:0:+8M", "-t", "1:ef00", "-c", "1:EFI Größe", "-n", "3:0:+16M", "-c", "3:root",
                  "-A", "3:set:2", "-n", "7:0:0")


def number_of(node, path):
    return int(re.sub(r"^p", "", node[len(str(path)):]))


def told_by_sfdisk(path):
    """[(number, offset, bytes, type, uuid, label)]"""
    table = json.loads(run_tool("sfdisk", "-J", path))["partitiontable"]
    found = []
    for entry in table.get("partitions", []):
        kind = entry["type"].lower()
        number = number_of(entry["node"], path)
        uuid = entry.get("uuid") or f"{int(table['id'], 16):08x}-{number:02x}"
        found.append((number, entry["start"] * 512, entry["size"] * 512, kind if len(kind) > 2 else f"0x{kind}", uuid.lower(),
                      entry.get("name", "")))
    return found


def told_by_fdisk(path, block_bytes):
    """The same in blocks of any size: [(number, offset, bytes)]."""
    text = run_tool("fdisk", "-b", block_bytes, "-l", "-o", "Device,Start,Sectors", path).decode()
    return [(number_of(words[0], path), int(words[1]) * block_bytes, int(words[2]) * block_bytes)
            for words in map(str.split, text.splitlines()) if words and words[0].startswith(str(path))]


def damage(path, offset, n_bytes=8):
    with open(path, "r+b") as file:
        file.seek(offset)
        old = file.read(n_bytes)
        file.seek(offset)
        file.write(bytes(byte ^ 0x5a for byte in old))


def grow(path, n_bytes):
    with open(path, "r+b") as file:
        file.truncate(n_bytes)


# ---------------------------------------------------------------- the guest's side

def told_by_guest(record):
    return [(p["number"], p["offset"], p["bytes"], p["parttype"], p["partuuid"], p["partlabel"]) for p in record["partitions"]]


def ranges(record):
    return [(p["number"], p["offset"], p["bytes"]) for p in record["partitions"]]


def look(run, disk, status=0):
    """What `parts` and `lsblk` say, which is the same."""
    result = run("lsblk json=1; parts vda json=1; exit", disks=[disk]).expect_status(status)
    parts, listed = result.one("parts"), result.one("lsblk")
    for key in ("partitions", "pttype", "ptflaws", "pterror", "ptblock", "ptuuid"):
        assert parts.get(key) == listed.get(key), key
    return parts


# ---------------------------------------------------------------- GPT

@pytest.mark.smoke
def test_gpt(run, tmp_path):
    """A GPT as sgdisk makes it: numbers, places, types, uuids, labels."""
    path = gpt(tmp_path)
    record = look(run, Disk(path))
    assert told_by_guest(record) == told_by_sfdisk(path) and len(record["partitions"]) == 3
    assert (record["pttype"], record["ptflaws"], record["ptblock"]) == ("gpt", [], 512)
    assert [p["bootable"] for p in record["partitions"]] == [False, True, False]
    assert [p["name"] for p in record["partitions"]] == ["vda1", "vda3", "vda7"]
    assert record["partitions"][0]["parttypename"] == "EFI system"
    assert record["ptuuid"] == json.loads(run_tool("sfdisk", "-J", path))["partitiontable"]["id"].lower()


@pytest.mark.parametrize("entries, used", [(128, 128), (256, 200), (1024, 300), (16, 3)])
def test_gpt_of_any_length(run, tmp_path, entries, used):
    """Every entry of tables that are full, and of such as are longer or shorter than the usual."""
    path = sgdisk(blank(tmp_path), "-o", "-S", str(entries))
    sgdisk(path, "-a", "1", *[word for n in range(1, used + 1) for word in ("-n", f"{n}:0:+{n}", "-c", f"{n}:part {n}")])
    record = look(run, Disk(path))
    assert told_by_guest(record) == told_by_sfdisk(path) and len(record["partitions"]) == used
    assert record["ptflaws"] == []


# What is damaged: offset from the start, or from the end; and what is said of it.
DAMAGE = {
    "primary-header": (512 + 16, "primary_bad"), "primary-signature": (512, "primary_bad"), "primary-entries": (1024 + 40, "primary_bad"),
    "primary-last-entry": (1024 + 127 * 128, "primary_bad"), "backup-header": (-512 + 24, "backup_bad"),
    "backup-signature": (-512, "backup_bad"), "backup-entries": (-33 * 512 + 40, "backup_bad"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_copy_of_a_gpt(run, tmp_path, what):
    """Either copy may be damaged anywhere: nothing is lost, it is told, and the tool that it names mends it."""
    offset, flaw = DAMAGE[what]
    path = gpt(tmp_path)
    expected = told_by_sfdisk(path)
    damage(path, offset % DISK_BYTES)
    record = look(run, Disk(path))
    assert told_by_guest(record) == expected and record["ptflaws"] == [flaw]
    text = run("lsblk -v vda; parts; exit", disks=[Disk(path)]).expect_status(0)
    assert text.text.count("sgdisk -e") == 2
    text.expect("^vda1 .* EFI Größe$")
    sgdisk(path, "-e")
    record = look(run, Disk(path))
    assert told_by_guest(record) == expected and record["ptflaws"] == []


def test_a_gpt_with_no_sound_copy(run, tmp_path):
    """Nothing is made up of it; `parts vda` fails, and all else goes on."""
    path = gpt(tmp_path)
    damage(path, 512 + 16)
    damage(path, DISK_BYTES - 512 + 16)
    record = look(run, Disk(path), status=1)
    assert (record["partitions"], record["pterror"], record["pttype"]) == ([], "malformed", "gpt")
    result = run("lsblk; sum vda; read vda1 0 1; exit", disks=[Disk(path)]).expect_status(1)
    result.expect("^read vda1 0 1: vda1: its partition table: ")
    result.expect(images.sha256(path))


def test_a_bad_block_in_a_copy(run, tmp_path):
    """That is why there are two."""
    path = gpt(tmp_path)
    for sector, flaw in ((1, "primary_bad"), (2, "primary_bad"), (DISK_BYTES // 512 - 1, "backup_bad")):
        nodes = [{"driver": "file", "filename": str(path), "node-name": "file", "read-only": True},
                 {"driver": "blkdebug", "image": "file", "node-name": "debug", "read-only": True,
                  "inject-error": [{"event": "read_aio", "iotype": "read", "sector": sector, "errno": 5}]},
                 {"driver": "raw", "file": "debug", "node-name": "disk", "read-only": True}]
        record = look(run, Disk(blockdev=nodes, properties={"rerror": "report", "logical_block_size": 512}))
        assert told_by_guest(record) == told_by_sfdisk(path) and record["ptflaws"] == [flaw], sector


def test_a_disk_that_has_grown(run, tmp_path):
    """The second copy is not at the end any more: told, and moved by the tool that it names."""
    path = gpt(tmp_path)
    expected = told_by_sfdisk(path)
    grow(path, DISK_BYTES + 16 * MiB)
    record = look(run, Disk(path))
    assert told_by_guest(record) == expected and record["ptflaws"] == ["moved"]
    damage(path, 512)
    assert look(run, Disk(path), status=1)["pterror"] == "malformed"  # where it was nobody knows without the first
    damage(path, 512)
    sgdisk(path, "-e")
    record = look(run, Disk(path))
    assert told_by_guest(record) == expected and record["ptflaws"] == []


def test_copies_that_differ(run, tmp_path):
    """Both are sound, and not the same: the first one counts."""
    path = gpt(tmp_path)
    with open(path, "rb") as file:
        file.seek(-33 * 512, 2)
        end = file.read()
    sgdisk(path, "-d", "7")
    expected = told_by_sfdisk(path)
    with open(path, "r+b") as file:
        file.seek(-33 * 512, 2)
        file.write(end)
    record = look(run, Disk(path))
    assert told_by_guest(record) == expected and record["ptflaws"] == ["differ"]


def test_a_disk_that_was_cut(run, tmp_path):
    """A shorter disk than the table was made for: it is not believed."""
    path = gpt(tmp_path)
    grow(path, 32 * MiB)
    assert look(run, Disk(path), status=1)["partitions"] == []


@pytest.mark.parametrize("disk_block, table_block", [(512, 4096), (4096, 512), (4096, 4096), (2048, 512)])
def test_gpt_on_disks_of_other_blocks(run, tmp_path, disk_block, table_block):
    """Tables for 4096-byte blocks; and those of the one kind on a disk of the other, as copying images makes them: all
    is found where it is, and written where it is found."""
    path = script(blank(tmp_path), "g\nn\n1\n\n+9M\nn\n5\n\n\nw\n", "fdisk", "-b", str(table_block))
    expected = told_by_fdisk(path, table_block)
    disk = Disk(path, writable=True, properties={"logical_block_size": disk_block, "physical_block_size": 4096})
    record = look(run, disk)
    assert ranges(record) == expected and len(expected) == 2
    assert (record["ptblock"], record["ptflaws"]) == (table_block, [])
    before = path.read_bytes()
    run("fill vda1 0 9M seed=5; verify vda1 0 9M seed=5; exit", disks=[disk]).expect_status(0)
    assert path.read_bytes() == put(before, expected[0][1], pattern.pattern(0, 9 * MiB, 5))


def test_partitions_that_cut_blocks(run, tmp_path):
    """On blocks of 4096 a table for 512 can put a partition anywhere: the blocks it shares keep what is others'."""
    path = blank(tmp_path)
    path.write_bytes(images.random_bytes(DISK_BYTES, 4))
    sgdisk(path, "-o", "-a", "1", "-n", "1:2051:+1000", "-n", "2:3051:+1000")
    (_, offset, n_bytes), (_, second, _) = [entry[:3] for entry in told_by_sfdisk(path)]
    assert offset % 4096 and (offset + n_bytes) % 4096 and second == offset + n_bytes
    before = path.read_bytes()
    disk = Disk(path, writable=True, properties={"logical_block_size": 4096, "physical_block_size": 4096})
    result = run(f"fill vda1 0 {n_bytes} seed=3; write vda2 0 112233; zero vda2 1000 5000; sum vda1; exit", disks=[disk]).expect_status(0)
    after = put(before, offset, pattern.pattern(0, n_bytes // 16 * 16 + 16, 3)[:n_bytes])
    after = put(put(after, second, b"\x11\x22\x33"), second + 1000, bytes(5000))
    assert path.read_bytes() == after
    result.expect(hashlib.sha256(after[offset:offset + n_bytes]).hexdigest())
    for command in ("discard vda1 0 4096", "bench vda1 number_ios=1", "copy vda1 vda2 4096"):
        run(f"{command}; exit", disks=[disk]).expect_status(1)
    assert path.read_bytes() == after


def test_hybrid_mbr(run, tmp_path):
    """Beside a hybrid MBR it is the GPT that counts, as for Linux."""
    path = gpt(tmp_path)
    expected = told_by_sfdisk(path)
    sgdisk(path, "-h", "3:7")
    record = look(run, Disk(path))
    assert record["pttype"] == "gpt" and told_by_guest(record) == expected


# ---------------------------------------------------------------- MBR

MBR = """label: dos
label-id: 0x1234abcd
start=2048, size=8192, type=c, bootable
start=12288, size=81920, type=f
start=96000, size=30000, type=83
"""
LOGICAL = "".join(f"start={14336 + 4096 * n}, size=2048, type={kind}\n" for n, kind in enumerate(["83", "82", "7", "83", "8e", "fd", "b", "83"]))


@pytest.mark.smoke
def test_mbr_with_logical_partitions(run, tmp_path):
    """Primary, extended and eight logical ones, as sfdisk tells them."""
    path = script(blank(tmp_path), MBR + LOGICAL)
    record = look(run, Disk(path))
    assert sorted(told_by_guest(record)) == sorted(told_by_sfdisk(path)) and len(record["partitions"]) == 11
    assert (record["pttype"], record["ptuuid"], record["ptflaws"]) == ("mbr", "1234abcd", [])
    assert [p["number"] for p in record["partitions"] if p["bootable"]] == [1]


def test_an_extended_chain_that_loops(run, tmp_path):
    """The last of the chain points to its first, or to itself: every partition once, and it is told."""
    path = script(blank(tmp_path), MBR + LOGICAL)
    expected = told_by_sfdisk(path)
    with open(path, "r+b") as file:
        at, start = 12288, 12288
        while True:
            file.seek(at * 512 + 446 + 16)
            link = file.read(16)
            if link[4] == 0:
                break
            at = start + int.from_bytes(link[8:12], "little")
        for back in (0, at - start, 4096):
            file.seek(at * 512 + 446 + 16)
            file.write(bytes([0, 0, 0, 0, 5, 0, 0, 0]) + back.to_bytes(4, "little") + (4096).to_bytes(4, "little"))
            file.flush()
            record = look(run, Disk(path))
            assert "endless" in record["ptflaws"]
            assert {p[:3] for p in expected} <= set(ranges(record)) and len(record["partitions"]) <= len(expected) + 1


def test_mbr_in_blocks_of_4096(run, tmp_path):
    """An MBR counts in the disk's blocks."""
    path = script(blank(tmp_path), "o\nn\np\n1\n\n+9M\nn\ne\n2\n\n\nn\n\n+5M\nn\n\n+5M\nw\n", "fdisk", "-b", "4096")
    record = look(run, Disk(path, properties={"logical_block_size": 4096, "physical_block_size": 4096}))
    assert sorted(ranges(record)) == sorted(told_by_fdisk(path, 4096)) and len(record["partitions"]) == 4


@pytest.mark.parametrize("label", ["gpt", "msdos"])
def test_what_parted_makes(run, tmp_path, label):
    """A third tool, with sizes that are not round."""
    path = blank(tmp_path)
    run_tool("parted", "-s", path, "mklabel", label, "mkpart", "primary", "ext4", "1MB", "20MB", "mkpart", "primary", "fat32", "20MB", "33MB")
    text = run_tool("parted", "-sm", path, "unit", "B", "print").decode()
    expected = [tuple(int(field.rstrip("B")) for field in line.split(":")[:4:1][:1] + line.split(":")[1:4:2]) for line in text.splitlines()
                if re.match(r"\d+:", line)]
    record = look(run, Disk(path))
    assert [(p["number"], p["offset"], p["bytes"]) for p in record["partitions"]] == expected and len(expected) == 2


def test_no_table(run, tmp_path):
    """Empty disks, noise, and file systems from the first block on, which have the same signature as an MBR."""
    run_tool("mkfs.vfat", "-F", "32", blank(tmp_path, name="fat.raw"))
    for path in (blank(tmp_path), tmp_path / "fat.raw", images.image("random-16m.raw")):
        record = look(run, Disk(path))
        assert record["partitions"] == [] and "pttype" not in record, path


# ---------------------------------------------------------------- boot images

def told_by_xorriso(path):
    """[(platform, bytes to load, offset)] of the boot catalogue."""
    text = subprocess.run(["xorriso", "-indev", str(path), "-report_el_torito", "plain"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout.decode()
    lines = re.findall(r"^El Torito boot img :\s+\d+\s+(\w+)\s+\w+\s+\S+\s+\S+\s+\S+\s+(\d+)\s+(\d+)", text, re.M)
    return [(platform, int(sectors) * 512, int(place) * 2048) for platform, sectors, place in lines]


def boot_cd(folder, *more):
    """A CD with images for a BIOS and for EFI, and what is in these."""
    tree = folder / "tree"
    tree.mkdir()
    contents = {"BIOS": images.random_bytes(2048, 1), "UEFI": images.random_bytes(300 * KiB, 2)}
    (tree / "bios.img").write_bytes(contents["BIOS"])
    (tree / "efi.img").write_bytes(contents["UEFI"])
    path = folder / "cd.iso"
    run_tool("xorriso", "-as", "mkisofs", "-o", path, *more, "-b", "bios.img", "-no-emul-boot", "-boot-load-size", "4", "-eltorito-alt-boot", "-e",
             "efi.img", "-no-emul-boot", tree)
    return path, contents


@pytest.mark.smoke
def test_el_torito(run, tmp_path):
    """The boot images of a CD are partitions of it: as xorriso tells them, and with what is in them."""
    path, contents = boot_cd(tmp_path)
    result = run("parts sr0 json=1; sum sr0p1 json=1; sum sr0p2 json=1; parts; write sr0p1 0 00; exit", disks=[Disk(path, **CD)])
    result.expect_status(1).expect("^write sr0p1 0 00: .*read-only")
    record = result.one("parts")
    expected = told_by_xorriso(path)
    names = {"BIOS boot image": "BIOS", "EFI boot image": "UEFI"}
    assert record["pttype"] == "el-torito" and len(expected) == 2
    assert [(names[p["parttypename"]], p["load_bytes"], p["offset"]) for p in record["partitions"]] == expected
    sums = [r["sha256"] for r in result.of("sum")]
    assert sums == [hashlib.sha256(contents[platform]).hexdigest() for platform in ("BIOS", "UEFI")]
    result.expect(r"^sr0p2 +\d+ +307200 +300k \* +EFI boot image")


def test_a_cd_image_for_sticks(run, tmp_path):
    """It has a GPT and a boot catalogue. On a disk the one gives the names and the other is shown; in a drive it is the other
    way round."""
    kernel = tmp_path / "kernel"
    kernel.write_bytes(b"nothing")
    path = images.grub_iso(kernel, "multiboot", "vstor", tmp_path)
    expected = [(p[0], p[1], p[2]) for p in told_by_sfdisk(path)]
    catalogue = told_by_xorriso(path)
    on_disk = run("parts vda json=1; parts; exit", disks=[Disk(path)])
    on_disk.expect("^vda: boot images as well:")
    record = on_disk.one("parts")
    assert ranges(record) == expected and record["pttype"] in ("gpt", "mbr")
    assert [(p["load_bytes"], p["offset"]) for p in record["boot_images"]] == [entry[1:] for entry in catalogue] != []
    record = run("parts sr0 json=1; exit", disks=[Disk(path, **CD)]).one("parts")
    assert record["pttype"] == "el-torito" and len(record["partitions"]) == len(catalogue) and "boot_images" not in record


# ---------------------------------------------------------------- through their names

def put(data, offset, piece):
    return data[:offset] + piece + data[offset + len(piece):]


@pytest.fixture
def three(tmp_path):
    """A disk of noise with three partitions; their places."""
    path = blank(tmp_path)
    path.write_bytes(images.random_bytes(DISK_BYTES, 9))
    sgdisk(path, "-Z", "-o", "-n", "1:0:+4M", "-n", "2:0:+4M", "-n", "3:0:+4M", "-c", "2:the middle", "-c", "3:last")
    return path, [entry[1] for entry in told_by_sfdisk(path)]


WRITES = {
    "write": ("write vda2 3 0102030405", lambda d, at: put(d, at[1] + 3, b"\1\2\3\4\5")),
    "fill": ("fill vda2 512 1M seed=4", lambda d, at: put(d, at[1] + 512, pattern.pattern(0, MiB + 512, 4)[512:])),
    "fill-all": ("fill vda2 0 4M; verify vda2 0 4M", lambda d, at: put(d, at[1], pattern.pattern(0, 4 * MiB, 1))),
    "zero": ("zero vda2 0 4M", lambda d, at: put(d, at[1], bytes(4 * MiB))),
    "zero-piece": ("zero vda2 100 1000000", lambda d, at: put(d, at[1] + 100, bytes(1000000))),
    "discard": ("discard vda2 0 4M", lambda d, at: put(d, at[1], bytes(4 * MiB))),
    "copy-to-partition": ("copy vda1 vda3", lambda d, at: put(d, at[2], d[at[0]:at[0] + 4 * MiB])),
    "copy-back": ("copy vda3 vda1 1M", lambda d, at: put(d, at[0], d[at[2]:at[2] + MiB])),
    "at-the-end": ("write vda2 4194303 ff", lambda d, at: put(d, at[1] + 4 * MiB - 1, b"\xff")),
    "by-label": ('write "partlabel=the middle" 0 aa', lambda d, at: put(d, at[1], b"\xaa")),
    "by-path": ("write pci-0000:00:02.0-part3 0 aa", lambda d, at: put(d, at[2], b"\xaa")),
    "by-serial": ("write serial=xyz-part1 0 aa", lambda d, at: put(d, at[0], b"\xaa")),
}


@pytest.mark.parametrize("name", WRITES)
def test_writes_through_a_partition(run, three, name):
    """What is written through a name is where the host looks for it, and nothing else has changed."""
    path, places = three
    command, expected = WRITES[name]
    before = path.read_bytes()
    disk = Disk(path, serial="xyz", addr="2", writable=True, drive={"discard": "unmap", "detect-zeroes": "off"})
    run(f"{command}; flush vda2; exit", disks=[disk]).expect_status(0)
    assert path.read_bytes() == expected(before, places)


BEYOND = ["write vda2 4M 00", "write vda2 4194303 0000", "fill vda2 1 4M", "zero vda2 4M 1", "zero vda2 8M 512", "discard vda2 512 4M",
          "copy vda1 vda2 5M", "read vda2 4194300 5", "sum vda2 0 5M", "verify vda2 4M 16", "copy vda1 vda1", "copy vda vda1 1M",
          "bench vda2 rw=write size=5M number_ios=10", "bench vda2 rw=write offset=4M number_ios=10", "copy vda2 vda4", "write vda4 0 00",
          "cache vda2", "stats vda2", "eject vda2", "zone vda2", "parts vda2", "write partlabel=none 0 00", "write vda02 0 00"]


@pytest.mark.parametrize("commands", [BEYOND])
def test_nothing_beyond_a_partition(run, three, prompt, commands):
    """What would leave the partition is refused before anything is done, with the place where it would."""
    path, _ = three
    before = path.read_bytes()
    machine = prompt(disks=[Disk(path, writable=True)])
    for command in commands:
        error = machine.command(f"{command} json=1").error(command.split()[0])
        assert error["error"] in ("invalid", "range", "not_found"), error
    assert machine.command("read vda2 4194300 5 json=1").error("read")["offset"] == 4 * MiB
    machine.command("write vda2 4M 00").expect("^write vda2 4M 00: .* at byte 4194304")
    assert path.read_bytes() == before


def test_bench_stays_inside(run, three):
    """Thousands of random writes, and the verifying kind, touch nothing outside."""
    path, places = three
    before = path.read_bytes()
    disk = Disk(path, writable=True)
    run("bench vda2 rw=randwrite bs=4k number_ios=3000; bench vda2 rw=randwrite verify=1 bs=8k number_ios=2000 segments=3; "
        "bench vda2 rw=write bs=64k number_ios=200; bench vda2 cache=256k rw=randwrite number_ios=2000; "
        "bench vda2 cache=256k rw=randwrite verify=1 number_ios=2000; exit", disks=[disk]).expect_status(0)
    after = path.read_bytes()
    assert after[:places[1]] == before[:places[1]] and after[places[1] + 4 * MiB:] == before[places[1] + 4 * MiB:]
    assert after[places[1]:places[1] + 4 * MiB] != before[places[1]:places[1] + 4 * MiB]


def test_reads_through_a_partition(run, three):
    """Sums and bytes are those of the range, and JSON says which partition."""
    path, places = three
    result = run("sum vda2 json=1; sum vda3 1000 5000 json=1; read vda3 1M 16 json=1; lsblk vda3 json=1; exit", disks=[Disk(path)])
    sums = result.expect_status(0).of("sum")
    assert [r["sha256"] for r in sums] == [images.sha256(path, places[1], 4 * MiB), images.sha256(path, places[2] + 1000, 5000)]
    assert [(r["dev"], r["offset"]) for r in sums] == [("vda2", 0), ("vda3", 1000)]
    assert bytes.fromhex(result.one("read")["hex"]) == images.read_range(path, places[2] + MiB, 16)
    listed = result.one("lsblk")
    assert (listed["dev"], listed["pkname"], listed["offset"], listed["bytes"]) == ("vda3", "vda", places[2], 4 * MiB)


def test_an_error_is_at_its_place_in_the_partition(run, three):
    """A bad sector of the disk is told by its offset in the partition."""
    path, places = three
    nodes = [{"driver": "file", "filename": str(path), "node-name": "file", "read-only": True},
             {"driver": "blkdebug", "image": "file", "node-name": "debug", "read-only": True,
              "inject-error": [{"event": "read_aio", "iotype": "read", "sector": places[1] // 512 + 100, "errno": 5}]},
             {"driver": "raw", "file": "debug", "node-name": "disk", "read-only": True}]
    disk = Disk(blockdev=nodes, properties={"rerror": "report", "logical_block_size": 512})
    for command in ("read vda2 51200 512", "bench vda2 rw=read bs=512 iodepth=1 number_ios=110"):
        error = run(f"{command} json=1; exit", disks=[disk]).expect_status(1).error(command.split()[0])
        assert (error["dev"], error["offset"], error["error"]) == ("vda2", 51200, "io")


def test_names_of_two_disks(run, tmp_path):
    """A copied disk has the same uuids and labels: then none of both is meant, but each has its name."""
    (tmp_path / "copy").mkdir()
    path = gpt(tmp_path)
    other = images.copy_of(path, tmp_path / "copy")
    uuid = told_by_sfdisk(path)[1][4]
    for name in (f"partuuid={uuid}", "partlabel=root"):
        run(f"read {name} 0 1; exit", disks=[Disk(path)]).expect_status(0)
        run(f"read {name} 0 1; exit", disks=[Disk(path), Disk(other)]).expect_status(1).expect("no such device")
        run("read vda3 0 1; read vdb3 0 1; exit", disks=[Disk(path), Disk(other)]).expect_status(0)
    run(f"read partuuid={uuid.upper()} 0 1; exit", disks=[Disk(path)]).expect_status(0)


# ---------------------------------------------------------------- tables that change

def names_of(machine, device="vda"):
    return [p["name"] for p in machine.command(f"lsblk {device} json=1").one("lsblk")["partitions"]]


def test_a_table_that_is_written(prompt, tmp_path):
    """Whatever writes it, the next look sees the new one."""
    (tmp_path / "new").mkdir()
    path, new = gpt(tmp_path), script(blank(tmp_path / "new"), MBR)
    machine = prompt(disks=[Disk(path), Disk(new)])
    assert names_of(machine) == ["vda1", "vda3", "vda7"]
    machine.command("zero vda 0 1M")
    assert names_of(machine) == []
    machine.command("copy vdb vda 1M")
    assert names_of(machine) == ["vda1", "vda2", "vda3"]
    assert machine.command("sum vda3 0 1k json=1").one("sum")["sha256"] == images.sha256(new, 96000 * 512, 1024)
    machine.command("write vda 0x1d2 00")  # the type of the second
    assert names_of(machine) == ["vda1", "vda3"]


def test_looking_at_a_list_asks_nothing_of_disks(prompt, tmp_path):
    """But the first time."""
    machine = prompt(disks=[Disk(gpt(tmp_path))])
    reads = []
    for _ in range(4):
        assert len(names_of(machine)) == 3
        reads.append(machine.command("stats vda json=1").one("stats")["reads"])
    assert 0 < reads[0] < 10 and set(reads) == {reads[0]}


def test_a_table_that_the_host_changes(prompt, tmp_path):
    """It is seen by its names at once, by lsblk after `rescan`, and by `parts` always."""
    path = gpt(tmp_path)
    machine = prompt(disks=[Disk(path, writable=True, drive={"cache": "none"})])
    assert names_of(machine) == ["vda1", "vda3", "vda7"]
    twin = tmp_path / "twin.raw"
    twin.write_bytes(path.read_bytes())
    sgdisk(twin, "-d", "7", "-n", "9:0:+1M")
    with open(path, "r+b") as file:
        file.write(twin.read_bytes())
    assert names_of(machine) == ["vda1", "vda3", "vda7"]
    assert machine.command("read vda9 0 1 json=1").one("read")["dev"] == "vda9"
    machine.command("rescan")
    assert names_of(machine) == ["vda1", "vda3", "vda9"]


def test_another_medium(prompt, tmp_path):
    """Another CD in the drive: its boot images, and the names of the first are no more."""
    path, _ = boot_cd(tmp_path)
    empty = tmp_path / "empty.iso"
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "file").write_bytes(b"a file")
    run_tool("xorriso", "-as", "mkisofs", "-o", empty, tmp_path / "nothing")
    machine = prompt(disks=[Disk(path, **CD)])
    assert names_of(machine, "sr0") == ["sr0p1", "sr0p2"]
    machine.qmp("blockdev-change-medium", id="disk0", filename=str(empty), format="raw", read_only_mode="read-only", force=True)
    machine.command("read sr0 0 1")  # meets the change
    assert names_of(machine, "sr0") == []
    machine.command("read sr0p1 0 1").expect("no such device")
    machine.qmp("blockdev-change-medium", id="disk0", filename=str(path), format="raw", read_only_mode="read-only", force=True)
    machine.command("read sr0 0 1")
    assert names_of(machine, "sr0") == ["sr0p1", "sr0p2"]
    machine.qmp("eject", id="disk0", force=True)
    machine.command("read sr0 0 1")
    assert names_of(machine, "sr0") == []


def test_names_are_completed(prompt, tmp_path):
    """Tab offers partitions, the second word's too."""
    machine = prompt(disks=[Disk(gpt(tmp_path)), Disk(images.image("1m.raw"))])
    for start in ("sum vda", "copy vdb vda"):
        machine.send(f"{start}\t\t")
        machine.wait_for("vda1 +vda3 +vda7")
        machine.send("\x15")
    machine.send("echo on\r")
    machine.wait_for("\non\r?\n")


def test_lsblk_shows_a_tree(run, tmp_path):
    """For people: partitions under their disks."""
    result = run("lsblk; exit", disks=[Disk(gpt(tmp_path))]).expect_status(0)
    result.expect(r"^vda +64M .*\n\|-vda1 +8M .*-part1\n\|-vda3 +16M .*\n`-vda7 +3\dM ")


def test_files_of_a_partition(run):
    """A file system in a partition, by its name."""
    result = run("ls vda1; " + "; ".join(f'sum vda1 "/{name}" json=1' for name in images.FAT_FILES) + "; exit",
                 disks=[Disk(images.image("gpt-fat.raw"))]).expect_status(0)
    result.expect("^DOCS$")
    assert [r["sha256"] for r in result.of("sum")] == [hashlib.sha256(data).hexdigest() for data in images.FAT_FILES.values()]
