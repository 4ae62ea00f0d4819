# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""One pool of verifier workers serves all tests of data, because each start of a pool takes two seconds of imports."""

import contextlib
from collections.abc import Iterator

import pytest

from hpt.verifier import VerifierPool

WORKERS = 2


@pytest.fixture(scope="session")
def verifier() -> Iterator[VerifierPool]:
    with VerifierPool(WORKERS) as pool:
        yield pool


@pytest.fixture(autouse=True)
def no_other_pool(verifier, monkeypatch):
    """These workers compare gold answers; tests/unit/verifier/test_gold.py starts its own workers."""

    @contextlib.contextmanager
    def same(workers: int) -> Iterator[VerifierPool]:
        assert workers <= WORKERS, f"{workers} workers were to be started"
        yield verifier

    monkeypatch.setattr("hpt.verifier.gold.VerifierPool", same)
