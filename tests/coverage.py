#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Usage: coverage.py BUILD
Runs gcovr over the unit tests' counters: a line per file, what is missed in drivers/ and pci/, HTML in BUILD/html."""
import json
import pathlib
import subprocess
import sys

ROOMS = ("drivers/", "pci/", "block/", "arch/common/")
GOALS = ("drivers/", "pci/")
GOAL_LINES, GOAL_BRANCHES = 95, 90


def code(item):
    return [line for line in item["lines"] if not line.get("gcovr/noncode")]


def counts(item):
    lines = code(item)
    branches = [b for line in lines for b in line["branches"]]
    return (sum(line["count"] > 0 for line in lines), len(lines),
            sum(b["count"] > 0 for b in branches), len(branches))


def percent(part, whole):
    return 100 * part / whole if whole else 100


def line_of(name, n):
    return (f"  {name:32} {percent(n[0], n[1]):5.1f} % of {n[1]:4} lines   "
            f"{percent(n[2], n[3]):5.1f} % of {n[3]:4} branches")


def missed(item, text):
    for line in code(item):
        n = line["line_number"]
        never = sum(b["count"] == 0 for b in line["branches"])
        if line["count"] == 0:
            yield f"  {item['file']}:{n}: never run: {text[n - 1].strip()}"
        elif never:
            yield f"  {item['file']}:{n}: {never} of {len(line['branches'])} branches never taken: {text[n - 1].strip()}"


def main(build):
    report = build / "coverage.json"
    (build / "html").mkdir(parents=True, exist_ok=True)
    filters = [argument for room in ROOMS for argument in ("--filter", room)]
    subprocess.run(["gcovr", "--root", ".", "--object-directory", str(build), *filters, "--json", str(report),
                    "--html-details", str(build / "html/index.html"), str(build)], check=True)
    files = sorted(json.loads(report.read_text())["files"], key=lambda item: item["file"])
    sums = {room: [0, 0, 0, 0] for room in GOALS}
    for item in files:
        n = counts(item)
        print(line_of(item["file"], n))
        for room in GOALS:
            if item["file"].startswith(room):
                sums[room] = [a + b for a, b in zip(sums[room], n)]
    for room, n in sums.items():
        print(line_of(f"all of {room}", n))
    print("Missed there:")
    for item in files:
        if item["file"].startswith(GOALS):
            for text in missed(item, pathlib.Path(item["file"]).read_text().splitlines()):
                print(text)
    print(f"HTML: {build}/html/index.html")
    if any(percent(n[0], n[1]) < GOAL_LINES or percent(n[2], n[3]) < GOAL_BRANCHES for n in sums.values()):
        print(f"Below the goal of {GOAL_LINES} % of lines and {GOAL_BRANCHES} % of branches.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
