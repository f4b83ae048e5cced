#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make bench-scan`: what finding SCSI units costs, against how many there are, beside what firmware sends.

Commands as QEMU's trace counts them on the whole adapter, REPORT LUNS to targets that are not there among them; guest
instructions from _start to the end of the first read. OVMF and SeaBIOS boot the same machine without a kernel.
"""
import argparse
import collections
import pathlib
import re
import shutil
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / folder) for folder in ("qemu", "icount")]
import harness  # noqa: E402
import icount  # noqa: E402
from harness import Disk  # noqa: E402

COUNTS = (1, 16, 64, 256)
COMMAND = re.compile(r"virtio_scsi_cmd_req .*\bcmd=0x([0-9a-f]+)")
OVMF = pathlib.Path("/usr/share/OVMF")


def units(n, many_luns=False):
    """Disks behind which there is nothing: a target each, or LUNs of one."""
    adapter = ["-device", "virtio-scsi-pci,disable-legacy=on,ioeventfd=off,id=s0"]
    return [Disk(device="scsi-hd", before=adapter if i == 0 else [],
                 blockdev=[{"driver": "null-co", "node-name": f"null{i}", "size": 1 << 30, "read-zeroes": True}],
                 properties={"scsi-id": 0 if many_luns else i, "lun": i if many_luns else 0}) for i in range(n)]


def instructions(n, many_luns=False):
    """From _start to the end of the first read, waiting left out."""
    count, _ = icount.measure("read sda 0 512 json=1; exit", icount.WINDOW_BOOT, disks=units(n, many_luns),
                              memory_mib=256)
    return count.instructions


def commands_in(trace):
    return collections.Counter(COMMAND.findall(trace.read_text())) if trace.exists() else collections.Counter()


def commands(disks, firmware=None, deadline_s=60):
    """Commands that reach the adapter until the shell is there, or until firmware has had no more for some seconds."""
    with tempfile.TemporaryDirectory(prefix="vstor-scan-") as folder:
        trace = pathlib.Path(folder) / "trace"
        extra = ["-trace", "virtio_scsi_cmd_req", "-D", trace]
        with harness.Machine(disks=disks, memory_mib=256, boot=firmware, extra=extra) as machine:
            if firmware is None:
                machine.wait_for_prompt()
                return commands_in(trace)
            deadline, before, n_same = time.monotonic() + deadline_s, None, 0
            while n_same < 4 and time.monotonic() < deadline:
                time.sleep(1.5)
                now = commands_in(trace)
                n_same = n_same + 1 if now and now == before else 0
                before = now
            return before


def seabios(disks):
    return commands(disks, ["-boot", "menu=off"])


def ovmf(disks):
    with tempfile.TemporaryDirectory(prefix="vstor-scan-") as folder:
        shutil.copy(OVMF / "OVMF_VARS_4M.fd", folder)
        flash = "if=pflash,format=raw,file="
        return commands(disks, ["-drive", f"{flash}{OVMF}/OVMF_CODE_4M.fd,readonly=on",
                                "-drive", f"{flash}{folder}/OVMF_VARS_4M.fd"])


def ours(disks):
    """SeaBIOS comes first on this machine, and has its own."""
    return commands(disks) - seabios(disks)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=lambda text: [int(n) for n in text.split(",")], default=COUNTS)
    parser.add_argument("--luns", action="store_true", help="LUNs of one target rather than targets")
    options = parser.parse_args()
    print(f"{'units':>6} {'instructions':>13} {'commands':>9} {'SeaBIOS':>8} {'OVMF':>6}")
    for n in options.counts:
        disks = units(n, options.luns)
        row = [instructions(n, options.luns), sum(ours(disks).values()),
               sum(seabios(disks).values()), sum(ovmf(disks).values())]
        print(f"{n:6} {row[0]:13} {row[1]:9} {row[2]:8} {row[3]:6}", flush=True)


if __name__ == "__main__":
    main()
