# SPDX-License-Identifier: BSD-2-Clause
"""The tests' own tools, checked without a guest: a wrong pattern or parser would make every other test worthless."""
import json

import pytest

import harness
import images
import pattern

MASK = 2**64 - 1


def unit(offset, seed):
    """One unit of the pattern, written down a third time with plain integers."""
    z = (seed + offset * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return offset.to_bytes(8, "little") + (z ^ (z >> 31)).to_bytes(8, "little")


@pytest.mark.smoke
@pytest.mark.parametrize("offset", [0, 16, 2**32 - 32, 2**41, 3 << 40])
@pytest.mark.parametrize("seed", [0, 1, 77, MASK])
def test_pattern_is_what_its_text_says(offset, seed):
    """numpy's modular arithmetic against Python's integers, at aligned and odd ranges."""
    expected = b"".join(unit(o, seed) for o in range(offset, offset + 160, 16))
    assert pattern.pattern(offset, 160, seed) == expected
    assert pattern.pattern(offset + 5, 99, seed) == expected[5:104]


def test_pattern_has_splitmix64_in_it():
    """splitmix64 with seed 0 gives 0xE220A8397B1DCDAF first (the published value): at o = 1 unit of the increment."""
    z = int.from_bytes(pattern.pattern(0, 16, 0x9E3779B97F4A7C15)[8:], "little")
    assert z == 0xE220A8397B1DCDAF


def test_first_difference():
    assert pattern.first_difference(b"abc", b"abc") is None
    assert pattern.first_difference(b"abc", b"abd") == 2


def test_plain_takes_escape_sequences_and_overwritten_text_out():
    """What remains of a console's output is what a person would see."""
    assert harness.plain("\x1b[2Jab\r\n\rsum: 12%\x1b[K\r\x1b[Kdone\r\n") == "ab\ndone\n"
    assert harness.plain("a\rb") == "b"


def test_records_and_errors():
    """JSON Lines are found between other lines; broken ones fail the test that looks at them."""
    good = harness.Result('log line\n{"cmd":"sum","dev":"vda","sha256":"0"}\n{"cmd":"read","error":"io","offset":5}\n')
    assert good.one("sum")["dev"] == "vda" and good.error("read")["offset"] == 5
    with pytest.raises(harness.MachineError, match="not valid JSON"):
        harness.Result('{"cmd":"sum",}\n').records
    with pytest.raises(harness.MachineError, match="expected one"):
        good.one("verify")


def test_qemu_that_does_not_start_is_told_from_a_guest_that_failed():
    """A wrong argument to QEMU is an error that shows the command line, not a status of the guest."""
    machine = harness.Machine(boot=["-device", "no-such-device"])
    with pytest.raises(harness.MachineError, match="(?s)did not start.*to reproduce:.*no-such-device"):
        with machine:
            machine.wait()


def test_a_guest_that_hangs_is_killed():
    """A machine that says nothing ends at the deadline, and the message shows how to start it by hand."""
    with harness.Machine(boot=["-S"]) as machine, pytest.raises(harness.MachineError, match="(?s)no answer.*-serial"):
        machine.wait(deadline_s=1)
    assert machine.process is None


def test_images_are_what_the_host_tools_say(tmp_path):
    """GPT and FAT pass the host's own checks, files come back as they went in, qcow2 holds the same disk."""
    path = images.image("gpt-fat.raw")
    assert b"No problems found" in images.run_tool("sgdisk", "--verify", images.copy_of(path, tmp_path))
    for name, content in images.FAT_FILES.items():
        target = tmp_path / "file"
        images.run_tool("mcopy", "-n", "-o", "-i", f"{path}@@{2048 * 512}", f"::/{name}", target)
        assert target.read_bytes() == content
    images.run_tool("qemu-img", "compare", "-f", "raw", "-F", "qcow2", path, images.image("gpt-fat.qcow2"))
    information = json.loads(images.run_tool("qemu-img", "info", "--output=json", images.image("gpt-fat.qcow2")))
    assert information["format"] == "qcow2"


def test_3_tib_image_is_sparse():
    """3 TiB of disk in less than 2 MiB of file."""
    status = images.image("3t.raw").stat()
    assert status.st_size == 3 << 40 and status.st_blocks * 512 < 2 << 20
