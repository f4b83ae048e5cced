# SPDX-License-Identifier: BSD-2-Clause
"""A Linux guest that does a shell script on the machine's disks: Debian's kernel, busybox, nothing else.

    text = linux_guest.run("blockdev --getsize64 /dev/vda", [Disk(path)], tmp_path)

The kernel, its modules and busybox come from tests/linux/fetch.sh (`make build/linux/vmlinuz`).
"""
import re
import shutil
import struct
import subprocess

import harness
import images

LINUX = harness.ROOT / ("build/linux" if harness.ARCH == "x86_64" else f"build/linux-{harness.ARCH}")
INIT = harness.ROOT / "tests/linux/init"
UNPACKERS = {b"\xfd7zXZ\0": ["xz", "-dc"], b"\x28\xb5\x2f\xfd": ["zstd", "-dc"], b"\x1f\x8b": ["gzip", "-dc"],
             b"\x02\x21\x4c\x18": ["lz4", "-dc"], b"\x04\x22\x4d\x18": ["lz4", "-dc"]}
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


def unpacked(image):
    """The ELF file inside a bzImage. (Documentation/arch/x86/boot.rst, payload_offset)"""
    offset, n_bytes = struct.unpack_from("<II", image, 0x248)
    payload = image[(image[0x1F1] + 1) * 512 + offset:][:n_bytes]
    unpacker = next(words for magic, words in UNPACKERS.items() if payload.startswith(magic))
    # Behind the payload stands its size in four bytes, at which some of these tools complain when all is done.
    done = subprocess.run(unpacker, input=payload, capture_output=True, check=False)
    assert done.stdout.startswith(b"\x7fELF"), done.stderr.decode()
    return done.stdout


def vmlinux():
    """The path of Debian's kernel as an ELF file with a PVH note. A guest would take half of its start to unpack it."""
    packed, path = LINUX / "vmlinuz", LINUX / "vmlinux"
    if not packed.exists():
        raise harness.MachineError(f"{packed} is missing; run `make build/linux/vmlinuz`")
    with images.locked("vmlinux"):
        if not path.exists() or path.stat().st_mtime < packed.stat().st_mtime:
            unfinished = path.with_suffix(".new")
            unfinished.write_bytes(unpacked(packed.read_bytes()))
            unfinished.rename(path)
    return path


def boot_arguments(archive, kernel=None):
    """What has QEMU start Debian's kernel with an initramfs."""
    return ["-kernel", str(kernel or vmlinux()), "-initrd", str(archive), "-append", "console=ttyS0 quiet panic=-1"]


def run(job, disks, folder, files=None, tree=None, memory_mib=512, deadline_s=DEADLINE_S, **machine):
    """Starts Linux, runs the script `job` to its end, which must be a good one; what it printed."""
    with harness.Machine(boot=boot_arguments(initramfs(job, files or {}, folder, tree)), disks=disks,
                         memory_mib=memory_mib, debug_exit=False, **machine) as guest:
        result = guest.wait(deadline_s)
    found = re.search(r"^BEGIN 6\.\S+\n(.*)^END 0\n", result.text.replace("\r", ""), re.M | re.S)
    if not found:
        result.fail("the script in the Linux guest did not end well")
    return found[1]
