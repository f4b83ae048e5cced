# SPDX-License-Identifier: BSD-2-Clause
"""The shell on the serial line, typed at as a person would; and its output for programs."""
import time

import pytest

import images
from harness import Disk, Machine
from images import MiB

UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"
HOME, END, DELETE, BACKSPACE, TAB = "\x1b[H", "\x1b[F", "\x1b[3~", "\x7f", "\t"
CTRL_A, CTRL_C, CTRL_D, CTRL_E, CTRL_K, CTRL_U, CTRL_W = "\x01", "\x03", "\x04", "\x05", "\x0b", "\x15", "\x17"

# name: (keys typed, what `echo` then prints)
EDITING = {
    "backspace": ("echo wrongx" + BACKSPACE, "wrong"),
    "control-h": ("echo wrongx\x08", "wrong"),
    "left-and-insert": ("echo ac" + LEFT + "b", "abc"),
    "left-right": ("echo ab" + LEFT + LEFT + RIGHT + "-", "a-b"),
    "home-end": ("cho a" + HOME + "e" + END + "b", "ab"),
    "control-a-e": ("cho a" + CTRL_A + "e" + CTRL_E + "b", "ab"),
    "delete": ("echo axb" + LEFT + LEFT + DELETE, "ab"),
    "kill-to-end": ("echo abcdef" + LEFT * 3 + CTRL_K, "abc"),
    "kill-to-start": ("garbage" + CTRL_U + "echo clean", "clean"),
    "kill-word": ("echo one two" + CTRL_W + "three", "one three"),
    "abandoned-line": ("echo never" + CTRL_C + "echo instead", "instead"),
    "unknown-escape-sequences": ("echo a\x1b[15~b\x1b[1;5Cc", "abc"),
}


@pytest.mark.parametrize("name", EDITING)
def test_line_editing(prompt, name):
    """Each editing key does what it does elsewhere."""
    keys, printed = EDITING[name]
    machine = prompt()
    if CTRL_C in keys:
        first, keys = keys.split(CTRL_C)
        machine.send(first + CTRL_C)
        machine.wait_for_prompt()
    assert machine.command(keys).text.strip() == printed


@pytest.mark.smoke
def test_history(prompt):
    """Arrow up brings back earlier lines, also changed; arrow down leads forward again."""
    machine = prompt()
    machine.command("echo first")
    machine.command("echo second")
    assert machine.command(UP).text.strip() == "second"
    assert machine.command(UP + UP).text.strip() == "first"
    assert machine.command(UP + UP + UP + DOWN).text.strip() in ("first", "second")
    assert machine.command(UP + " again").text.strip().endswith("again")


def test_completion(prompt, small_disk):
    """Tab completes commands, devices and options."""
    machine = prompt(disks=[small_disk])
    assert machine.command("ech" + TAB + "done").text.strip() == "done"
    assert machine.command("sum vd" + TAB + "0 0 json=1").one("sum")["dev"] == "vda"
    # TAB after a prefix that several commands share lists them all.
    machine.send("ls" + TAB + TAB)
    machine.wait_for("lspci")
    machine.send(CTRL_U + "echo on\r")
    machine.wait_for("\non\r?\n")


def test_typed_ahead(prompt, small_disk):
    """What is typed while a command runs is run after it, in order."""
    machine = prompt(disks=[small_disk])
    machine.send("sleep 300\recho one\recho two\r")
    machine.wait_for("\none\r?\n")
    machine.wait_for("\ntwo\r?\n")


@pytest.mark.smoke
def test_control_c_stops_a_long_sum(prompt):
    """Ctrl-C ends a `sum` of 256 MiB long before its end; the next command works."""
    machine = prompt(disks=[Disk(images.image("256m.raw"))])
    machine.send("sum vda\r")
    machine.wait_for("\n")
    machine.send(CTRL_C)
    machine._position -= 1
    machine.wait_for_prompt()
    assert "interrupted" in machine.transcript
    small = machine.command("sum vda 0 1M json=1").one("sum")
    assert small["sha256"] == images.sha256(images.image("256m.raw"), 0, MiB)
    reads = machine.command("lsblk json=1").one("lsblk")["stats"][0]["read_bytes"]
    assert reads < 250 * MiB, "the sum ran on after Ctrl-C"


@pytest.mark.parametrize("command", ["sleep 100000", "bench vda runtime=1000", "fill vda 0 16M; sleep 100000",
                                     "read vda 0 16M", "events wait=1000000",
                                     "bench vda rw=randwrite verify=1 runtime=1000",
                                     "bench vda cache=1M runtime=1000", "bench vda cache=none runtime=1000"])
def test_control_c_stops(prompt, writable, command):
    """Ctrl-C ends every long command in a moment."""
    machine = prompt(disks=[writable("random-16m.raw")])
    machine.send(command + "\r")
    machine.wait_for("\n")
    machine.send(CTRL_C)
    machine.wait_for("interrupted")
    machine.wait_for_prompt()
    assert machine.command("echo on").text.strip() == "on"


@pytest.mark.parametrize("command", ["copy vda vdb", "fill vda 0 16G seed=1", "sum vda", "bench vda runtime=1h"])
def test_control_c_stops_work_that_shows_progress(prompt, command):
    """The same where a line tells how far it is; the disk is at the next command's service."""
    disks = [Disk(blockdev=[{"driver": "null-co", "node-name": f"null{n}", "size": 16 << 30, "read-zeroes": True,
                             "latency-ns": 10**7}]) for n in range(2)]
    machine = prompt(disks=disks)
    machine.send(command + "\r")
    machine.wait_for(r"\r" + command.split()[0] + r" vda: +\d+%  .*\d:\d\d left")
    machine.send(CTRL_C)
    machine.wait_for("interrupted")
    machine.wait_for_prompt()
    assert machine.command("flush vda; read vda 0 16; echo on").lines[-1] == "on"


def test_progress_of_long_work(prompt):
    """A `sum` that takes longer than a second shows how far it is, and leaves no trace of that."""
    machine = prompt(disks=[Disk(images.image("256m.raw"))])
    result = machine.command("sum vda", deadline_s=400)
    assert "%" in machine.transcript, "no progress was shown"
    assert result.lines[-1].startswith(images.sha256(images.image("256m.raw"))), result.text


def test_empty_lines_and_several_commands(prompt):
    """Nothing, blanks and lone semicolons do nothing; a line may hold several commands; the first failure ends it."""
    machine = prompt()
    for line in ("", "   ", ";", " ; ; "):
        assert machine.command(line).text.strip() == ""
    assert machine.command("echo a; echo b").text.split() == ["a", "b"]
    result = machine.command("echo a; frobnicate; echo b")
    assert "a" in result.lines and "b" not in result.lines


def test_exit_typed_at_the_prompt(prompt):
    """`exit 4` ends the machine with that status."""
    machine = prompt()
    machine.send("exit 4\r")
    machine.wait().expect_status(4)


def test_long_line(prompt):
    """A line of 1000 characters is taken whole."""
    machine = prompt()
    text = "x" * 990
    assert machine.command(f"echo {text}").text.strip() == text


def test_bytes_that_are_no_text(prompt):
    """Control and eight-bit bytes typed by accident neither crash nor block the shell."""
    machine = prompt()
    machine.send(bytes(b for b in range(1, 256) if b not in (3, 4, 9, 10, 13, 27)))
    machine.send(CTRL_C + "echo on\r")
    machine.wait_for("\non\r?\n")


COMMANDS_WITH_JSON = {
    "help": ("help", False), "help-of": ("help sum", False), "echo": (r'echo "quoted \ text" a', False),
    "sleep": ("sleep 1", False), "lspci": ("lspci", False), "lsblk": ("lsblk vda", True), "lsblk-v": ("lsblk -v vda", True), "parts": ("parts vda", True),
    "read": ("read vda 0 9000", True), "write": ("write vda 1 00", True), "sum": ("sum vda", True),
    "fill": ("fill vda 0 64k seed=1", True), "verify": ("verify vda 0 0", True), "flush": ("flush vda", True),
    "bench": ("bench vda number_ios=50", True), "stats": ("stats vda", True), "copy": ("copy vda vdb", True),
    "discard": ("discard vda 0 4k", True), "zero": ("zero vda 0 4k", True), "erase": ("erase vda 0 0", True),
    "trace": ("trace on vda", True), "cache": ("cache vda", True), "events": ("events", True),
    "rescan": ("rescan", False),
}
# Of a SCSI disk.
SCSI_WITH_JSON = {"lsscsi": ("lsscsi", "sda"), "luns": ("luns 0:0", "0:0"), "inq": ("inq sda", "sda"),
                  "tmf": ("tmf sda query_set", "sda"),
                  "inq-page": ("inq sda 83", "sda")}
# What a disk without zones and without SCSI can't do.
REFUSED_WITH_JSON = {"zone": "zone vda report", "sg": "sg vda 00 00 00 00 00 00",
                     "reserve": "reserve vda", "eject": "eject vda", "load": "load vda",
                     "source": "source vda /none", "ls": "ls vda", "cat": "cat vda /x", "boot": "boot vda /x"}
BEFORE = {"events": "cache vda writethrough"}  # so that there is something to tell


@pytest.mark.parametrize("name", COMMANDS_WITH_JSON)
def test_json_of_every_command(prompt, writable, name):
    """json=1 prints nothing but JSON Lines, each an object that begins with "cmd" and, of a device, "dev"."""
    command, of_device = COMMANDS_WITH_JSON[name]
    machine = prompt(disks=[writable(), writable("random-16m.raw")])
    if name in BEFORE:
        machine.command(BEFORE[name])
    result = machine.command(f"{command} json=1")
    lines = [line for line in result.lines if line.strip()]
    assert lines and len(result.records) == len(lines), f"not only JSON Lines: {lines}"
    for record in result.records:
        assert "error" not in record, record
        assert list(record)[0] == "cmd" and record["cmd"] == command.split()[0], record
        if of_device:
            assert list(record)[1] == "dev" and record["dev"] == "vda", record


@pytest.mark.parametrize("name", SCSI_WITH_JSON)
def test_json_of_every_scsi_command(prompt, name):
    """The same of those for SCSI devices."""
    command, device = SCSI_WITH_JSON[name]
    machine = prompt(disks=[Disk(images.image("1m.raw"), device="scsi-hd",
                                 before=["-device", "virtio-scsi-pci,disable-legacy=on,id=s0"])])
    result = machine.command(f"{command} json=1")
    assert len(result.records) == len([line for line in result.lines if line.strip()]) == 1, result.text
    assert list(result.records[0].items())[:2] == [("cmd", command.split()[0]), ("dev", device)]


@pytest.mark.parametrize("name", REFUSED_WITH_JSON)
def test_json_of_a_refusal(prompt, small_disk, name):
    """One JSON object and nothing else, which says what was refused, and of which device."""
    result = prompt(disks=[small_disk]).command(f"{REFUSED_WITH_JSON[name]} json=1")
    assert len([line for line in result.lines if line.strip()]) == 1, result.text
    error = result.error(name)
    assert list(error)[:2] == ["cmd", "dev"] and error["dev"] == "vda" and error["text"]


def test_every_command_is_covered_by_the_json_test(run):
    """`help` lists no command that the tests above leave out (exit and reboot end the machine)."""
    names = {record["name"] for record in run("help json=1; exit").of("help")}
    tested = [*COMMANDS_WITH_JSON.values(), *SCSI_WITH_JSON.values()]
    covered = {command.split()[0] for command, _ in tested} | set(REFUSED_WITH_JSON)
    assert names - {"exit", "reboot"} == covered


@pytest.mark.smoke
def test_tables_for_people(prompt, small_disk):
    """`lsblk`, `sum`, `bench` and `help` in the form for people."""
    machine = prompt(disks=[small_disk])
    table = machine.command("lsblk")
    assert table.lines[0].split()[:2] == ["NAME", "SIZE"]
    table.expect(r"^vda +1 ?M.* rw .* SMALL +pci-0000:00:")
    machine.command("sum vda").expect(rf"^{images.sha256(small_disk.path)}  vda$")
    machine.command("bench vda number_ios=100").expect(r"IOPS \d+")
    for name in ("lspci", "lsblk", "read", "write", "sum", "fill", "verify", "flush", "bench", "echo", "sleep", "exit"):
        machine.command("help").expect(rf"^{name} ")
        machine.command(f"help {name}").expect(rf"usage: {name}")


def test_nothing_is_lost_to_a_slow_reader():
    """The other end of the serial line reads nothing for a second while 20 KiB wait: all arrives, to the last byte."""
    with Machine("lspci json=1; read vda 0 4k; echo the end; exit 9", disks=[Disk(images.image("1m.raw"))],
                 pipe_bytes=4096) as machine:
        time.sleep(1)
        result = machine.wait().expect_status(9)
    assert result.lines[-2:] == ["00001000", "the end"], result.text[-200:]
    assert len(result.of("lspci")) >= 4


def test_sleep_takes_its_time(prompt):
    """`sleep 1000` waits for a second by the host's clock: the guest's time is calibrated."""
    machine = prompt()
    start = time.monotonic()
    machine.command("sleep 1000")
    assert 0.9 <= time.monotonic() - start <= 10
