# SPDX-License-Identifier: BSD-2-Clause
"""Plots as SVG, by gnuplot."""
import math
import subprocess

FONT = "DejaVu Sans,12"
COLOURS = ("#0060ad", "#c0392b", "#2e8b57", "#b8860b")
POINTS = (7, 5, 9, 13)  # gnuplot's filled circle, square, triangle, diamond


class PlotError(Exception):
    """gnuplot is not there, or refused."""


def gnuplot(path, size, script):
    """Runs a script whose output is the SVG file `path`. Fonts are left to whoever shows it."""
    head = [f"set terminal svg size {size[0]},{size[1]} font '{FONT}' background '#ffffff' dynamic",
            f"set output '{path}'"]
    try:
        done = subprocess.run(["gnuplot"], input="\n".join([*head, *script]) + "\n", capture_output=True, text=True)
    except FileNotFoundError as error:
        raise PlotError("gnuplot is not installed; run `make deps`") from error
    if done.returncode or "error" in done.stderr.lower() or not path.exists():
        raise PlotError(f"gnuplot: {done.stderr.strip()}")


def block(name, rows):
    """Data within the script. What a log scale can't show is left out."""
    return [f"${name} << END", *(" ".join(str(cell) for cell in row) for row in rows), "END"]


def quoted(text):
    """A text in gnuplot's single quotes, with nothing in it that its markup would take."""
    return "'" + str(text).replace("'", "''").replace("_", "\\_") + "'"


def axis_of_powers(labels):
    """An axis of equal steps with a label for each."""
    return "(" + ", ".join(f"'{label}' {place}" for place, label in enumerate(labels)) + ")"


def lines(path, title, y_label, panels, series):
    """Panels side by side with one y axis and one legend below them. panels: (x label, x labels in order) each; series:
    (name, colour 0 to 3, dashed, [values by x of the first panel, ...]), None where there is no point."""
    data, values = [], []
    for s, (*_, columns) in enumerate(series):
        for p, column in enumerate(columns):
            shown = [(x, y) for x, y in enumerate(column) if y]
            data += block(f"d{s}_{p}", shown)
            values += [y for _, y in shown]
    width = 0.86 / len(panels)
    script = [*data, f"set multiplot title {quoted(title)} font ',15'", "set logscale y", *y_range(values),
              "set grid ytics xtics lc '#dddddd'", "set border 3 lc '#555555'", "set tics nomirror out",
              "set xtics font ',11'", "set tmargin at screen 0.90", "set bmargin at screen 0.28"]
    for p, (x_label, x_labels) in enumerate(panels):
        left = 0.09 + p * (width + 0.03)
        script += [f"set lmargin at screen {left}", f"set rmargin at screen {left + width - 0.01}",
                   f"set xrange [-0.2:{len(x_labels) - 0.8}]", f"set xtics {axis_of_powers(x_labels)}",
                   f"set xlabel {quoted(x_label)}", f"set ylabel {quoted(y_label)}" if p == 0 else "unset ylabel",
                   "set format y" if p == 0 else "set format y ''",
                   "unset key",
                   "plot " + ", ".join(one_line(s, p, *one[:3]) for s, one in enumerate(series) if one[3][p])]
    gnuplot(path, (1000, 520), [*script, *legend(series), "unset multiplot"])


def legend(series):
    """A last panel, of the whole width, in which there is only the key: beside a plot it would get that one's width."""
    return ["unset xtics", "unset ytics", "unset border", "unset xlabel", "unset ylabel", "unset grid", "unset logscale",
            "set lmargin at screen 0.05", "set rmargin at screen 0.95", "set tmargin at screen 0.14",
            "set bmargin at screen 0.02", "set xrange [0:1]", "set yrange [0:1]",
            "set key center center horizontal maxrows 2 samplen 3 width 1",
            "plot " + ", ".join("1/0 " + one_line(s, 0, *one[:3]).split("1:2 ")[1] for s, one in enumerate(series))]


def one_line(s, p, name, colour, dashed):
    return (f"$d{s}_{p} using 1:2 with linespoints lc rgb '{COLOURS[colour]}' lw 2 dt {2 if dashed else 1} "
            f"pt {POINTS[colour] - (1 if dashed else 0)} ps 0.7 title {quoted(name)}")


def y_range(values):
    """Whole powers of ten, or of two where there is less than one of ten; and labels that people read."""
    low, high = min(values), max(values)
    tics = [m * 10 ** e for e in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
            for m in (1, 2, 5)]
    low = max(t for t in tics if t <= low * 0.999)
    high = min([t for t in tics if t >= high * 1.001] or [high * 2])
    shown = [t for t in tics if low <= t <= high]
    if len(shown) > 10:
        shown = [t for t in shown if f"{t:.0e}"[0] == "1"]
    return [f"set yrange [{low * 0.999}:{high * 1.001}]", "set ytics (" + ", ".join(f"'{number(t)}' {t}" for t in shown) + ")"]


def number(value):
    """As people write it: 0.05, 20, 5k, 2M."""
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


def dots(path, title, x_label, rows, names):
    """A row for each figure, a dot in it for each series, on a log scale with a line at 1. rows: (label, [value or None
    by series])."""
    data, values = [], []
    for s, _ in enumerate(names):
        shown = [(cells[s], len(rows) - 1 - y + 0.12 * (len(names) / 2 - 0.5 - s))
                 for y, (_, cells) in enumerate(rows) if cells[s]]
        data += block(f"d{s}", shown)
        values += [x for x, _ in shown]
    low, high = min([0.5, *values]) / 1.3, max(values) * 1.5
    labels = ", ".join(f"{quoted(label)} {len(rows) - 1 - y}" for y, (label, _) in enumerate(rows))
    height = 150 + 26 * len(rows)
    plots = [f"$d{s} using 1:2 with points lc rgb '{COLOURS[s]}' pt {POINTS[s]} ps 0.9 title {quoted(name)}"
             for s, name in enumerate(names)]
    gnuplot(path, (1000, height), [
        *data, f"set label 1 {quoted(title)} at screen 0.5, screen 1 center offset 0,-1.3 font ',15'", "set logscale x", f"set xrange [{low}:{high}]",
        f"set yrange [-0.7:{len(rows) - 0.3}]", f"set ytics ({labels}) font ',11'", f"set xlabel {quoted(x_label)}",
        "set xtics (" + ", ".join(f"'{number(10.0 ** e)}' {10.0 ** e}" for e in range(-2, 7)) + ")",
        "set grid ytics xtics lc '#dddddd'", "set border 3 lc '#555555'", "set tics nomirror out",
        "set arrow from 1, graph 0 to 1, graph 1 nohead lc '#000000' lw 1.5", "set tmargin 3", "set bmargin 6", "set key at screen 0.5, screen 0.005 center bottom horizontal samplen 1",
        "plot " + ", ".join(plots)])
