# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What the metrics and the log of a strategy's training show."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any


def assert_trained(steps: Sequence[Mapping[str, Any]], log: str, names: Collection[str]) -> None:
    """Each metric ``hpt/NAME`` was other than 0 at some step, the parameters had gradients, and no row was left."""
    for name in names:
        assert any(step[f"hpt/{name}"] != 0 for step in steps), name
    for step in steps:
        assert math.isfinite(step["hpt/grad_norm"])
        assert step["hpt/leftover_rows"] == 0
    assert any(step["hpt/grad_norm"] > 0 for step in steps)
    assert "TransferQueue is empty" in log
