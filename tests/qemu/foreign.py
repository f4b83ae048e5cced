# SPDX-License-Identifier: BSD-2-Clause
"""Multiboot kernels that others wrote, out of Debian's packages (tests/foreign/fetch.sh, `make build/foreign/fetched`)."""
import harness

FOREIGN = harness.ROOT / "build/foreign"


def kernel(name):
    """The path of one of them."""
    path = FOREIGN / name
    if not path.exists():
        raise harness.MachineError(f"{path} is missing; run `make build/foreign/fetched`")
    return path
