# SPDX-License-Identifier: BSD-2-Clause
"""The QEMU matrix: matrix.txt holds the ways to a disk, matrix_disks.txt what disks there are; of both a pairwise cover
runs here. SCSI disks have a table of their own, matrix_scsi.txt. `make matrix` runs the whole."""
import copy
import itertools
import json

import pytest

import matrix
import matrix_disks
import matrix_table
from harness import Machine, Result

COVERS = {table: table.pairwise_cover(table.read_rows()) for table in matrix.TABLES}
GUESTS = [(table, rows) for table, cover in COVERS.items() for rows in table.guests_of(cover)]
each_table = pytest.mark.parametrize("table", matrix.TABLES, ids=lambda table: table.file.stem)


def values_together(rows, strength):
    """All that any row has of so many values together."""
    return {some for row in rows for some in itertools.combinations(enumerate(row), strength)}


def test_the_file_of_ways_is_the_product_without_what_is_impossible():
    """No row is missing, none is there twice, and none is there that is said to be impossible."""
    rows = matrix.TABLE.read_rows()
    assert len(rows) == len(set(rows)) >= 500
    possible = set(filter(matrix.TABLE.possible, matrix.TABLE.product()))
    assert set(rows) == possible, "matrix.py --write makes the file anew"


def test_the_file_of_disks_has_every_three_values():
    """Every three values of different columns that stand in a possible row stand in some row of the file."""
    table = matrix_disks.TABLE
    rows, possible = table.read_rows(), list(filter(table.possible, table.product()))
    assert len(rows) == len(set(rows)) < 300 and set(rows) <= set(possible)
    # As arrays, because there are tens of thousands of rows.
    found, _ = matrix_table.combinations(table.numbers(possible + rows), 3)
    assert set(found[:len(possible)].flat) == set(found[len(possible):].flat), "matrix.py --write makes the file anew"


def test_a_cover_is_complete_and_small():
    """Of four columns with two to four values, without a part of the product."""
    product = [row for row in itertools.product(range(4), range(3), range(3), range(2)) if row[:2] != (3, 2)]
    for strength, most in ((2, 18), (3, 45)):
        taken = matrix_table.cover(matrix_table.numpy.array(product), strength)
        rows = [product[i] for i in taken]
        assert values_together(rows, strength) == values_together(product, strength)
        assert len(rows) < most and taken == sorted(taken)


def test_the_array_of_combinations_tells_them_apart():
    """Two rows have the same number exactly where they have the same values."""
    table = matrix_disks.TABLE
    rows = table.read_rows()[::7]
    found, n = matrix_table.combinations(table.numbers(rows), 3)
    by_number = {}
    for row, numbers in zip(rows, found):
        for number, values in zip(numbers, itertools.combinations(enumerate(row), 3), strict=True):
            assert by_number.setdefault(number, values) == values and number < n
    assert len(by_number) == len(values_together(rows, 3))


@each_table
def test_the_file_is_as_it_is_written(table):
    rows = table.read_rows()
    assert table.file.read_text() == table.text(rows), "the file's comments are old"
    assert rows == sorted(rows, key=lambda row: table.numbers([row])[0].tolist()), "the order is another"
    for column, values in table.columns.items():
        assert {getattr(row, column) for row in rows} == set(values), f"{column}: a value never occurs"


@each_table
def test_each_impossibility_excludes_something(table):
    """A reason that no combination needs is a reason that has gone: the rows should be had."""
    product = list(table.product())
    for number, (reason, holds) in enumerate(table.impossible):
        others = [other for _, other in table.impossible[:number] + table.impossible[number + 1:]]
        assert any(holds(row) and not any(other(row) for other in others) for row in product), reason


@each_table
def test_the_cover_has_every_pair_of_values(table):
    """Every two values of different columns that stand in some row of the file stand in some row of the cover, which is
    much smaller, of the file's rows, and the same each time."""
    rows, cover = table.read_rows(), COVERS[table]
    assert values_together(cover, 2) == values_together(rows, 2)
    assert set(cover) <= set(rows) and len(cover) == len(set(cover)) <= len(rows) // 3
    assert table.pairwise_cover(list(rows)) == cover


@each_table
def test_rows_that_share_a_guest_agree_about_it(table):
    """Each row is in one guest, with few others, that all want the same machine and the same options."""
    rows = table.read_rows()
    guests = table.guests_of(rows)
    assert sorted(row for guest in guests for row in guest) == sorted(rows)
    for guest in guests:
        assert 1 <= len(guest) <= matrix_table.DISKS_PER_GUEST
        assert len({table.guest(row) for row in guest}) == 1


@each_table
def test_a_file_that_makes_no_sense_is_refused(table, tmp_path):
    """A wrong heading, a word that is no value, a row too short."""
    path = tmp_path / "matrix.txt"
    rows = table.read_rows()
    heading, row = " ".join(table.row_type._fields), " ".join(rows[0])
    for text in (row, heading.replace("ring", "rings"), f"{heading}\n{row} 1",
                 f"{heading}\n{row.rsplit(maxsplit=1)[0]}", f"{heading}\n{row.replace('split', 'spilt')}"):
        path.write_text(text)
        with pytest.raises(ValueError, match="matrix.txt"):
            table.read_rows(path)
    path.write_text(f"# a comment\n\n{heading}\n{row}\n")
    assert table.read_rows(path) == rows[:1]


# ---------------------------------------------------------------- the ways to a disk: what must not pass

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
    row = matrix.Row("blk", "q35", "modern", "packed", "on", "off", "msix", "4")
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


# ---------------------------------------------------------------- the disks: what must not pass

class Recorder:
    """A machine that keeps what it answered."""

    def __init__(self, machine):
        self.machine, self.answers = machine, []

    def command(self, line, deadline_s):
        self.answers.append((line, self.machine.command(line, deadline_s)))
        return self.answers[-1][1]

    def negotiated_features(self, number):
        self.features = self.machine.negotiated_features(number)
        return self.features


class Liar:
    """Answers what was recorded, but for some members in the records of a command's n-th answer."""

    def __init__(self, recorder, command=None, number=0, without=frozenset(), **members):
        self.answers, self.features = iter(recorder.answers), recorder.features - without
        self.lie, self.n_left, self.members = command, number, members

    def command(self, line, _deadline_s):
        recorded, result = next(self.answers)
        assert line == recorded
        if line.split()[0] == self.lie:
            self.n_left -= 1
            if self.n_left == -1:
                return altered(result, self.lie, 0, **self.members)
        return result

    def negotiated_features(self, _number):
        return self.features


@pytest.fixture(scope="module")
def true_disk(tmp_path_factory):
    """A row that has been through a guest: the row, the answers, and its folder with the image."""
    row = matrix_disks.Row("4096", "blkdebug", "8T", "8", "packed", "rw", "back", "limited", "limited")
    folder = tmp_path_factory.mktemp("true")
    case = matrix_disks.Case(row, 0, folder)
    with Machine(matrix_disks.OPTIONS, disks=[case.disk()], memory_mib=matrix_disks.MEMORY_MIB) as machine:
        machine.wait_for_prompt()
        recorder = Recorder(machine)
        case.work(recorder)
        machine.send("exit 3\r")
        machine.wait().expect_status(3)
    case.check_host()
    return row, recorder, case


def replay(true_disk, folder, liar, spoil=lambda path: None):
    """The row once more, with what the liar says and an image that was spoiled."""
    row, _, before = true_disk
    case = matrix_disks.Case(row, 0, folder)
    case.work(liar)
    matrix.images.run_tool("cp", "--sparse=always", before.image, case.image)
    spoil(case.image)
    case.check_host()


def test_what_a_disk_said_passes_again(true_disk, tmp_path):
    replay(true_disk, tmp_path, Liar(true_disk[1]))


DISK_LIES = [("lsblk", 0, {"bytes": 1}), ("lsblk", 0, {"physical_block": 512}), ("lsblk", 0, {"ro": True}),
             ("lsblk", 0, {"max_segments": 7}), ("lsblk", 0, {"depth": 9}), ("lsblk", 0, {"cache": "writethrough"}),
             ("lsblk", 0, {"discard": None}), ("lsblk", 0, {"features": ["RO"]}), ("sum", 0, {"sha256": "0"}),
             ("sum", 5, {"sha256": "0"}), ("sum", 3, {"offset": 0}), ("read", 0, {"error": "io"}),
             ("fill", 0, {"error": "io"}), ("zero", 0, {"by": "write"}), ("bench", 0, {"errors": 1}),
             ("stats", 0, {"discards": 7}), ("stats", 3, {"zeroes": 0}), ("stats", 5, {"writes": 5})]


@pytest.mark.parametrize("command,number,members", DISK_LIES, ids=lambda value: str(value).replace(" ", ""))
def test_a_disk_that_lies_does_not_pass(true_disk, tmp_path, command, number, members):
    with pytest.raises(AssertionError):
        replay(true_disk, tmp_path, Liar(true_disk[1], command, number, **members))


def test_a_disk_whose_features_qemu_does_not_have_does_not_pass(true_disk, tmp_path):
    with pytest.raises(AssertionError, match="QEMU: negotiated"):
        replay(true_disk, tmp_path, Liar(true_disk[1], without={"VIRTIO_BLK_F_DISCARD"}))


@pytest.mark.parametrize("where", ["start", "amid nothing", "bench", "bad", "end"])
def test_a_byte_that_is_wrong_on_the_host_does_not_pass(true_disk, tmp_path, where):
    """Also where the guest has never been, and in the block that can't be read."""
    case = true_disk[2]
    window = case.windows()[0][0]
    at = {"start": 0, "amid nothing": 5 * matrix_disks.TiB + 77, "bench": window + 12 * matrix_disks.UNIT + 5000,
          "bad": case.bad + 1, "end": case.n_bytes - 1}[where]

    def spoil(path):
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 1]))
    with pytest.raises((AssertionError, RuntimeError)):
        replay(true_disk, tmp_path, Liar(true_disk[1]), spoil)


# ---------------------------------------------------------------- what must pass

@pytest.mark.timeout(2 * matrix.GUEST_DEADLINE_S)
@pytest.mark.parametrize("table,rows", GUESTS,
                         ids=[f"{table.file.stem}-{number}" for number, (table, _) in enumerate(GUESTS)])
def test_pairwise_cover(table, rows):
    """The disks of one guest, each end to end; what is checked stands at the heads of matrix.py and matrix_disks.py."""
    wrong = table.run_guest(rows)
    assert not wrong, "\n".join(f"{' '.join(row)}: {text}" for row, text in wrong.items())
