#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""doxygen's view of a header.

The headers are written for people who read them, with plain comments at the head and between sections; here these become
part of the file's description: the head's first sentence is its brief, the first line of a section its title.
"""
import re
import sys


def main():
    text = open(sys.argv[1]).read()
    text = re.sub(r"^/\*\n \* vstor/(\S+): ", r"/** \\file\n * \\brief ", text, count=1, flags=re.M)
    text = re.sub(r"^/\* vstor/(\S+): ", r"/** \\file\n * \\brief ", text, count=1, flags=re.M)
    text = re.sub(r"^/\*\n \* ([^\n]+)\n \*\n", r"/** \\file\n * \\par \1\n *\n", text, flags=re.M)
    text = re.sub(r"^/\*\n \* ", r"/** \\file\n * \\details ", text, flags=re.M)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
