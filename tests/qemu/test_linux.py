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
from images import KiB

UNIT = 128 * KiB
DISK_BYTES = 24 * UNIT
# What vstor does, and then Linux: offsets and lengths in units.
FILLED, DISCARDED, ZEROED = (1, 4), (8, 2), (12, 1)
LINUX_WROTE, LINUX_DISCARDED = (16, 3), (20, 2)
SEED = 5
F_RING_PACKED = 34

# Name, block sizes, image format, write cache.
KINDS = [("plain", 512, 512, "raw", "on"), ("4kn", 4096, 4096, "raw", "on"), ("512e", 512, 4096, "raw", "off"),
         ("qcow2", 512, 512, "qcow2", "on")]
# Letters before the disks' names: virtio-blk's, and those of disks on one virtio-scsi adapter.
PREFIXES = {"blk": "vd", "scsi": "sd"}

REPORT = f"""
set -e
unit={UNIT}
""" + """
report() {
    cd /sys/block/$2
    adapter=device
    serial=serial
    if [ ! -e serial ]; then  # SCSI: the page 80h behind its header, and the features are the adapter's
        adapter=$(cd -P device/../../..; pwd)
        serial=device/vpd_pg80
    fi
    echo "disk=$1 size=$(cat size) log=$(cat queue/logical_block_size) phy=$(cat queue/physical_block_size)" \\
        "ro=$(cat ro) serial=$(tr -d '\\000-\\037\\200' <$serial) features=$(cat $adapter/features)" \\
        "cache=$(tr ' ' - <queue/write_cache)"
}
block_name() {  # Linux names SCSI disks in the order in which they answer
    case $1 in vd*) echo $1; return;; esac
    for second in 1 2 3 4 5 6 7 8 9 10; do
        ls /sys/bus/scsi/devices/*:0:$2:0/block 2>/dev/null && return
        sleep 1
    done
}
part() {
    dd if=/dev/$1 bs=64k iflag=skip_bytes,count_bytes skip=$(($2 * unit)) count=$(($3 * unit)) 2>/dev/null
}
"""


def place(piece):
    """A piece in the words of vstor's commands."""
    return f"{piece[0] * UNIT} {piece[1] * UNIT}"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def zeroes(piece):
    return sha256(bytes(piece[1] * UNIT))


def disks_of(folder, driver, ring):
    """A private disk of each kind, full of chance bytes."""
    disks = []
    for name, logical, physical, kind, cache in KINDS:
        raw, path = folder / f"{name}.raw", folder / f"{name}.{kind}"
        raw.write_bytes(images.random_bytes(DISK_BYTES, seed=len(disks)))
        if kind != "raw":
            images.run_tool("qemu-img", "convert", "-O", kind, raw, path)
            raw.unlink()
        properties = {"logical_block_size": logical, "physical_block_size": physical, "write-cache": cache}
        where = {}
        if driver == "blk":
            properties["packed"] = ring
        else:
            before = ["-device", f"virtio-scsi-pci,disable-legacy=on,packed={ring}"] if not disks else []
            where = {"device": "scsi-hd", "before": before}
            properties |= {"scsi-id": len(disks), "lun": 0}
        disks.append(Disk(path, format=kind, serial=f"LINUX-{name}", writable=True, properties=properties,
                          drive={"discard": "unmap"}, **where))
    return disks


def names_of(disks, driver):
    return [f"{PREFIXES[driver]}{chr(ord('a') + i)}" for i in range(len(disks))]


def by_vstor(run, disks, names, commands):
    """Does the commands for each disk, then the sum of all of it; at last tells of all disks."""
    line = "; ".join(f"{command.format(name)} json=1" for name in names for command in (*commands, "sum {}"))
    result = run(f"{line}; lsblk json=1; exit", disks=disks, deadline_s=linux_guest.DEADLINE_S).expect_status(0)
    assert not result.errors
    return result


def by_linux(disks, names, folder):
    """Looks at each disk, changes it, and looks again. What it says: a dict of words by disk."""
    folder.mkdir()
    job = REPORT
    for i, name in enumerate(names):
        job += f"disk=$(block_name {name} {i})\nreport {name} $disk\necho sums"
        for at, n in (FILLED, DISCARDED, ZEROED):
            job += f" $(part $disk {at} {n} | sha256sum | cut -c 1-64)"
        job += f"""
echo before=$(sha256sum </dev/$disk | cut -c 1-64)
dd if=/data of=/dev/$disk bs=64k oflag=seek_bytes seek=$(({LINUX_WROTE[0]} * unit)) conv=notrunc 2>/dev/null
blkdiscard -o $(({LINUX_DISCARDED[0]} * unit)) -l $(({LINUX_DISCARDED[1]} * unit)) /dev/$disk
sync
echo 3 >/proc/sys/vm/drop_caches
echo after=$(sha256sum </dev/$disk | cut -c 1-64)
"""
    said = linux_guest.run(job, disks, folder, {"data": linux_data()})
    found = re.findall(r"^(disk=.*)\nsums (.*)\n(before=.*)\n(after=.*)\n", said, re.M)
    assert len(found) == len(disks), said
    return [dict(word.split("=") for word in " ".join([head, before, after]).split()) | {"sums": sums.split()}
            for head, sums, before, after in found]


def linux_data():
    return images.random_bytes(LINUX_WROTE[1] * UNIT, seed=99)


def check_same_description(listed, linux):
    """What `lsblk` tells and what Linux does."""
    assert (listed["bytes"], listed["logical_block"], listed["physical_block"], listed["ro"], listed["serial"]) == \
        (int(linux["size"]) * 512, int(linux["log"]), int(linux["phy"]), linux["ro"] == "1", linux["serial"])
    assert listed["cache"] == linux["cache"].replace("-", "")
    assert (listed["ring"] == "packed") == (linux["features"][F_RING_PACKED] == "1")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("driver", PREFIXES)
@pytest.mark.parametrize("ring", ["off", "on"])
def test_each_reads_what_the_other_wrote(run, tmp_path, ring, driver):
    """Checksums of the host's, Linux's and vstor's are the same at each step."""
    disks = disks_of(tmp_path, driver, ring)
    names = names_of(disks, driver)
    first = by_vstor(run, disks, names, [f"fill {{}} {place(FILLED)} seed={SEED}", f"discard {{}} {place(DISCARDED)}",
                                         f"zero {{}} {place(ZEROED)}", "flush {}"])
    filled = sha256(pattern.pattern(FILLED[0] * UNIT, FILLED[1] * UNIT, SEED))
    seen = by_linux(disks, names, tmp_path / "linux")
    for record, listed, linux in zip(first.of("sum"), first.of("lsblk"), seen):
        assert record["dev"] == listed["dev"] == linux["disk"]
        assert linux["before"] == record["sha256"]
        assert linux["sums"] == [filled, zeroes(DISCARDED), zeroes(ZEROED)]
        check_same_description(listed, linux)
    pieces = [f"sum {{}} {place(piece)}" for piece in (LINUX_WROTE, LINUX_DISCARDED, FILLED)]
    second = by_vstor(run, disks, names, pieces)
    expected = [sha256(linux_data()), zeroes(LINUX_DISCARDED), filled]
    for disk, linux in zip(disks, seen):
        sums = [record["sha256"] for record in second.of("sum", linux["disk"])]
        assert sums == [*expected, linux["after"]]
        raw = disk.path
        if disk.format != "raw":
            raw = disk.path.with_suffix(".out")
            images.run_tool("qemu-img", "convert", "-O", "raw", disk.path, raw)
        assert images.sha256(raw) == linux["after"]
