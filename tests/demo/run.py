#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make run`: boots the kernel in QEMU, on demonstration disks made here or on a disk image of one's own.

The demonstration lists the disks, has the guest checksum them, compares that with the host's checksums of the same
images, and measures a little. Then the shell waits for commands if there is a terminal; without one, the status is 0
if all checksums agreed.
"""
import argparse
import os
import pathlib
import re
import select
import sys
import tempfile
import termios
import tty

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "qemu"))
import harness  # noqa: E402
import images  # noqa: E402
from harness import Disk, Machine  # noqa: E402

ESCAPE = b"\x01"  # Ctrl-A, as with QEMU's own console
DEADLINE_S = 600
HELP = "[Ctrl-A X leaves, Ctrl-A Ctrl-A sends a Ctrl-A, `help` lists the commands]"


def demonstration_disks():
    """By the names they will have: two virtio-blk disks, and a disk and a CD behind virtio-scsi."""
    adapter = ["-device", "virtio-scsi-pci,id=scsi0,disable-legacy=on"]
    return {"vda": Disk(images.image("gpt-fat.raw"), serial="GPT-FAT"),
            "vdb": Disk(images.image("64m.raw"), serial="PATTERN"),
            "sda": Disk(images.image("gpt-fat.qcow2"), format="qcow2", serial="QCOW2", device="scsi-hd", before=adapter),
            "sr0": Disk(images.image("random-16m.raw"), serial="CD", device="scsi-cd", readonly=True)}


DEMONSTRATION = ["lsblk", "lsscsi", "sum vda", "sum vdb", "sum sda", "sum sr0",
                 f"verify vdb 0 64M seed={images.PATTERN_SEED}",
                 f"echo vdb holds the pattern of seed {images.PATTERN_SEED} to the last byte",
                 "bench vdb rw=randread bs=4k iodepth=32 number_ios=20000",
                 "bench sda rw=randread bs=4k iodepth=32 number_ios=20000"]


def host_sum(disk):
    """SHA-256 of a disk's contents as the host's own tools give them."""
    if disk.format == "raw":
        return images.sha256(disk.path)
    with tempfile.TemporaryDirectory(prefix="vstor-") as folder:
        raw = pathlib.Path(folder) / "raw"
        images.run_tool("qemu-img", "convert", "-f", disk.format, "-O", "raw", disk.path, raw)
        return images.sha256(raw)


def compare_sums(disks, text):
    """Prints one line per disk; True if the guest read of each what the host reads."""
    agreed = True
    for name, disk in disks.items():
        guest = re.search(rf"^([0-9a-f]{{64}})  {name}\s*$", text, re.M)
        host = host_sum(disk)
        good = bool(guest) and guest[1] == host
        agreed &= good
        print(f"{'OK  ' if good else 'FAIL'} {name} {disk.serial}: SHA-256 in the guest "
              f"{'equals' if good else 'differs from'} the host's of {pathlib.Path(disk.path).name}")
    return agreed


class Screen:
    """Passes the guest's output on as it comes, but keeps back the prompt until the checks have been printed."""

    def __init__(self):
        self.held = ""
        self.holding = True

    def show(self, text):
        self.held += text
        cut = len(self.held)
        if self.holding:
            # The last line is kept while it could still become the prompt.
            start = self.held.rfind("\n") + 1
            if harness.PROMPT.startswith(self.held[start:].lstrip("\r")) or harness.PROMPT in self.held[start:]:
                cut = start
        sys.stdout.write(self.held[:cut].replace("\r\n", "\n"))
        sys.stdout.flush()
        self.held = self.held[cut:]

    def release(self):
        self.holding = False
        self.show("")


def talk(machine, screen):
    """Connects the terminal with the serial line until the guest ends or Ctrl-A X is typed; what the guest said."""
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    said = b""
    try:
        # Before the prompt appears, and without throwing away what was typed ahead.
        tty.setraw(keyboard, termios.TCSADRAIN)
        screen.release()
        escaped = False
        while True:
            ready, _, _ = select.select([keyboard, machine.serial], [], [])
            if machine.serial in ready:
                data = os.read(machine.serial, 65536)
                if not data:
                    break
                said += data
                os.write(sys.stdout.fileno(), data)
            if keyboard in ready:
                typed = os.read(keyboard, 4096)
                if not typed:
                    break
                escaped, data, leave = unescape(typed, escaped)
                if leave:
                    break
                if data:
                    machine.send(data)
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
        print(flush=True)
    return said.decode(errors="replace")


def unescape(typed, escaped):
    """Takes Ctrl-A sequences out of what was typed: (a Ctrl-A is open, bytes to send, leave)."""
    data = b""
    for byte in (typed[i:i + 1] for i in range(len(typed))):
        if not escaped:
            escaped = byte == ESCAPE
            data += b"" if escaped else byte
            continue
        escaped = False
        if byte in b"xX":
            return False, data, True
        if byte == ESCAPE:
            data += ESCAPE
        elif byte in b"hH?":
            os.write(sys.stdout.fileno(), f"\r\n{HELP}\r\n".encode())
    return escaped, data, False


def add_disk_arguments(parser):
    """What tells of an image of one's own."""
    parser.add_argument("--disk", help="image to boot with instead of the demonstration")
    parser.add_argument("--format", help="raw, qcow2 ...; by the image's name if not given")
    parser.add_argument("--write", action="store_true", help="let the guest change the image")


def own_disk(options):
    """The disk image named on the command line."""
    path = pathlib.Path(options.disk).resolve()
    if not path.exists():
        sys.exit(f"{path}: there is no such image")
    with path.open("rb") as image:
        is_qcow2 = image.read(4) == b"QFI\xfb"
    image_format = options.format or ("qcow2" if is_qcow2 else "raw")
    print(f"vda is {path} ({image_format}). " + ("WRITES GO TO THE IMAGE." if options.write else
          "Writes go to a snapshot and are lost at the end; WRITE=1 keeps them."))
    return Disk(path, format=image_format, writable=options.write, serial="DISK")


def prepare(options):
    """The disks by name, and what the guest shall do with them."""
    if options.disk:
        return {"vda": own_disk(options)}, ["lsblk"]
    print("Making demonstration disks in build/images (once) ...")
    return demonstration_disks(), DEMONSTRATION


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_disk_arguments(parser)
    options = parser.parse_args()
    terminal = sys.stdin.isatty()
    disks, commands = prepare(options)
    # Nobody watches progress bars in a file.
    line = "; ".join(commands if terminal else [*commands, "exit vstor.interactive=0"])
    machine = Machine(line, disks=list(disks.values()), memory_mib=256)
    print(f"Booting: {machine.shell_command()}\n", flush=True)
    screen = Screen()
    machine.on_output = screen.show
    with machine:
        try:
            if terminal:
                machine.wait_for_prompt(DEADLINE_S)
                status = 0
            else:
                status = machine.wait(DEADLINE_S).status
        except harness.MachineError as error:
            sys.exit(f"\n{error}")
        print()
        agreed = bool(options.disk) or compare_sums(disks, harness.plain(machine.transcript))
        if terminal:
            print(HELP, flush=True)
            machine.on_output = None
            talk(machine, screen)
    return 0 if status == 0 and agreed else 1


if __name__ == "__main__":
    sys.exit(main())
