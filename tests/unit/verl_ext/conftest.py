# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import transfer_queue

from tests.unit.verl_ext.fake_queue import FakeQueue


@pytest.fixture
def queue(monkeypatch) -> FakeQueue:
    """A queue in this process, in place of the one that needs Ray."""
    fake = FakeQueue()
    for name in ("kv_batch_put", "kv_batch_get", "kv_clear", "kv_list"):
        monkeypatch.setattr(transfer_queue, name, getattr(fake, name))
    return fake
