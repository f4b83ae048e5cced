# SPDX-License-Identifier: BSD-2-Clause
"""A Linux guest that does a shell script on the machine's disks: Debian's kernel, busybox, nothing else.

    text = linux_guest.run("blockdev --getsize64 /dev/vda", [Disk(path)], tmp_path)

The kernel, its modules and busybox come from tests/linux/fetch.sh (`make build/linux/vmlinuz`).
"""
import re
import shutil
import subprocess

import harness

LINUX = harness.ROOT / "build/linux"
INIT = harness.ROOT / "tests/linux/init"
DEADLINE_S = 4 * harness.DEADLINE_S  # it takes ten seconds to start on an idle machine


def initramfs(job, files, folder, tree=None):
    """An archive with init, busybox, the modules, the script as /job, `files` by name, and what lies below the folder
    `tree`; its path."""
    root = folder / "root"
    if tree:
        shutil.copytree(tree, root)
    for name in ("bin", "modules"):
        (root / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(LINUX / "busybox", root / "bin")
    shutil.copy(INIT, root)
    for module in (LINUX / "modules").iterdir():
        shutil.copy(module, root / "modules")
    for name, content in {"job": job.encode(), **files}.items():
        (root / name).write_bytes(content)
        (root / name).chmod(0o755)
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    archive = folder / "initramfs"
    with open(archive, "wb") as out:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], input=names.encode(), stdout=out, cwd=root,
                       check=True)
    shutil.rmtree(root)
    return archive


def boot_arguments(archive):
    """What has QEMU start Debian's kernel with an initramfs."""
    if not (LINUX / "vmlinuz").exists():
        raise harness.MachineError(f"{LINUX}/vmlinuz is missing; run `make build/linux/vmlinuz`")
    return ["-kernel", str(LINUX / "vmlinuz"), "-initrd", str(archive), "-append", "console=ttyS0 quiet panic=-1"]


def run(job, disks, folder, files=None, tree=None, memory_mib=512, deadline_s=DEADLINE_S, **machine):
    """Starts Linux, runs the script `job` to its end, which must be a good one; what it printed."""
    with harness.Machine(boot=boot_arguments(initramfs(job, files or {}, folder, tree)), disks=disks,
                         memory_mib=memory_mib, debug_exit=False, **machine) as guest:
        result = guest.wait(deadline_s)
    found = re.search(r"^BEGIN 6\.\S+\n(.*)^END 0\n", result.text.replace("\r", ""), re.M | re.S)
    if not found:
        result.fail("the script in the Linux guest did not end well")
    return found[1]
