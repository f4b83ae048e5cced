#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Fails on an indirect call or jump in the request path of the virtio drivers.

Disassembles the objects given, starts at the functions that submit, kick and poll, and follows every direct call and
jump between these objects. Cold code is exempt: what the compiler keeps apart in .text.unlikely (the attribute `cold`
and GCC's *.cold parts), functions named *_mapped, which translate addresses by calling the platform, and the few in
EXEMPT. A jump table is an indirect jump too, and mispredicts like one.
"""
import argparse
import collections
import re
import subprocess
import sys

ROOTS = ["blk_submit", "blk_submit_part", "blk_kick", "blk_poll"]
EXEMPT = {
    "blk_watch": "looks at the clock when a poll finds nothing, and once in 256 polls",
    "scsi_watch": "the same",
    "vst_virtio_scsi_look": "when a poll finds nothing and a task management function is under way",
}
SECTION = re.compile(r"^Disassembly of section (\S+):")
LABEL = re.compile(r"^[0-9a-f]+ <([^>+]+)>:")
INSTRUCTION = re.compile(r"^\s+[0-9a-f]+:\t(.*)")
RELOCATION = re.compile(r"^\s+[0-9a-f]+: R_X86_64_(?:PLT32|PC32)\s+(\S+)")
BRANCH = re.compile(r"^(?:(?:notrack|bnd|rep|repz|repnz|data16|cs|ds) )*(call|jmp|j[a-z]+)q?\s+(.*)")
COLD_SECTION = re.compile(r"^\.text\.(unlikely|cold)")

Function = collections.namedtuple("Function", "name object section instructions indirect calls")


def disassemble(path):
    """The functions of an object file: which instructions branch indirectly, and whom they call."""
    text = subprocess.run(["objdump", "-dr", "--no-show-raw-insn", path], check=True, capture_output=True,
                          text=True).stdout
    functions, section, function, branch = [], None, None, None
    for line in text.splitlines():
        if found := SECTION.match(line):
            section = found[1]
        elif found := LABEL.match(line):
            function = Function(found[1], path, section, [], [], set())
            functions.append(function)
        elif found := INSTRUCTION.match(line):
            function.instructions.append(found[1])
            branch = BRANCH.match(found[1])
            if branch and (branch[2].startswith("*") or "indirect_thunk" in branch[2]):
                function.indirect.append(found[1].strip())
            elif branch and (target := re.search(r"<([^>+]+)>", branch[2])):
                function.calls.add(target[1])
        elif (found := RELOCATION.match(line)) and branch:
            function.calls.add(re.sub(r"[+-]0x[0-9a-f]+$", "", found[1]))
    return functions


def base_name(name):
    """Without what the compiler appends to clones: blk_poll.isra.0 is blk_poll."""
    return name.split(".")[0]


def is_cold(function):
    return bool(COLD_SECTION.match(function.section)) or function.name.endswith(".cold") \
        or base_name(function.name).endswith("_mapped") or base_name(function.name) in EXEMPT


def walk(roots, functions):
    """Hot functions in the order met, the cold ones at their border, and names that lead outside."""
    queue, hot, cold, outside = collections.deque(roots), {}, set(), set()
    while queue:
        function = queue.popleft()
        if function.name in hot:
            continue
        hot[function.name] = function
        for name in sorted(function.calls - {function.name}):
            callee = functions.get(name)
            if callee is None:
                outside.add(name)
            elif is_cold(callee):
                cold.add(callee.name)
            else:
                queue.append(callee)
    return list(hot.values()), sorted(cold), sorted(outside)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("objects", nargs="+")
    parser.add_argument("--roots", default=",".join(ROOTS), help="functions to begin with (default: %(default)s)")
    options = parser.parse_args()
    found = [function for path in options.objects for function in disassemble(path)]
    # A relocation names a global function by itself, a static one by the section that holds it alone.
    functions = {key: function for function in found for key in (function.section, function.name)}
    errors, roots = [], []
    for name in options.roots.split(","):
        of_name = [f for f in found if base_name(f.name) == name and not is_cold(f)]
        roots += of_name
        if not of_name:
            errors.append(f"{name}: no such function in {' '.join(options.objects)}")
    hot, cold, outside = walk(roots, functions)
    for function in hot:
        print(f"  {function.name:<28} {len(function.instructions):4} instructions  {function.object}")
        errors += [f"{function.name} ({function.object}): {text}" for text in function.indirect]
    print(f"  cold, not looked at: {', '.join(cold) or 'none'}")
    for name in sorted(set(map(base_name, cold)) & set(EXEMPT)):
        print(f"    {name}: {EXEMPT[name]}")
    print(f"  in other objects:    {', '.join(outside) or 'none'}")
    for error in errors:
        print(f"check-hot: {error}")
    print(f"check-hot: {len(hot)} functions on the request path, {len(errors)} faults")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
