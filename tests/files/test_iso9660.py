# SPDX-License-Identifier: BSD-2-Clause
"""ISO 9660 as xorriso and genisoimage make it: whole trees, the same as the files were and as isoinfo lists them."""
import hashlib
import os
import re

import pytest

from images import MiB
from trees import content, described, plant, read_tree, tool, tree_of

WRITERS = {"xorriso": ["xorriso", "-as", "mkisofs", "--norock"], "genisoimage": ["genisoimage"]}
FILES = {
    "README.TXT": b"hello\n", "empty": b"", "a long name with blanks and.dots.in it": b"x" * 2048, "Grüße.txt": "ü".encode(),
    "dir/sub/deeper/file.bin": content(300_001, 1), "dir/empty": None, "exact.bin": content(4096, 2), "odd": content(2047, 3),
    "MiXeD.CaSe": b"m", "same.case": b"1",
    **{f"many/file-{i:03}.txt": b"%d" % i for i in range(200)},
}
LINKS = {
    "to-file": "->README.TXT", "dir/up": "->../many", "absolute": "->/dir/sub", "chain1": "->chain2", "chain2": "->chain3",
    "chain3": "->dir/up/file-007.txt", "circle": "->circle", "nowhere": "->not/there", "dots": "->./dir/../dir/./sub/..",
    "root": "->/",
}
# genisoimage writes the length of those modulo 256.
LONG_LINKS = {
    "long-link": "->" + "/".join(["dir", ".."] * 60) + "/README.TXT", "wide-link": "->" + "w" * 240 + "/" + "v" * 240,
}
LONG = {"n" * 250: b"a name of 250", "d" * 200 + "/" + "e" * 200 + "/" + "f" * 200: b"deep and long"}
DEEP = {"1/2/3/4/5/6/7/8/9/10/11/12/file": b"relocated", "1/2/3/4/5/6/7/8/nine/x": b"another", "1/2/top": b"t"}


def links(writer):
    return {**LINKS, **(LONG_LINKS if writer == "xorriso" else {})}


def make(writer, image, folder, files, *options):
    plant(folder, files)
    tool(*WRITERS[writer], "-quiet", "-V", "VSTOR_FILES", *options, "-o", image, folder)
    return image


def without_moved(tree):
    """genisoimage keeps what it moves in a folder of the root."""
    return {path: what for path, what in tree.items() if not path.lower().startswith(("/rr_moved", "/.rr_moved"))}


@pytest.mark.parametrize("block", [512, 2048, 4096])
@pytest.mark.parametrize("options", [["-R"], ["-R", "-J"], ["-r", "-J", "-joliet-long"]], ids=["rock", "both", "long"])
@pytest.mark.parametrize("writer", WRITERS)
def test_rock_ridge(tmp_path, writer, options, block):
    """Names, contents and links of any length, and directories that had to be moved, as they were in the source."""
    image = make(writer, tmp_path / "image", tmp_path / "in", {**FILES, **links(writer), **LONG, **DEEP}, *options)
    found = read_tree(image, f"block={block}", "memory=16384")
    assert (found.volume["kind"], found.volume["label"]) == ("rockridge", "VSTOR_FILES")
    assert re.fullmatch(r"\d{4}(-\d\d){6}", found.volume["uuid"])
    assert without_moved(described(found)) == tree_of(tmp_path / "in")
    for path in ("README.TXT", "dir/sub/deeper/file.bin"):
        entry = found.files["/" + path]
        status = os.stat(tmp_path / "in" / path)
        assert (entry["bytes"], entry["time"]) == (status.st_size, int(status.st_mtime))


@pytest.mark.parametrize("writer", WRITERS)
def test_moved_directories_are_there(tmp_path, writer):
    """The writer did move some, and ".." leads to where they are seen."""
    image = make(writer, tmp_path / "image", tmp_path / "in", DEEP, "-R", *(["-hide-rr-moved"] if writer == "genisoimage" else
                                                                          ["-rr_reloc_dir", "rr_moved"]))
    plain = tool("isoinfo", "-f", "-i", image)
    if writer == "genisoimage":
        assert "RR_MOVE/" in plain, plain
    assert without_moved(described(read_tree(image))) == tree_of(tmp_path / "in")
    found = read_tree(image, "find=/1/2/3/4/5/6/7/8/9/../nine/x", "find=/1/2/3/4/5/6/7/8/../../../../../../top")
    assert found.failed is None and len(found.files) == 2


@pytest.mark.parametrize("writer", WRITERS)
def test_joliet(tmp_path, writer):
    """Joliet alone: as isoinfo reads it, and the same files; links are not told in it."""
    image = make(writer, tmp_path / "image", tmp_path / "in", FILES, "-J")
    found = read_tree(image)
    assert found.volume["kind"] == "joliet"
    listed = {line.removesuffix(";1") for line in tool("isoinfo", "-J", "-j", "iso8859-1", "-f", "-i", image, encoding="latin-1").splitlines()}
    assert set(described(found)) == listed
    expected = tree_of(tmp_path / "in")
    assert sorted(sums(described(found))) == sorted(sums(expected))
    assert described(found)["/Grüße.txt"] == expected["/Grüße.txt"]


def sums(tree):
    return [what[1] for what in tree.values() if what[0] == "file"]


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("writer", WRITERS)
def test_plain_names(tmp_path, writer, level):
    """Neither: the names of the standard as Linux shows them, found by any case."""
    image = make(writer, tmp_path / "image", tmp_path / "in", FILES, "-iso-level", level)
    found = read_tree(image)
    assert found.volume["kind"] == "iso9660"
    listed = tool("isoinfo", "-f", "-i", image).splitlines()
    assert set(described(found)) == {line.removesuffix(";1").removesuffix(".").lower() for line in listed}
    assert sorted(sums(described(found))) == sorted(sums(tree_of(tmp_path / "in")))
    assert find(image, "/ReadMe.Txt") == hashlib.sha256(b"hello\n").hexdigest()


def find(image, path, *options):
    found = read_tree(image, f"find={path}", *options)
    return found.failed or found.files[path].get("sha256", found.files[path]["type"])


@pytest.mark.parametrize("writer", WRITERS)
def test_links_are_followed(tmp_path, writer):
    """Relative, absolute, in chains, in the middle of a path; circles end, and so do links to nowhere."""
    image = make(writer, tmp_path / "image", tmp_path / "in", {**FILES, **links(writer)}, "-R")
    hello, seven = (hashlib.sha256(data).hexdigest() for data in (b"hello\n", b"7"))
    for path, expected in {"/to-file": hello, "chain1": seven, "/dir/up/file-007.txt": seven, "/absolute/deeper/file.bin": hashlib.sha256(FILES["dir/sub/deeper/file.bin"]).hexdigest(),
                           "/dir/up/../README.TXT": hello, "/absolute/../../README.TXT": hello, "dots": "directory",
                           "/root/root/to-file": hello, "/circle": "malformed", "/circle/x": "malformed",
                           "/nowhere": "not_found", "/to-file/x": "not_found"}.items():
        assert find(image, path) == expected, path
    if writer == "xorriso":
        assert (find(image, "/long-link"), find(image, "/wide-link")) == (hello, "not_found")


def test_exact_names_come_first(tmp_path):
    """With Rock Ridge two names may differ by case alone; one that is there by no case but another is found as well."""
    image = make("xorriso", tmp_path / "image", tmp_path / "in", {"Name": b"1", "name": b"2", "NAME": b"3", "Else": b"4"}, "-R")
    for path, data in {"/Name": b"1", "/name": b"2", "/NAME": b"3", "/ELSE": b"4"}.items():
        assert find(image, path) == hashlib.sha256(data).hexdigest()


def test_rescue_image_of_grub(tmp_path):
    """A hybrid image, as grub-mkrescue makes it, read as the disk of 512-byte blocks that it also is."""
    plant(tmp_path / "in", {"boot/grub/grub.cfg": b"set timeout=0\n", "boot/kernel": content(MiB, 4)})
    tool("grub-mkrescue", "-o", tmp_path / "image", tmp_path / "in")
    found = described(read_tree(tmp_path / "image", "block=512"))
    expected = tree_of(tmp_path / "in")
    assert {path: found[path] for path in expected} == expected
    assert any(path.startswith("/boot/grub/i386-pc/") for path in found)


@pytest.mark.skipif("VSTOR_LARGE" not in os.environ, reason="writes 4 GiB, for a minute or two: VSTOR_LARGE=1; the rule "
                    "itself is in tests/unit/test_files_iso9660.c")
def test_large_file_of_several_extents(tmp_path):
    """More than 4 GiB, in two extents: bytes at both ends and around the seam."""
    size, seam = (4 << 30) + 5 * MiB + 3, (4 << 30) - 2048
    (tmp_path / "in").mkdir()
    with open(tmp_path / "in/large", "wb") as file:
        file.truncate(size)
        for at in (0, seam - 100, seam + 3000, size - 50):
            file.seek(at)
            file.write(content(min(200, size - at), at))
    (tmp_path / "in/after").write_bytes(b"after\n")
    tool("xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "3", "-R", "-o", tmp_path / "image",
         tmp_path / "in")
    ranges = [(0, 4096), (seam - 5000, 10000), (size - 70, 70)]
    words = [f"range={start}+{n}" for start, n in ranges]
    found = read_tree(tmp_path / "image", "find=/large", *words)
    os.unlink(tmp_path / "image")
    assert (found.failed, found.files["/large"]["bytes"]) == (None, size)
    with open(tmp_path / "in/large", "rb") as file:
        for (start, n), text in zip(ranges, found.files["/large"]["ranges"], strict=True):
            file.seek(start)
            assert text == hashlib.sha256(file.read(n)).hexdigest()


def test_what_is_no_iso9660(tmp_path):
    """Descriptors that end at once, a root that is nowhere."""
    image = make("xorriso", tmp_path / "image", tmp_path / "in", {"a": b"1"}, "-R")
    good = image.read_bytes()
    for at, data, expected in [(32768 + 1, b"CD002", "not_found"), (32768, b"\xff", "not_found"),
                               (32768 + 128, b"\x00\x00", "malformed"), (32768 + 158, b"\xff\xff\xff\x7f", "range")]:
        (tmp_path / "bad").write_bytes(good[:at] + data + good[at + len(data):])
        assert read_tree(tmp_path / "bad").failed == expected, at
