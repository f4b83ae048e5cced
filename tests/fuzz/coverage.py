#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Usage: coverage.py BUILD FOLDER-OF-KEPT-INPUTS TARGET...
Replays the corpora through programs that count: lines of drivers/, scsi/ and pci/ that each target reaches, what all of them
reach file by file, and the functions and lines that none does."""
import json
import os
import pathlib
import subprocess
import sys

ROOMS = ("drivers/", "scsi/", "pci/")


def run(*words, **more):
    return subprocess.run(words, check=True, text=True, **more)


def export(profile, programs):
    objects = [word for program in programs[1:] for word in ("-object", str(program))]
    out = run("llvm-cov", "export", "-instr-profile", str(profile), str(programs[0]), *objects, capture_output=True).stdout
    data = json.loads(out)["data"][0]
    here = os.getcwd() + "/"
    for item in data["files"]:
        item["filename"] = os.path.normpath(item["filename"]).removeprefix(here)
    return data


def replay(build, kept, target):
    profile = build / f"{target}.profraw"
    run(str(build / f"fuzz_{target}"), f"tests/fuzz/corpus/{target}", f"{kept}/{target}",
        env=dict(os.environ, LLVM_PROFILE_FILE=str(profile)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    merged = build / f"{target}.profdata"
    run("llvm-profdata", "merge", "-o", str(merged), str(profile))
    return merged


def files_of(data, room):
    return sorted((f for f in data["files"] if f["filename"].startswith(room)), key=lambda f: f["filename"])


def share(files, what="lines"):
    covered = sum(f["summary"][what]["covered"] for f in files)
    total = sum(f["summary"][what]["count"] for f in files)
    return f"{100 * covered / total if total else 100:5.1f} % of {total:4}"


def never_run(item):
    """Lines where a region begins that was never entered, in groups."""
    lines = sorted({line for line, _, count, has_count, entry, *_ in item["segments"]
                    if has_count and entry and count == 0})
    return ", ".join(str(line) for line in lines)


def main(build, kept, targets):
    profiles = [replay(build, kept, target) for target in targets]
    programs = [build / f"fuzz_{target}" for target in targets]
    for target, profile, program in zip(targets, profiles, programs):
        data = export(profile, [program])
        print(f"  {target:12}" + "".join(f"   {room} {share(files_of(data, room))} lines" for room in ROOMS))
    everything = build / "all.profdata"
    run("llvm-profdata", "merge", "-o", str(everything), *map(str, profiles))
    data = export(everything, programs)
    for room in ROOMS:
        for item in files_of(data, room):
            name, lines = item["filename"], never_run(item)
            print(f"  {name:34} {share([item])} lines  {share([item], 'branches')} branches"
                  + (f"   never: {lines}" if lines else ""))
        print(f"  all of {room:27} {share(files_of(data, room))} lines  {share(files_of(data, room), 'branches')} branches")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:])
