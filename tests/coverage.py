#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Usage: coverage.py BUILD
Runs gcovr over the unit tests' counters: a line per file, what is missed in drivers/, scsi/ and pci/, HTML in BUILD/html."""
import json
import pathlib
import subprocess
import sys

ROOMS = ("drivers/", "scsi/", "pci/", "block/", "arch/common/")
GOALS = ("drivers/", "scsi/", "pci/")
GOAL_LINES, GOAL_BRANCHES = 95, 90
# What no unit test can reach, or only its compiler's way of counting: file, a piece of the line, why.
NAMED = (
    ("drivers/virtio_blk_irq.c", "switch (blk->config.irq.mode)", "a value that is none of the enumeration's"),
    ("drivers/virtio_registers.c", "switch (registers->kind)", "a value that is none of the enumeration's"),
    ("drivers/virtq.c", "switch (doorbell->kind)", "a value that is none of the enumeration's"),
    ("drivers/virtio_device.c", "return little_endian", "a big-endian machine"),
    ("drivers/virtio_device.c", "device->config_bytes < width_bytes", "attach has refused less than 8 bytes"),
    ("drivers/virtio_pci.c", "s->type < VST_ARRAY_LENGTH(most)", "only types 1 to 4 are ever reached for"),
    ("drivers/virtio_mmio.c", "bytes > MAX_BYTES", "no machine describes such a region"),
    ("drivers/virtio_blk_io.c", "if (q->maps)", "mapping fails only where the platform maps"),
    ("drivers/virtio_blk_io.c", "if (id != VIRTQ_NOTHING)", "a constant in one of the two copies, split and packed"),
    ("drivers/virtio_blk.c", "ATTACH_TIMEOUT_NS && !blk->base.broken", "a device that has failed ends the wait in the same poll"),
    ("pci/pci_msix.c", "return msix->enabled || write_control(msix, 0)", "begin_change would have failed before"),
)


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


def reason(file, text):
    return next((why for name, piece, why in NAMED if name == file and piece in text), None)


def missed(item, text):
    """What is not covered: line, and the reason where it is named."""
    for line in code(item):
        n = line["line_number"]
        here = text[n - 1].strip()
        why = reason(item["file"], here)
        never = sum(b["count"] == 0 for b in line["branches"])
        if line["count"] == 0:
            yield f"  {item['file']}:{n}: never run: {here}", why
        elif never:
            yield f"  {item['file']}:{n}: {never} of {len(line['branches'])} branches never taken: {here}", why


def main(build):
    report = build / "coverage.json"
    (build / "html").mkdir(parents=True, exist_ok=True)
    filters = [argument for room in ROOMS for argument in ("--filter", room)]
    # Threads lose counts, which gcov then takes for negative ones; counting atomically takes five times as long.
    subprocess.run(["gcovr", "--root", ".", "--object-directory", str(build), *filters, "--gcov-ignore-parse-errors",
                    "--json", str(report), "--html-details", str(build / "html/index.html"), str(build)], check=True)
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
    gaps = [gap for item in files if item["file"].startswith(GOALS)
            for gap in missed(item, pathlib.Path(item["file"]).read_text().splitlines())]
    print("Missed there:", *(text for text, why in gaps if why is None), sep="\n")
    print("Missed, and named in tests/coverage.py:", *(f"{text}\n      {why}" for text, why in gaps if why), sep="\n")
    print(f"HTML: {build}/html/index.html")
    if any(percent(n[0], n[1]) < GOAL_LINES or percent(n[2], n[3]) < GOAL_BRANCHES for n in sums.values()):
        print(f"Below the goal of {GOAL_LINES} % of lines and {GOAL_BRANCHES} % of branches.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
