# SPDX-License-Identifier: BSD-2-Clause
"""Commands from a file: `source DEV PATH` and vstor.cmd=PATH@DEV. The file system is mkfs.fat's and mtools'."""
import subprocess

import pytest

import harness
from harness import Disk


@pytest.fixture
def disk(tmp_path):
    """Makes a disk with files on it."""
    def make(**files):
        image = tmp_path / "fat.raw"
        image.write_bytes(bytes(4 << 20))
        subprocess.run(["mkfs.fat", image], check=True, capture_output=True)
        for name, text in files.items():
            (tmp_path / name).write_bytes(text)
            subprocess.run(["mcopy", "-i", image, tmp_path / name, f"::/{name}.cmd"], check=True)
        return [Disk(image)]
    return make


def test_a_file_goes_before_the_line(disk):
    """Every line in order, comments passed over, ends of lines of either kind; then what stands on the command line."""
    result = harness.run("vstor.cmd=/test.cmd@vda echo three; exit 5",
                         disks=disk(test=b"# no command\r\necho one; echo 'two'\n\nread vda 510 2 json=1\r\n  # nor this"))
    result.expect_status(5)
    assert [line for line in result.lines if line in ("one", "two", "three")] == ["one", "two", "three"]
    assert result.one("read")["dev"] == "vda"


def test_a_file_may_leave_and_may_fail(disk):
    """`exit` in it ends all; its first failing command does, too, with status 1; so does a file that is not there."""
    disks = disk(leave=b"echo one\nexit 7\necho two\n", fail=b"echo one\nfrobnicate\necho two\n")
    for name, status in (("leave", 7), ("fail", 1), ("none", 1)):
        result = harness.run(f"vstor.cmd=/{name}.cmd@vda echo three; exit", disks=disks)
        result.expect_status(status)
        assert "two" not in result.lines and "three" not in result.lines


def test_what_makes_no_sense_is_told(disk):
    """A file that runs itself, one that is too long, a device that is not there, an option without one."""
    disks = disk(again=b"source vda /again.cmd\n", long=b"#" * 65537)
    harness.run("source vda /again.cmd; exit", disks=disks).expect_status(1).expect("files that run files, 8 deep")
    harness.run("source vda /long.cmd; exit", disks=disks).expect_status(1).expect("more than 65536 bytes")
    harness.run("vstor.cmd=/again.cmd@vdx exit", disks=disks).expect_status(1).expect("vdx")
    harness.run("vstor.cmd=/again.cmd echo on; exit", disks=disks).expect_status(0).expect("makes no sense here")
