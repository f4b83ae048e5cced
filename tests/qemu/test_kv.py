# SPDX-License-Identifier: BSD-2-Clause
"""The key-value store of tests/apps/kv.c, and power cuts. QEMU logs what reaches its disk; the disk is rebuilt as it may be
after a cut at each moment (write_log.py), and read by kv_store.py, by the same program built for the host, and by the next
guest, which goes on with it."""
import random
import re
import subprocess

import pytest

import harness
import images
import kv_store
from harness import Disk
from images import KiB
from write_log import Entry, disks_after_cuts, logged_disk, read_log

KV = harness.BUILD / "apps/kv.elf"
KV_HOST = harness.ROOT / "build/host/apps/kv"
SCSI = {"device": "scsi-hd,bus=hba.0", "before": ["-device", "virtio-scsi-pci,id=hba,disable-legacy=on"]}
SEED = 11
N_CUTS = 1000
N_ROUNDS = 5
COMMITS_PER_ROUND = 150
DISK_BYTES = 64 * KiB  # so that the log moves often


def acknowledged(result, first):
    """After how many flushes of the run each commit was acknowledged, from commit `first` on."""
    told = [(int(n), int(syncs)) for n, syncs in re.findall(r"^commit (\d+) syncs (\d+)$", result.text, re.M)]
    assert [n for n, _ in told] == list(range(first, first + COMMITS_PER_ROUND))
    return told


def listed(path):
    """What the program itself finds, built for the host."""
    done = subprocess.run([KV_HOST, path, "list"], capture_output=True, text=True, check=False)
    if done.returncode == 3:
        return None
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.split("\n")[:-1]
    return int(first.split()[1]), dict(line.split(" ", 1) for line in rest)


def check_cut(disk, n_least, n_most, path):
    """The store holds just what it did after a commit that was acknowledged by then, or was under way: its number."""
    found = kv_store.read(disk)
    if found is None:
        assert n_least == 0, "the whole store is lost"
        n_found = 0
    else:
        n_found, store = found
        assert n_least <= n_found <= n_most, f"commit {n_least} was acknowledged, {n_found} is there"
        assert store == kv_store.states(SEED, N_ROUNDS * COMMITS_PER_ROUND)[n_found]
    path.write_bytes(disk)
    assert listed(path) == found
    return n_found


def cut_round(run, folder, content, first, chance, n_cuts, kind):
    """A guest goes on with `content`; its power is cut so often, at each of its moments at least once if they suffice. The
    disk after one of the cuts, and the last commit on it; and how many cuts were looked at."""
    folder.mkdir()
    disk = logged_disk(folder, DISK_BYTES, **kind)
    disk.path.write_bytes(content)
    name = "sda" if kind else "vda"
    result = run(f"/dev/{name} workload {SEED} {COMMITS_PER_ROUND}", kernel=KV, disks=[disk]).expect_status(0)
    told = acknowledged(result, first)
    before = [Entry(0, DISK_BYTES // 512, False, content), Entry(0, 0, True, b"")]
    entries = before + read_log(folder / "log.raw")
    cuts = sorted(chance.randrange(len(before), len(entries) + 1) for _ in range(n_cuts))
    chosen, goes_on = chance.randrange(n_cuts // 2, n_cuts), None
    for nth, (cut, replay) in enumerate(disks_after_cuts(entries, DISK_BYTES, cuts, chance)):
        n_flushes = sum(entry.flush for entry in entries[len(before):cut])
        n_least = max((n for n, syncs in told if syncs <= n_flushes), default=first - 1)
        content = replay.sectors.tobytes()
        n_found = check_cut(content, n_least, first + COMMITS_PER_ROUND - 1, folder / "cut.raw")
        if nth == chosen:
            goes_on = content, n_found
    return *goes_on, len(cuts)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", [{}, SCSI], ids=["blk", "scsi"])
def test_a_thousand_power_cuts(run, tmp_path, kind):
    """No acknowledged commit is lost and none is torn. Each guest finds a disk that was cut under the one before, so what an
    older log has left behind is there, too."""
    chance = random.Random(3)
    content, last, n_cuts, moved = bytes(DISK_BYTES), 0, 0, set()
    for number in range(N_ROUNDS):
        content, last, n = cut_round(run, tmp_path / str(number), content, last + 1, chance, N_CUTS // N_ROUNDS, kind)
        n_cuts += n
        moved.add(kv_store.superblock(content)[1])
    assert n_cuts == N_CUTS
    assert max(moved) > 20, "the log hardly ever moved"


def test_commands(run, tmp_path):
    """Put, get, delete and list, each in a guest of its own, and the same disk read by the host."""
    path = images.sparse(tmp_path / "disk.raw", 64 * KiB)

    def kv(words, status=0):
        return run(f"/dev/vda {words}", kernel=KV, disks=[Disk(path, writable=True)]).expect_status(status).lines
    kv("list", 3)
    kv("format")
    kv("put colour 'dark blue'")
    kv("put size 7")
    assert kv("get colour") == ["dark blue"]
    kv("delete colour")
    kv("get colour", 1)
    assert kv("list") == ["commit 3", "size 7"]
    assert kv_store.read(path.read_bytes()) == (3, {"size": "7"}) == listed(path)


def test_full(run, tmp_path):
    """A store that has no room says so, and keeps what it has."""
    path = images.sparse(tmp_path / "disk.raw", 24 * KiB)
    run(f"/dev/vda workload {SEED} 300", kernel=KV, disks=[Disk(path, writable=True)]).expect_status(1).expect("full|space")
    n_found, store = kv_store.read(path.read_bytes())
    assert n_found > 0 and store == kv_store.states(SEED, N_ROUNDS * COMMITS_PER_ROUND)[n_found]
