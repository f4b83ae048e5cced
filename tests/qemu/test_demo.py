# SPDX-License-Identifier: BSD-2-Clause
"""`make run` and `make run-efi`: the demonstration without and with a terminal, and a disk image of one's own."""
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time

import pytest

import images
from harness import ROOT

RUN = [sys.executable, "-B", str(ROOT / "tests/demo/run.py")]
RUN_EFI = [sys.executable, "-B", str(ROOT / "tests/demo/run_efi.py")]


@pytest.mark.timeout(200)
def test_demonstration_without_terminal_ends_with_status_0():
    """Tables of the disks, four checksums that agree, a benchmark, status 0."""
    done = subprocess.run(RUN, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=190, check=False)
    assert done.returncode == 0, done.stdout
    for expected in (r"^NAME +SIZE", r"^vda .*GPT-FAT", r"^vdb .*PATTERN", r"^sda .*QCOW2", r"^sr0 ", r"IOPS \d+",
                     r"^0:0:1:0 +cd"):
        assert re.search(expected, done.stdout, re.M), f"/{expected}/ is missing in\n{done.stdout}"
    assert len(re.findall(r"^OK ", done.stdout, re.M)) == 4, done.stdout
    assert "vstor> " not in done.stdout


class Terminal:
    """A pseudo-terminal with a program in it."""

    def __init__(self, command):
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        self.seen = ""

    def wait_for(self, text, deadline_s=400):
        deadline = time.monotonic() + deadline_s
        start = len(self.seen)
        while text not in self.seen[start:]:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.master], [], [], left)[0], f"no {text!r} in\n{self.seen}"
            self.seen += os.read(self.master, 4096).decode(errors="replace")

    def type(self, text):
        os.write(self.master, text.encode())

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.slave)
        os.close(self.master)


@pytest.fixture
def terminal():
    opened = []

    def start(*arguments, program=RUN):
        opened.append(Terminal([*program, *arguments]))
        return opened[-1]
    yield start
    for one in opened:
        one.close()


def test_own_image_at_a_terminal(terminal, tmp_path):
    """DISK=path: the shell prompt on that disk; Ctrl-A X leaves; the terminal is as before; the image unchanged."""
    path = images.copy_of(images.image("1m.raw"), tmp_path)
    before = images.sha256(path)
    screen = terminal("--disk", str(path))
    screen.wait_for("vstor> ")
    screen.type("sum vda\r")
    screen.wait_for(before)
    screen.type("write vda 0 00112233\r")
    screen.wait_for("vstor> ")
    screen.type("\x01x")
    assert screen.process.wait(20) == 0, screen.seen
    assert termios.tcgetattr(screen.slave) == screen.before, "the terminal was not restored"
    assert images.sha256(path) == before, "a write reached the image without WRITE=1"


def test_own_image_can_be_written_when_asked(terminal, tmp_path):
    """WRITE=1 keeps what the guest writes; `exit` ends the run."""
    path = images.copy_of(images.image("empty-16m.raw"), tmp_path)
    screen = terminal("--disk", str(path), "--write")
    screen.wait_for("vstor> ")
    screen.type("write vda 5 c0ffee\r")
    screen.wait_for("vstor> ")
    screen.type("flush vda\rexit\r")
    assert screen.process.wait(20) == 0, screen.seen
    assert images.read_range(path, 5, 3).hex() == "c0ffee"


def test_missing_image_is_said():
    """A name that leads nowhere is an error at once."""
    done = subprocess.run([*RUN, "--disk", "/nowhere.img"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0 and "no such image" in done.stderr


# ---------------------------------------------------------------- by UEFI firmware


def test_efi_demonstration_without_terminal_ends_with_status_0():
    """Debian, from a disk that the firmware does not find, reads what the host reads."""
    done = subprocess.run(RUN_EFI, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=390, check=False)
    assert done.returncode == 0, done.stdout
    assert "booting Debian checks the disks\nsda:/debian/vmlinuz" in done.stdout
    assert re.findall(r"^OK +(\S+) ", done.stdout, re.M) == ["vda", "sda", "sr0"], done.stdout
    assert "\x1b" not in done.stdout


def test_efi_demonstration_at_a_terminal(terminal):
    """The menu with all that it shall offer; the console; Ctrl-A X leaves."""
    screen = terminal(program=RUN_EFI)
    screen.wait_for("? more keys")
    for title in ("Debian checks the disks", "Debian with a shell", "vstor's kernel", "Debian 12 in one piece", "Shell"):
        assert title in screen.seen, screen.seen
    screen.type("c")
    screen.wait_for("vstor> ")
    screen.type("lsscsi\r")
    screen.wait_for("0:0:5:300")
    screen.type("\x01x")
    assert screen.process.wait(20) == 0, screen.seen
    assert termios.tcgetattr(screen.slave) == screen.before, "the terminal was not restored"
