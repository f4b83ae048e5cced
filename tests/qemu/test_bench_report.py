# SPDX-License-Identifier: BSD-2-Clause
"""The report of `make bench` and `make bench-linux` on few and on made-up figures: no time and no count is judged here."""
import xml.etree.ElementTree

import pytest

import bench_grid
import bench_linux
import bench_plots
import bench_report
import icount


def texts(svg):
    """What is written in a picture."""
    return {"".join(node.itertext()).strip() for node in xml.etree.ElementTree.parse(svg).iter()
            if node.tag.endswith("text")}


def test_depths_and_sizes_are_measured_and_plotted(tmp_path):
    """Two ways, four points each, from the guests to the pictures."""
    ways, chosen = [("blk", "split", "poll"), ("scsi", "packed", "msix")], bench_grid.points((1, 32), ("4k", "1M"))
    rows = bench_grid.measure(100, 1, ways=ways, chosen=chosen)
    assert [(row["axis"], row["depth"], row["size"]) for row in rows[:4]] == chosen
    by_point = {(row["driver"], row["axis"], row["depth"], row["size"]): row for row in rows}
    one, many = by_point["blk", "depth", 1, "4k"], by_point["blk", "depth", 32, "4k"]
    assert one["kicks"] == 1 and many["kicks"] < 0.1 and one["instructions"] > many["instructions"] > 30
    assert by_point["blk", "depth", 1, "4k"]["interrupts"] == 0 < by_point["scsi", "depth", 1, "4k"]["interrupts"]
    assert all(row["iops"] > 0 for row in rows)
    bench_report.keep("grid", {"rows": rows, "ios": 100, "rounds": 1}, tmp_path)
    bench_report.write(tmp_path)
    report = (tmp_path / "report.md").read_text()
    for figure, label in bench_report.GRID_PLOTS:
        assert f"![{label}]({figure}.svg)" in report
        shown = texts(tmp_path / f"{figure}.svg")
        assert {label, "depth, blocks of 4k", "block size, depth 8", "scsi packed, MSI-X", "32", "1M"} <= shown, shown
    assert "blk split, polled" not in texts(tmp_path / "interrupts.svg"), "there are none to show"


def linux_figures():
    """As bench_linux.py makes them: ours ten times better than Linux."""
    jobs = [job.name for job in bench_linux.JOBS]
    factors = {"linux": 10, "poll": 1, "msix": 1}
    counted = [{"driver": driver, "ring": "split", "way": way, "job": job, "instructions": 100 * factor, "spin": 0,
                "kicks": 0.1 * factor, "interrupts": 0 if way == "poll" else 0.1 * factor}
               for driver in ("blk", "scsi") for way, factor in factors.items() for job in jobs]
    timed = [{"driver": driver, "way": way, "job": job, "iops": 10000 / factor}
             for driver in ("blk", "scsi") for way, factor in factors.items() for job in jobs]
    boots = [{"driver": driver, "way": way, "seconds": 1 * n, "mib": 4 * n, "image_bytes": 4096 * n, "instructions": 10**6 * n}
             for driver in ("blk", "scsi") for way, n in (("linux", 10), ("vstor", 1))]
    return {"linux": "6.1.0", "ios": 1, "rounds": 1, "seconds": 1, "counted": counted, "timed": timed, "boots": boots}


def test_ratios_to_linux_are_told_and_plotted(tmp_path):
    """Whatever is counted or timed has its ratio; what one side needs none of has none."""
    bench_report.keep("linux", linux_figures(), tmp_path)
    bench_report.write(tmp_path)
    lines = (tmp_path / "report.md").read_text().splitlines()
    assert "| instructions | 4 KiB random read, depth 1 | 1,000 | 100 | 100 | 10x | 10x |" in lines
    assert "| interrupts | 128 KiB sequential read, depth 8 | 1 | 0 | 0.1 | - | 10x |" in lines
    assert "| virtio-scsi | 4 KiB random write, depth 32 | 1,000 | 10,000 | 10,000 | 10x | 10x |" in lines
    assert "| virtio-blk | memory touched, MiB | 40 | 4 | 10x |" in lines
    shown = texts(tmp_path / "linux.svg")
    assert {"scsi, polled", "instructions: 4 KiB random read, depth 1", "first read: seconds", "image size"} <= shown, shown


def test_fio_is_asked_and_understood():
    """The job file has every job, the tuned one apart; IOPS come from the right columns of fio's terse output."""
    text = bench_linux.script(lambda number, job: bench_linux.section(f"job{number}", job, "vda", []), bench_linux.JOBS, "vda")
    assert text.count("\nfio ") == 2 and text.index("[job5]") > text.index("iostats", text.index("[job4]"))
    assert text.count("fixedbufs") == 1 and "rw=randwrite\nbs=4k\niodepth=32" in text
    fields = ["3", "fio-3.33", "job0", "0", "0", *["0"] * 125]
    fields[7], fields[48] = "7462", "38"
    assert bench_linux.fio_records("noise\n" + ";".join(fields) + "\n") == {"job0": 7500.0}
    fields[4] = "5"
    with pytest.raises(AssertionError, match="job0 failed with error 5"):
        bench_linux.fio_records(";".join(fields))
    short, long = icount.Count(1000, 5, 10, 8), icount.Count(9000, 15, 50, 28)
    assert bench_linux.difference(short, long, 40) == icount.Count(8000, 10, 40, 20, 40)


def test_a_picture_that_cannot_be_made_is_an_error(tmp_path):
    """gnuplot's complaint is told, not swallowed."""
    with pytest.raises(bench_plots.PlotError, match="gnuplot"):
        bench_plots.gnuplot(tmp_path / "x.svg", (100, 100), ["plot nonsense("])
