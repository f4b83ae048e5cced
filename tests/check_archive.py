#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Fails if an archive could clash with a program that it is linked into.

    check_archive.py ARCHIVE [PUBLIC HEADER...]

What it defines for others begins with vst_ and stands in a public header; what a header declares is there; what it
needs are memcpy, memset, memmove and memcmp; it has no variables. (All that is read comes from nm and size.)
"""
import re
import subprocess
import sys

NEEDS = {"memcpy", "memset", "memmove", "memcmp"}
INLINE = re.compile(r"\bstatic\s+inline\b[^;{}]*?\b(vst_[a-z0-9_]+)\s*\(")
DECLARED = re.compile(r"^[A-Za-z][^;{}()=#]*?\b(vst_[a-z0-9_]+)\s*\([^;{}]*\)[^;{}()]*(?:\([^;{}()]*\))*\s*;", re.M)


def symbols(archive):
    """Names by nm's letter, upper case as nm says it."""
    found = {}
    for line in subprocess.run(["nm", archive], check=True, capture_output=True, text=True).stdout.splitlines():
        words = line.split()
        if len(words) >= 2 and len(words[-2]) == 1:
            found.setdefault(words[-2], set()).add(words[-1])
    return found


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def variables(archive):
    """Bytes of writable sections, in all members."""
    text = subprocess.run(["size", "-A", archive], check=True, capture_output=True, text=True).stdout
    return {words[0]: int(words[1]) for words in map(str.split, text.splitlines())
            if len(words) == 3 and re.match(r"\.(data|bss|tdata|tbss)\b(?!\.rel\.ro)", words[0]) and int(words[1])}


def faults(archive, headers):
    """What is wrong, one line each, and how many names are exported."""
    of = symbols(archive)
    exported = set().union(*(names for letter, names in of.items() if letter.isupper() and letter != "U"))
    needed = of.get("U", set()) - exported
    text = "\n".join(without_comments(open(header).read()) for header in headers)
    spoken_of = set(re.findall(r"\b(vst_[a-z0-9_]+)\s*\(", text))
    declared = set(DECLARED.findall(text)) - set(INLINE.findall(text))
    found = [f"exports {name}, which does not begin with vst_" for name in exported if not name.startswith("vst_")]
    found += [f"needs {name}" for name in needed - NEEDS]
    found += [f"has variables: {count} bytes in {section}" for section, count in variables(archive).items()]
    if headers:
        found += [f"exports {name}, of which no public header speaks" for name in exported - spoken_of]
        found += [f"lacks {name}, which a public header declares" for name in declared - exported]
    return sorted(found), len(exported), len(declared)


def main():
    archive, headers = sys.argv[1], sys.argv[2:]
    found, n_exported, n_declared = faults(archive, headers)
    for fault in found:
        print(f"check-archive: {archive} {fault}")
    print(f"check-archive: {n_exported} names exported, {n_declared} declared, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
