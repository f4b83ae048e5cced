#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make sct SCT=FOLDER`: tests of the UEFI Self-Certification Test, which is not ours, of our EFI driver under OVMF.

FOLDER is what its build (github.com/tianocore/edk2-test, uefi-sct/SctPkg/build.sh X64 GCC RELEASE, beside a tree of edk2)
leaves in Build/UefiSct/RELEASE_GCC/SctPackageX64/X64. The report is the tests' own: how many assertions of each protocol
passed, by device where it is named, and each that did not. What fails is an error, but on devices of the firmware's drivers,
which are tested along with ours. Logs stay in build/sct.

Each machine takes ten minutes or more, most of it for the firmware's own disk, which is asked all the same. Seen to its end
with edk2-test 17bf62e0 and edk2 c5aa7e7d on OVMF 2022.11, nothing failed on ours, virtio-blk and SCSI alike: Block IO 61,
Block IO 2 280, Disk IO 156, Disk IO 2 1,044, Driver Diagnostics 2 8 and 10, Extended SCSI Pass Thru 26.

EraseBlock waits for a status in a loop that compilers make endless, for nothing says that it can change (`Token` in
EraseBlockBBTestFunction.c wants to be volatile); so it is not among the tests by default.
"""
import argparse
import collections
import pathlib
import re
import shutil
import subprocess
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "qemu")]
import efi  # noqa: E402
import harness  # noqa: E402
import images  # noqa: E402
from harness import Disk, Machine  # noqa: E402

MACHINE = "q35,sata=off"  # firmware's AHCI driver has an Extended SCSI Pass Thru, too, and with nothing on it that fails
TESTS = "BlockIo,BlockIo2,DiskIo,DiskIo2,ComponentName2,DriverDiagnostics2"
ADAPTER = ["-device", "virtio-scsi-pci,id=a0,disable-legacy=on,addr=10"]
MACHINES = {"blk": (TESTS, "virtio-blk-pci,disable-legacy=on,addr=10", []),
            "scsi": (TESTS + ",ExtScsiPassThru", "scsi-hd,bus=a0.0,scsi-id=5,lun=0", ADAPTER)}
OURS = r"Pci\(10\|0\)"  # where both stand, in the old words that the tests use for device paths
STARTUP = """@echo -off
fs0:
load fs0:\\vstordxe.efi
cd Sct
if exist \\begun then
  SCT -c -v
else
  echo x > \\begun
  SCT -a -v
endif
echo ALL-DONE
"""
# Calls it with four arguments where there are two (UEFI 2.9, 13.8), so that a media id is taken for a token; on a disk without a
# write cache, as the firmware's, it is left out.
WRONG = "EFI_DISK_IO2_PROTOCOL.FlushDiskEx "
ASSERTION = re.compile(r"^(.*) -- (PASS|FAILURE|WARNING|NOT SUPPORTED)\n[0-9A-F-]{36}\n(.*)$", re.M)


def system_volume(folder, package, tests):
    """A volume with the driver and the tests wanted; they are run at once, and go on after a reset that they ask for."""
    shutil.copytree(package, folder / "Sct")
    for place in [*(folder / "Sct/Test").iterdir(), *(folder / "Sct/Dependency").iterdir()]:
        if place.stem.removesuffix("BBTest") not in tests:
            shutil.rmtree(place) if place.is_dir() else place.unlink()
    (folder / "startup.nsh").write_text(STARTUP.replace("\n", "\r\n"))
    image = images.sparse(folder / "esp.raw", 256 * images.MiB)
    images.run_tool("mformat", "-i", image, "-F", "-v", "EFI", "::")
    images.run_tool("mcopy", "-i", image, "-s", folder / "Sct", folder / "startup.nsh", efi.DRIVER, "::")
    return image


def run(folder, package, name, tests, deadline_s):
    """Runs them on one machine; its logs are in the folder's Log."""
    _, device, before = MACHINES[name]
    image = system_volume(folder, package, tests)
    boot = efi.firmware_arguments() + ["-drive", f"if=none,id=esp,format=raw,file={image}",
                                       "-device", "nvme,drive=esp,serial=esp,bootindex=0"]
    disk = Disk(images.sparse(folder / "disk.raw", 64 * images.MiB), device=device, before=before)
    with Machine(boot=boot, disks=[disk], memory_mib=512, machine=MACHINE) as machine:
        machine.wait_for("ALL-DONE", deadline_s)
    subprocess.run(["mcopy", "-i", image, "-s", "-n", "::/Sct/Log", folder], check=True)


def report(folder):
    """Prints what the logs say. How many assertions there were but on the firmware's devices, and how many of these failed."""
    counts, others = collections.defaultdict(collections.Counter), collections.Counter()
    for path in sorted((folder / "Log").rglob("*.log")):
        text = path.read_bytes().decode("utf-16", errors="replace").replace("\r", "")
        device = re.search(r"Current Device: (.*)", text)
        device = device[1] if device else "-"
        for what, how, where in ASSERTION.findall(text):
            if what.startswith(WRONG):
                continue
            counts[path.parent.name, device][how] += 1
            if how != "PASS":
                others[device, how, what, re.sub(r"\S*/", "", where)] += 1
    for (test, device), count in sorted(counts.items()):
        print(f"  {test:40} {device:50} " + ", ".join(f"{n} {how}" for how, n in sorted(count.items())))
    for (device, how, what, where), n in others.items():
        print(f"  {n} x {how}: {device}: {what} ({where})")
    ours = [count for (_, device), count in counts.items() if device == "-" or re.search(OURS, device)]
    return sum(sum(count.values()) for count in ours), sum(count["FAILURE"] for count in ours)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=pathlib.Path)
    parser.add_argument("--tests", help="instead of those by default, with commas")
    parser.add_argument("--machine", choices=MACHINES, action="append")
    parser.add_argument("--deadline", type=float, default=7200, help="seconds, for each machine")
    options = parser.parse_args()
    if not (options.package / "SCT.efi").exists():
        parser.error(f"{options.package} has no SCT.efi: see --help for how it is made")
    n_ours = n_failed = 0
    for name in options.machine or MACHINES:
        folder = harness.ROOT / "build/sct" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        tests = (options.tests or MACHINES[name][0]).split(",")
        print(f"virtio-{name}: {', '.join(tests)}", flush=True)
        run(folder, options.package, name, tests, options.deadline)
        n, failed = report(folder)
        n_ours, n_failed = n_ours + n, n_failed + failed
    print(f"sct: {n_ours} assertions, {n_failed} failed")
    return 1 if n_failed or not n_ours else 0


if __name__ == "__main__":
    sys.exit(main())
