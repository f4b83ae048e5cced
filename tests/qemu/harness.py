# SPDX-License-Identifier: BSD-2-Clause
"""A QEMU machine that runs the vstor kernel: command line from data, serial transcript, JSON Lines, exit status, QMP.

    result = harness.run("lsblk json=1; exit", disks=[Disk(path)])      # to the end
    with Machine(disks=[Disk(path)]) as machine:                        # or at the prompt
        print(machine.command("lsblk").text)

Serial line and QMP come over pipes and a socket pair that QEMU inherits, so nothing is left in the file system and
nothing waits for a port. Every wait has a deadline; leaving the `with` block kills the machine whatever happened.
"""
import codecs
import collections
import ctypes
import dataclasses
import fcntl
import json
import os
import pathlib
import re
import select
import shlex
import signal
import socket
import subprocess
import tempfile
import time

import images

ROOT = pathlib.Path(__file__).resolve().parents[2]
ARCH = os.environ.get("VSTOR_ARCH", "x86_64")
BUILD = ROOT / os.environ.get("VSTOR_BUILD", f"build/{ARCH}")
KERNEL = BUILD / "vstor.elf"
KERNEL_PVH = BUILD / "vstor-pvh.elf"
QEMU = os.environ.get("QEMU", f"qemu-system-{ARCH}")
# The machine if a test names none; by what a guest ends QEMU with a status of its own.
MACHINE = {"x86_64": ["-machine", "q35"], "aarch64": ["-machine", "virt", "-cpu", "cortex-a57"]}[ARCH]
EXIT = {"x86_64": ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"],
        "aarch64": ["-semihosting-config", "enable=on,target=native"]}[ARCH]
PROMPT = "vstor> "
# Deadlines are there to end a test that hangs, not to measure: they allow for a slow machine under full load.
DEADLINE_S = float(os.environ.get("VSTOR_DEADLINE", "180"))
# What malloc's callers may hold more of as time goes on: the shell keeps the last 32 lines typed.
HISTORY_BYTES = 32 * 64
# Where firmware looks for a TPM. Where nothing is, QEMU answers zeroes, not ones as hardware does, and OVMF takes these
# for a TPM that gets ready soon: it asks three times for 0.75 s, as fast as it can. So ones are put there before it
# starts: the ROM of q35's SMBus, which nobody uses, until firmware gives that a place of its own.
TPM_ADDRESS = 0xFED40000
SMBUS = 0x1F << 11 | 3 << 8
PCI_COMMAND, PCI_ROM = 0x04, 0x30
ESCAPE_SEQUENCE = re.compile(r"\x1b(\[[0-9;?=]*[ -/]*[@-~]|[()][A-Za-z0-9]|[=>78cDEHM])")


class MachineError(AssertionError):
    """Something about the guest is not as expected; the text tells how to see it oneself."""


@dataclasses.dataclass
class Disk:
    """One virtio-blk disk. Unless `writable`, the guest's writes go to a snapshot and are lost."""
    path: object = None
    format: str = "raw"
    serial: str = None
    writable: bool = False
    readonly: bool = False
    bus: str = None
    addr: str = None
    device: str = "virtio-blk-pci,disable-legacy=on"
    properties: dict = dataclasses.field(default_factory=dict)
    drive: dict = dataclasses.field(default_factory=dict)  # more options of -drive
    blockdev: list = None  # nodes instead of a file: the last one carries the device
    before: list = dataclasses.field(default_factory=list)  # arguments that stand before: a SCSI adapter

    def arguments(self, number):
        """QEMU's arguments for this disk as the `number`-th of the machine."""
        words = list(self.before)
        if self.blockdev:
            node = self.blockdev[-1]["node-name"]
            for description in self.blockdev:
                words += ["-blockdev", json.dumps(description)]
        else:
            node = f"drive{number}"
            path = str(self.path).replace(",", ",,")
            mode = "readonly=on" if self.readonly else f"snapshot={'off' if self.writable else 'on'}"
            words += ["-drive", f"if=none,id={node},file={path},format={self.format},{mode}" +
                      "".join(f",{k}={v}" for k, v in self.drive.items())]
        options = dict(drive=node, id=f"disk{number}", serial=self.serial, bus=self.bus, addr=self.addr)
        options.update(self.properties)
        words += ["-device", self.device + "".join(f",{k}={v}" for k, v in options.items() if v is not None)]
        return words


@dataclasses.dataclass
class Result:
    """What a guest printed, and how it ended (status is None while it runs)."""
    text: str
    status: int = None
    describe: object = None
    process_status: int = None

    @property
    def lines(self):
        return self.text.splitlines()

    @property
    def records(self):
        """The JSON Lines of the transcript, in order. A line that begins like one and isn't is an error."""
        found = []
        for line in self.lines:
            if line.startswith("{"):
                try:
                    found.append(json.loads(line))
                except ValueError as error:
                    self.fail(f"not valid JSON ({error}): {line}")
        return found

    def of(self, command, device=None):
        """The records of one command that are no errors."""
        return [r for r in self.records if r.get("cmd") == command and "error" not in r
                and (device is None or r.get("dev") == device)]

    def one(self, command, device=None):
        """The only record of a command."""
        found = self.of(command, device)
        if len(found) != 1:
            self.fail(f"expected one record of `{command}` {device or ''}, got {found}")
        return found[0]

    @property
    def errors(self):
        return [r for r in self.records if "error" in r]

    def error(self, command):
        """The only error of a command."""
        found = [r for r in self.errors if r.get("cmd") == command]
        if len(found) != 1:
            self.fail(f"expected one error of `{command}`, got {found}")
        return found[0]

    def expect_status(self, status):
        if self.status != status:
            self.fail(f"exit status is {self.status}, expected {status}")
        return self

    def expect(self, pattern):
        """Searches a regular expression in the transcript; its match."""
        found = re.search(pattern, self.text, re.M)
        if not found:
            self.fail(f"expected /{pattern}/ in the output")
        return found

    def fail(self, why):
        raise MachineError(f"{why}\n{self.describe() if self.describe else self.text}")


class Machine:
    """See the head of this file. The arguments are those of QEMU, in the words of the tests."""

    def __init__(self, append="", *, disks=(), machine=None, memory_mib=128, kernel=None, cpu=None,
                 bridges=(), objects=(), extra=(), smp="1,maxcpus=2", boot=None, debug_exit=True, reboot=False,
                 pipe_bytes=1 << 20):
        # maxcpus=2: with one CPU for good, TCG leaves out the fences of a correct driver (platform-notes.md).
        self.append = append
        self.boot = boot  # arguments that start the kernel some other way than -kernel
        self.arguments = [QEMU, *(["-machine", machine] if machine else MACHINE), "-accel", "tcg", "-smp", smp, "-m", str(memory_mib),
                          "-nodefaults", "-no-user-config", "-display", "none"]
        self.arguments += [] if reboot else ["-no-reboot"]
        self.arguments += EXIT if debug_exit else []
        if cpu:
            self.arguments += ["-cpu", cpu]
        if boot is not None:
            self.arguments += list(boot)
        else:
            kernel = kernel or KERNEL
            if not pathlib.Path(kernel).exists():
                raise MachineError(f"{kernel} is not built; run `make` first")
            self.arguments += ["-kernel", str(kernel), "-append", append]
        for described in objects:
            self.arguments += ["-object", described]
        for bridge in bridges:
            self.arguments += ["-device", bridge]
        for number, disk in enumerate(disks):
            self.arguments += disk.arguments(number)
        self.arguments += [str(word) for word in extra]
        self.pipe_bytes = pipe_bytes  # of serial output that may wait for being read
        self.process = None
        self.on_output = None  # called with each piece of the transcript as it comes
        self.transcript = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._position = 0
        self._complaint = ""
        self._qmp = None
        self.events = collections.deque()

    # ------------------------------------------------------------ life

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        self.kill()

    def start(self):
        input_of_qemu, self.keyboard = os.pipe()
        self.serial, output_of_qemu = os.pipe()
        # QEMU sends byte by byte; in a socket's buffer each would cost a kilobyte, in a pipe's one byte.
        fcntl.fcntl(self.serial, fcntl.F_SETPIPE_SZ, self.pipe_bytes)
        self.monitor, monitor_of_qemu = socket.socketpair()
        self.stderr = tempfile.TemporaryFile()
        plumbing = ["-chardev", "stdio,id=serial,signal=off", "-serial", "chardev:serial",
                    "-chardev", f"socket,id=monitor,fd={monitor_of_qemu.fileno()}", "-mon", "monitor,mode=control"]
        waits = self._waits_for_a_tpm()
        if waits:
            plumbing += ["-S", "-global", f"ICH9-SMB.romfile={images.image('ones.rom')}"]
        self.process = subprocess.Popen(self.arguments + plumbing, stdin=input_of_qemu, stdout=output_of_qemu,
                                        stderr=self.stderr, pass_fds=[monitor_of_qemu.fileno()],
                                        preexec_fn=die_with_parent)
        monitor_of_qemu.close()
        os.close(input_of_qemu)
        os.close(output_of_qemu)
        if waits:
            self._answer_for_no_tpm()
        return self

    def _waits_for_a_tpm(self):
        """Whether this is OVMF on a machine that has none."""
        return "q35" in self.arguments and "-tpmdev" not in self.arguments and \
            any(word.startswith("if=pflash") for word in self.arguments)

    def _answer_for_no_tpm(self):
        try:
            for register, value in ((PCI_ROM, TPM_ADDRESS | 1), (PCI_COMMAND, 2)):
                for port, written in ((0xCF8, 1 << 31 | SMBUS | register), (0xCFC, value)):
                    self.qmp("human-monitor-command", command_line=f"o /w {port:#x} {written:#x}")
            self.qmp("cont")
        except OSError:
            pass  # it did not start: why is for wait() to tell

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self._complaint = self.qemu_output()
            os.close(self.keyboard)
            os.close(self.serial)
            self.monitor.close()
            self.stderr.close()
            self.process = None

    # ------------------------------------------------------------ serial line

    def _receive(self, deadline):
        """Adds to the transcript what comes next; False at the end of the line."""
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.serial], [], [], left)[0]:
            raise MachineError(f"no answer in time\n{self.describe()}")
        data = os.read(self.serial, 65536)
        text = self._decoder.decode(data)
        self.transcript += text
        if self.on_output and text:
            self.on_output(text)
        return bool(data)

    def wait(self, deadline_s=DEADLINE_S):
        """Runs to the end of the guest and returns all that it said, with its exit status."""
        deadline = time.monotonic() + deadline_s
        while self._receive(deadline):
            pass
        code = self.process.wait(timeout=max(1, deadline - time.monotonic()))
        complaint = self.qemu_output()
        if "qemu-system" in complaint and not self.transcript:
            raise MachineError(f"QEMU did not start\n{self.describe()}")
        # isa-debug-exit (elsewhere, the test program) ends QEMU with (N << 1) | 1; an even status means that the guest powered off, or reset.
        status = code >> 1 if code > 0 and code & 1 else None
        return Result(plain(self.transcript), status, self.describe, code)

    def wait_for(self, pattern, deadline_s=DEADLINE_S):
        """Waits until the serial output after the last such wait has a match; the match."""
        deadline = time.monotonic() + deadline_s
        expression = re.compile(pattern)
        while True:
            found = expression.search(self.transcript, self._position)
            if found:
                self._position = found.end()
                return found
            if not self._receive(deadline):
                raise MachineError(f"the guest ended while /{pattern}/ was awaited\n{self.describe()}")

    def wait_for_prompt(self, deadline_s=DEADLINE_S):
        return self.wait_for(r"(?:^|[\r\n])(?:\x1b\[[0-9;?]*[A-Za-z]|\r)*" + re.escape(PROMPT), deadline_s)

    def send(self, text):
        """Types on the serial line."""
        data = text.encode() if isinstance(text, str) else text
        while data:
            data = data[os.write(self.keyboard, data):]

    def command(self, line, deadline_s=DEADLINE_S):
        """Types a command at the prompt (which must have been awaited) and returns its output up to the next prompt."""
        self.send(line + "\r")
        return self.output(deadline_s)

    def output(self, deadline_s=DEADLINE_S):
        """What is printed after the echo of the line just entered, up to the next prompt."""
        self.wait_for("\n", deadline_s)
        start = self._position
        self._position -= 1
        self.wait_for_prompt(deadline_s)
        text = self.transcript[start:self._position]
        return Result(plain(text[:text.rindex(PROMPT)]), None, self.describe)

    # ------------------------------------------------------------ QMP

    def memory_when_disks_left(self):
        """What the log told each time: KiB free for devices, bytes that malloc's callers held."""
        return [(int(devices), int(held)) for devices, held in re.findall(
            r"a disk has left; (\d+) KiB for devices, malloc holds (\d+) bytes", self.transcript)]

    def qmp(self, command, **arguments):
        """Executes a QMP command and returns its answer; events met on the way are kept in self.events.

        None if the machine ended over the command: how it ended is for wait() to tell."""
        if self._qmp is None:
            self.monitor.settimeout(DEADLINE_S)
            self._qmp = self.monitor.makefile("rw", encoding="utf-8")
            self._qmp.readline()
            self.qmp("qmp_capabilities")
        message = {"execute": command}
        if arguments:
            message["arguments"] = {name.replace("_", "-"): value for name, value in arguments.items()}
        self._qmp.write(json.dumps(message) + "\n")
        self._qmp.flush()
        while True:
            try:
                line = self._qmp.readline()
            except ConnectionResetError:
                line = ""
            if not line:
                return None
            answer = json.loads(line)
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise MachineError(f"QMP {command}: {answer['error']}\n{self.describe()}")
            else:
                return answer["return"]

    def negotiated_features(self, number=0, backend="/virtio-backend", name="disk"):
        """Names of the features that QEMU holds for negotiated with a disk, e.g. VIRTIO_RING_F_EVENT_IDX. A device on
        virtio-mmio is its own backend. `name`: of the device that has them, without the number."""
        status = self.qmp("x-query-virtio-status", path=f"/machine/peripheral/{name}{number}{backend}")
        features = status["guest-features"]
        return {text.split(":")[0] for group in ("transports", "dev-features") for text in features.get(group, [])}

    # ------------------------------------------------------------ for people

    def qemu_output(self):
        """What QEMU itself wrote: warnings and errors."""
        if not self.process:
            return self._complaint
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace").strip()

    def shell_command(self):
        """A command line that does the same at a terminal."""
        return shlex.join(self.arguments + ["-serial", "mon:stdio"])

    def describe(self):
        """How to reproduce, and what was seen last."""
        lines = plain(self.transcript).splitlines()
        parts = [f"to reproduce: cd {ROOT} && {self.shell_command()}",
                 f"--- last of {len(lines)} console lines:", *lines[-40:]]
        if self.qemu_output():
            parts += ["--- QEMU itself says:", self.qemu_output()]
        return "\n".join(parts)


def die_with_parent():
    """So that no machine outlives tests that were killed: prctl(PR_SET_PDEATHSIG, SIGKILL)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def plain(text):
    """Console output without escape sequences; a line is what stands after its last carriage return."""
    lines = ESCAPE_SEQUENCE.sub("", text).replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines)


def run(append, deadline_s=DEADLINE_S, **machine):
    """Starts a machine on a command line and waits for its end."""
    with Machine(append, **machine) as started:
        return started.wait(deadline_s)
