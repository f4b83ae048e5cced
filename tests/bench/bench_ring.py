#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make bench-ring`: instructions and cycles per request of the ring alone, beside what a ring costs unchecked.

Counts by callgrind (there need be no performance counters, and two runs give the same figure), cycles by rdtsc in
another run. Prints a table and writes build/bench-ring.json. Nothing here fails for being slow.
"""
import argparse
import glob
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BATCHES = (1, 8, 32)
LEVELS = {"driver": "driver's submit, kick, poll", "block": "public block API"}
# performance.md: a loop over a fake ring that checks nothing; chain of 3 descriptors, indirect.
FLOOR = {("split", "chain"): (87, 38, 33), ("split", "indirect"): (90, 39, 34), ("packed", "indirect"): (131, 58, 50)}


def run_native(program):
    """Row -> (rounds, cycles of a round in the median)."""
    out = subprocess.run([program], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in out.splitlines())
    return {(level, ring, shape, int(batch)): (int(rounds), int(cycles))
            for level, ring, shape, batch, rounds, cycles in rows}


def run_counted(program):
    """Row -> instructions of all rounds."""
    counts = {}
    with tempfile.TemporaryDirectory(prefix="vstor-ring-") as folder:
        subprocess.run(["valgrind", "-q", "--tool=callgrind", "--collect-atstart=no",
                        f"--callgrind-out-file={folder}/out", program], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, check=True)
        for dump in glob.glob(f"{folder}/out.*"):
            text = pathlib.Path(dump).read_text()
            name = re.search(r"^desc: Trigger: Client Request: (\w+) (\w+) (\w+) (\d+)$", text, re.MULTILINE)
            total = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
            if name:
                counts[name[1], name[2], name[3], int(name[4])] = int(total[1])
    return counts


def measure(program):
    """One record per row; the cost of the marks (rows of level "none") taken off."""
    native, counted = run_native(program), run_counted(program)
    if native.keys() != counted.keys():
        sys.exit(f"callgrind counted other rows than ran: {sorted(native.keys() ^ counted.keys())}")
    records = []
    for (level, ring, shape, batch), (rounds, cycles) in native.items():
        marks = ("none", ring, shape, batch)
        if level == "none":
            continue
        instructions = (counted[level, ring, shape, batch] - counted[marks]) / rounds / batch
        records.append({"level": level, "ring": ring, "shape": shape, "batch": batch, "requests": rounds * batch,
                        "instructions": round(instructions, 1),
                        "cycles": round((cycles - native[marks][1]) / batch, 1),
                        "floor_instructions": FLOOR.get((ring, shape), (None,) * 3)[BATCHES.index(batch)]})
    return records


def print_table(records):
    """One line per level, ring and shape; what this library does not have is a line of dashes."""
    found = {(r["level"], r["ring"], r["shape"], r["batch"]): r for r in records}
    head = ["per 4 KiB read", "ring", "", *(f"instr /{b}" for b in BATCHES), *(f"cycles /{b}" for b in BATCHES)]
    lines = [head]
    for ring in ("split", "packed"):
        for shape in ("indirect", "chain"):
            floor = FLOOR.get((ring, shape), ("-",) * 3)
            lines.append(["floor, nothing checked", ring, shape, *map(str, floor), "-", "-", "-"])
            for level, words in LEVELS.items():
                of = [found.get((level, ring, shape, b), {}) for b in BATCHES]
                lines.append([words, ring, shape, *(f"{r['instructions']:.1f}" if r else "-" for r in of),
                              *(f"{r['cycles']:.0f}" if r else "-" for r in of)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(w) if i < 3 else cell.rjust(w)
                        for i, (cell, w) in enumerate(zip(line, widths, strict=True))).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", nargs="?", default=str(ROOT / "build/host/bench-ring"))
    parser.add_argument("--out", default=str(ROOT / "build/bench-ring.json"))
    options = parser.parse_args()
    records = measure(options.program)
    print_table(records)
    print("/N: batch of N. instructions: callgrind, exact; cycles: ticks of the TSC, median, noisy. "
          "-: not in this library, or no figure.")
    pathlib.Path(options.out).write_text(json.dumps({"rows": records}, indent=1) + "\n")
    print(f"written to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
