# SPDX-License-Identifier: BSD-2-Clause
"""The API reference: made without a warning, complete, and its pages speak of what there is."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADERS = sorted((ROOT / "include/vstor").glob("*.h"))
PAGES = (ROOT / "include/vstor/vstor.h").read_text()
KiB = 1024


def make(*words):
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")}
    return subprocess.run(["make", *words], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False)


@pytest.mark.timeout(120)
def test_the_reference_is_made_without_a_warning():
    """Of every public header, with the pages of vstor.h and the examples whole."""
    done = make("-s", "docs")
    assert done.returncode == 0 and "warning" not in done.stderr + done.stdout, done.stdout + done.stderr
    built = ROOT / "build/docs"
    for header in HEADERS:
        assert (built / (header.stem.replace("_", "__") + "_8h.html")).exists(), f"{header.name} is not in the reference"
    life = (built / "life.html").read_text()
    for function in ("vst_virtio_blk_attach", "vst_virtio_scsi_attach", "vst_scsi_units_forget", "vst_block_poll"):
        assert re.search(rf'<a class="el" href="[^>]+>{function}\(\)</a>', life), f"no way from the page to {function}"
    example = re.sub(r"<[^>]+>", "", (built / "example.html").read_text())
    for line in ("rewrite_tail(struct", "attach_scsi(const", "pkg-config"):
        assert line in example


@pytest.mark.timeout(120)
def test_everything_but_a_structure_s_fields_is_described(tmp_path):
    """Fields may speak for themselves; what is called, and what has a name of its own, has a comment."""
    settings = (ROOT / "tests/docs/Doxyfile").read_text()
    for name, value in (("EXTRACT_ALL", "NO"), ("WARN_IF_UNDOCUMENTED", "YES"), ("WARN_AS_ERROR", "NO"),
                        ("OUTPUT_DIRECTORY", tmp_path)):
        settings += f"{name} = {value}\n"
    done = subprocess.run(["doxygen", "-"], cwd=ROOT, input=settings, capture_output=True, text=True, check=True)
    bare = [line for line in done.stderr.splitlines() if "is not documented" in line and "(variable)" not in line]
    assert "(variable)" in done.stderr, "doxygen has said nothing at all"
    assert not bare, "\n".join(bare)


def test_each_header_is_one_of_cpp_too(tmp_path):
    """By itself, without a warning; and functions keep the names that they have in C."""
    for header in HEADERS:
        subprocess.run(["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{ROOT}/include", "-x",
                        "c++", "-include", header, "/dev/null"], check=True)
    source = tmp_path / "uses.cpp"
    source.write_text("#include <vstor/vstor.h>\n"
                      "void *uses[] = {(void *)vst_status_text, (void *)vst_cache_read};\n")
    subprocess.run(["g++", "-std=c++17", f"-I{ROOT}/include", "-c", "-o", tmp_path / "uses.o", source], check=True)
    names = subprocess.run(["nm", "-u", tmp_path / "uses.o"], capture_output=True, text=True, check=True).stdout
    assert "vst_status_text" in names.split() and "vst_cache_read" in names.split()


def test_the_pages_name_what_exists():
    """Each vst_ word of the pages is declared in a header, and vstor.h brings all headers in."""
    declared = set(re.findall(r"\bvst_\w+", "".join(path.read_text() for path in HEADERS if path.name != "vstor.h")))
    told = set(re.findall(r"\bvst_\w+", PAGES))
    assert len(told) > 50 and told <= declared, sorted(told - declared)
    done = subprocess.run(["gcc", "-M", "-Iinclude", "include/vstor/vstor.h"], cwd=ROOT, check=True, capture_output=True,
                          text=True)
    assert {f"include/vstor/{path.name}" for path in HEADERS} <= set(done.stdout.split())


def test_the_page_on_memory_gives_the_numbers(tmp_path):
    """KiB of a disk and an adapter, by the functions of virtio.h."""
    source = tmp_path / "numbers.c"
    source.write_text("""
        #include <stdio.h>
        #include <vstor/vstor.h>
        int main(void)
        {
            const struct vst_virtio_blk_config blk = {0}, small = {.queue_size = 64, .max_segments = 6};
            const struct vst_virtio_scsi_config scsi = {0};
            printf("%zu %zu %zu %zu\\n", vst_virtio_blk_memory_bytes(&blk, false),
                   vst_virtio_blk_memory_bytes(&small, false), vst_virtio_scsi_memory_bytes(&scsi, false),
                   sizeof(struct vst_block_latency));
        }""")
    subprocess.run(["gcc", f"-I{ROOT}/include", "-o", tmp_path / "numbers", source], check=True)
    numbers = subprocess.run([tmp_path / "numbers"], check=True, capture_output=True, text=True).stdout
    blk, small, scsi, latency = map(int, numbers.split())
    said = re.search(r"virtio-blk disk \|.*?: (\d+) KiB .*?, (\d+) KiB with 64", PAGES)
    assert tuple(map(int, said.groups())) == (round(blk / KiB), round(small / KiB))
    assert int(re.search(r"virtio-scsi adapter \|.*?: (\d+) KiB", PAGES)[1]) == round(scsi / KiB)
    assert latency <= int(re.search(r"latencies of a queue \|.*?: (\d+) KiB", PAGES)[1]) * KiB <= latency + 512
