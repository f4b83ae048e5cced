# SPDX-License-Identifier: BSD-2-Clause
"""Real SCSI targets without the kernel's help: tgtd on the loopback, which QEMU's iSCSI driver reaches.

    with iscsi.Target(folder) as target:
        lun = target.disk(path)                                   # or cd(path), tape(folder)
        machine = prompt(disks=[target.unit(lun, "scsi-block")])  # raw CDBs go all the way to tgtd
"""
import os
import pathlib
import shutil
import socket
import subprocess
import time

from harness import Disk, die_with_parent

IQN = "iqn.2007-10.org.example:target"
ADAPTER = ["-device", "virtio-scsi-pci,id=s0,disable-legacy=on"]
PATIENCE_S = 30
TRIES = 5
TOOLS = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def free_port():
    """One that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Target:
    """A tgtd of its own with one target that everybody may use; ends with the `with` block."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.process = None
        self.n_luns = 0

    def __enter__(self):
        assert shutil.which("tgtd", path=TOOLS["PATH"]), "tgtd is missing; run `make deps`"
        for _ in range(TRIES):
            self.port = free_port()
            # A path of a socket has at most 107 bytes; tgtd adds the number of its control port.
            self.environment = dict(TOOLS, TGT_IPC_SOCKET=f"/tmp/vstor-tgtd-{os.getpid()}-{self.port}")
            if self.start():
                break
        else:
            raise AssertionError(f"tgtd does not run:\n{self.log()}")
        self.admin("target", "new", "--targetname", IQN)
        self.admin("target", "bind", "--initiator-address", "ALL")
        return self

    def __exit__(self, kind, value, trace):
        if self.process:
            self.process.kill()
            self.process.wait()
        for left in pathlib.Path("/tmp").glob(pathlib.Path(self.environment["TGT_IPC_SOCKET"]).name + "*"):
            left.unlink()

    def log(self):
        return (self.folder / "tgtd.log").read_text(errors="replace")

    def start(self):
        """False if it ended, for another had the port, say."""
        with open(self.folder / "tgtd.log", "wb") as log:
            self.process = subprocess.Popen(["tgtd", "-f", "--iscsi", f"portal=127.0.0.1:{self.port}"],
                                            env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            if self.run("tgtadm", "--lld", "iscsi", "--op", "show", "--mode", "system").returncode == 0:
                return True
            assert time.monotonic() < deadline, f"tgtd does not answer:\n{self.log()}"
            time.sleep(0.05)
        return False

    def run(self, *command):
        return subprocess.run([str(word) for word in command], env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE_S)

    def must(self, *command):
        done = self.run(*command)
        assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stdout.decode()}\n{self.log()}"

    def admin(self, mode, op, *more):
        self.must("tgtadm", "--lld", "iscsi", "--mode", mode, "--op", op, "--tid", 1, *more)

    # ------------------------------------------------------------ units

    def add(self, path, kind):
        """The number of the new unit; 0 is tgtd's own."""
        self.n_luns += 1
        self.admin("logicalunit", "new", "--lun", self.n_luns, "--backing-store", path, "--device-type", kind)
        return self.n_luns

    def set(self, lun, **parameters):
        """product_id=, vendor_id=, scsi_sn=, ..."""
        for name, value in parameters.items():
            self.admin("logicalunit", "update", "--lun", lun, "--params", f"{name}={value}")

    def disk(self, path):
        return self.add(path, "disk")

    def cd(self, path):
        return self.add(path, "cd")

    def tape(self, megabytes=16):
        path = self.folder / f"tape{self.n_luns}"
        self.must("tgtimg", "--op", "new", "--device-type", "tape", "--barcode", f"A{self.n_luns:07}",
                  "--size", megabytes, "--type", "data", "--file", path)
        return self.add(path, "tape")

    # ------------------------------------------------------------ as QEMU sees them

    def unit(self, number, device, initiator="iqn.2007-10.org.example:guest", before=tuple(ADAPTER), **properties):
        """A unit of the target behind QEMU's scsi-block, for disks and CDs, or scsi-generic, for any."""
        node = {"driver": "iscsi", "node-name": f"iscsi{number}", "transport": "tcp", "target": IQN, "lun": number,
                "portal": f"127.0.0.1:{self.port}", "initiator-name": initiator}
        return Disk(device=device, blockdev=[node], before=list(before), properties=properties)
