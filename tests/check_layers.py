#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Reads every #include line and fails on one that points up or sideways in the picture of the README."""
import pathlib
import re
import sys

# room -> rooms it may include from. arch/common holds what all machines share (log lines, status texts) and therefore
# sees the public headers; the machines themselves see only vstor/types.h.
ALLOWED = {
    "include": {"include"},
    "arch": {"arch", "types"},
    "arch/common": {"include"},
    "pci": {"pci", "arch", "include"},
    "drivers": {"drivers", "pci", "arch", "include"},
    "block": {"block", "include"},
    "scsi": {"scsi", "include"},
    "boot/shell": {"boot/shell", "boot/loader", "include", "libc"},
    "boot/loader": {"boot/loader", "include", "libc"},
    "boot/kernel": {"boot/kernel", "boot/shell", "boot/loader", "drivers", "pci", "block", "scsi", "arch", "include", "libc"},
    "boot/app": {"boot/app", "boot/kernel", "block", "arch", "include", "libc"},
    "boot/efi": {"boot/efi", "boot/shell", "boot/loader", "drivers", "pci", "block", "scsi", "arch", "include", "libc"},
}
FREESTANDING = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "limits.h", "stdalign.h", "stdatomic.h"}


def room_of(path):
    for room in sorted(ALLOWED, key=len, reverse=True):
        if path == room or path.startswith(room + "/"):
            return room
    return None


def target_of(source, name, quoted, root):
    """The room that an include line leads to."""
    if quoted:
        here = (source.parent / name).resolve()
        if here.exists():
            return room_of(here.relative_to(root).as_posix())
        return room_of(name)
    if name == "vstor/types.h":
        return "types"
    if name.startswith("vstor/"):
        return "include"
    if name.startswith("arch/"):
        return "arch"
    return None if name in FREESTANDING else "libc"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    errors, n_includes = [], 0
    for source in sorted(p for p in root.rglob("*.[chS]") if room_of(p.relative_to(root).as_posix())):
        room = room_of(source.relative_to(root).as_posix())
        for number, line in enumerate(source.read_text().splitlines(), 1):
            found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not found:
                continue
            n_includes += 1
            target = target_of(source, found[2], found[1] == '"', root)
            allowed = ALLOWED[room] | ({"types"} if "include" in ALLOWED[room] else set())
            if target is not None and target not in allowed:
                errors.append(f"{source.relative_to(root)}:{number}: {room} may not include {found[2]} ({target})")
    for error in errors:
        print(error)
    print(f"check-layers: {n_includes} includes, {len(errors)} forbidden")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
