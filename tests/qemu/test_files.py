# SPDX-License-Identifier: BSD-2-Clause
"""Files on real devices: `ls`, `cat` and `sum` of FAT on virtio-blk and SCSI disks and of ISO 9660 in a CD drive."""
import hashlib
import re

import pytest

import images
from harness import Disk
from images import KiB, MiB

TEXT = "one line\nGrüße, and \"quotes\" \\ in the second\n"
FILES = {"README.TXT": b"hello\n", "a long name.text": TEXT.encode(), "boot/grub/grub.cfg": b"set timeout=0\n",
         "boot/kernel.bin": images.random_bytes(3 * MiB + 17, 11), "empty": b"", "Köln.txt": b"name beyond ASCII\n"}
BLOCKS_4K = {"logical_block_size": 4096, "physical_block_size": 4096}
ADAPTER = ["-device", "virtio-scsi-pci,id=s0,disable-legacy=on"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("files")
    (root / "links").mkdir()
    (root / "links/link").symlink_to("boot/kernel.bin")
    for name, data in FILES.items():
        path = root / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def fat_image(folder, sector=512):
    path = folder / f"fat-{sector}.raw"
    if not path.exists():
        images.sparse(path, 34 * MiB * sector // 512)
        images.run_tool("mkfs.fat", "-F", "32", "-S", sector, "-s", 1, "-n", "VSTOR", "-i", "cafe0123", path)
        images.run_tool("mcopy", "-Q", "-s", "-i", path, *sorted((folder / "in").iterdir()), "::")
    return path


def iso_image(folder, *options):
    path = folder / f"image{''.join(options)}.iso"
    if not path.exists():
        images.run_tool("genisoimage", "-quiet", *options, "-V", "VSTOR_CD", "-o", path, folder / "in", folder / "links")
    return path


def sha256(name):
    return hashlib.sha256(FILES[name]).hexdigest()


def check_files(result, device, ls_names):
    """What the commands of LINE said."""
    assert [r["name"] for r in result.of("ls", device) if "name" in r] == sorted(ls_names)
    assert {r["path"]: r["sha256"] for r in result.of("sum", device)} == \
        {"/boot/kernel.bin": sha256("boot/kernel.bin"), "/empty": sha256("empty")}
    pieces = [r for r in result.of("cat", device)]
    assert b"".join(bytes.fromhex(r["hex"]) for r in pieces) == TEXT.encode()
    assert {r["path"] for r in pieces} == {"/a long name.text"}


LINE = "ls {0} json=1; sum {0} /boot/kernel.bin json=1; sum {0} /empty json=1; cat {0} '/a long name.text' json=1; exit"
NAMES = ["README.TXT", "a long name.text", "boot", "empty", "Köln.txt"]


@pytest.mark.parametrize("sector,properties", [
    pytest.param(512, {}, marks=pytest.mark.smoke), (512, BLOCKS_4K), (4096, BLOCKS_4K), (4096, {})],
    ids=["512", "512-on-4Kn", "4096-on-4Kn", "4096-on-512"])
def test_fat_on_virtio_blk(run, folder, sector, properties):
    """Names and bytes of a FAT volume, of small and large sectors, on disks of small and large blocks."""
    disk = Disk(fat_image(folder, sector), properties=properties)
    check_files(run(LINE.format("vda"), disks=[disk]).expect_status(0), "vda", NAMES)


@pytest.mark.parametrize("device", ["scsi-hd", "scsi-cd"])
@pytest.mark.parametrize("options", [("-R",), ("-J",), ("-R", "-J")], ids="".join)
def test_iso9660_on_scsi(run, folder, device, options):
    """A CD in the drive, 2048-byte blocks; and the same image as a disk of 512."""
    name = {"scsi-cd": "sr0", "scsi-hd": "sda"}[device]
    disk = Disk(iso_image(folder, *options), device=device, readonly=device == "scsi-cd", before=ADAPTER)
    result = run(LINE.format(name), disks=[disk]).expect_status(0)
    check_files(result, name, NAMES + (["link"] if "-R" in options else []))


def test_what_a_person_sees(prompt, folder):
    """`ls`, `ls -l`, `cat` as text; links; errors that name the path."""
    machine = prompt(disks=[Disk(fat_image(folder)), Disk(iso_image(folder, "-R"), device="scsi-cd", readonly=True,
                                                          before=ADAPTER)])
    assert machine.command("ls vda").text.splitlines() == sorted(NAMES)
    assert machine.command("ls vda /BOOT").text.split() == ["grub", "kernel.bin"]
    assert machine.command("cat vda '/a LONG name.text'").text == TEXT
    assert machine.command("cat vda readme.txt /boot/grub/grub.cfg").text == "hello\nset timeout=0\n"
    listing = machine.command("ls vda -l").text.splitlines()
    assert listing[0] == "fat32, label VSTOR, uuid CAFE-0123"
    assert re.fullmatch(r"-  6 20\d\d-\d\d-\d\d \d\d:\d\d README.TXT", listing[2])
    assert [line[0] for line in listing[1:]] == list("---d-")
    assert machine.command("ls sr0 -l").expect(r"^l +0 .* link -> boot/kernel.bin$")
    assert machine.command("sum sr0 /link").text == f"{sha256('boot/kernel.bin')}  /link\n"
    assert machine.command("ls vda /none").text == "ls vda /none: /none: no such file or directory\n"
    assert machine.command("cat vda /boot").text == "cat vda /boot: /boot is a directory\n"
    assert machine.command("cat vda /boot/none json=1").error("cat")["error"] == "not_found"


def test_a_disk_without_files(run, small_disk):
    """Said as such, and the command fails."""
    result = run("ls vda json=1; exit", disks=[small_disk]).expect_status(1)
    assert result.error("ls")["text"] == "neither FAT nor ISO 9660"


def test_a_file_that_cannot_be_read(run, folder, tmp_path):
    """A bad sector in the middle of a file: what stands before it comes, then an error that names file and byte."""
    path = images.copy_of(fat_image(folder), tmp_path)
    data = path.read_bytes()
    at = data.index(FILES["boot/kernel.bin"][1 * MiB:1 * MiB + 64])
    rule = {"event": "read_aio", "errno": 5, "sector": at // 512, "once": False}
    blockdev = [{"driver": "file", "node-name": "file", "filename": str(path), "read-only": True},
                {"driver": "blkdebug", "node-name": "faulty", "image": "file", "inject-error": [rule], "read-only": True},
                {"driver": "raw", "node-name": "disk", "file": "faulty", "read-only": True}]
    disk = Disk(blockdev=blockdev, properties={"rerror": "report"})
    result = run("ls vda json=1; sum vda /readme.txt json=1; sum vda /boot/kernel.bin json=1; exit", disks=[disk])
    result.expect_status(1)
    assert result.one("sum")["sha256"] == sha256("README.TXT")
    error = result.error("sum")
    assert error["error"] == "io" and error["text"].startswith("/boot/kernel.bin: "), error


def test_ctrl_c_stops_cat(prompt, folder):
    """A large file on the slow console ends at once, and the shell goes on."""
    machine = prompt(disks=[Disk(fat_image(folder))])
    machine.send("cat vda /boot/kernel.bin json=1\r")
    machine.wait_for('"offset":4096')
    machine.send("\x03")
    machine.wait_for("interrupted")
    machine.wait_for_prompt()
    assert machine.command("sum vda /empty").text == f"{sha256('empty')}  /empty\n"
    assert KiB == 1024


@pytest.mark.parametrize("properties", [{}, BLOCKS_4K], ids=["512", "512-GPT-on-4Kn"])
def test_files_of_partitions(run, properties):
    """A partition by each of its names, and the whole disk, which has no file system of its own."""
    disk = Disk(images.image("gpt-fat.raw"), serial="GPT-FAT", properties=properties)
    files = {f"/{name}": hashlib.sha256(data).hexdigest() for name, data in images.FAT_FILES.items()}
    for name in ("vda1", "serial=GPT-FAT-part1", "partlabel=files"):
        sums = "; ".join(f"sum {name} {path} json=1" for path in files)
        result = run(f"ls {name} -l json=1; {sums}; exit", disks=[disk]).expect_status(0)
        assert {r["path"]: r["sha256"] for r in result.of("sum", "vda1")} == files
        assert [r["name"] for r in result.of("ls", "vda1") if "name" in r] == ["DOCS", "HELLO.TXT", "RANDOM.BIN"]
    assert run("ls vda json=1; exit", disks=[disk]).expect_status(1).error("ls")["error"] == "not_found"
    assert run("ls vda2 json=1; exit", disks=[disk]).expect_status(1).error("ls")["dev"] == "vda2"


def test_names_beyond_ascii_are_found(run, folder):
    """As typed in UTF-8, in either case."""
    result = run("sum vda /KöLN.txt json=1; exit", disks=[Disk(fat_image(folder))]).expect_status(0)
    assert (result.one("sum")["sha256"], result.one("sum")["path"]) == (sha256("Köln.txt"), "/KöLN.txt")


def test_reads_of_files_are_long_ones(run, folder):
    """3 MiB in one piece through the cache, which reads ahead: some dozen reads, though the shell asks for 128 KiB."""
    result = run("sum vda /boot/kernel.bin; stats vda json=1; exit", disks=[Disk(fat_image(folder))]).expect_status(0)
    stats = result.one("stats")
    queue = stats["queues"][0] if "queues" in stats else stats
    assert queue["read_bytes"] < 4 * MiB and queue["reads"] <= 60, queue
    assert queue["cache"]["read_bytes"] + queue["cache"]["hits"] > 3 * MiB and queue["cache"]["dirty_bytes"] == 0
