# SPDX-License-Identifier: BSD-2-Clause
"""The menu of vstor.efi under OVMF, with keys typed on the serial line. What it draws is for the unit tests to check."""
import contextlib
import pathlib
import re
import tempfile

import pytest

import efi
import harness
import images
import screen
from harness import Disk, Machine
from test_shell import BACKSPACE, CTRL_A, DOWN, END, HOME

# Each boots the kernel, which says so and ends the machine with a status.
ENTRIES = {
    "first": "title First\nlinux /vstor.elf\noptions echo booted first; exit 3\n",
    "second": "title Second\nversion 2.1\nlinux /vstor.elf\noptions echo booted second; exit 4\n",
    "broken": "title Broken\nefi /missing.efi\n",
    "a-long-one": f"title Long\nlinux /vstor.elf\noptions echo {'x' * 1500}; echo booted long; exit 5\n",
}


@contextlib.contextmanager
def menu(conf, **machine):
    with tempfile.TemporaryDirectory(prefix="vstor-menu-") as folder:
        files = {"EFI/BOOT/BOOTX64.EFI": efi.LOADER, "vstor.elf": harness.KERNEL}
        for name, text in {"loader.conf": conf, **{f"entries/{k}.conf": v for k, v in ENTRIES.items()}}.items():
            path = pathlib.Path(folder) / name.replace("/", "-")
            path.write_text(text)
            files["loader/" + name] = path
        disk = Disk(images.image("1m.raw"), serial="S1")
        with Machine(boot=efi.boot_arguments(efi.volume(folder, files)), memory_mib=256, disks=[disk],
                     **machine) as started:
            yield started


@pytest.mark.smoke
def test_keys():
    """Moving, the console and back, an entry that fails, and a command line that is edited."""
    with menu("timeout 600\ndefault second.conf\n") as machine:
        machine.wait_for(r"Boots in 599 s, unless a key is typed: Second")
        machine.send(END)
        machine.wait_for(r"> 5 Reboot Into Firmware Interface")
        machine.send(HOME + DOWN)
        machine.wait_for("2 of 5: first.conf")
        machine.send("p")
        machine.wait_for(r"options +echo booted first; exit 3")
        machine.send(" ")
        efi.console_from_menu(machine)
        assert machine.command("lsblk json=1").one("lsblk")["serial"] == "S1"
        machine.command("nonsense")
        machine.send("exit\r")
        efi.wait_for_menu(machine)
        assert "Boots in" not in machine.transcript[-3000:]
        machine.send("3")
        efi.wait_for_menu(machine)
        assert re.search(r"\d\d;01H\S*/missing.efi: there is no such file", machine.transcript)
        machine.send(HOME + "jjje")
        machine.wait_for("x; echo booted long; exit 5")
        machine.send(BACKSPACE + "9" + CTRL_A + "echo edited;")
        machine.send("\r")
        result = machine.wait()
    assert "edited" in result.lines and "x" * 1500 in result.lines and "booted long" in result.lines
    result.expect_status(9)


def test_the_default_boots_when_time_is_over():
    with menu("timeout 2\ndefault first.conf\n") as machine:
        result = machine.wait()
    assert "booted first" in result.lines
    result.expect_status(3)


def test_choices_outlive_the_machine():
    """The default and its time, set by keys, are there when the machine has started again; the editor is forbidden."""
    with menu("timeout menu-force\neditor no\nconsole-mode 0\n", reboot=True) as machine:
        efi.wait_for_menu(machine)
        assert "\x1b[25;01HEnter boots" in machine.transcript  # 80 columns by 25 lines
        machine.send(DOWN + "d")
        machine.wait_for("That is the default from now on")
        machine.send("t" * 5)
        machine.wait_for("The default boots after 4 s")
        machine.send("e")
        machine.wait_for("does not let command lines be changed")
        machine.send("r")
        machine.wait_for("Boots in 4 s, unless a key is typed: First")
        result = machine.wait()
    assert "booted first" in result.lines
    result.expect_status(3)


# ---------------------------------------------------------------- a graphics screen

KEYS_LINE = "Enter boots, e edits, c console, p details, d default, r restart, ? more keys"


def check_counting(seen, size):
    """All of the menu while it counts down, of so many columns and rows."""
    counting = seen.line("Boots in 599 s, unless a key is typed: Second")
    assert re.match(r"Boots in \d\d\d ?s, unless a key is typed: Second$", counting.text)
    for text in ("vstor 0.1", "3 Broken", "4 Long", "5 Reboot Into Firmware Interface",
                 "1 of 5: second.conf, version 2.1", KEYS_LINE):
        assert seen.line(text).background == screen.BLACK
    assert seen.entry("Second").background > (64, 64, 64)
    assert seen.n_light_rows() == 19  # those of one line
    assert abs(seen.size()[1] - 19 * size[1]) < 19 and abs(seen.size()[0] - 8 * (size[0] - 1)) < 16


def check_moved(seen):
    """The other entry is in reverse, and nothing counts."""
    assert seen.line("2 of 5: first.conf")
    assert seen.entry("(2 )?First").background > (64, 64, 64)
    assert seen.entry("Second").background == screen.BLACK and seen.n_light_rows() == 19
    assert "Boots in" not in seen.text


@pytest.mark.parametrize("mode,size", [("0", (80, 25)), ("max", (100, 31))])
def test_picture(mode, size, tmp_path):
    """On the screen stands what is sent on the serial line, the chosen entry in reverse, in the columns and rows that were
    asked for; the machine's own keyboard steers it, the line editor and the console, and boots."""
    with menu(f"timeout 600\ndefault second.conf\nconsole-mode {mode}\n", extra=["-device", "VGA"]) as machine:
        efi.wait_for_menu(machine)
        screen.wait_until(machine, tmp_path, lambda seen: check_counting(seen, size))
        screen.press(machine, "down")
        screen.wait_until(machine, tmp_path, check_moved)
        machine.wait_for(r"2 of 5: first\.conf")

        screen.press(machine, "e")
        machine.wait_for("echo booted first; exit 3")
        screen.wait_for(machine, tmp_path, "> echo booted first; exit 3")
        screen.press(machine, "home", "echo typed here", "esc")
        machine.wait_for("echo typed here")
        screen.press(machine, "c")
        machine.wait_for_prompt()
        screen.press(machine, "echo in the console", "ret")
        machine.wait_for(r"\nin the console\r")
        screen.wait_for(machine, tmp_path, "in the console")
        machine.wait_for_prompt()
        screen.press(machine, "exit", "ret")
        efi.wait_for_menu(machine)
        screen.wait_for(machine, tmp_path, "1 of 5: second.conf, version 2.1")
        screen.press(machine, "down", "ret")
        result = machine.wait()
    assert "booted first" in result.lines
    result.expect_status(3)
