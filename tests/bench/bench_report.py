# SPDX-License-Identifier: BSD-2-Clause
"""build/bench/report.md and its plots, from what the benches have left as JSON beside it: each adds its part."""
import json
import subprocess
import time

import bench_plots
import harness

FOLDER = harness.ROOT / "build/bench"
DRIVERS = {"blk": "virtio-blk", "scsi": "virtio-scsi"}
IRQS = {"poll": "polled", "msix": "MSI-X"}
GRID_PLOTS = [("instructions", "guest instructions per I/O"), ("kicks", "kicks per I/O"),
              ("interrupts", "interrupts per I/O"), ("iops", "I/Os per second")]


def keep(part, result, folder=FOLDER):
    """Stores what a bench measured, for this report and the next."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {**result, "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "qemu": qemu_version()}
    (folder / f"{part}.json").write_text(json.dumps(kept, indent=1) + "\n")


def kept(part, folder=FOLDER):
    path = folder / f"{part}.json"
    return json.loads(path.read_text()) if path.exists() else None


def qemu_version():
    text = subprocess.run([harness.QEMU, "--version"], capture_output=True, text=True, check=True).stdout
    return text.split("version ")[1].split()[0]


def table(head, lines):
    """Markdown; numbers to the right."""
    def text(cell):
        return cell if isinstance(cell, str) else "" if cell is None else f"{cell:,.0f}" if cell >= 100 else f"{cell:.3g}"
    numeric = [any(not isinstance(line[i], str) for line in lines) for i in range(len(head))]
    return ["| " + " | ".join(head) + " |", "|" + "|".join("-:" if n else "-" for n in numeric) + "|",
            *("| " + " | ".join(text(cell) for cell in line) + " |" for line in lines), ""]


# ---------------------------------------------------------------- our own figures

def own_part(result):
    """The table of `make bench`, figure beside budget."""
    lines = [[name.strip(), value, budget or "-", verdict or "-", note or ""]
             for name, value, budget, verdict, note in result["table"]]
    return ["## Beside the budgets", "", f"Measured {result['when']}, QEMU {result['qemu']}.", "",
            *table(["figure", "measured", "budget", "", "how"], lines)]


def grid_series(rows, figure):
    """Lines of a plot: a way each, its values against depth and against size."""
    series = []
    for driver in DRIVERS:
        for ring in ("split", "packed"):
            for irq in IRQS:
                columns = [[row[figure] for row in rows if row["axis"] == axis and
                            (row["driver"], row["ring"], row["irq"]) == (driver, ring, irq)] for axis in ("depth", "size")]
                if any(value for column in columns for value in column):
                    colour = 2 * (driver == "scsi") + (ring == "packed")
                    series.append((f"{driver} {ring}, {IRQS[irq]}", colour, irq == "msix", columns))
    return series


def grid_part(result, folder):
    rows, text = result["rows"], ["## Against depth and block size", ""]
    depths = list(dict.fromkeys(row["depth"] for row in rows if row["axis"] == "depth"))
    sizes = list(dict.fromkeys(row["size"] for row in rows if row["axis"] == "size"))
    panels = [(f"depth, blocks of {rows[0]['size']}", depths),
              (f"block size, depth {next(row['depth'] for row in rows if row['axis'] == 'size')}", sizes)]
    text += [f"Random reads, measured {result['when']}, QEMU {result['qemu']}. Instructions, kicks and interrupts are counted "
             f"from outside over {result['ios']:,} I/Os a point on a disk that costs nothing (at depth 1, and with MSI-X "
             "always, its answers take 20 microseconds: the guest goes idle before). I/Os per second are by the clock on the same kind of disk, "
             f"the median of {result['rounds']} rounds: they are those of QEMU's emulation on the machine that measured, and what else it did shows in them.", ""]
    for figure, label in GRID_PLOTS:
        series = grid_series(rows, figure)
        if series:
            bench_plots.lines(folder / f"{figure}.svg", label[0].upper() + label[1:], label, panels, series)
            text += [f"![{label}]({figure}.svg)", ""]
    for axis, names in (("depth", depths), ("size", sizes)):
        lines = [[DRIVERS[row["driver"]], row["ring"], IRQS[row["irq"]], f"{row[axis]}", row["instructions"], row["kicks"],
                  row["interrupts"], row["iops"]] for row in rows if row["axis"] == axis]
        text += ["<details><summary>The figures against " + axis + "</summary>", "",
                 *table(["device", "ring", "", axis, "instructions", "kicks", "interrupts", "IOPS"], lines), "</details>", ""]
    return text


# ---------------------------------------------------------------- beside Linux

def per(linux, ours):
    """How many times as much Linux needs; None where either needs nothing."""
    return linux / ours if linux and ours else None


def times(ratio):
    return "-" if ratio is None else f"{ratio:,.1f}x" if ratio < 10 else f"{ratio:,.0f}x"


def figures_of(rows, figure, **which):
    """Figure by job."""
    return {row["job"]: row[figure] for row in rows if all(row[key] == value for key, value in which.items())}


def counted_tables(result):
    """A table for each device and ring, and the ratios for the plot by (figure, job, ring)."""
    text, ratios = [], {}
    for driver, ring in dict.fromkeys((row["driver"], row["ring"]) for row in result["counted"]):
        lines = []
        for figure in ("instructions", "kicks", "interrupts"):
            ways = {way: figures_of(result["counted"], figure, driver=driver, ring=ring, way=way)
                    for way in ("linux", "poll", "msix")}
            for job, linux in ways["linux"].items():
                found = [per(linux, ways[irq][job]) for irq in IRQS]
                lines.append([figure, job, linux, ways["poll"][job], ways["msix"][job], *map(times, found)])
                for irq, ratio in zip(IRQS, found):
                    ratios.setdefault((figure, job, ring), {})[driver, irq] = ratio
        text += [f"### {DRIVERS[driver]}, {ring} ring: per I/O", "",
                 *table(["figure", "job", "Linux", "vstor polled", "vstor MSI-X", "ratio polled", "ratio MSI-X"], lines)]
    return text, ratios


def timed_table(result):
    lines, ratios = [], {}
    for driver in DRIVERS:
        ways = {way: figures_of(result["timed"], "iops", driver=driver, way=way) for way in ("linux", "poll", "msix")}
        for job, linux in ways["linux"].items():
            found = [per(ways[irq][job], linux) for irq in IRQS]
            lines.append([DRIVERS[driver], job, linux, ways["poll"][job], ways["msix"][job], *map(times, found)])
            ratios.setdefault(job, {}).update({(driver, irq): ratio for irq, ratio in zip(IRQS, found)})
    head = ["device", "job", "Linux", "vstor polled", "vstor MSI-X", "ratio polled", "ratio MSI-X"]
    return ["### I/Os per second by the clock, on a file", "", *table(head, lines)], ratios


BOOT_FIGURES = [("seconds", "seconds", 1), ("instructions", "million guest instructions", 1e6),
                ("mib", "memory touched, MiB", 1), ("image_bytes", "image, KiB", 1024)]


def boot_table(result):
    lines, ratios = [], {}
    for driver in DRIVERS:
        linux, ours = (next(row for row in result["boots"] if (row["driver"], row["way"]) == (driver, way))
                       for way in ("linux", "vstor"))
        for figure, name, unit in BOOT_FIGURES:
            ratio = per(linux[figure], ours[figure])
            lines.append([DRIVERS[driver], name, linux[figure] / unit, ours[figure] / unit, times(ratio)])
            ratios.setdefault(name, {})[driver, "msix"] = ratio
    return ["### From power-on to the first read", "", "Firmware included, which is the same for both. Linux's image is its "
            "kernel and an initramfs with busybox and the modules that reach the disk; ours is the kernel with its shell.", "",
            *table(["device", "figure", "Linux", "vstor", "ratio"], lines)], ratios


def ratio_plot(folder, counted, timed, boots):
    """All ratios in one picture. Of the rings the split one, which Linux users have."""
    names = [(driver, irq) for driver in DRIVERS for irq in IRQS]
    rows = [(f"{figure}: {job}", found) for (figure, job, ring), found in counted.items() if ring == "split"]
    rows += [(f"IOPS: {job}", found) for job, found in timed.items()]
    rows += [(f"first read: {name}".replace("first read: image, KiB", "image size"), found) for name, found in boots.items()]
    bench_plots.dots(folder / "linux.svg", "What Linux needs, as a multiple of what vstor needs (IOPS: the other way round)",
                     "times; to the right of 1 vstor is better",
                     [(label, [found.get(name) for name in names]) for label, found in rows],
                     [f"{driver}, {IRQS[irq]}" for driver, irq in names])


def linux_part(result, folder):
    counted, counted_ratios = counted_tables(result)
    timed, timed_ratios = timed_table(result)
    boot, boot_ratios = boot_table(result)
    ratio_plot(folder, counted_ratios, timed_ratios, boot_ratios)
    return ["## Beside Linux", "", f"Measured {result['when']}, QEMU {result['qemu']}, Linux {result['linux']} (Debian's) and "
            "fio with io_uring and O_DIRECT, without an I/O scheduler. Its figures include fio and the system calls, ours the "
            "loop of `bench`: what a user of either pays. \"Linux tuned\": buffers and files registered, submitted in batches "
            "of 16, iostats off. Linux waits by interrupts; ours polled and by MSI-X. Starts of both took turns. "
            f"Counted: {result['ios']:,} I/Os each after a warm-up; timed: medians of {result['rounds']} rounds.", "",
            "![ratios](linux.svg)", "", *counted, *timed, *boot]


# ---------------------------------------------------------------- beside firmware

def firmware_part(result):
    lines = [[row["reader"], row["device"], row["size"], row["instructions"], row.get("waiting"), row["kicks"],
              row["how"], times(row.get("ratio"))] for row in result["rows"]]
    head = ["reader", "device", "read", "instructions", "of them waiting", "kicks", "how", "as a multiple of vstor's"]
    return ["## Beside firmware", "", f"Measured {result['when']}, QEMU {result['qemu']}; per read, one in flight, waiting "
            f"included; of {result.get('starts', 1)} starts the one that has waited least. GRUB reads by int 13h as much at once "
            f"as it sees fit, and copies. {result['reads']:,} reads each.", "",
            *table(head, lines)]


# ---------------------------------------------------------------- loading beside firmware

def loader_table(result):
    def line(row, beside):
        return [row["job"], row["reader"], row["instructions"] / 1e6, row["requests"], row["bytes"] / 2**20, row["copied"] / 2**20,
                row["stored"] / 2**20, row["s_plain"], row["s_delayed"], times(beside["s_delayed"] / row["s_delayed"])]
    firsts = {}
    lines = [line(row, firsts.setdefault(row["job"], row)) for row in result["rows"]]
    return table(["job", "reader", "million instructions", "requests", "MiB read", "MiB copied", "MiB stored", "s",
                  f"s, {result['delay_us']} us a request", "sooner"], lines)


def loader_part(result):
    return ["## Loading files beside firmware", "", f"Measured {result['when']}, QEMU {result['qemu']}. \"files\": {result['files']} "
            f"entries of 3 KiB, scattered over FAT32; \"initrd\": one file of {result['mib']} MiB. From a device just reset to the "
            "last byte; \"sooner\" is on the slow disk. Copied: by string moves of the processor; stored: by all of its "
            "instructions, zeroing and stacks included. Requests: reads and flushes.", "", *loader_table(result)]


# ---------------------------------------------------------------- the whole

def write(folder=FOLDER):
    """The report of all parts that there are. Returns a line that says where it is."""
    text = ["# What vstor costs, measured", "", "Guest instructions are counted from outside the guest between marks that it "
            "executes (`tests/icount/README.md`); waiting loops are left out. Kicks and interrupts are QEMU's own trace.", ""]
    parts = [("own", lambda part: own_part(part)), ("grid", lambda part: grid_part(part, folder)),
             ("linux", lambda part: linux_part(part, folder)), ("firmware", lambda part: firmware_part(part)),
             ("loader", lambda part: loader_part(part))]
    for name, render in parts:
        part = kept(name, folder)
        if part:
            text += render(part)
    path = folder / "report.md"
    path.write_text("\n".join(text))
    return f"the report is {path}"
