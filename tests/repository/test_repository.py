# SPDX-License-Identifier: BSD-2-Clause
"""The repository itself: layout, licence lines, `make help`, dependencies, continuous integration."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOP_LEVEL = {"Makefile", "LICENSE", "README.md", "arch", "drivers", "pci", "block", "scsi", "boot", "tests", "linker",
             "include"}
# What a user may ask make for (interface.md).
PUBLIC_TARGETS = {"all", "run", "test", "check", "bench", "check-layers", "check-hot", "check-archive", "unit", "qemu-test",
                  "deps", "install", "uninstall", "docs", "clean", "help"}


def make(*words, **options):
    """Runs make as a user would: nothing inherited from a make above."""
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")}
    return subprocess.run(["make", *words], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, **options)


def committed_files():
    """Files that git knows, or all outside build/ where this is no clone."""
    done = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                          capture_output=True, check=False)
    if done.returncode == 0:
        return [name for name in done.stdout.decode().split("\0") if name and (ROOT / name).exists()]
    return [p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*") if p.is_file()
            and p.relative_to(ROOT).parts[0] not in ("build", ".git")]


@pytest.mark.smoke
def test_top_level_holds_only_what_it_should():
    """The rooms of the house and a handful of files; anything else has a better place."""
    found = {name.split("/")[0] for name in committed_files()}
    assert {name for name in found if not name.startswith(".")} <= TOP_LEVEL


@pytest.mark.smoke
def test_every_source_carries_the_licence():
    """The SPDX line stands in the first three lines of every source, script and build file."""
    sources = [name for name in committed_files() if name.endswith((".c", ".h", ".S", ".ld", ".py", ".sh", ".mk"))
               or name in ("Makefile", ".ci/run")]
    missing = [name for name in sources
               if "SPDX-License-Identifier: BSD-2-Clause" not in "".join(open(ROOT / name).readlines()[:3])]
    assert sources and not missing


@pytest.mark.smoke
def test_make_help_names_every_public_target():
    """`make help` lists each target that a user may ask for, with a word of explanation, and each exists."""
    done = make("-s", "help")
    assert done.returncode == 0, done.stderr
    listed = dict(re.findall(r"^  ([a-z-]+)\s+(\S.*)$", done.stdout, re.M))
    assert PUBLIC_TARGETS <= set(listed), f"not in `make help`: {sorted(PUBLIC_TARGETS - set(listed))}"
    for target in listed:
        assert make("-n", target).returncode == 0, f"`make help` names {target}, which make does not know"


def test_make_is_not_recursive():
    """One Makefile: its rules call make again only where a foreign package (newlib) has its own."""
    texts = {name: (ROOT / name).read_text() for name in committed_files() if name == "Makefile" or name.endswith(".mk")}
    calls = [f"{name}: {line.strip()}" for name, text in texts.items() for line in text.splitlines()
             if re.search(r"\$\(MAKE\)", line) and not line.lstrip().startswith("#")]
    assert all("NEWLIB" in call for call in calls), calls


def test_ci_run_is_make_test():
    """.ci/run can be run, and what it does is `make test` from the root."""
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    text = script.read_text()
    assert text.startswith("#!/usr/bin/env bash\n") and "set -euo pipefail" in text and "make test" in text


# Tools that the build and the tests call, and the Debian packages that bring them.
TOOLS = {"gcc": "gcc", "ld": "binutils", "objdump": "binutils", "size": "binutils", "xz": "xz-utils", "clang": "clang",
         "qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils", "sgdisk": "gdisk",
         "mkfs.vfat": "dosfstools", "mcopy": "mtools", "mmd": "mtools", "grub-mkrescue": "grub-common",
         "xorriso": "xorriso"}
FILES = {"/usr/share/OVMF/OVMF_CODE_4M.fd": "ovmf", "/usr/lib/grub/i386-pc/boot.img": "grub-pc-bin",
         "/usr/lib/grub/x86_64-efi/moddep.lst": "grub-efi-amd64-bin", "/usr/share/qemu/qboot.rom": "qemu-system-data",
         "/usr/lib/python3/dist-packages/pytest_timeout.py": "python3-pytest-timeout"}


def test_dependencies_are_listed_and_there():
    """Each tool that is called comes from a package of tests/deps.mk, or from one that such a package depends on."""
    listed = set(re.findall(r"([a-z0-9.+-]+):[A-Za-z]", (ROOT / "tests/deps.mk").read_text()))
    implied = {"qemu-system-data": "qemu-system-x86"}
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    for tool, package in TOOLS.items():
        assert package in listed, f"{tool} is used, but {package} is not in tests/deps.mk"
        assert shutil.which(tool, path=path), f"{tool} of {package} is not installed"
    for file, package in FILES.items():
        assert implied.get(package, package) in listed, f"{file} is used, but {package} is not in tests/deps.mk"
        assert pathlib.Path(file).exists(), f"{file} of {package} is not installed"


@pytest.mark.timeout(30)
def test_deps_cost_nothing_when_all_is_there():
    """`make deps` on a machine that has everything says nothing and asks no network."""
    done = make("-s", "deps", timeout=20)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stdout + done.stderr


def test_second_build_does_nothing():
    """After `make`, `make` has nothing to do."""
    kernel = ROOT / "build/x86_64/vstor.elf"
    if "VSTOR_BUILD" in os.environ or not kernel.exists():
        pytest.skip("not the usual build")
    before = kernel.stat().st_mtime_ns
    done = make("all")
    assert done.returncode == 0, done.stderr
    assert kernel.stat().st_mtime_ns == before, f"the kernel was linked again:\n{done.stdout}"


@pytest.mark.timeout(600)
def test_clang_builds_a_kernel_that_works():
    """All of it compiles without a warning under clang as well, passes check-hot, and the result reads a disk."""
    # newlib is built by gcc whatever CC says: one copy is enough.
    for name in ("newlib", "efi/newlib"):
        newlib, other = ROOT / "build/x86_64" / name, ROOT / "build/x86_64-clang" / name
        if (newlib / "libc.a").exists() and not other.exists():
            other.parent.mkdir(parents=True, exist_ok=True)
            other.symlink_to(newlib)
    done = make("-j2", "CC=clang", "B=build/x86_64-clang", "all", "check-hot", timeout=590)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    import harness
    import images
    kernel = ROOT / "build/x86_64-clang/vstor.elf"
    result = harness.run("sum vda json=1; fill vda 0 64k; verify vda 0 64k; exit", kernel=kernel,
                         disks=[harness.Disk(images.image("1m.raw"))]).expect_status(0)
    assert result.one("sum")["sha256"] == images.sha256(images.image("1m.raw"))
