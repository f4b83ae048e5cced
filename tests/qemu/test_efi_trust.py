# SPDX-License-Identifier: BSD-2-Clause
"""What vstor.efi tells the TPM (swtpm), as Linux reads it there; and what Secure Boot lets it start (keys of our own,
enrolled in OVMF's variables; sbsigntool signs)."""
import contextlib
import hashlib
import re
import struct
import subprocess
import tempfile
import time

import pytest

import boot_media
import efi
import harness
import images
import linux_guest
import secure_boot
from harness import KERNEL, Disk, Machine, plain
from images import MiB
from test_boot_other import fat_disk
from test_efi_loader import BLK
from test_efi_rom_boot import unified_image

# ---------------------------------------------------------------- TPM

PCR_JOB = """
mount -t securityfs securityfs /sys/kernel/security
for n in 4 5 9 12; do echo "pcr $n $(cat /sys/class/tpm/tpm0/pcr-sha256/$n)"; done
echo "log $(xxd -p /sys/kernel/security/tpm0/binary_bios_measurements | tr -d '\\n')"
"""
EV_IPL, EV_SEPARATOR, EV_APPLICATION = 13, 4, 0x80000003


@contextlib.contextmanager
def tpm(device):
    """QEMU's arguments for a TPM 2.0 that lives as long as this."""
    with tempfile.TemporaryDirectory(prefix="vstor-tpm-") as folder:
        path = f"{folder}/socket"
        with open(f"{folder}/log", "wb") as log, subprocess.Popen(
                ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}", "--ctrl", f"type=unixio,path={path}",
                 "--terminate"], stdout=log, stderr=log) as process:
            try:
                while not images.pathlib.Path(path).exists():
                    assert process.poll() is None, images.pathlib.Path(f"{folder}/log").read_text()
                    time.sleep(0.02)
                yield ["-chardev", f"socket,id=tpm,path={path}", "-tpmdev", "emulator,id=tpm0,chardev=tpm",
                       "-device", f"{device},tpmdev=tpm0"]
            finally:
                process.kill()


def sha256(data):
    return hashlib.sha256(data).digest()


def events(log):
    """(PCR, type, SHA-256, data) of a log in the crypto-agile form. (TCG PC Client Platform Firmware Profile, 10)"""
    sizes = {4: 20, 11: 32, 12: 48, 13: 64, 18: 32}
    at = 32 + struct.unpack_from("<I", log, 28)[0]  # the first one is a head in the old form
    while at + 12 <= len(log):
        pcr, kind, n_digests = struct.unpack_from("<III", log, at)
        at, found = at + 12, b""
        for _ in range(n_digests):
            algorithm, = struct.unpack_from("<H", log, at)
            if algorithm == 11:
                found = log[at + 2:at + 34]
            at += 2 + sizes[algorithm]
        n_bytes, = struct.unpack_from("<I", log, at)
        yield pcr, kind, found, log[at + 4:at + 4 + n_bytes]
        at += 4 + n_bytes


def replay(digests):
    """What a register holds after these."""
    value = bytes(32)
    for digest in digests:
        value = sha256(value + digest)
    return value.hex()


def utf16(text):
    return (text + "\0").encode("utf-16-le")


def registers(text):
    return {int(n): value.lower() for n, value in re.findall(r"^pcr (\d+) (\w{64})", text, re.M)}


@pytest.mark.timeout(400)
def test_what_the_tpm_is_told(tmp_path):
    """By an entry: loader.conf and that, initrds, command line; and the kernel where the firmware does not see it. The
    registers are what the files' own sums come to, and the firmware's log says the same."""
    extra = images.random_bytes(100_003, 5)
    tree = boot_media.debian(tmp_path, PCR_JOB, {"extra": extra})
    (tree / "loader/loader.conf").write_text("timeout 1\n# ours\n")
    entry = next((tree / "loader/entries").glob("*.conf"))
    line = re.search(r"^options\s+(.*)$", entry.read_text(), re.M)[1]
    initrds = [tree / path.lstrip("/") for path in re.findall(r"^initrd\s+(\S+)", entry.read_text(), re.M)]
    assert len(initrds) == 2
    disk = Disk(boot_media.fat(tmp_path / "disk.raw", tree), device=BLK)
    esp = efi.volume(tmp_path, {"EFI/BOOT/BOOTX64.EFI": efi.LOADER})
    with tpm("tpm-tis") as arguments, Machine(boot=efi.boot_arguments(esp), disks=[disk], memory_mib=512, debug_exit=False,
                                           extra=arguments) as guest:
        result = guest.wait(linux_guest.DEADLINE_S)
    result.expect(r"^END 0")
    text = result.text.replace("\r", "")
    told = list(events(bytes.fromhex(re.search(r"^log (\w+)", text, re.M)[1])))
    held = registers(text)
    for pcr in (4, 5, 9, 12):
        assert held[pcr] == replay(digest for number, _, digest, _ in told if number == pcr), f"PCR {pcr}"
    ours = [(pcr, digest, data) for pcr, kind, digest, data in told if kind == EV_IPL]

    def event(pcr, content, name):
        assert (pcr, sha256(content), name) in ours, (pcr, name, ours)

    event(5, (tree / "loader/loader.conf").read_bytes(), b"/loader/loader.conf\0")
    event(5, entry.read_bytes(), f"/loader/entries/{entry.name}\0".encode())
    for initrd in initrds:
        event(9, initrd.read_bytes(), f"/{initrd.relative_to(tree)}\0".encode())
    event(12, utf16(line), utf16(line))
    # ... and no others of ours; Linux's stub adds its own to PCR 9.
    assert len(ours) == 5 and held[12] == replay([sha256(utf16(line))])
    assert [digest for pcr, digest, _ in ours if pcr == 9] == [sha256(initrd.read_bytes()) for initrd in initrds]
    # The kernel is the firmware's to measure: its sum is that of the image without what signatures change.
    assert len([1 for pcr, kind, _, _ in told if pcr == 4 and kind == EV_APPLICATION]) == 2

    # The same start of the firmware, but by an entry of a kernel that knows no EFI: ours, which then starts Linux, which
    # reads the registers. (Nobody has the firmware's log by then.)
    before = []
    for pcr, kind, digest, _ in told:
        if pcr == 4:
            before.append(digest)
            if kind == EV_APPLICATION:
                break
    line = "boot vda /debian/vmlinuz initrd=/debian/initramfs console=ttyS0 quiet panic=-1 no_timer_check"
    boot_media.tree(tree, {"vstor.elf": KERNEL, "module": extra,
                           "loader/entries/debian.conf": f"title vstor\nlinux /vstor.elf\ninitrd /module\noptions {line}\n"})
    disk = Disk(boot_media.fat(tmp_path / "disk.raw", tree), device=BLK)
    with tpm("tpm-crb") as arguments, Machine(boot=efi.boot_arguments(esp), disks=[disk], memory_mib=512, debug_exit=False,
                                              extra=arguments) as guest:
        result = guest.wait(linux_guest.DEADLINE_S)
    result.expect(r"^END 0")
    held = registers(result.text.replace("\r", ""))
    assert held[4] == replay([*before, sha256(KERNEL.read_bytes())])
    assert held[9] == replay([sha256(extra)])
    assert held[12] == replay([sha256(utf16(line))])


# ---------------------------------------------------------------- Secure Boot

SECURE_JOB = "dmesg | grep -i 'secure boot enabled'"
LINE = "console=ttyS0 quiet panic=-1 no_timer_check"
NOT_VERIFIABLE = "Secure Boot is on, and nobody can verify a kernel that is no EFI program"


def entry(title, text):
    return f"title {title}\n{text}\n"


@pytest.mark.timeout(400)
def test_secure_boot(tmp_path):
    """What is signed by the key enrolled is started; what is not, or has been changed, or can't be, is not, with a message,
    by the menu and by the console, which both go on."""
    key = secure_boot.keys(tmp_path)
    signed = secure_boot.sign(key, linux_guest.LINUX / "vmlinuz", tmp_path / "signed")
    altered = bytearray(signed.read_bytes())
    altered[len(altered) // 2] ^= 1
    initrd = linux_guest.initramfs(SECURE_JOB, {}, tmp_path)
    tree = boot_media.tree(tmp_path / "disk", {
        "signed": signed, "unsigned": linux_guest.LINUX / "vmlinuz", "altered": bytes(altered), "vstor.elf": KERNEL,
        "initrd": initrd, "loader/loader.conf": "timeout menu-force\n",
        "loader/entries/unsigned.conf": entry("Unsigned", "linux /unsigned"),
        "loader/entries/vstor.conf": entry("No EFI", "linux /vstor.elf\noptions exit 9"),
        "loader/entries/other.conf": entry("Other words", "efi /unified.efi\noptions other words"),
        "debian/vmlinuz": signed, "debian/initramfs": b"", "debian/extra.cpio": b""})
    (tmp_path / "unified").mkdir()
    secure_boot.sign(key, unified_image(tmp_path / "unified", tree), tree / "unified.efi")
    esp = efi.volume(tmp_path, {"EFI/BOOT/BOOTX64.EFI": secure_boot.sign(key, efi.LOADER, tmp_path / "signed.efi"),
                                "loader/loader.conf": tree / "loader/loader.conf"})
    disk = Disk(boot_media.fat(tmp_path / "disk.raw", tree), device=BLK)
    boot = secure_boot.boot_arguments(esp, secure_boot.variables(key, tmp_path / "variables.fd"))
    with Machine(boot=boot, disks=[disk], memory_mib=512, debug_exit=False) as machine:
        # by the menu: each is tried, refused, and the menu is there again
        for title, said in {"Unsigned": r"/unsigned: can't be loaded: .*\(Secure Boot\)", "No EFI": NOT_VERIFIABLE,
                            "Other words": "it has the command line that it was signed with"}.items():
            efi.wait_for_menu(machine)
            machine.send(re.search(rf"(\d) {title}", plain(machine.transcript))[1])
            machine.wait_for(said)
        efi.console_from_menu(machine)
        for line, said in {"boot vda /unsigned": r"/unsigned: can't be loaded: .*\(Secure Boot\)",
                           "boot vda /altered": r"/altered: can't be loaded: .*\(Secure Boot\)",
                           "boot vda /signed as=linux": NOT_VERIFIABLE, "boot vda /vstor.elf": NOT_VERIFIABLE,
                           "boot vda /vstor.elf as=pvh": NOT_VERIFIABLE,
                           "boot vda /unified.efi other words": "it has the command line that it was signed with",
                           "boot vda /unified.efi @1 other words": "it has the command line that it was signed with"}.items():
            text = machine.command(line).text
            assert re.search(said, text), f"{line}: {text}"
        machine.send(f"boot vda /signed initrd=/initrd {LINE}\r")
        result = machine.wait(linux_guest.DEADLINE_S)
    result.expect(r"^END 0")
    result.expect("(?i)secure boot enabled")


@pytest.mark.timeout(200)
def test_secure_boot_wants_us_signed(tmp_path):
    """The counterproof: the same machine starts no vstor.efi without a signature."""
    esp = efi.volume(tmp_path, {"EFI/BOOT/BOOTX64.EFI": efi.LOADER})
    boot = secure_boot.boot_arguments(esp, secure_boot.variables(secure_boot.keys(tmp_path), tmp_path / "variables.fd"))
    with Machine(boot=boot, memory_mib=256) as machine:
        machine.wait_for("failed to load Boot.*Access Denied")
