# SPDX-License-Identifier: BSD-2-Clause
"""What stands on a machine's graphics screen: a screendump, read by Debian's tesseract (which takes a letter for another now
and then: compare with `like`)."""
import difflib
import re
import subprocess
import time

import numpy

from harness import DEADLINE_S

BLACK, LIGHT = (0, 0, 0), 64
NAMES = ("up", "down", "home", "end", "ret", "esc")


def like(text, other):
    return difflib.SequenceMatcher(None, text, other).ratio() > 0.8


class Line:
    """Its text; the most frequent colour from its first word to its last."""

    def __init__(self, words, pixels):
        left, top = min(word[0] for word in words), min(word[1] for word in words)
        right, bottom = max(word[0] + word[2] for word in words), max(word[1] + word[3] for word in words)
        self.text = " ".join(word[4] for word in words)
        colours, counts = numpy.unique(pixels[top:bottom, left:right].reshape(-1, 3), axis=0, return_counts=True)
        self.background = tuple(int(part) for part in colours[counts.argmax()])


class Screen:
    def __init__(self, path):
        kind, size, _, data = path.read_bytes().split(b"\n", 3)
        assert kind == b"P6"
        width, height = map(int, size.split())
        self.pixels = numpy.frombuffer(data, numpy.uint8).reshape(height, width, 3)
        lines = {}
        for row in (line.split("\t") for line in self.words(path.with_suffix(".pgm")).splitlines()[1:]):
            if row[11:] and row[11].strip():
                lines.setdefault(tuple(row[1:5]), []).append((*map(int, row[6:10]), row[11]))
        self.lines = [Line(words, self.pixels) for words in lines.values()]
        self.text = "\n".join(line.text for line in self.lines)

    def words(self, path):
        """As tesseract finds them in what it reads best: black on white, also what is in reverse."""
        ink = self.pixels.max(axis=2) > LIGHT
        columns = ink.any(axis=0).nonzero()[0]
        for row in ink:
            light = row.nonzero()[0]
            if light.size > columns.size / 2:
                row[light[0]:light[-1] + 1] ^= True
        page = numpy.where(ink, 0, 255).astype(numpy.uint8)
        path.write_bytes(b"P5\n%d %d\n255\n" % page.shape[::-1] + page.tobytes())
        return subprocess.run(["tesseract", path, "-", "--psm", "6", "tsv"], capture_output=True, text=True, check=True).stdout

    def line(self, text):
        """The only one like that."""
        return self._only([line for line in self.lines if like(line.text, text)], text)

    def entry(self, title):
        """The only one of that behind some marks, which are no words and read as anything."""
        return self._only([line for line in self.lines if re.fullmatch(rf"\S{{1,5}} ({title})", line.text)], title)

    def _only(self, found, text):
        assert len(found) == 1, f"{text!r} stands {len(found)} times on the screen:\n{self.text}"
        return found[0]

    def size(self):
        """Of what is not black: columns and rows of pixels."""
        rows, columns = numpy.nonzero(self.pixels.any(axis=2))
        return columns.max() - columns.min() + 1, rows.max() - rows.min() + 1

    def n_light_rows(self):
        """Rows of pixels with a light background."""
        return int((numpy.median(self.pixels[:, self.pixels.any(axis=(0, 2))], axis=1).min(axis=1) > LIGHT).sum())


def wait_until(machine, folder, check, deadline_s=DEADLINE_S):
    """The first screen of which check(screen) asserts nothing wrong: others may be half drawn, or misread."""
    end = time.monotonic() + deadline_s
    while True:
        machine.qmp("screendump", filename=str(folder / "screen.ppm"))
        screen = Screen(folder / "screen.ppm")
        try:
            check(screen)
            return screen
        except AssertionError:
            if time.monotonic() > end:
                raise
        time.sleep(0.3)


def wait_for(machine, folder, text):
    """The first screen that shows that; what is drawn there may be behind the serial line, or before it."""
    return wait_until(machine, folder, lambda screen: screen.line(text))


def press(machine, *keys):
    """Keys of the machine's own keyboard, by QEMU's names; text of letters, digits and blanks as one word."""
    for key in keys:
        for name in [key] if len(key) == 1 or key in NAMES else key:
            machine.qmp("send-key", keys=[{"type": "qcode", "data": {" ": "spc"}.get(name, name)}])
            time.sleep(0.2)  # it holds the key for half of that
