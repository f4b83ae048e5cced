# SPDX-License-Identifier: BSD-2-Clause
"""Real data: what the guest reads is what the host wrote, and the other way round, to the byte."""
import hashlib

import pytest

import images
import pattern
from harness import Disk
from images import GiB, KiB, MiB, TiB

BLOCKS_4K = {"logical_block_size": 4096, "physical_block_size": 4096}
BLOCKS_512E = {"logical_block_size": 512, "physical_block_size": 4096}

# name: (image, format, device properties, image whose host checksum counts)
WHOLE_DISKS = {
    "gpt-fat": ("gpt-fat.raw", "raw", {}, "gpt-fat.raw"),
    "gpt-fat-4k-blocks": ("gpt-fat.raw", "raw", BLOCKS_4K, "gpt-fat.raw"),
    "qcow2": ("gpt-fat.qcow2", "qcow2", {}, "gpt-fat.raw"),
    "1m": ("1m.raw", "raw", {}, "1m.raw"),
    "1m-4k-blocks": ("1m.raw", "raw", BLOCKS_4K, "1m.raw"),
    "1m-512e": ("1m.raw", "raw", BLOCKS_512E, "1m.raw"),
    "256m": ("256m.raw", "raw", {}, "256m.raw"),
}


def disk_of(case):
    image, image_format, properties, same_content = WHOLE_DISKS[case]
    disk = Disk(images.image(image), format=image_format, serial=case.upper()[:20], properties=properties)
    return disk, images.image(same_content)


@pytest.mark.parametrize("machine", ["pc", "q35"])
@pytest.mark.parametrize("case", [
    pytest.param(case, marks=[pytest.mark.smoke] if case in ("gpt-fat", "qcow2") else []) for case in WHOLE_DISKS])
def test_sum_of_whole_disk_equals_host_sha256(run, case, machine):
    """`sum` over a whole disk is the host's sha256sum of the image's contents; `lsblk` tells its shape."""
    disk, reference = disk_of(case)
    result = run("lsblk json=1; sum vda json=1; exit", disks=[disk], machine=machine).expect_status(0)
    listed, summed = result.one("lsblk"), result.one("sum")
    assert listed["bytes"] == summed["bytes"] == reference.stat().st_size
    assert (listed["logical_block"], listed["physical_block"]) == \
        tuple(disk.properties.get(name, 512) for name in BLOCKS_4K)
    assert (listed["serial"], listed["ro"]) == (disk.serial, False)
    assert summed["sha256"] == images.sha256(reference), f"the guest read other bytes than the host\n{result.text}"


@pytest.mark.parametrize("properties", [{}, BLOCKS_4K], ids=["512", "4096"])
def test_3_tib_disk_is_read_beyond_2_tib(run, properties):
    """Ranges at 0, around 4 GiB and 2 TiB, beyond 2 TiB and at the very end carry the host's bytes."""
    path = images.image("3t.raw")
    ranges = [(max(0, offset - 4 * KiB), min(n_bytes + 8 * KiB, 3 * TiB - max(0, offset - 4 * KiB)))
              for offset, n_bytes in images.LARGE_ISLANDS]
    sums = "; ".join(f"sum vda {offset} {n_bytes} json=1" for offset, n_bytes in ranges)
    result = run(f"lsblk json=1; {sums}; exit", disks=[Disk(path, properties=properties)]).expect_status(0)
    assert result.one("lsblk")["bytes"] == 3 * TiB
    for (offset, n_bytes), record in zip(ranges, result.of("sum"), strict=True):
        assert (record["offset"], record["bytes"]) == (offset, n_bytes)
        assert record["sha256"] == images.sha256(path, offset, n_bytes), f"wrong bytes at {offset} + {n_bytes}"


def test_3_tib_disk_is_written_beyond_2_tib(run, tmp_path):
    """`fill` beyond 2 TiB lands there and nowhere else; with 32 bits of sectors it would land at the beginning."""
    path = images.sparse(tmp_path / "3t.raw", 3 * TiB)
    places = [2 * TiB - 64 * KiB, 2 * TiB + GiB, 3 * TiB - MiB]
    fills = "; ".join(f"fill vda {offset} 128k seed=5" for offset in places)
    run(f"{fills}; exit", disks=[Disk(path, writable=True)]).expect_status(0)
    for offset in places:
        assert images.read_range(path, offset, 128 * KiB) == pattern.pattern(offset, 128 * KiB, 5)
        alias = offset % (2 * TiB)
        if alias != offset:
            assert not any(images.read_range(path, alias, 128 * KiB)), f"the write of {offset} also landed at {alias}"
    assert path.stat().st_blocks * 512 <= 4 * MiB, "much more was written than asked for"


# (offset, bytes): aligned, cutting blocks at both ends, inside one block, whole disk, last bytes
FILL_RANGES = [(MiB, 3 * MiB), (MiB + 5, 3 * MiB - 9), (4096 * 3 + 100, 300), (0, 16 * MiB), (16 * MiB - 7, 7)]


@pytest.mark.parametrize("blocks", [{}, BLOCKS_4K], ids=["512", "4096"])
@pytest.mark.parametrize("offset,n_bytes", FILL_RANGES, ids=[f"{o}+{n}" for o, n in FILL_RANGES])
def test_guest_fill_is_the_pattern_and_nothing_else_changed(run, writable, offset, n_bytes, blocks):
    """The host finds the pattern where `fill` was told to write, and every other byte of the disk as it was."""
    disk = writable("random-16m.raw", properties=blocks)
    before = disk.path.read_bytes()
    run(f"fill vda {offset} {n_bytes} seed=77 json=1; exit", disks=[disk]).expect_status(0)
    expected = before[:offset] + pattern.pattern(offset, n_bytes, 77) + before[offset + n_bytes:]
    wrong = pattern.first_difference(disk.path.read_bytes(), expected)
    assert wrong is None, f"byte {wrong} is wrong; [{offset}, {offset + n_bytes}) was to be filled"


@pytest.mark.smoke
def test_guest_fill_then_verify_and_host_agree(run, writable):
    """What the guest filled passes its own `verify` and the host's independent pattern."""
    disk = writable()
    seed = 2**64 - 3
    result = run(f"fill vda 0 16M seed={seed}; verify vda 0 16M seed={seed} json=1; exit", disks=[disk])
    assert result.expect_status(0).one("verify")["bytes"] == 16 * MiB
    assert pattern.first_difference(disk.path.read_bytes(), pattern.pattern(0, 16 * MiB, seed)) is None


def test_guest_fill_reaches_a_qcow2(run, tmp_path):
    """A disk in qcow2 is written as well: the host reads it back by its own tool."""
    path, raw = tmp_path / "disk.qcow2", tmp_path / "disk.raw"
    images.run_tool("qemu-img", "create", "-f", "qcow2", path, "32M")
    run("fill vda 5M 20M seed=3; exit", disks=[Disk(path, format="qcow2", writable=True)]).expect_status(0)
    images.run_tool("qemu-img", "convert", "-O", "raw", path, raw)
    expected = bytes(5 * MiB) + pattern.pattern(5 * MiB, 20 * MiB, 3) + bytes(7 * MiB)
    assert pattern.first_difference(raw.read_bytes(), expected) is None


@pytest.mark.parametrize("offset,n_bytes", [(0, 256 * MiB), (100 * MiB + 3, 5 * MiB + 1)])
def test_host_pattern_passes_guest_verify(run, offset, n_bytes):
    """The guest's `verify` accepts what the host's pattern.py wrote."""
    line = f"verify vda {offset} {n_bytes} seed={images.PATTERN_SEED} json=1; exit"
    result = run(line, disks=[Disk(images.image("256m.raw"))]).expect_status(0)
    assert result.one("verify")["bytes"] == n_bytes


@pytest.mark.parametrize("wrong", [0, 4097, 7 * MiB + 13, 16 * MiB - 1])
def test_verify_names_the_exact_byte(run, writable, wrong):
    """One flipped byte in 16 MiB: `verify` fails, says which, what it expected and what it found; status 1."""
    disk = writable()
    data = bytearray(pattern.pattern(0, 16 * MiB, 9))
    data[wrong] ^= 0x40
    disk.path.write_bytes(data)
    result = run("verify vda 0 16M seed=9 json=1; exit", disks=[disk]).expect_status(1)
    error = result.error("verify")
    assert (error["error"], error["offset"]) == ("mismatch", wrong)
    assert (error["expected"], error["found"]) == (data[wrong] ^ 0x40, data[wrong])


def test_verify_with_another_seed_fails_at_the_first_unit(run):
    """The seed takes part: with another one byte 8 is the first that can differ (the first eight are the offset)."""
    result = run("verify vda 0 1M seed=8 json=1; exit", disks=[Disk(images.image("256m.raw"))]).expect_status(1)
    assert 8 <= result.error("verify")["offset"] < 16


# (offset, hex): one byte, across a sector, across a 4 KiB block, longer than two blocks, the last byte
WRITES = [(0, "5a"), (510, "a1a2a3a4"), (4095, "0102"), (8192 + 700, "c3" * 9000), (MiB - 1, "ff")]


@pytest.mark.parametrize("blocks", [{}, BLOCKS_4K], ids=["512", "4096"])
def test_write_at_unaligned_offsets_changes_only_its_bytes(run, writable, blocks):
    """`write` anywhere: the host sees just these bytes changed, and `read` shows them."""
    disk = writable("1m.raw", properties=blocks)
    expected = bytearray(disk.path.read_bytes())
    short = [(offset, data) for offset, data in WRITES if len(data) <= 512]
    for offset, data in short:
        expected[offset:offset + len(data) // 2] = bytes.fromhex(data)
    line = "; ".join(f"write vda {offset} {data}; read vda {offset} {len(data) // 2} json=1" for offset, data in short)
    result = run(f"{line}; exit", disks=[disk]).expect_status(0)
    assert [record["hex"] for record in result.of("read")] == [data for _, data in short]
    wrong = pattern.first_difference(disk.path.read_bytes(), bytes(expected))
    assert wrong is None, f"byte {wrong} is not as expected"


def test_long_write_typed_at_the_prompt(prompt, writable):
    """A write that covers whole blocks and cuts two, in one typed line of several hundred digits."""
    disk = writable("1m.raw", properties=BLOCKS_4K)
    expected = bytearray(disk.path.read_bytes())
    machine = prompt(disks=[disk])
    for offset in range(4000, 4000 + 9 * 250, 250):
        data = bytes((offset + i) & 0xff for i in range(250))
        expected[offset:offset + 250] = data
        assert "usage" not in machine.command(f"write vda {offset} {data.hex()}").text
    machine.command("flush vda")
    machine.kill()
    assert pattern.first_difference(disk.path.read_bytes(), bytes(expected)) is None


@pytest.mark.smoke
def test_read_prints_a_hexdump_as_the_host_does(run):
    """`read` at an odd offset is byte for byte `hexdump -C` of the same range, in text and in JSON."""
    path = images.image("gpt-fat.raw")
    offset, n_bytes = 0x1fe, 1000
    result = run(f"read vda {offset} {n_bytes}; read vda {offset} {n_bytes} json=1; exit", disks=[Disk(path)])
    result.expect_status(0)
    data = images.read_range(path, offset, n_bytes)
    assert "".join(record["hex"] for record in result.of("read")) == data.hex()
    shown = [line.rstrip() for line in result.lines if len(line) > 7 and line[:8].strip("0123456789abcdef") == ""
             or line == "*"]
    assert shown == hexdump(data, offset), "the hexdump differs from hexdump -C"


def hexdump(data, offset):
    """As `hexdump -C -s offset` prints it; equal lines are folded."""
    lines, last = [], None
    for at in range(0, len(data), 16):
        row = data[at:at + 16]
        if row == last and len(row) == 16:
            if lines[-1] != "*":
                lines.append("*")
            continue
        last = row
        digits = " ".join(f"{b:02x}" for b in row[:8]) + "  " + " ".join(f"{b:02x}" for b in row[8:])
        text = "".join(chr(b) if 0x20 <= b < 0x7f else "." for b in row)
        lines.append(f"{offset + at:08x}  {digits:<48}  |{text}|")
    return lines + [f"{offset + len(data):08x}"]


def test_unaligned_ranges_of_sum(run):
    """`sum` of ranges that cut sectors, of nothing, and with size suffixes."""
    path = images.image("1m.raw")
    data = path.read_bytes()
    cases = [("1", "1", 1, 1), ("511", "2", 511, 2), ("0x1ff", "4k", 511, 4096), ("700k", "", 700 * KiB, 324 * KiB),
             ("1M", "0", MiB, 0), ("12345", "543210", 12345, 543210)]
    line = "; ".join(f"sum vda {offset} {n_bytes} json=1" for offset, n_bytes, _, _ in cases)
    result = run(f"{line}; exit", disks=[Disk(path)]).expect_status(0)
    for (_, _, offset, n_bytes), record in zip(cases, result.of("sum"), strict=True):
        assert (record["offset"], record["bytes"]) == (offset, n_bytes)
        assert record["sha256"] == hashlib.sha256(data[offset:offset + n_bytes]).hexdigest()


@pytest.mark.parametrize("length", ["", " 5M"])
@pytest.mark.parametrize("blocks", [{}, BLOCKS_4K], ids=["512", "4096"])
@pytest.mark.parametrize("ring", ["split", "packed"])
@pytest.mark.parametrize("source,target", [("vda", "sda"), ("sda", "vda")])
def test_copy_between_virtio_blk_and_scsi(run, tmp_path, source, target, ring, blocks, length):
    """The host finds the first disk's bytes on the second, of the other kind, and nothing else changed on either."""
    images_of = {source: images.copy_of(images.image("random-16m.raw"), tmp_path),
                 target: images.copy_of(images.image("empty-16m.raw"), tmp_path)}
    original = images_of[source].read_bytes()
    packed = f"packed={'on' if ring == 'packed' else 'off'}"
    disks = [Disk(images_of["vda"], writable=True, properties={**blocks, "packed": packed[7:]}),
             Disk(images_of["sda"], writable=True, device="scsi-hd", properties=blocks,
                  before=["-device", f"virtio-scsi-pci,disable-legacy=on,{packed}"])]
    result = run(f"lsblk json=1; copy {source} {target}{length} json=1; sum {target} json=1; exit", disks=disks)
    n = 5 * MiB if length else 16 * MiB
    assert {record["dev"]: record["driver"] for record in result.expect_status(0).of("lsblk")} == \
        {"vda": "virtio-blk", "sda": "virtio-scsi"}
    assert (result.one("copy")["bytes"], result.one("copy")["to"]) == (n, target)
    expected = original[:n] + bytes(16 * MiB - n)
    wrong = pattern.first_difference(images_of[target].read_bytes(), expected)
    assert wrong is None, f"byte {wrong} of the copy is wrong"
    assert result.one("sum")["sha256"] == hashlib.sha256(expected).hexdigest()
    assert images_of[source].read_bytes() == original


def test_flush_reaches_the_host(prompt, writable):
    """`flush` is a flush on the host too, and `fill` ends with one (QEMU counts them)."""
    machine = prompt(disks=[writable()])

    def flushes():
        return machine.qmp("query-blockstats")[0]["stats"]["flush_operations"]

    first = flushes()
    machine.command("flush vda")
    assert flushes() == first + 1
    machine.command("fill vda 0 1M")
    assert flushes() == first + 2


def test_partitions_files_reach_the_guest_unharmed(run):
    """The bytes of a file inside the FAT partition, found by the host, have the checksum of the file."""
    path = images.image("gpt-fat.raw")
    content = images.FAT_FILES["RANDOM.BIN"]
    offset = path.read_bytes().index(content[:512])
    n_bytes = len(content)
    result = run(f"sum vda {offset} {n_bytes} json=1; exit", disks=[Disk(path)]).expect_status(0)
    assert result.one("sum")["sha256"] == hashlib.sha256(content).hexdigest()
