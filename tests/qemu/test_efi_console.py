# SPDX-License-Identifier: BSD-2-Clause
"""The console of vstor.efi under OVMF: the shell's commands on the firmware's keyboard, screen and disks."""
import contextlib
import hashlib
import pathlib
import tempfile

import pytest

import boot_media
import efi
import faults
import harness
import images
from harness import Disk, Machine
from images import KiB, MiB
from test_shell import CTRL_C, HOME, LEFT, TAB, UP

BLK, SCSI = "virtio-blk-pci,disable-legacy=on", "virtio-scsi-pci,disable-legacy=on"
ADAPTER = ["-device", f"{SCSI},id=a0"]
ON_A_PC = pytest.mark.skipif(harness.ARCH != "x86_64", reason="it wants a PC's keyboard, or kernels for it")


@contextlib.contextmanager
def uefi_shell(script, **machine):
    """A machine whose UEFI Shell runs these lines, with vstor.efi at hand."""
    machine.setdefault("memory_mib", 256)
    with tempfile.TemporaryDirectory(prefix="vstor-console-") as folder:
        startup = pathlib.Path(folder) / "startup.nsh"
        startup.write_text("".join(line + "\r\n" for line in ["fs0:", *script]))
        image = efi.volume(folder, {"vstor.efi": efi.LOADER, "startup.nsh": startup})
        with Machine(boot=efi.boot_arguments(image), **machine) as started:
            started.wait_for("any other key to continue")
            started.send(" ")
            yield started


@contextlib.contextmanager
def console(**machine):
    """At the prompt of the console."""
    with uefi_shell(["vstor.efi shell", "echo left with %lasterror%"], **machine) as started:
        started.wait_for_prompt()
        yield started


@pytest.mark.smoke
def test_commands(writable):
    """On virtio-blk and SCSI disks: what they find, read and write is what the host sees."""
    random, files = images.image("random-16m.raw"), images.image("gpt-fat.raw")
    target = writable("empty-16m.raw", device=BLK)
    disks = [Disk(random, device=BLK, serial="S1"), target,
             Disk(files, device="scsi-hd,bus=a0.0,scsi-id=1,lun=1", before=ADAPTER),
             Disk(random, device="scsi-hd,bus=a0.0,scsi-id=5,lun=300")]
    with console(disks=disks) as machine:
        def run(line):
            return machine.command(line)

        # what there is
        found = {record["dev"]: record for record in run("lsblk json=1").of("lsblk")}
        assert list(found) == ["vda", "vdb", "sda", "sdb"]
        assert found["vda"]["serial"] == "S1" and found["vda"]["driver"] == "virtio-blk"
        assert found["sda"]["bytes"] == files.stat().st_size
        functions = run("lspci json=1").of("lspci")
        assert {f["dev"] for f in functions if "virtio" in f} == {r["pci"] for r in found.values()}
        assert {(u["hctl"], u["dev"]) for u in run("lsscsi json=1").of("lsscsi")} == {
            ("0:0:1:1", "sda"), ("0:0:5:300", "sdb")}

        # reading
        for dev in ("vda", "sdb"):
            assert run(f"sum {dev} json=1").one("sum")["sha256"] == images.sha256(random)
        assert run("sum sda 1M 3M json=1").one("sum")["sha256"] == images.sha256(files, MiB, 3 * MiB)
        assert run("ls sda1").expect("(?m)HELLO.TXT")
        assert run("cat sda1 /HELLO.TXT").text == "Hello from the host.\n"
        assert run("sum sda1 /RANDOM.BIN json=1").one("sum")["sha256"] == hashlib.sha256(
            images.FAT_FILES["RANDOM.BIN"]).hexdigest()
        first = images.read_range(random, 0, 16).hex()
        assert first in run("read vda 0 16").text.splitlines()[0].replace(" ", "")

        # writing
        run("fill vdb 0 1M seed=7")
        assert run("verify vdb 0 1M seed=7").text.count("wrong") == 0
        run("write vdb 2M 00 01 fe ff; flush vdb")
        assert images.read_range(target.path, 2 * MiB, 4) == b"\0\1\xfe\xff"
        run("copy vda vdb 8M; flush vdb")
        assert images.sha256(target.path, 0, 8 * MiB) == images.sha256(random, 0, 8 * MiB)
        run("zero vdb 0 64k; discard vdb 64k 64k; flush vdb")
        assert images.read_range(target.path, 0, 64 * KiB) == bytes(64 * KiB)

        # measuring
        measured = run("bench vda rw=randread bs=4k iodepth=32 number_ios=500 json=1").one("bench")
        assert measured["ios"] == 500 and measured["errors"] == 0
        assert any(r["dev"] == "vda" for r in run("stats json=1").of("stats"))
        run("trace on; read vda 0 512; trace off")
        assert "submit read" in run("trace dump").text
        run("sg sda 00 00 00 00 00 00; inq sda; luns 0:1; events; rescan; parts")

        # what fails is said, and the prompt is there again
        assert "no such command" in run("nonsense").text
        assert run("read vda 1T 512 json=1").error("read")["dev"] == "vda"
        # keys
        assert run("ech" + TAB + "done").text.strip() == "done"
        assert run("cho a" + HOME + "e").text.strip() == "a"
        assert run("echo ac" + LEFT + "b").text.strip() == "abc"
        assert run(UP).text.strip() == "abc"
        machine.send("exit 5\r")
        machine.wait_for("left with 0x5")


def test_commands_as_arguments():
    """In order, until one fails; the status is theirs, and the disks are the firmware's again each time."""
    random = images.image("random-16m.raw")
    script = ['vstor.efi -c "lsblk json=1; sum vda json=1"', "echo first %lasterror%",
              "vstor.efi -c nonsense; echo never", "echo second %lasterror%",
              "vstor.efi -c exit 7", "echo third %lasterror%"]
    with uefi_shell(script, disks=[Disk(random, device=BLK)]) as machine:
        machine.wait_for("third 0x7")
        text = machine.transcript.replace("\r", "")
    assert f'"sha256":"{images.sha256(random)}"' in text
    assert "\nfirst 0x0\n" in text and "\nsecond 0x1\n" in text and "\nnever" not in text


def test_control_c_stops_a_command():
    """A terabyte is not read to its end; what is typed ahead of a command is not lost."""
    huge = Disk(blockdev=[{"driver": "null-co", "node-name": "huge", "size": 1 << 40, "read-zeroes": True}], device=BLK)
    with console(disks=[huge]) as machine:
        machine.send("sum vda\r")
        machine.wait_for("left")  # the progress bar
        machine.send(CTRL_C)
        machine.wait_for("interrupted")
        machine.wait_for_prompt()
        machine.send("sleep 300\recho typed ahead\r")
        machine.wait_for(r"\ntyped ahead")


def type_on_keyboard(machine, *keys):
    """By the names that QEMU has for them; "ctrl-c" is two at once."""
    for key in keys:
        machine.qmp("send-key", keys=[{"type": "qcode", "data": name} for name in key.split("-")])


@ON_A_PC
def test_keyboard_and_plugged_disk():
    """A keyboard types as well as the serial line, with a screen there; and `rescan` finds a disk that came later."""
    path = images.image("1m.raw")
    huge = {"driver": "null-co", "node-name": "huge", "size": 1 << 40, "read-zeroes": True}
    disks = [Disk(path, device="scsi-hd,bus=a0.0,scsi-id=1", before=ADAPTER), Disk(blockdev=[huge], device=BLK)]
    with console(disks=disks, extra=["-device", "VGA"]) as machine:
        type_on_keyboard(machine, "e", "c", "h", "o", "spc", "b", "c", "left", "left", "a", "end", "d", "ret")
        machine.wait_for(r"\nabcd\r")
        machine.wait_for_prompt()
        type_on_keyboard(machine, "up", "backspace", "ret")
        machine.wait_for(r"\nabc\r")
        machine.wait_for_prompt()
        machine.send("sum vda\r")
        machine.wait_for("left")
        type_on_keyboard(machine, "ctrl-c")
        machine.wait_for("interrupted")
        machine.wait_for_prompt()

        machine.qmp("blockdev-add", driver="raw", node_name="late", read_only=True,
                    file={"driver": "file", "filename": str(path)})
        machine.qmp("device_add", driver="scsi-hd", bus="a0.0", scsi_id=2, lun=3, drive="late", id="late")
        assert machine.command("rescan json=1").one("rescan")["added"] == 1
        assert machine.command("sum sdb json=1").one("sum")["sha256"] == images.sha256(path)
        assert machine.command("rescan json=1").one("rescan") == {"cmd": "rescan", "added": 0, "removed": 0}


def tray_is_open(machine):
    return {drive["device"]: drive.get("tray_open") for drive in machine.qmp("query-block")}["drive1"]


@ON_A_PC
def test_commands_for_media_units_and_kernels(tmp_path):
    """What the host sees of a drive's tray; what a unit or firmware can't do is said; a dry boot, a file of commands."""
    tree = boot_media.tree(tmp_path / "tree", {"vstor.elf": harness.KERNEL, "vstor.efi": efi.LOADER, "tests.efi": efi.PROGRAM,
                                               "script": "echo from a file\nsum sda 0 1M json=1\n"})
    image = boot_media.fat(tmp_path / "disk.raw", tree)
    disks = [Disk(image, device="scsi-hd,bus=a0.0,scsi-id=1", before=ADAPTER),
             Disk(boot_media.iso(tmp_path / "cd.iso", tree), device="scsi-cd,bus=a0.0,scsi-id=2", readonly=True),
             Disk(images.image("1m.raw"), device=BLK)]
    with console(disks=disks, reboot=True, extra=["-fw_cfg", "name=opt/vstor/test,string=has_device"]) as machine:
        def run(line):
            return machine.command(line)

        assert not tray_is_open(machine)
        assert run("eject sr0 json=1").one("eject")["bytes"] == 0 and tray_is_open(machine)
        assert run("read sr0 0 2k json=1").error("read")
        assert run("load sr0 json=1").one("load")["medium"] == "ok" and not tray_is_open(machine)
        assert run("sum sr0 0 64k json=1").one("sum")["sha256"] == images.sha256(tmp_path / "cd.iso", 0, 64 * KiB)
        assert "error" not in run("tmf sda lun_reset json=1").text
        for line in ("reserve sda", "zone vda report", "erase vda 0 64k", "eject vda", "load vda"):
            assert run(f"{line} json=1").error(line.split()[0])["text"], line
        script = run("source sda /script")
        assert "from a file" in script.text and script.one("sum")["sha256"] == images.sha256(image, 0, MiB)

        # the same before and after all has been looked for again
        for line in ("echo", "rescan"):
            run(line)
            for path in ("/vstor.elf", "/vstor.efi"):
                assert "error" not in run(f"boot sda {path} dry=1 json=1").text
        assert any("cache" in record for record in run("stats json=1").of("stats"))
        assert "boot DEV PATH" in run("help boot").text and "no such command" in run("run x").text

        # a program knows where it comes from, also then
        machine.send("reboot\r")
        machine.wait_for("any other key to continue")
        machine.send(" ")
        machine.wait_for_prompt()
        run("rescan")
        machine.send("boot sda /tests.efi\r")
        efi.expect_passed(machine.wait(), "has_device")


@pytest.mark.parametrize("device", [BLK, "scsi-hd,bus=a0.0,scsi-id=1"])
def test_a_disk_that_hardly_answers(tmp_path, device):
    """It is named while it is waited for, with the seconds; once it answers all goes on."""
    disk = faults.throttled(tmp_path, device, {}, before=ADAPTER if device != BLK else [])
    with console(disks=[disk], extra=["-object", "throttle-group,id=g"]) as machine:
        name = machine.command("lsblk json=1").of("lsblk")[0]["dev"]
        faults.throttle(machine, {"bps-total": 1})
        machine.send("rescan\r")
        machine.wait_for(rf"({name}|virtio disks): no answer for \d+ s")
        faults.throttle(machine, faults.UNLIMITED | {"bps-total": 0})
        machine.wait_for_prompt()
        assert not machine.command(f"sum {name} json=1").errors
