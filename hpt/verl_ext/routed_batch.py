# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A batch after the gate, from routing to the metrics."""

from collections.abc import Sequence
from dataclasses import dataclass

from hpt.method.metrics import BatchMetrics
from hpt.method.routing import Plan, Question
from hpt.verl_ext.layout import Layout
from hpt.verl_ext.rows import PlacedRow


@dataclass(frozen=True)
class RoutedBatch:
    """What one step trains on, decided once.

    Attributes:
        questions: in the order of their optimizer steps, each with the tokens of its demonstration.
        plan: what routing decided about them.
        rows: the planned rows, in TransferQueue.
        layout: the same rows and padding over ranks and optimizer steps.
        rollouts: scores and lengths of all rollouts, dropped ones too.
    """

    questions: Sequence[Question]
    plan: Plan
    rows: Sequence[PlacedRow]
    layout: Layout
    rollouts: BatchMetrics

    def advantages(self, keys: Sequence[str]) -> list[float]:
        """The advantage that routing gave each row; 0 for padding.

        Args:
            keys: of rows, in any order.
        """
        by_key = {row.key: row.row.advantage for row in self.rows}
        return [by_key.get(key, 0.0) for key in keys]
