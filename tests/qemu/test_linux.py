# SPDX-License-Identifier: BSD-2-Clause
"""Linux and vstor on the same disks: each reads what the other wrote, sees zeroes where the other discarded, and tells
the same sizes and serial numbers."""
import hashlib
import re

import pytest

import images
import linux_guest
import pattern
from harness import Disk
from images import MiB

DISK_BYTES = 24 * MiB
# What vstor does, and then Linux: offsets in MiB.
FILLED, DISCARDED, ZEROED = (1, 4), (8, 2), (12, 1)
LINUX_WROTE, LINUX_DISCARDED = (16, 3), (20, 2)
SEED = 5
F_RING_PACKED = 34

# Name, block sizes, image format, write cache.
KINDS = [("plain", 512, 512, "raw", "on"), ("4kn", 4096, 4096, "raw", "on"), ("512e", 512, 4096, "raw", "off"),
         ("qcow2", 512, 512, "qcow2", "on")]

REPORT = """
set -e
report() {
    cd /sys/block/$1
    echo "disk=$1 size=$(cat size) log=$(cat queue/logical_block_size) phy=$(cat queue/physical_block_size)" \\
        "ro=$(cat ro) serial=$(cat serial) features=$(cat device/features) cache=$(tr ' ' - <queue/write_cache)"
}
part() {
    dd if=/dev/$1 bs=64k iflag=skip_bytes,count_bytes skip=$(($2 << 20)) count=$(($3 << 20)) 2>/dev/null
}
"""


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def zeroes(piece):
    return sha256(bytes(piece[1] * MiB))


def disks_of(folder, ring):
    """A private disk of each kind, full of chance bytes."""
    disks = []
    for name, logical, physical, kind, cache in KINDS:
        raw, path = folder / f"{name}.raw", folder / f"{name}.{kind}"
        raw.write_bytes(images.random_bytes(DISK_BYTES, seed=len(disks)))
        if kind != "raw":
            images.run_tool("qemu-img", "convert", "-O", kind, raw, path)
            raw.unlink()
        properties = {"logical_block_size": logical, "physical_block_size": physical, "write-cache": cache, "packed": ring}
        disks.append(Disk(path, format=kind, serial=f"LINUX-{name}", writable=True, properties=properties,
                          drive={"discard": "unmap"}))
    return disks


def by_vstor(run, disks, commands):
    """Does the commands for each disk, then the sum of all of it; at last tells of all disks."""
    names = [f"vd{chr(ord('a') + i)}" for i in range(len(disks))]
    line = "; ".join(f"{command.format(name)} json=1" for name in names for command in (*commands, "sum {}"))
    result = run(f"{line}; lsblk json=1; exit", disks=disks, deadline_s=linux_guest.DEADLINE_S).expect_status(0)
    assert not result.errors
    return result


def by_linux(disks, folder):
    """Looks at each disk, changes it, and looks again. What it says: a dict of words by disk."""
    folder.mkdir()
    job = REPORT
    for i in range(len(disks)):
        name = f"vd{chr(ord('a') + i)}"
        job += f"report {name}\necho sums"
        for place in (FILLED, DISCARDED, ZEROED):
            job += f" $(part {name} {place[0]} {place[1]} | sha256sum | cut -c 1-64)"
        job += f"""
echo before=$(sha256sum </dev/{name} | cut -c 1-64)
dd if=/data of=/dev/{name} bs=64k oflag=seek_bytes seek=$(({LINUX_WROTE[0]} << 20)) conv=notrunc 2>/dev/null
blkdiscard -o $(({LINUX_DISCARDED[0]} << 20)) -l $(({LINUX_DISCARDED[1]} << 20)) /dev/{name}
sync
echo 3 >/proc/sys/vm/drop_caches
echo after=$(sha256sum </dev/{name} | cut -c 1-64)
"""
    said = linux_guest.run(job, disks, folder, {"data": linux_data()})
    found = re.findall(r"^(disk=.*)\nsums (.*)\n(before=.*)\n(after=.*)\n", said, re.M)
    assert len(found) == len(disks), said
    return [dict(word.split("=") for word in " ".join([head, before, after]).split()) | {"sums": sums.split()}
            for head, sums, before, after in found]


def linux_data():
    return images.random_bytes(LINUX_WROTE[1] * MiB, seed=99)


def check_same_description(listed, linux):
    """What `lsblk` tells and what Linux does."""
    assert (listed["bytes"], listed["logical_block"], listed["physical_block"], listed["ro"], listed["serial"]) == \
        (int(linux["size"]) * 512, int(linux["log"]), int(linux["phy"]), linux["ro"] == "1", linux["serial"])
    assert listed["cache"] == linux["cache"].replace("-", "")
    assert (listed["ring"] == "packed") == (linux["features"][F_RING_PACKED] == "1")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("ring", ["off", "on"])
def test_each_reads_what_the_other_wrote(run, tmp_path, ring):
    """Checksums of the host's, Linux's and vstor's are the same at each step."""
    disks = disks_of(tmp_path, ring)
    first = by_vstor(run, disks, [f"fill {{}} {FILLED[0]}M {FILLED[1]}M seed={SEED}",
                                  f"discard {{}} {DISCARDED[0]}M {DISCARDED[1]}M",
                                  f"zero {{}} {ZEROED[0]}M {ZEROED[1]}M", "flush {}"])
    filled = sha256(pattern.pattern(FILLED[0] * MiB, FILLED[1] * MiB, SEED))
    seen = by_linux(disks, tmp_path / "linux")
    for record, listed, linux in zip(first.of("sum"), first.of("lsblk"), seen):
        assert record["dev"] == listed["dev"] == linux["disk"]
        assert linux["before"] == record["sha256"]
        assert linux["sums"] == [filled, zeroes(DISCARDED), zeroes(ZEROED)]
        check_same_description(listed, linux)
    pieces = [f"sum {{}} {at}M {n}M" for at, n in (LINUX_WROTE, LINUX_DISCARDED, FILLED)]
    second = by_vstor(run, disks, pieces)
    expected = [sha256(linux_data()), zeroes(LINUX_DISCARDED), filled]
    for disk, linux in zip(disks, seen):
        sums = [record["sha256"] for record in second.of("sum", linux["disk"])]
        assert sums == [*expected, linux["after"]]
        raw = disk.path
        if disk.format != "raw":
            raw = disk.path.with_suffix(".out")
            images.run_tool("qemu-img", "convert", "-O", "raw", disk.path, raw)
        assert images.sha256(raw) == linux["after"]
