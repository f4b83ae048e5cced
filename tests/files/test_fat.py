# SPDX-License-Identifier: BSD-2-Clause
"""FAT as mkfs.fat and mtools make it: whole trees, the same as mtools reads them and as the files were."""
import hashlib
import os
import re

import pytest

from images import KiB, MiB, sparse
from trees import ENVIRONMENT, content, described, plant, read_tree, tool, tree_of

SMALL = {
    "README.TXT": b"short\n", "lower.txt": b"both small\n", "Mixed Case Name.Text": b"long\n", "UPPER.low": b"case bits\n",
    "empty": b"", "no-extension": b"x" * 511, "noext.": b"a dot at the end is dropped by mtools\n",
    "thirteen units": b"13", "a name of exactly 26 units": b"26", "n" * 251 + ".bin": b"the longest\n",
    "Grüße aus Köln.txt": "ä".encode(), "Ελληνικά.txt": b"greek", "日本語のファイル名.txt": b"kanji",
    "dir/sub/deeper/deepest/file.bin": content(3000, 1), "dir/empty directory": None, "one.cluster": content(512, 2),
    "odd.bin": content(70001, 3), "DIR2/x" * 3: b"nested",
}
MANY = {f"many/file number {i:03}.txt": b"%d" % i for i in range(300)}


def make(path, fat, sector=512, cluster=1, size=None, files=None, folder=None, options=()):
    """An image with these files, or with none."""
    sparse(path, size or {12: 3000, 16: 10000, 32: 70000}[fat] * sector * cluster)
    tool("mkfs.fat", "-F", fat, "-S", sector, "-s", cluster, "-n", "VSTOR FILES", "-i", "12ab34cd", *options, path)
    if files:
        plant(folder, files)
        tool("mcopy", "-Q", "-s", "-m", "-i", path, *sorted(folder.iterdir()), "::")
    return path


def mtools_tree(image, folder):
    """The tree as mtools takes it out again."""
    folder.mkdir()
    tool("mcopy", "-Q", "-s", "-n", "-m", "-i", image, "::*", folder)
    return tree_of(folder)


SHAPES = [(fat, sector, cluster) for fat in (12, 16, 32) for sector, cluster in
          [(512, 1), (512, 8), (1024, 2), (2048, 1), (4096, 1), (4096, 4)]] + [(16, 512, 64), (32, 512, 128)]


@pytest.mark.parametrize("fat,sector,cluster", SHAPES)
def test_trees_of_every_shape(tmp_path, fat, sector, cluster):
    """All names and bytes are those that went in and those that mtools reads, on disks of any block size."""
    image = make(tmp_path / "image", fat, sector, cluster, files={**SMALL, **(MANY if cluster == 1 else {})},
                 folder=tmp_path / "in")
    expected = mtools_tree(image, tmp_path / "out")
    assert len(expected) > 20 and "/日本語のファイル名.txt" in expected and "/dir/empty directory" in expected
    for block in (512, 4096):
        for memory in (131072, 2 * 4096):
            found = read_tree(image, f"block={block}", f"memory={memory}")
            assert found.volume == {"kind": f"fat{fat}", "uuid": "12AB-34CD", "label": "VSTOR FILES"}
            assert described(found) == expected


def test_names_are_those_that_went_in(tmp_path):
    """Without mtools in between; it drops the '.' at the end of a name, as Windows does."""
    make(tmp_path / "image", 16, files=SMALL, folder=tmp_path / "in")
    expected = tree_of(tmp_path / "in")
    expected["/noext"] = expected.pop("/noext.")
    assert described(read_tree(tmp_path / "image")) == expected


def test_times_and_sizes(tmp_path):
    """Times to two seconds, and sizes, as mtools was given them."""
    make(tmp_path / "image", 16, files=SMALL, folder=tmp_path / "in")
    found = read_tree(tmp_path / "image").files
    for path in (p for p in (tmp_path / "in").rglob("*") if p.is_file()):
        name = "/" + path.relative_to(tmp_path / "in").as_posix()
        entry = found[name.rstrip(".")]
        assert (entry["bytes"], entry["time"]) == (path.stat().st_size, int(path.stat().st_mtime))


def find(image, path, *options):
    found = read_tree(image, f"find={path}", *options)
    return found.failed or found.files[path].get("sha256", found.files[path]["type"])


def test_lookup_takes_any_case_and_short_names(tmp_path):
    """As Linux and mtools: without regard to case, long or short."""
    image = make(tmp_path / "image", 32, cluster=8, files=SMALL, folder=tmp_path / "in")
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in SMALL.items() if data is not None}
    listing = tool("mdir", "-i", image, "::")
    short = re.search(r"^(MIXEDC~\d) +(\w+) .*Mixed Case Name", listing, re.M)
    for path, name in [("/readme.txt", "README.TXT"), ("README.TXT", "README.TXT"), ("//Lower.TXT", "lower.txt"),
                       ("mixed case NAME.text", "Mixed Case Name.Text"), (f"/{short[1]}.{short[2]}", "Mixed Case Name.Text"),
                       (f"/{short[1]}.{short[2]}".lower(), "Mixed Case Name.Text"), ("GRÜSSE", None),
                       ("grüße AUS kÖLN.TXT", "Grüße aus Köln.txt"), ("ΕΛΛΗΝΙΚά.txt", "Ελληνικά.txt"),
                       ("/DIR/./SUB/../sub/deeper/DEEPEST/file.bin", "dir/sub/deeper/deepest/file.bin"),
                       ("/../../readme.txt", "README.TXT"), ("readme", None), ("readme.txtx", None), ("readme.txt/x", None),
                       ("dir/none/file.bin", None), ("/VSTOR FILES", None)]:
        assert find(image, path) == (sums[name] if name else "not_found"), path
    assert (find(image, ""), find(image, "/"), find(image, "/dir/sub/")) == ("directory",) * 3
    assert find(image, "x" * 2000) == "too_large"


def test_fragmented_files(tmp_path):
    """Files whose clusters lie in holes that others left, up to a full disk; each read on its own and backwards."""
    image = make(tmp_path / "image", 12, files={f"f{i:02}": content(9000 + i, i) for i in range(60)}, folder=tmp_path / "in")
    tool("mdel", "-i", image, *(f"::f{i:02}" for i in range(0, 60, 2)))
    plant(tmp_path / "more", {"big one": content(200_000, 99), "second": content(50_000, 98)})
    tool("mcopy", "-i", image, tmp_path / "more/big one", tmp_path / "more/second", "::")
    chain = tool("mshowfat", "-i", image, "::big one")
    assert chain.count("-") > 10, f"not in pieces: {chain}"
    assert described(read_tree(image)) == mtools_tree(image, tmp_path / "out")


def test_contiguous_files_take_few_long_reads(tmp_path):
    """8 MiB in one piece: read by the megabyte as asked for, and its chain of 16384 clusters in few reads as well."""
    image = make(tmp_path / "image", 32, size=64 * MiB, files={"big": content(8 * MiB, 1)}, folder=tmp_path / "in")
    found = read_tree(image, "find=/big")
    assert found.files["/big"]["sha256"] == hashlib.sha256((tmp_path / "in/big").read_bytes()).hexdigest()
    assert found.reads["longest"] == MiB and found.reads["reads"] < 8 + 16, found.reads


def test_second_fat_and_partition_offset(tmp_path):
    """A volume that begins inside an image, and one with 4 FATs and many reserved sectors."""
    inner = make(tmp_path / "inner", 16, files=SMALL, folder=tmp_path / "in", options=("-f", "4", "-R", "13"))
    expected = mtools_tree(inner, tmp_path / "out")
    outer = tmp_path / "outer"
    outer.write_bytes(b"\xa5" * (63 * 512) + inner.read_bytes() + b"\xa5" * 4096)
    found = read_tree(outer, f"offset={63 * 512}", f"bytes={inner.stat().st_size}")
    assert described(found) == expected


def test_what_is_no_fat(tmp_path):
    """Zeroes, noise, a partition table, ext2: told apart."""
    for name, data in {"zeroes": bytes(MiB), "noise": content(MiB, 5), "one block": bytes(512), "empty": b""}.items():
        (tmp_path / name).write_bytes(data)
        assert read_tree(tmp_path / name).failed == "not_found", name
    table = sparse(tmp_path / "table", 8 * MiB)
    tool("sgdisk", "-n", "1:2048:0", table)
    assert read_tree(table).failed == "not_found"
    tool("mkfs.ext2", "-q", sparse(tmp_path / "ext2", 8 * MiB))
    assert read_tree(tmp_path / "ext2").failed == "not_found"


def test_cut_image(tmp_path):
    """An image whose end is missing: what is there is read, the rest is a clear error."""
    image = make(tmp_path / "image", 16, files={"a": b"here", "b": content(2 * MiB, 1)}, folder=tmp_path / "in")
    os.truncate(image, 1 * MiB)
    assert find(image, "/a") == hashlib.sha256(b"here").hexdigest()
    assert find(image, "/b") == "range"


@pytest.mark.parametrize("fat,size", [(12, 64 * KiB), (12, 1440 * KiB), (16, 32 * MiB), (32, 34 * MiB)])
def test_empty_volumes(tmp_path, fat, size):
    """No file is no error; small ones, too."""
    image = sparse(tmp_path / "image", size)
    tool("mkfs.fat", "-F", fat, image)
    found = read_tree(image)
    assert (found.failed, found.files, found.volume["kind"], found.volume["label"]) == (None, {}, f"fat{fat}", "")
    assert ENVIRONMENT["TZ"] == "UTC"
