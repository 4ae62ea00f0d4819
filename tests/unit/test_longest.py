# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The order of the test files."""

from tests.conftest import LONGEST, ROOT


def test_the_files_that_are_run_first_exist():
    assert [name for name in LONGEST if not (ROOT / "tests" / name).exists()] == []
