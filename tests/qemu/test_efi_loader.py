# SPDX-License-Identifier: BSD-2-Clause
"""The boot loader vstor.efi under OVMF, started from a volume that is on no virtio disk, or from one that is."""
import contextlib
import hashlib
import pathlib
import re
import tempfile

import pytest

import boot_media
import efi
import harness
import icount
import images
import linux_guest
from harness import Disk, Machine, plain
from test_efi_entries import shown
from test_shell import HOME

BLK, SCSI = "virtio-blk-pci,disable-legacy=on", "virtio-scsi-pci,disable-legacy=on"


@contextlib.contextmanager
def loader(files=None, **machine):
    """A machine that starts vstor.efi from a volume with these files besides."""
    machine.setdefault("memory_mib", 256)
    with tempfile.TemporaryDirectory(prefix="vstor-loader-") as folder:
        image = efi.volume(folder, {"EFI/BOOT/BOOTX64.EFI": efi.LOADER, **(files or {})})
        with Machine(boot=efi.boot_arguments(image), **machine) as started:
            yield started


@pytest.mark.smoke
@pytest.mark.parametrize("rom", [False, True])
def test_disks_are_found_wherever_they_are(rom):
    """Also those that the firmware's driver misses; and where another of our drivers has the disk already."""
    path = images.image("1m.raw")
    disks = [Disk(path, device=BLK, properties={"romfile": efi.ROM} if rom else {}),
             Disk(path, device="scsi-hd,bus=a0.0,scsi-id=1,lun=1", before=["-device", f"{SCSI},id=a0"]),
             Disk(path, device="scsi-cd,bus=a0.0,scsi-id=3"),
             Disk(path, device="scsi-hd,bus=a0.0,scsi-id=5,lun=300")]
    with loader(disks=disks) as machine:
        efi.console_from_menu(machine)
        found = machine.command("lsblk json=1").of("lsblk")
    assert [(disk["dev"], disk.get("hctl")) for disk in found] == [
        ("vda", None), ("sda", "0:0:1:1"), ("sr0", "0:0:3:0"), ("sdb", "0:0:5:300")]


# ---------------------------------------------------------------- Linux

EXTRA = images.random_bytes(100_001, 77)
JOB = """
sha256sum /extra
cat /proc/cmdline
mount -t efivarfs efivarfs /sys/firmware/efi/efivars || exit 1
cd /sys/firmware/efi/efivars
for v in Loader*; do
    echo "$v=$(tail -c +5 $v | tr -d '\\000')"
done
"""


# As many bytes as Linux takes, in lines of their own; and another initrd, with nothing in it.
OPTIONS = ["console=ttyS0 quiet panic=-1", "some.words=" + "y" * 1000]
OPTIONS += ["others.last=" + "z" * (2047 - len(" ".join(OPTIONS)) - len(" others.last="))]


@pytest.fixture(scope="module")
def debian(tmp_path_factory):
    return boot_media.debian(tmp_path_factory.mktemp("debian"), JOB, {"extra": EXTRA}, files={"debian/empty": b""},
                             options="\noptions ".join(OPTIONS) + "\ninitrd /debian/empty")


def boots_linux(disks, boot=None, extra=EXTRA, memory_mib=512, **machine):
    """Linux comes up with its initramfs and the other archive, which has been checked there; what it said."""
    with contextlib.ExitStack() as stack:
        if boot is None:
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vstor-loader-")))
            boot = efi.boot_arguments(efi.volume(folder, {"EFI/BOOT/BOOTX64.EFI": efi.LOADER}))
        guest = stack.enter_context(Machine(boot=boot, disks=disks, memory_mib=memory_mib, debug_exit=False, **machine))
        result = guest.wait(linux_guest.DEADLINE_S)
    result.expect(r"^END 0")
    result.expect(f"^{hashlib.sha256(extra).hexdigest()}  /extra$")
    return result


def place(name, tree, folder):
    """What stands before the disk in QEMU's arguments, and the disk."""
    adapter = ["-device", f"{SCSI},id=a0"]
    image = boot_media.iso(folder / "cd.iso", tree) if name == "cd" else \
        boot_media.fat(folder / "disk.raw", tree, 4096 if name == "4Kn" else 512)
    if name == "4Kn":
        return Disk(image, device=BLK, properties={"logical_block_size": 4096, "physical_block_size": 4096})
    return {"virtio-blk": Disk(image, device=BLK), "packed": Disk(image, device=f"{BLK},packed=on"),
            "scsi 1:1": Disk(image, device="scsi-hd,bus=a0.0,scsi-id=1,lun=1", before=adapter),
            "scsi 5:300": Disk(image, device="scsi-hd,bus=a0.0,scsi-id=5,lun=300", before=adapter),
            "cd": Disk(image, device="scsi-cd,bus=a0.0", before=adapter),
            "bridges": Disk(image, device=BLK, bus="b3")}[name]


BRIDGES = ["pcie-root-port,id=b1,chassis=1,slot=1", "pcie-pci-bridge,id=b2,bus=b1", "pci-bridge,id=b3,bus=b2,addr=1,chassis_nr=9"]


@pytest.mark.parametrize("where", ["virtio-blk", "scsi 1:1", "scsi 5:300", "cd", "packed", "4Kn", "bridges"])
def test_debian_boots_from(where, debian, tmp_path):
    """None of these disks is a boot device of the firmware's, and some it does not find at all."""
    result = boots_linux([place(where, debian, tmp_path)], bridges=BRIDGES if where == "bridges" else [])
    result.expect(rf"^{' '.join(OPTIONS)}$")


def test_debian_boots_from_the_disk_that_the_loader_came_from(debian, tmp_path):
    """Our driver takes over the disk that firmware has started us from; what Linux then hears of us."""
    tree = boot_media.tree(debian, {"EFI/BOOT/BOOTX64.EFI": efi.LOADER})
    disk = Disk(boot_media.esp(tmp_path / "esp.raw", tree), device=BLK, properties={"bootindex": 0})
    result = boots_linux([disk], boot=efi.firmware_arguments())
    told = dict(re.findall(r"^(Loader\w+)-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f=(.*)$", result.text, re.M))
    assert told["LoaderInfo"].startswith("vstor ")
    assert told["LoaderEntrySelected"] == "debian.conf"
    assert told["LoaderEntries"].startswith("debian.conf")
    assert told["LoaderDevicePartUUID"] == "0cab1e00-1111-2222-3333-444455556666"
    assert told["LoaderImageIdentifier"].upper() == "\\EFI\\BOOT\\BOOTX64.EFI"
    assert told["LoaderFirmwareType"].startswith("UEFI 2.")
    assert 0 < int(told["LoaderTimeInitUSec"]) < int(told["LoaderTimeExecUSec"])


@pytest.mark.timeout(1200)
def test_initrd_of_256_mib(tmp_path):
    extra = b"".join(images.random_bytes(16 << 20, seed) for seed in range(16))
    tree = boot_media.debian(tmp_path, "sha256sum /extra", {"extra": extra})
    disk = Disk(boot_media.fat(tmp_path / "disk.raw", tree), device=BLK)
    boots_linux([disk], extra=extra, memory_mib=1536)


TWICE = r"""
mount -t efivarfs efivarfs /sys/firmware/efi/efivars && cd /sys/firmware/efi/efivars || exit 1
say() { tail -c +5 $1-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f | tr -d '\000'; }
echo "selected $(say LoaderEntrySelected), counted $(say LoaderBootCountPath), known $(say LoaderEntries)"
cat /proc/cmdline
[ "$(say LoaderEntrySelected)" = second.conf ] && poweroff -f
{ printf '\007\000\000\000'; printf second.conf | sed 's/./&\n/g' | tr '\n' '\000'; printf '\000\000'; } >/wish
cat /wish >LoaderEntryOneShot-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
"""


def test_unified_image_counted_and_an_entry_for_once(tmp_path):
    """A unified kernel image, counted in its name, boots by itself and asks for another entry, which comes once. Both are
    on an extended boot loader partition; loader.conf, and a third entry, on the disk's EFI system partition."""
    tree = boot_media.debian(tmp_path, TWICE, {"extra": EXTRA}, options="console=ttyS0 quiet panic=-1 second")
    (tree / "loader/entries/debian.conf").rename(tree / "loader/entries/second.conf")
    (tree / "EFI/Linux").mkdir(parents=True)
    boot_media.unified(tree / "EFI/Linux/one+3.efi", tree / "debian/initramfs", "console=ttyS0 quiet panic=-1 first")
    for part in tree.glob("EFI/Linux/*.efi.*"):
        part.unlink()
    esp = boot_media.tree(tmp_path / "esp", {"loader/loader.conf": "timeout 0\ndefault one.efi\n",
                                            "loader/entries/third.conf": "title Third\nlinux /none\n"})
    (tree / "loader/loader.conf").unlink()
    image = tmp_path / "disk.raw"
    at = boot_media.esp_and_xbootldr(image, esp, tree)
    boot = efi.boot_arguments(efi.volume(tmp_path, {"EFI/BOOT/BOOTX64.EFI": efi.LOADER}))
    with Machine(boot=boot, disks=[Disk(image, device=BLK, writable=True)], memory_mib=768, debug_exit=False,
                 reboot=True) as guest:
        result = guest.wait(linux_guest.DEADLINE_S)
    known = result.expect(r"^selected one\.efi, counted \\EFI\\Linux\\one\+2-1\.efi, known (.*)$")[1]
    assert all(name in known for name in ("one.efi", "second.conf", "third.conf"))
    result.expect(r"^console=ttyS0 quiet panic=-1 first$")
    result.expect(r"^selected second\.conf, counted .*$")
    result.expect(r"^console=ttyS0 quiet panic=-1 second$")
    names = images.run_tool("mdir", "-b", "-i", f"{image}@@{at}", "::EFI/Linux").decode().split()
    assert names == ["::/EFI/Linux/one+2-1.efi"]


RESCUE = "console=ttyS0 quiet panic=-1 rescue"


def tool():
    """The tests' program as an image of two profiles."""
    return boot_media.with_sections(efi.PROGRAM.read_bytes(), [
        (".osrel", "NAME=Tool\nID=tool\n"), (".profile", "ID=none"), (".profile", "ID=other\n"), (".cmdline", "implied")])


@pytest.mark.parametrize("default,options", [("x.efi", "'', 0 units"), ("x.efi@other", "'@1', 3 units")])
def test_profiles_are_started_by_their_number(default, options, tmp_path):
    """And what the image brings along anyway is not handed to it."""
    conf, image = tmp_path / "conf", tmp_path / "x.efi"
    conf.write_text(f"timeout 0\ndefault {default}\n")
    image.write_bytes(tool())
    boot = efi.boot_arguments(efi.volume(tmp_path, {"EFI/BOOT/BOOTX64.EFI": efi.LOADER, "EFI/Linux/x.efi": image,
                                                    "loader/loader.conf": conf}))
    result = harness.run("", boot=[*boot, "-fw_cfg", "name=opt/vstor/test,string=load_options"], memory_mib=256)
    efi.expect_passed(result, "load_options").expect(f"load options {options}")


def test_profiles_of_unified_images(tmp_path):
    """Each is an entry, of which the command line can be edited that stands in the image. (Debian's stub is older than
    profiles, and hands on as it is what newer ones take as their number.)"""
    initramfs = linux_guest.initramfs("cat /proc/cmdline", {}, tmp_path)
    tree = boot_media.tree(tmp_path / "tree", {"loader/loader.conf": "timeout menu-force\n", "EFI/Linux/x.efi": tool()})
    boot_media.unified(tree / "EFI/Linux/linux.efi", initramfs, "for nobody", profiles=[
        ("ID=main\n", "console=ttyS0 main"), ('ID=rescue\nTITLE="In need"\n', f" {RESCUE}\n"), ("TITLE=Third", "third")])
    disk = Disk(boot_media.fat(tmp_path / "disk.raw", tree), device=BLK)
    with loader(disks=[disk], memory_mib=768, debug_exit=False) as machine:
        efi.wait_for_menu(machine)
        assert shown(machine) == [f"Debian 12 in one piece{more}" for more in ("", " (In need)", " (Third)")] + [
            "Tool", "Tool (other)", "Reboot Into Firmware Interface"]
        machine.send(HOME + "j")
        machine.wait_for("linux.efi@rescue")
        machine.send("e")
        machine.wait_for(f"> {RESCUE}")
        machine.send(" indeed\r")
        result = machine.wait(linux_guest.DEADLINE_S)
    result.expect(f"^@1 {RESCUE} indeed$")


# ---------------------------------------------------------------- what makes no sense

def spoil_chain(image, first, n_clusters):
    """Of a FAT32 volume: the chain that begins at a cluster runs in a circle behind so many."""
    with open(image, "r+b") as disk:
        boot = disk.read(512)
        fat = int.from_bytes(boot[14:16], "little") * int.from_bytes(boot[11:13], "little")
        disk.seek(fat + 4 * (first + n_clusters - 1))
        disk.write((first + 1).to_bytes(4, "little"))


def first_cluster(image, name):
    """Of a file in the root directory of a FAT32 volume, by its 8.3 name."""
    with open(image, "rb") as disk:
        data = disk.read(2 << 20)
    at = data.index(name)
    return int.from_bytes(data[at + 26:at + 28], "little") + (int.from_bytes(data[at + 20:at + 22], "little") << 16)


def test_entries_that_make_no_sense(tmp_path):
    """Each says why it does not boot, and the menu is there again; so do entries, volumes and tables that can't be read."""
    kernel = (linux_guest.LINUX / "vmlinuz").read_bytes()
    cases = [  # name of the file, what is in it, what the entry says besides, and what is said
        ("cut.efi", kernel[:100_000], "", r"/cut.efi: not started: the place where it begins is not in the file"),
        ("noise.efi", b"MZ" + images.random_bytes(5000, 1), "", r"/noise.efi: it is no kernel .*"),
        ("empty", b"", "", r"/empty: .*empty"),
        ("text", b"hello\n" * 100, "", r"/text: it is no kernel .*"),
        ("circle", images.random_bytes(9000, 2), "", r"vda:/circle: malformed .*|vda:/circle: .*makes no sense.*"),
        ("kernel", kernel, "initrd /none\n", r"vda:/none: there is no such file"),
        ("folder/x", b"", "", r"vda:/folder: is no regular file"),
        ("long", kernel, "options " + "x" * 2048 + "\n", r"/long: the command line has 2048 bytes, this kernel takes 2047"),
        ("../../x", None, "", r"vda:/\.\./\.\./x: there is no such file"),
    ]
    files = {name: data for name, data, _, _ in cases if data is not None}
    for number, (name, _, more, _) in enumerate(cases):
        files[f"loader/entries/e{number}.conf"] = \
            f"title E{number}\nsort-key s{number}\nlinux /{name.removesuffix('/x') if name[0] == 'f' else name}\n{more}"
    files |= {"loader/loader.conf": "timeout menu-force\nnonsense\ntimeout x y\n", "loader/entries/none.conf": "title x\n",
              "loader/entries/big.conf": b"#" * 70000, "EFI/Linux/bad.efi": b"MZ" + b"x" * 100,
              "loader/entries/noise.conf": images.random_bytes(3000, 4)}
    image = boot_media.fat(tmp_path / "disk.raw", boot_media.tree(tmp_path / "tree", files))
    spoil_chain(image, first_cluster(image, b"CIRCLE     "), 8)
    damaged = boot_media.esp(tmp_path / "esp.raw", boot_media.tree(tmp_path / "other", {"x": b"x"}))
    with open(damaged, "r+b") as disk:  # both copies of the table, and the volume's first sector
        for at in (512 + 20, damaged.stat().st_size - 512 + 20, (1 << 20) + 11):
            disk.seek(at)
            disk.write(b"\xa5\x5a")
    with loader(disks=[Disk(image, device=BLK), Disk(damaged, device=BLK)], memory_mib=512) as machine:
        efi.wait_for_menu(machine)
        said = plain(machine.transcript)
        for number, (_, _, _, pattern) in enumerate(cases):
            machine.send(str(number + 1))
            machine.wait_for(pattern)
            efi.wait_for_menu(machine)
        machine.send("c")
        machine.wait_for_prompt()
        assert {"vda", "vdb"} <= {disk["dev"] for disk in machine.command("lsblk json=1").of("lsblk")}
    for line in ("none.conf: it names nothing that could be booted", "big.conf: too large",
                 "bad.efi: it is no program for this machine"):
        assert line in said


# ---------------------------------------------------------------- the way to the menu

def test_cost_from_firmware_to_the_menu(tmp_path):
    """With eight disks, each with a GPT, a volume and an entry; waiting not counted."""
    tree = boot_media.tree(tmp_path / "tree", {
        "loader/loader.conf": "timeout 1\nauto-poweroff yes\ndefault auto-poweroff\n",
        "loader/entries/a.conf": "title A\nlinux /vmlinuz\n"})
    image = boot_media.esp(tmp_path / "disk.raw", tree)
    disks = [Disk(image, device=BLK) for _ in range(4)] + [
        Disk(image, device=f"scsi-hd,bus=a0.0,scsi-id={i}", before=["-device", f"{SCSI},id=a0"] if i == 0 else [])
        for i in range(4)]
    boot = efi.boot_arguments(efi.volume(tmp_path, {"EFI/BOOT/BOOTX64.EFI": efi.LOADER}))
    windows, result, _ = icount.run_counted(
        lambda extra: harness.run("", 400, smp="1", extra=extra, boot=boot, disks=disks, memory_mib=256, debug_exit=False),
        clock=())
    assert all(f"({disk}1)" in result.text for disk in ("vda", "vdb", "vdc", "vdd", "sda", "sdb", "sdc", "sdd"))
    count = windows[0].count()
    assert windows[0].number == icount.WINDOW_BOOT and 0 < count.instructions < 50_000_000, count
