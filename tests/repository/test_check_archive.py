# SPDX-License-Identifier: BSD-2-Clause
"""check_archive.py finds what it is there to find, and lets pass what it should."""
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "tests/check_archive.py"
HEADER = """
static inline int vst_inlined(int n) { return n; }
struct vst_ops { int (*vst_member)(int n); };
/** vst_spoken_of_only(1) */
int vst_public(int n,
               const char *text) __attribute__((warn_unused_result));
"""
GOOD = "int vst_public(int n, const char *text) { return text[n]; }"

# name: (source, what the output must say; None: it passes)
SOURCES = {
    "good": (GOOD, None),
    "needs-the-four": (GOOD + "void *memmove(void *, const void *, unsigned long);"
                       "static __attribute__((used)) void f(void *p) { memmove(p, (char *)p + 1, (unsigned long)p); }", None),
    "constants": (GOOD + "static __attribute__((used)) int (*const ops[])(int, const char *) = {vst_public};", None),
    "another-name": (GOOD + "void helper(void) {}", "exports helper, which does not begin with vst_"),
    "not-public": (GOOD + "void vst_helper(void) {}", "exports vst_helper, of which no public header speaks"),
    "missing": ("int vst_member(int n) { return n; }", "lacks vst_public, which a public header declares"),
    "needs-more": (GOOD + "unsigned long strlen(const char *);"
                   "__attribute__((used)) static unsigned long f(const char *s) { return strlen(s); }", "needs strlen"),
    "variable": (GOOD + "static int n = 7; __attribute__((used)) static int f(void) { return n++; }",
                 "has variables: 4 bytes in .data"),
    "zeroes": (GOOD + "static int n; __attribute__((used)) static int f(void) { return n++; }",
               "has variables: 4 bytes in .bss"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_check_archive(tmp_path, name):
    """Names that are not ours or not public, needs beyond the four functions, and variables fail."""
    source, said = SOURCES[name]
    (tmp_path / "x.c").write_text(source)
    (tmp_path / "public.h").write_text(HEADER)
    subprocess.run(["gcc", "-ffreestanding", "-fno-builtin", "-fno-pic", "-O2", "-ffunction-sections", "-fdata-sections",
                    "-c", "x.c"], cwd=tmp_path, check=True)
    subprocess.run(["ar", "rcs", "x.a", "x.o"], cwd=tmp_path, check=True)
    done = subprocess.run([sys.executable, TOOL, "x.a", "public.h"], cwd=tmp_path, capture_output=True, text=True,
                          check=False)
    assert done.returncode == (1 if said else 0), done.stdout
    assert said is None or said in done.stdout


def test_what_is_installed_hides_what_is_ours():
    """Our own objects do share names; in the archive for embedders none of them is left global."""
    plain = subprocess.run([sys.executable, TOOL, ROOT / "build/x86_64/libvstor.a",
                            *sorted((ROOT / "include/vstor").glob("*.h"))], capture_output=True, text=True, check=False)
    assert plain.returncode == 1 and "of which no public header speaks" in plain.stdout
