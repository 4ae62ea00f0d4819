# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Kinds of answers whose verifiers exceed the limits, registered for the tests of this folder."""

import sys
from pathlib import Path

import pytest

from hpt.verifier import kinds

# The worker processes import the module by its name; they do not know the package tests.
sys.path.insert(0, str(Path(__file__).parents[2] / "helpers"))
import verifier_kinds


@pytest.fixture(autouse=True)
def own_kinds(monkeypatch):
    for function in (verifier_kinds.endless, verifier_kinds.endless_in_c, verifier_kinds.memory):
        monkeypatch.setitem(kinds._OWN, f"test_{function.__name__}", function)
