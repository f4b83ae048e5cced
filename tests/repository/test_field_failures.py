# SPDX-License-Identifier: BSD-2-Clause
"""tests/FIELD_FAILURES.md against the tests: what it names exists, is run, and carries its label."""
import pathlib
import re

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
TABLE = TESTS / "FIELD_FAILURES.md"
TEST_NAME = re.compile(r"`((?:test_|regression_|an?_|as_)\w+)`")
# A comment that ends above the function, its name, its body up to the closing brace in the first column.
# Tests that run on every kind of ring are declared by a macro.
FUNCTION = r"(?:/\*(?:(?!\*/).)*\*/\n)?(?:static void {0}\(void \*\*state\)|ON_EVERY_RING\({0}\))\n\{{.*?\n\}}\n"


def rows():
    """The cells of each line of the tables, without their heads."""
    for line in TABLE.read_text().splitlines():
        if line.startswith("| ") and not line.endswith("| tests |"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def sources():
    """The unit tests' text by file."""
    return {path.name: path.read_text() for path in (TESTS / "unit").glob("test_*.c")}


def definition(name, texts):
    """Comment and body of a unit test, and whether its file runs it."""
    for text in texts.values():
        found = re.search(FUNCTION.format(name), text, re.S)
        if found:
            return found.group(0), re.search(rf"\b(cmocka_unit_test\w*|TEST)\({name}\b", text) is not None
    return None, False


def problems():
    """What is wrong with the table, one line each."""
    texts = sources()
    for cells in rows():
        names = TEST_NAME.findall(cells[-1])
        if not names and "not yet: belongs to" not in cells[-1]:
            yield f"{cells[0]}: no test, and nobody to whom it belongs"
        bodies = []
        for name in names:
            body, is_run = definition(name, texts)
            bodies.append(body or "")
            if not is_run:
                yield f"{name}: {'is never run' if body else 'no such test'}"
        if len(cells) == 3 and names and not any(cells[1].lower() in body.lower() for body in bodies):
            yield f"{cells[0]}: no test carries the label {cells[1]}"


@pytest.mark.smoke
def test_each_entry_has_its_test():
    """Each line names tests that exist and run, or says to whom it belongs."""
    assert not list(problems())


@pytest.mark.smoke
def test_the_table_is_whole():
    """Twenty checks, in their order, and the three tables."""
    numbers = [int(cells[0].split()[0]) for cells in rows() if cells[0].split()[0].isdigit() and len(cells) == 2]
    assert numbers == list(range(1, 21))
    assert TABLE.read_text().count("\n|-|") == 3
