# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""One pool of verifier workers for all tests of data: each start of a pool costs two seconds of imports."""

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
    """Gold answers are compared by these workers. tests/unit/verifier/test_gold.py starts workers of its own."""

    @contextlib.contextmanager
    def same(workers: int) -> Iterator[VerifierPool]:
        assert workers <= WORKERS, f"{workers} workers were to be started"
        yield verifier

    monkeypatch.setattr("hpt.verifier.gold.VerifierPool", same)
