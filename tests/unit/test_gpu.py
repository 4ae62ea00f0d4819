# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The tests for GPUs where there is none."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def test_make_test_gpu_skips_every_test_with_what_is_missing(interpreter):
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "HPT_TEST_"))}
    variables |= {
        "PATH": f"{Path(interpreter).parent}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": sys.prefix,
        "CUDA_VISIBLE_DEVICES": "",
    }
    done = subprocess.run(["make", "test-gpu"], cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    skipped = re.findall(r"^SKIPPED \[\d+\] (tests/gpu/\w+\.py):\d+: (.*)$", done.stdout, re.MULTILINE)
    assert {file for file, _ in skipped} == {f"tests/gpu/{path.name}" for path in (ROOT / "tests/gpu").glob("test_*")}
    assert all(re.search(r"without CUDA|no CUDA device", reason) for _, reason in skipped)
    assert not re.search(r"passed|failed|error", done.stdout.splitlines()[-1])
