# SPDX-License-Identifier: BSD-2-Clause
"""The QEMU matrix: matrix.txt holds all of it, and a pairwise cover of it runs. `make matrix` runs the whole."""
import copy
import itertools
import json

import pytest

import matrix
from harness import Result

ROWS = matrix.read_rows()
COVER = matrix.pairwise_cover(ROWS)
GUESTS = matrix.guests_of(COVER)


def test_the_file_is_the_product_without_what_is_impossible():
    """No row is missing, none is there twice, and none is there that is said to be impossible."""
    product = {matrix.Row._make(values) for values in itertools.product(*matrix.COLUMNS.values())}
    impossible = {row for row in product if any(holds(row) for _, holds in matrix.IMPOSSIBLE)}
    assert len(ROWS) == len(set(ROWS)) >= 500
    assert set(ROWS) == product - impossible, "matrix.py --write makes the file anew"
    assert matrix.FILE.read_text() == matrix.file_text(ROWS), "the file's comments or order are old"
    for column, values in matrix.COLUMNS.items():
        assert {getattr(row, column) for row in ROWS} == set(values), f"{column}: a value never occurs"


def test_each_impossibility_excludes_something():
    """A reason that no combination needs is a reason that has gone: the rows should be had."""
    product = [matrix.Row._make(values) for values in itertools.product(*matrix.COLUMNS.values())]
    for number, (reason, holds) in enumerate(matrix.IMPOSSIBLE):
        others = [other for _, other in matrix.IMPOSSIBLE[:number] + matrix.IMPOSSIBLE[number + 1:]]
        assert any(holds(row) and not any(other(row) for other in others) for row in product), reason


def test_the_cover_has_every_pair_of_values():
    """Every two values of different columns that stand in some row of the file stand in some row of the cover, which is
    much smaller, of the file's rows, and the same each time."""
    def all_pairs(rows):
        return {(a, getattr(row, a), b, getattr(row, b)) for row in rows
                for a, b in itertools.combinations(matrix.COLUMNS, 2)}
    assert all_pairs(COVER) == all_pairs(ROWS)
    assert set(COVER) <= set(ROWS) and len(COVER) == len(set(COVER)) <= len(ROWS) // 10
    assert matrix.pairwise_cover(list(ROWS)) == COVER


def test_rows_that_share_a_guest_agree_about_it():
    """Each row is in one guest, with few others, that all want the same machine and the same options."""
    guests = matrix.guests_of(ROWS)
    assert sorted(row for guest in guests for row in guest) == sorted(ROWS)
    for guest in guests:
        assert 1 <= len(guest) <= matrix.DISKS_PER_GUEST
        assert len({matrix.part_of(row).guest() for row in guest}) == 1


def test_a_file_that_makes_no_sense_is_refused(tmp_path):
    """A wrong heading, a word that is no value, a row too short."""
    path = tmp_path / "matrix.txt"
    heading, row = " ".join(matrix.Row._fields), " ".join(ROWS[0])
    for text in (row, heading.replace("ring", "rings"), f"{heading}\n{row} 1", f"{heading}\n{row[:-2]}",
                 f"{heading}\n{row.replace('split', 'spilt')}"):
        path.write_text(text)
        with pytest.raises(ValueError, match="matrix.txt"):
            matrix.read_rows(path)
    path.write_text(f"# a comment\n\n{heading}\n{row}\n")
    assert matrix.read_rows(path) == ROWS[:1]


def altered(result, command, number, **members):
    """The transcript with members of one record changed."""
    lines, seen = [], 0
    for line in result.lines:
        record = json.loads(line) if line.startswith("{") else {}
        if record.get("cmd") == command:
            line = json.dumps({**record, **members}) if seen == number else line
            seen += 1
        lines.append(line)
    return Result("\n".join(lines))


@pytest.mark.timeout(2 * matrix.GUEST_DEADLINE_S)
def test_a_row_that_lies_does_not_pass(tmp_path):
    """A guest's true answers pass; each that is falsified, and each byte that is wrong on the host, does not."""
    row = matrix.Row("q35", "modern", "packed", "on", "off", "msix", "4")
    case = matrix.Case(row, 0, tmp_path)
    result = matrix.run_cases([case], tmp_path)
    case.check(result)
    stats = result.of("lsblk")[1]["stats"]
    queues = result.of("bench")[0]["per_queue"]
    lies = [("lsblk", 0, {"ring": "split"}), ("lsblk", 0, {"irq": "intx"}), ("lsblk", 0, {"queues": 1}),
            ("lsblk", 0, {"transport": "virtio-pci-cfg"}), ("lsblk", 0, {"features": ["RING_PACKED", "MQ"]}),
            ("lsblk", 1, {"serial": "another"}), ("sum", 0, {"sha256": "0"}), ("sum", 1, {"sha256": "0"}),
            ("verify", 2, {"error": "mismatch"}), ("bench", 0, {"per_queue": queues[:3]}),
            *(("lsblk", 1, {"stats": stats[:3] + [{**stats[3], name: n}]})
              for name, n in {"rescues": 1, "errors": 1, "interrupts": 0, "interrupts_elsewhere": 1, "writes": 0}.items())]
    for command, number, members in lies:
        with pytest.raises(AssertionError):
            case.check(altered(result, command, number, **members))
            pytest.fail(f"believed: {command} {members}", pytrace=False)
    for other in ("EVENT_IDX", "VERSION_1"):
        liar = copy.copy(case)
        liar.negotiated = case.negotiated - {other}
        with pytest.raises(AssertionError, match="QEMU: negotiated"):
            liar.check(result)
    data = case.path.read_bytes()
    for at in (0, matrix.PIECE_OFFSET, 3 * matrix.PIECE_EVERY + matrix.PIECE_OFFSET, matrix.AREA_OFFSET + 77,
               matrix.DISK_BYTES - 1):
        case.path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
        with pytest.raises(AssertionError, match="wrong on the host|none that any queue has written"):
            case.check(result)


def test_a_doorbell_that_was_not_rung_is_missed():
    """The trace decides which doorbell it was."""
    part = matrix.COLUMNS["transport"]["pio-notify"]
    matrix.check_trace(part, "virtio_pci_notify_write_pio 0x0 val 0x0 (2)\n")
    for text in ("", "virtio_pci_notify_write 0x0\n", "virtio_pci_notify_write_pio 0x0\nvirtio_pci_notify_write 0x0\n"):
        with pytest.raises(AssertionError):
            matrix.check_trace(part, text)


@pytest.mark.timeout(2 * matrix.GUEST_DEADLINE_S)
@pytest.mark.parametrize("rows", GUESTS, ids=lambda rows: "-".join(word for word in matrix.guest_words(rows) if word))
def test_pairwise_cover(rows):
    """The disks of one guest, each end to end; what is checked stands at the head of matrix.py."""
    wrong = matrix.run_guest(rows)
    assert not wrong, "\n".join(f"{' '.join(row)}: {text}" for row, text in wrong.items())
