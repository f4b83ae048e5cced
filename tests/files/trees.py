# SPDX-License-Identifier: BSD-2-Clause
"""Trees of files, images of them by others' tools, and what tests/files/tree.c reads from those."""
import dataclasses
import hashlib
import json
import os
import pathlib
import random
import subprocess

import images

TREE = images.ROOT / "build/host/files/tree"
# Dates of FAT are local time; ours are the machine's of nobody.
ENVIRONMENT = dict(images.TOOL_ENVIRONMENT, TZ="UTC", LC_ALL="C.UTF-8", MTOOLSRC="/dev/null")


def tool(*command, encoding="utf-8"):
    """Runs a tool that must succeed; what it prints."""
    done = subprocess.run([str(word) for word in command], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stderr.decode(errors='replace')}"
    return done.stdout.decode(encoding, errors="replace")


@dataclasses.dataclass
class Found:
    """What the library says of an image."""
    volume: dict
    files: dict  # path: what it is
    reads: dict
    failed: str = None


def read_tree(image, *options):
    """Runs the reader; an error of the library is in `failed`, any other end fails the test."""
    done = subprocess.run([TREE, str(image), *map(str, options)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"), check=False)
    assert done.returncode in (0, 1), done.stderr.decode(errors="replace")[-3000:]
    # An error may come in the middle of a line.
    lines = [json.loads(line) for line in done.stdout.decode().splitlines() if line.endswith("}")]
    failed = next((line["error"] for line in lines if "failed" in line), None)
    assert (failed is not None) == (done.returncode == 1)
    return Found(lines[0], {line["path"]: line for line in lines if "path" in line}, lines[-1], failed)


def content(n_bytes, seed):
    return random.Random(seed).randbytes(n_bytes)


def plant(folder, files):
    """Makes files: bytes; None for a directory; "->target" for a link."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if data is None:
            path.mkdir(exist_ok=True)
        elif isinstance(data, str):
            path.symlink_to(data[2:])
        else:
            path.write_bytes(data)
            os.utime(path, (1700000000, 1700000000 + len(data) % 1000 * 2))
    return folder


def tree_of(folder):
    """What stands in a folder, as `described` tells it."""
    found = {}
    for path in pathlib.Path(folder).rglob("*"):
        name = "/" + path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        elif path.is_dir():
            found[name] = ("directory", None)
        else:
            found[name] = ("file", hashlib.sha256(path.read_bytes()).hexdigest())
    return found


def described(found):
    """The same of what was read."""
    assert found.failed is None, found.failed
    return {path: (entry["type"], entry.get("sha256") or entry.get("link")) for path, entry in found.files.items()}
