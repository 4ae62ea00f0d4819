# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Demonstrations that wait until there are enough of them for an optimizer step (ReLIFT, arXiv 2506.07527)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Waiting:
    """A demonstration that waits.

    Attributes:
        uid: of its question, in the batch that it came from.
        prompt: token ids of the question, as its rollouts had them.
        demonstration: token ids of the demonstration with EOS.
    """

    uid: str
    prompt: list[int]
    demonstration: list[int]


class DemonstrationQueue:
    """First in, first out; its state goes with a checkpoint.

    Args:
        size: demonstrations of an optimizer step, >= 1.
    """

    def __init__(self, size: int):
        self.size = size
        self.waiting: list[Waiting] = []

    def __len__(self) -> int:
        return len(self.waiting)

    def add(self, waiting: Waiting) -> None:
        self.waiting.append(waiting)

    def take(self) -> list[Waiting]:
        """The oldest ``size`` demonstrations, which wait no longer; none while there are fewer."""
        if len(self.waiting) < self.size:
            return []
        taken, self.waiting = self.waiting[: self.size], self.waiting[self.size :]
        return taken

    def state_dict(self) -> dict[str, Any]:
        """What ``load_state_dict`` restores, as JSON has it."""
        return {"waiting": [vars(each) for each in self.waiting]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state that ``state_dict`` returned."""
        self.waiting = [Waiting(**each) for each in state["waiting"]]
