# SPDX-License-Identifier: BSD-2-Clause
"""check_hot.py finds what it is there to find, and lets pass what it should."""
import pathlib
import subprocess
import sys

import pytest

TOOL = pathlib.Path(__file__).resolve().parents[1] / "check_hot.py"
PREAMBLE = """
extern void outside(void); extern int table[]; extern void (*pointer)(void);
#define KEEP __attribute__((noinline, used))
"""

# name: (source, may pass, what the output must say)
SOURCES = {
    "direct": ("KEEP static void helper(void) { outside(); } void hot(void) { helper(); outside(); }", True, "helper"),
    "indirect-call": ("void hot(void) { pointer(); outside(); }", False, "hot"),
    "indirect-tail-call": ("void hot(void) { pointer(); }", False, "jmp"),
    "in-a-callee": ("KEEP static void helper(void) { pointer(); outside(); } void hot(void) { helper(); outside(); }",
                    False, "helper"),
    "in-a-global-callee": ("void helper(void); void hot(void) { helper(); outside(); }"
                           "KEEP void helper(void) { pointer(); outside(); }", False, "helper"),
    "in-a-cold-callee": ("__attribute__((noinline, cold)) static void bad(void) { pointer(); outside(); }"
                         "void hot(int x) { if (__builtin_expect(x, 0)) bad(); outside(); }", True, "cold, not looked at"),
    "in-a-mapped-callee": ("KEEP static void put_mapped(void) { pointer(); outside(); }"
                           "void hot(int x) { if (x) put_mapped(); outside(); }", True, "put_mapped"),
    "jump-table": ("int hot(int x) { switch (x) { case 0: return table[4]; case 1: outside(); return 7; case 2: return"
                   " table[3] * 5; case 3: table[1] = 4; return 2; case 4: outside(); outside(); return 3; case 5:"
                   " return table[9] ^ 77; case 6: table[8]++; return 1; default: return 0; } }", False, "jmp"),
    "missing": ("void cool(void) { outside(); }", False, "no such function"),
}


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("name", SOURCES)
def test_check_hot(tmp_path, name, compiler):
    """Indirect calls, also in callees, tail calls and jump tables fail; cold code and direct calls pass."""
    source, may_pass, said = SOURCES[name]
    (tmp_path / "x.c").write_text(PREAMBLE + source)
    subprocess.run([compiler, "-O2", "-ffunction-sections", "-fno-pic", "-fcf-protection=none", "-c", "x.c"],
                   cwd=tmp_path, check=True)
    done = subprocess.run([sys.executable, "-B", str(TOOL), "--roots", "hot", str(tmp_path / "x.o")],
                          capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == may_pass, done.stdout + done.stderr
    assert said in done.stdout, done.stdout
