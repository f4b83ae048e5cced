# SPDX-License-Identifier: BSD-2-Clause
"""What vstor.efi finds to boot, and which of it is chosen: others' loaders as entries, loader.conf and the variables of the
Boot Loader Interface, partitions of the Boot Loader Specification, files wherever they lie, loads that are stopped."""
import contextlib
import pathlib
import re
import struct
import tempfile

import pytest

import boot_media
import efi
import images
from harness import KERNEL, Disk, Machine, plain
from test_boot_other import bad_files, patched
from test_efi_shell import controllers, our_row, typed
from test_shell import HOME

BLK, SCSI = "virtio-blk-pci,disable-legacy=on", "virtio-scsi-pci,disable-legacy=on"
ESCAPE = "\x1b"
GRUB = pathlib.Path("/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi")
SIGNED_GRUB = pathlib.Path("/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed")
SHIM = pathlib.Path("/usr/lib/shim")
SYSTEMD_BOOT = pathlib.Path("/usr/lib/systemd/boot/efi/systemd-bootx64.efi")
LOADER_GUID = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"


def entry(title, **keys):
    """The text of an entry; `sort_key` is "sort-key", and a list is as many lines."""
    lines = [f"title {title}"]
    for key, values in keys.items():
        lines += [f"{key.replace('_', '-')} {value}" for value in (values if isinstance(values, list) else [values])]
    return "\n".join(lines) + "\n"


def says(title, sort_key, text, program="/shellx64.efi", **more):
    """An entry that starts the UEFI Shell, which says something and ends."""
    return entry(title, sort_key=sort_key, efi=program, options=f"-nostartup -exit echo {text}", **more)


@contextlib.contextmanager
def loader(files=None, **machine):
    """A machine that starts vstor.efi from a volume on an AHCI port; at the menu."""
    machine.setdefault("memory_mib", 256)
    with tempfile.TemporaryDirectory(prefix="vstor-entries-") as folder:
        image = efi.volume(folder, {"EFI/BOOT/BOOTX64.EFI": efi.LOADER, **(files or {})})
        with Machine(boot=efi.boot_arguments(image), **machine) as started:
            efi.wait_for_menu(started)
            yield started


def shown(machine):
    """The titles in the menu that has been drawn last, in its order."""
    screen = machine.transcript[machine.transcript.rindex("\x1b[01;01H"):]
    rows = re.findall(r"\x1b\[\d\d;01H((?:\x1b\[\d+m)*)[> ][* ]([1-9 ]) (.*?) *(?=\x1b|$)", screen)
    return [title for _, _, title in rows]


def boot(machine, title, *patterns):
    """Boots the entry of this title by its number; each pattern comes, then the menu again. What was said."""
    at = len(machine.transcript)
    machine.send(str(shown(machine).index(title) + 1))
    for pattern in patterns:
        machine.wait_for(pattern)
    efi.wait_for_menu(machine)
    return plain(machine.transcript[at:])


def write(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# ---------------------------------------------------------------- programs

@pytest.fixture(scope="module")
def shell():
    return efi.uefi_shell()


def test_other_loaders_are_entries(shell, tmp_path):
    """Debian's shim, GRUB and systemd-boot and the UEFI Shell, from the folders where they are installed and by entries
    that name them, from a disk that the firmware does not find by itself; each comes back to the menu, whatever it did to
    our driver."""
    files = {
        "EFI/debian/shimx64.efi": SHIM / "shimx64.efi.signed", "EFI/debian/grubx64.efi": SIGNED_GRUB,
        "EFI/debian/mmx64.efi": SHIM / "mmx64.efi", "EFI/debian/fbx64.efi": SHIM / "fbx64.efi",
        "EFI/debian/grub.cfg": "echo GRUB is here\nls /EFI/Microsoft\nexit\n",
        "EFI/grub/grubx64.efi": GRUB, "EFI/systemd/systemd-bootx64.efi": SYSTEMD_BOOT,
        "EFI/Microsoft/Boot/bootmgfw.efi": shell, "EFI/Microsoft/Boot/memtest.efi": shell, "shellx64.efi": shell,
        "EFI/drivers/vstordxe.efi": efi.DRIVER, "EFI/empty/none.efi": b"", "vstor/vstor.efi": efi.LOADER,
        "loader/loader.conf": "timeout menu-force\n",
        "loader/entries/e1.conf": entry("By systemd", sort_key="a", efi="\\EFI\\systemd\\SYSTEMD-BOOTX64.EFI"),
        "loader/entries/e2.conf": says("Words", "b", "the words that were given", devicetree="/none.dtb"),
        "loader/entries/e3.conf": entry("An error", sort_key="c", efi="/vstor/vstor.efi", options=["-c", "lsblk;", "exit 3"]),
    }
    image = boot_media.esp(tmp_path / "disk.raw", boot_media.tree(tmp_path / "tree", files))
    disk = Disk(image, device="scsi-hd,bus=a0.0,scsi-id=5,lun=300", before=["-device", f"{SCSI},id=a0"])  # OVMF finds none
    with loader({"loader/entries/own.conf": write(tmp_path / "own", entry("Ourselves", efi="/EFI/BOOT/BOOTX64.EFI"))},
                disks=[disk]) as machine:
        titles = shown(machine)
        assert titles[:3] == ["By systemd", "Words", "An error"]
        assert set(titles[3:]) == {"debian (shimx64.efi)", "grub (grubx64.efi)", "systemd (systemd-bootx64.efi)",
                                   "Windows Boot Manager", "EFI Shell", "Reboot Into Firmware Interface"}
        for title in ("debian (shimx64.efi)", "grub (grubx64.efi)"):
            assert "\nBoot/" in boot(machine, title, "GRUB is here")
            assert shown(machine) == titles
        for title in ("By systemd", "systemd (systemd-bootx64.efi)"):
            machine.send(str(titles.index(title) + 1))
            machine.wait_for("Windows Boot Manager")  # it looks by itself, and is no entry of its own
            machine.send("Q")
            efi.wait_for_menu(machine)
        said = boot(machine, "Words", r"\nthe words that were given\r")
        assert "Words: its devicetree is left out" in said
        said = boot(machine, "An error", "sda1")  # another of us, which takes the disk and gives it back
        assert "/vstor/vstor.efi: it has come back with status 3, an error" in said

        machine.send(str(titles.index("Windows Boot Manager") + 1))
        machine.wait_for("any other key to continue")
        machine.send(" ")
        machine.wait_for("Shell> ")
        for function in controllers(machine, our_row(machine)[0]):
            assert "Success" in typed(machine, f"disconnect {function}")
        assert our_row(machine)[1][3:] == ["-", "-"]
        machine.send("exit\r")
        efi.wait_for_menu(machine)
        assert shown(machine) == titles
        boot(machine, "Words", r"\nthe words that were given\r")


def test_only_programs(shell):
    """Where nobody has made an entry, what was found first boots by itself, but not at once; no copy of ours is among it."""
    said = b"echo -off\r\necho started by itself\r\nexit\r\n"
    with tempfile.TemporaryDirectory(prefix="vstor-programs-") as folder:
        files = {name: write(pathlib.Path(folder) / str(i), content) for i, (name, content) in enumerate({
            "EFI/tool/tool.efi": shell, "startup.nsh": said, "loader/loader.conf": "timeout 0\n"}.items())}
        with loader({**files, "EFI/vstor/vstorx64.efi": efi.LOADER, "EFI/tool/copy.efi": efi.LOADER}) as machine:
            assert shown(machine) == ["tool (tool.efi)", "Reboot Into Firmware Interface"]
            assert "Boots in 10 s, unless a key is typed: tool (tool.efi)" in machine.transcript
            machine.wait_for(r"\nstarted by itself\r")
            efi.wait_for_menu(machine)
            assert "Boots in" not in machine.transcript[machine.transcript.rindex("started by itself"):]


@pytest.mark.parametrize("types,conf_of", [(["0c", "ea", "ef"], 2), (["0c", "ea", "0c"], 1), (["83", "0c", "0c"], 0)])
def test_partitions_by_their_mbr_type(types, conf_of, tmp_path):
    """Entries come from all of them, loader.conf from the EFI system partition (0xef), or else from the extended boot
    loader partition (0xea), or else from the first one; the volume that we came from has none."""
    parts = [(kind, boot_media.tree(tmp_path / str(i), {
        "loader/loader.conf": f"timeout {500 + i}\ndefault e{i}\n",
        f"loader/entries/e{i}.conf": entry(f"Of partition {i}", linux="/none")})) for i, kind in enumerate(types)]
    with loader(disks=[Disk(boot_media.mbr(tmp_path / "disk.raw", parts), device=BLK)]) as machine:
        assert set(shown(machine)[:3]) == {f"Of partition {i}" for i in range(3)}
        assert f"Boots in {500 + conf_of} s, unless a key is typed: Of partition {conf_of}" in machine.transcript


# ---------------------------------------------------------------- choosing

class Choosing:
    """vstor.efi, started again and again by the UEFI Shell from the volume fs0:, with another loader.conf each time."""

    def __init__(self, machine, confs):
        self.machine, self.confs = machine, confs

    def set(self, name, text):
        """A variable of the Boot Loader Interface; None deletes it."""
        data = f'=L"{text}" =0x0000' if text is not None else "="
        typed(self.machine, f"setvar {name} -guid {LOADER_GUID} -bs -rt -nv {data}")

    def get(self, name):
        """What is in one; None if there is none."""
        text = typed(self.machine, f"dmpstore -guid {LOADER_GUID} {name}")
        found = re.findall(r"^  [0-9A-F]{8}: ([0-9A-F -]{48})", text, re.M)
        data = b"".join(bytes.fromhex(line.replace("-", " ")) for line in found)
        return data.decode("utf-16-le").rstrip("\0") if found else None

    def start(self, conf, pattern, first=""):
        """With this loader.conf; what comes in answer, then the menu, which is left."""
        typed(self.machine, f"cp -q fs0:\\confs\\{self.confs[conf]} fs0:\\loader\\loader.conf")
        at = len(self.machine.transcript)
        self.machine.send("vstor.efi\r" + first)
        found = self.machine.wait_for(pattern)
        if "more keys" not in found[0]:
            efi.wait_for_menu(self.machine)
        self.titles = shown(self.machine)
        self.said = self.machine.transcript[at:]
        self.machine.send("q")
        self.machine.wait_for("Shell> |FS0:.> ")
        return found


CONFS = ["timeout 9\ndefault b*\n", "timeout 9\ndefault [xyc].conf\n", "timeout 9\ndefault bad\n",
         "timeout 9\npreferred bad*\ndefault c\n", "timeout 9\n", "timeout 0\ndefault @saved\n", "timeout 0\ndefault c.conf\n",
         "timeout 0\npreferred @saved\ndefault a\n", "timeout 9\ndefault c\n", "timeout 0\ndefault c\n",
         "timeout 0\ndefault b\n", "timeout 0\ndefault bad\n", "timeout menu-hidden\ndefault c\n", "timeout menu-disabled\ndefault c\n", "timeout menu-force\ndefault c\n"]
COUNTS = r"Boots in \d s, unless a key is typed: (\w+).*\? more keys"
MENU = r"\? more keys"


def chose(name):
    return rf"\nchose {name}\r"


def test_which_entry_is_the_default(shell, tmp_path):
    """By loader.conf with patterns, by the last one booted, by variables of the Boot Loader Interface, for once and for
    good; how long the menu waits, and whether it is shown at all."""
    files = {"vstor.efi": efi.LOADER, "shellx64.efi": write(tmp_path / "shell", shell)}
    texts = {f"confs/{i}": conf for i, conf in enumerate(CONFS)} | {"loader/loader.conf": ""} | {
        f"loader/entries/{name}": says(f"{title}", f"s{title}", f"chose {title}", version=1, **more) for name, title, more in [
            ("a.conf", "A", {}), ("b+3-0.conf", "B", {}), ("c.conf", "C", {"architecture": "x64"}),
            ("bad+0-3.conf", "Aaa", {}), ("worse+0.conf", "Aab", {}), ("arm.conf", "Arm", {"architecture": "aa64"}),
            ("none+x.conf", "D", {"machine_id": 32 * "d"}), ("f.conf", "F", {"machine_id": 32 * "1"}),
            ("g.conf", "F", {"machine_id": 32 * "2"}), ("h.conf", "F", {"machine_id": 32 * "2"})]}
    for name, text in texts.items():
        files[name] = write(tmp_path / name.replace("/", "-"), text)
    image = efi.volume(tmp_path, files)
    with Machine(boot=efi.boot_arguments(image), memory_mib=256) as machine:
        machine.wait_for("any other key to continue")
        machine.send(" ")
        machine.wait_for("Shell> ")
        typed(machine, "fs0:")
        run = Choosing(machine, {conf: i for i, conf in enumerate(CONFS)})
        counted = lambda conf: run.start(conf, COUNTS)[1]

        # Patterns; what has no tries left comes last, and nothing for another architecture.
        assert counted("timeout 9\ndefault b*\n") == "B"
        assert run.titles == [
            "A", "B", "C", "D", f"F (1) ({32 * '1'})", f"F (1) ({32 * '2'}) (h.conf)", f"F (1) ({32 * '2'}) (g.conf)",
            "Aaa", "Aab", "EFI Shell", "Reboot Into Firmware Interface"]
        assert counted("timeout 9\ndefault [xyc].conf\n") == "C"
        assert counted("timeout 9\ndefault bad\n") == "Aaa"
        assert counted("timeout 9\npreferred bad*\ndefault c\n") == "C"
        assert counted("timeout 9\n") == "A"

        # A try less for what is counted, unless none is left.
        for name, title, after in (("b", "B", "b+2-1.conf"), ("bad", "Aaa", "bad+0-3.conf")):
            run.start(f"timeout 0\ndefault {name}\n", chose(title))
            assert re.search(rf" {re.escape(after)}\r?$", typed(machine, "ls fs0:\\loader\\entries"), re.M)
        assert run.get("LoaderBootCountPath") == "\\loader\\entries\\b+2-1.conf"

        # The last one that was booted; what is wanted once is not remembered.
        run.start("timeout 0\ndefault @saved\n", chose("A"))
        assert run.get("LoaderEntryLastBooted") == "a.conf"
        assert run.get("LoaderEntrySelected") == "a.conf"
        run.set("LoaderEntryOneShot", "c.conf")
        run.start("timeout 0\ndefault @saved\n", chose("C"))
        assert run.get("LoaderEntryOneShot") is None
        assert run.get("LoaderEntryLastBooted") == "a.conf"
        run.start("timeout 0\ndefault c.conf\n", chose("C"))
        assert run.get("LoaderEntryLastBooted") == "a.conf"
        run.set("LoaderEntryLastBooted", "none+x.conf")
        run.start("timeout 0\npreferred @saved\ndefault a\n", chose("D"))
        run.set("LoaderEntryDefault", "@saved")
        assert counted("timeout 9\ndefault c\n") == "D"
        run.set("LoaderEntryOneShot", "auto-efi-shell")
        assert counted("timeout 9\ndefault c\n") == "EFI"

        # Variables before loader.conf; once before for good.
        run.set("LoaderEntryDefault", "A.CONF")
        assert counted("timeout 9\ndefault c\n") == "A"
        run.set("LoaderEntryDefault", "nothing.conf")
        assert counted("timeout 9\ndefault c\n") == "C"
        run.set("LoaderConfigTimeout", "7")
        assert "Boots in 7 s" in run.start("timeout 0\ndefault c\n", COUNTS)[0]
        run.set("LoaderConfigTimeoutOneShot", "0")
        run.start("timeout 0\ndefault c\n", MENU)
        assert "Boots in" not in run.said and run.get("LoaderConfigTimeoutOneShot") is None
        run.set("LoaderConfigTimeoutOneShot", "5")
        assert "Boots in 5 s" in run.start("timeout 0\ndefault c\n", COUNTS)[0]
        run.set("LoaderConfigTimeout", "menu-force")
        run.start("timeout 0\ndefault c\n", MENU)
        assert "Boots in" not in run.said
        for words in ("menu-hidden", "menu-disabled", "0"):
            run.set("LoaderConfigTimeout", words)
            run.start("timeout 9\ndefault c\n", chose("C"))
            assert "more keys" not in run.said.partition("chose C\r")[0]
        run.set("LoaderConfigTimeout", "nonsense")
        assert counted("timeout 9\ndefault c\n") == "C"
        run.set("LoaderConfigTimeout", None)

        # A menu that is hidden comes by a key; one that is disabled does not.
        run.start("timeout menu-hidden\ndefault c\n", MENU, first=" ")
        assert "chose" not in run.said
        run.start("timeout menu-disabled\ndefault c\n", chose("C"), first=" ")
        run.start("timeout menu-force\ndefault c\n", MENU)
        assert "chose" not in run.said and "Boots in" not in run.said


# ---------------------------------------------------------------- files

DEEP = "/" + "/".join(f"Folder number {i} with a long Name" for i in range(12))
CLUSTER = 2048


def fragmented(path, folder, name, content, mib=64):
    """A FAT16 volume that was full but for every second cluster, and few more, when a file came; how many pieces that has."""
    images.sparse(path, mib * images.MiB)
    images.run_tool("mkfs.fat", "-F", "16", "-s", CLUSTER // 512, "-n", "PIECES", path)
    images.run_tool("mcopy", "-Q", "-s", "-i", path, *sorted(folder.iterdir()), "::")
    n_holes = len(content) // CLUSTER + 20
    free = int(re.search(r"([\d ]+) bytes free", images.run_tool("mdir", "-i", path, "::").decode())[1].replace(" ", ""))
    filler = folder.with_name("filler")
    with open(filler, "wb") as file:
        file.truncate(free - 2 * n_holes * CLUSTER - 128 * CLUSTER)
    images.run_tool("mcopy", "-i", path, filler, "::filler")
    pieces = [write(folder.with_name(f"{i}.{'ab'[i % 2]}"), b"x" * CLUSTER) for i in range(2 * n_holes)]
    images.run_tool("mmd", "-i", path, "::pieces")
    images.run_tool("mcopy", "-i", path, *pieces, "::pieces")
    images.run_tool("mdel", "-i", path, "::pieces/*.b")
    images.run_tool("mcopy", "-i", path, write(folder.with_name("content"), content), "::" + name)
    return len(re.findall("<", images.run_tool("mshowfat", "-i", path, "::" + name).decode()))


def test_files_wherever_they_lie(shell, tmp_path):
    """A program in hundreds of pieces, in deep folders, by names in other letters; a load that Esc stops, and one whose
    disk vanishes: a message, and the menu again."""
    name = "A Program with a Name of its Own.EFI"
    tree = boot_media.tree(tmp_path / "tree", {
        f"{DEEP[1:]}/none": b"", "loader/loader.conf": "timeout menu-force\n",
        "loader/entries/e1.conf": says("Pieces", "a", "all pieces are right", program=f"{DEEP}/{name}"),
        "loader/entries/e2.conf": says("Letters", "b", "all letters are right", program=f"{DEEP}/{name}".swapcase()),
        "loader/entries/e3.conf": entry("Folder", sort_key="c", linux=DEEP),
    })
    assert fragmented(tmp_path / "pieces.raw", tree, f"{DEEP}/{name}", shell) > len(shell) // CLUSTER // 2
    large = boot_media.tree(tmp_path / "large", {"large": bytes(40 * images.MiB), "loader/entries/l.conf": entry(
        "Large", sort_key="d", linux="/large")})
    slow = Disk(boot_media.fat(tmp_path / "large.raw", large), device="scsi-hd,bus=a0.0,scsi-id=3,lun=2",
                before=["-device", f"{SCSI},id=a0"], drive={"throttling.bps-read": "2000000"})
    with loader(disks=[Disk(tmp_path / "pieces.raw", device=BLK), slow]) as machine:
        titles = shown(machine)
        assert titles[:4] == ["Pieces", "Letters", "Folder", "Large"]
        boot(machine, "Pieces", r"\nall pieces are right\r")
        boot(machine, "Letters", r"\nall letters are right\r")
        assert "is no regular file" in boot(machine, "Folder")
        assert re.search(r"\x1b\[\d\d;01H[^\x1b]*: is no regular file", machine.transcript)  # in the menu, though long
        machine.send("4")
        machine.wait_for(r"of 40 MiB, Esc stops it")
        machine.send(ESCAPE)
        machine.wait_for("sda:/large: stopped by the Escape key")
        efi.wait_for_menu(machine)
        assert shown(machine) == titles
        machine.send("4")
        machine.wait_for(r"of 40 MiB, Esc stops it")
        machine.qmp("device_del", id="disk1")
        machine.wait_for("sda:/large: device unplugged")
        efi.wait_for_menu(machine)
        assert shown(machine) == titles[:3] + titles[4:]
        boot(machine, "Pieces", r"\nall pieces are right\r")


# ---------------------------------------------------------------- what makes no sense

def bad_programs(shell):
    """Name -> content, what is said of it."""
    at = struct.unpack_from("<I", shell, 0x3C)[0]
    sections = at + 24 + struct.unpack_from("<H", shell, at + 20)[0]
    return {
        "pe-entry": (patched(shell, (at + 40, b"\xf0\xff\xff\x7f")), "the place where it begins is not in the file"),
        "pe-short": (shell[:sections + 500], "the place where it begins is not in the file"),
        "pe-data": (patched(shell, (sections + 20, b"\0\0\0\x7f")), "the place where it begins is not in the file"),
        "pe-size": (patched(shell, (at + 80, b"\xff\xff\xff\xff")), "can't be loaded: "),
        "pe-arm": (patched(shell, (at + 4, b"\x64\xaa")), "can't be loaded: it is no program for this machine"),
        "pe-head": (patched(shell, (0x3C, b"\xff\xff\xff\xff")), "it is no kernel"),
        "pe-sect": (patched(shell, (at + 6, b"\xff\xff")), "it is no kernel"),
        "pe-opt": (patched(shell, (at + 24, b"\7\1")), "it is no kernel"),
    }


def bad_disks(folder):
    """Disks whose tables or file systems make no sense, and what is said of each, if it is worth saying."""
    good = boot_media.fat(folder / "good.raw", boot_media.tree(folder / "good", {"loader/entries/x.conf": "title X\nlinux /x\n"}),
                          mib=40).read_bytes()
    mbr = bytes(446) + b"\0" * 4 + b"\x0c" + b"\0" * 3 + struct.pack("<II", 2048, 8192) + bytes(48) + b"\x55\xaa"
    chain = bytes(446) + b"\0" * 4 + b"\x05" + b"\0" * 3 + struct.pack("<II", 1, 8192) + bytes(48) + b"\x55\xaa"
    link = bytes(446 + 16) + b"\0" * 4 + b"\x05" + b"\0" * 3 + struct.pack("<II", 0, 8192) + bytes(32) + b"\x55\xaa"
    volume = good[:images.MiB]
    iso = boot_media.iso(folder / "cd.iso", boot_media.tree(folder / "iso", {"loader/entries/x.conf": "title X\nlinux /x\n"}))
    gpt = bytearray(boot_media.esp(folder / "gpt.raw", folder / "good").read_bytes())
    for at in (512, len(gpt) - 512):
        gpt[at + 16:at + 20] = b"\xff\xff\xff\xff"  # its sum, and how many entries there are
        gpt[at + 80:at + 84] = b"\xff\xff\xff\xff"
    return {
        "noise": (images.random_bytes(images.MiB, 7), None), "tiny": (b"\0" * 512, None),
        "gpt": (bytes(gpt), "its partition table can't be read: malformed"),
        "chain": (chain + link + bytes(images.MiB), None),
        "outside": (mbr + bytes(images.MiB), None),
        "fat-none": (patched(volume, (36, b"\0\0\0\0")), "its file system can't be read: malformed"),
        "fat-root": (patched(good, (44, b"\xff\xff\xff\x0f")), "/loader/entries: malformed"),
        "iso-root": (patched(iso.read_bytes(), *[(at + 158, b"\xff\xff\xff\x7f") for at in (32768, 34816)]), "/loader/entries: beyond the end of the device"),
    }


def test_malformed_programs_kernels_and_disks(shell, tmp_path):
    """PE and ELF files, kernels, tables and file systems that make no sense: a message, and the menu again, in which what
    is sound still boots."""
    bad = {name: (content, said) for name, (content, said) in bad_files(tmp_path).items()
           if name[:3] in ("elf", "pvh", "mb1", "mb2")} | bad_programs(shell)
    entries = {f"loader/entries/{i}.conf": entry(f"E{i:02}", sort_key=f"a{i:02}", linux=f"/{name}")
               for i, name in enumerate(bad)}
    tree = boot_media.tree(tmp_path / "tree", {name: content for name, (content, _) in bad.items()} | entries | {
        "shellx64.efi": shell, "loader/entries/good.conf": says("Good", "b", "this one is good"),
        "loader/entries/cut.conf": b"title Cut\nsort-key c\nlinux /good\x00x\xff\xfe\ninitrd",
        "loader/entries/same.conf/x": b"", "loader/loader.conf": "timeout menu-force\ndefault [[[\n"})
    disks = [Disk(boot_media.fat(tmp_path / "disk.raw", tree), device=BLK)]
    said = bad_disks(tmp_path)
    for i, (name, (content, _)) in enumerate(said.items()):
        disks.append(Disk(write(tmp_path / name, content), device=f"scsi-hd,bus=a0.0,scsi-id={i}",
                          before=[] if i else ["-device", f"{SCSI},id=a0"]))
    with loader(disks=disks) as machine:
        for i, (name, (_, what)) in enumerate(said.items()):
            if what:
                assert re.search(rf"\nsd{'abcdefgh'[i]}1?:.*({what})", plain(machine.transcript)), name
        assert shown(machine)[:len(bad) + 2] == [f"E{i:02}" for i in range(len(bad))] + ["Good", "Cut"]
        for i, (name, (_, what)) in enumerate(bad.items()):
            machine.send(HOME + "j" * i + "\r")
            machine.wait_for(re.escape(what))
            efi.wait_for_menu(machine)
        machine.send(HOME + "j" * len(bad) + "\r")
        machine.wait_for(r"\nthis one is good\r")
        efi.wait_for_menu(machine)


# ---------------------------------------------------------------- CDs

def cd(folder):
    """A CD that firmware starts by El Torito: the loader in an EFI system partition's image, entries there and besides."""
    files = {"loader/loader.conf": "timeout menu-force\n", "vstor.elf": KERNEL}
    inner = boot_media.fat(folder / "efi.img", boot_media.tree(folder / "inner", {
        "EFI/BOOT/BOOTX64.EFI": efi.LOADER, **files,
        "loader/entries/e.conf": entry("In the image", linux="/vstor.elf", options="echo from the image; exit 3")}), mib=40)
    outer = boot_media.tree(folder / "outer", {**files, "efi.img": inner, "loader/entries/e.conf": entry(
        "On the CD", linux="/vstor.elf", options=["echo from the CD;", "exit 4"])})
    images.run_tool("xorriso", "-as", "mkisofs", "-R", "-J", "-V", "VSTOR", "-e", "efi.img", "-no-emul-boot", "-o",
                    folder / "cd.iso", outer)
    return folder / "cd.iso"


@pytest.mark.parametrize("drive,titles", [("virtio", ["On the CD", "In the image"]), ("ahci", ["In the image"])])
def test_started_from_a_cd(drive, titles, tmp_path):
    """From a drive of ours, and from one that only the firmware can read: there it is the image that is seen."""
    disk = Disk(cd(tmp_path), readonly=True, device="scsi-cd,bus=a0.0,bootindex=0" if drive == "virtio" else "ide-cd,bus=ide.0,bootindex=0",
                before=["-device", f"{SCSI},id=a0"])
    with Machine(boot=efi.firmware_arguments(), disks=[disk], memory_mib=256) as machine:
        efi.wait_for_menu(machine)
        assert sorted(shown(machine)) == sorted([*titles, "Reboot Into Firmware Interface"])  # not the loader itself
        machine.send(str(shown(machine).index(titles[0]) + 1))
        result = machine.wait()
    result.expect("^from the CD" if drive == "virtio" else "^from the image")
    result.expect_status(4 if drive == "virtio" else 3)
