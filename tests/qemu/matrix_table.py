# SPDX-License-Identifier: BSD-2-Clause
"""Tables of combinations, kept as text: a row is a disk, and has a value in every column. matrix.py runs them."""
import collections
import itertools

import numpy

DISKS_PER_GUEST = 8
# Not a measure: many guests share a machine that has few processors.
GUEST_DEADLINE_S = 400


class Table:
    """Columns with their values, what of their product is impossible, and the file that holds the rows.

    row_type: a namedtuple of the columns. impossible: pairs of a reason and of a function that tells whether it holds
    of a row. guest(row): rows that agree in this can share a guest. run_guest(rows): what is wrong with each row, a
    dictionary of row and text, without those that are well. words(rows): a guest's rows in few words, for people.
    strength: the file holds every so many values that can be had together, instead of the whole product."""

    def __init__(self, file, columns, row_type, impossible, *, heading, guest, run_guest, words, summary,
                 strength=None):
        self.file, self.columns, self.row_type, self.impossible = file, columns, row_type, impossible
        self.heading, self.guest, self.run_guest, self.words = heading, guest, run_guest, words
        self.summary = summary  # columns whose values head the lines, and the one whose head the columns, of a summary
        self.strength = strength

    def product(self):
        return map(self.row_type._make, itertools.product(*self.columns.values()))

    def possible(self, row):
        return not any(holds(row) for _, holds in self.impossible)

    def all_rows(self):
        """What the file is to hold, in its order."""
        rows = list(filter(self.possible, self.product()))
        return rows if self.strength is None else [rows[i] for i in cover(self.numbers(rows), self.strength)]

    def numbers(self, rows):
        """Rows as an array: of each value its number in its column."""
        places = [{value: i for i, value in enumerate(values)} for values in self.columns.values()]
        return numpy.array([[place[value] for place, value in zip(places, row)] for row in rows])

    # ------------------------------------------------------------ the file

    def text(self, rows):
        widths = [max(map(len, [name, *values])) for name, values in self.columns.items()]

        def line(words):
            return "  ".join(map(str.ljust, words, widths)).rstrip() + "\n"

        head = ["SPDX-License-Identifier: BSD-2-Clause", *self.heading,
                *(f"    {reason}" for reason, _ in self.impossible)]
        return "".join(f"# {text}\n" for text in head) + line(self.row_type._fields) + "".join(map(line, rows))

    def read_rows(self, path=None):
        """The rows of the file."""
        path = path or self.file
        lines = [line.split() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
        if not lines or tuple(lines[0]) != self.row_type._fields:
            raise ValueError(f"{path}: the first line must name the columns {' '.join(self.row_type._fields)}")
        for words in lines[1:]:
            if len(words) != len(self.columns) or any(word not in values
                                                      for word, values in zip(words, self.columns.values())):
                raise ValueError(f"{path}: no row: {' '.join(words)}")
        return [self.row_type._make(words) for words in lines[1:]]

    # ------------------------------------------------------------ some of the rows, and who shares a guest

    def pairwise_cover(self, rows):
        """Rows among `rows` in which every pair of values occurs that occurs in `rows`: again and again the one that
        brings most pairs that are missing; of equals one for which a guest is there that has room; of these the one
        whose values have been taken least; of these the first."""
        missing = set().union(*map(pairs, rows)) if rows else set()
        guests = {row: self.guest(row) for row in rows}
        n_disks, n_taken = collections.Counter(), collections.Counter()
        chosen = []

        def worth(row):
            return (len(pairs(row) & missing), n_disks[guests[row]] % DISKS_PER_GUEST > 0,
                    -sum(n_taken[place] for place in enumerate(row)))

        while missing:
            best = max(rows, key=worth)
            chosen.append(best)
            missing -= pairs(best)
            n_disks[guests[best]] += 1
            n_taken.update(enumerate(best))
        return sorted(chosen, key=rows.index)

    def guests_of(self, rows):
        """The rows in lists of those that share a guest."""
        together = collections.defaultdict(list)
        for row in rows:
            together[self.guest(row)].append(row)
        return [some[i:i + DISKS_PER_GUEST] for some in together.values() for i in range(0, len(some), DISKS_PER_GUEST)]


def pairs(row):
    """Its pairs of values, each with its column."""
    return set(itertools.combinations(enumerate(row), 2))


def combinations(numbers, strength):
    """An array: of each row a number for each choice of so many columns and what it has there; and how many numbers
    there are."""
    sizes = numbers.max(axis=0) + 1
    columns, first = [], 0
    for chosen in itertools.combinations(range(len(sizes)), strength):
        place = numpy.zeros(len(numbers), int)
        for column in chosen:
            place = place * sizes[column] + numbers[:, column]
        columns.append(place + first)
        first += int(numpy.prod(sizes[list(chosen)]))
    return numpy.stack(columns, axis=1), first


def cover(numbers, strength):
    """Which rows to take so that every so many values occur together that do in any: again and again the one that
    brings most; of equals the one whose values have been taken least; of these the first. In ascending order."""
    found, n = combinations(numbers, strength)
    missing = numpy.zeros(n, int)
    missing[found] = 1
    n_taken = [numpy.zeros(size, int) for size in numbers.max(axis=0) + 1]
    chosen = []
    while missing.any():
        brings = missing[found].sum(axis=1)
        best = numpy.flatnonzero(brings == brings.max())
        burden = sum(n_taken[column][numbers[best, column]] for column in range(numbers.shape[1]))
        row = best[burden.argmin()]
        chosen.append(int(row))
        missing[found[row]] = 0
        for column, counts in enumerate(n_taken):
            counts[numbers[row, column]] += 1
    return sorted(chosen)
