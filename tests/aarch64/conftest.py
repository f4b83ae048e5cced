# SPDX-License-Identifier: BSD-2-Clause
"""These tests are for machines of that processor: `make ARCH=aarch64 test`."""
import harness

collect_ignore_glob = [] if harness.ARCH == "aarch64" else ["test_*.py"]
