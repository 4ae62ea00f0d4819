# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Questions with pools of rollouts, as the diagnosis takes them. Plain lists: rows are ragged."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from recipe.hpt.reproduction.diagnose.variants import Group


@dataclass(frozen=True)
class Rollouts:
    """Independent rollouts of one question from one policy, at temperature 1.

    Attributes:
        responses: token ids, an end-of-sequence token included where it was sampled.
        scores: in [0, 1], one per response.
        log_probs: log-probabilities in nats of the tokens under the policy that sampled them; None:
            the model under diagnosis sampled them.
        values: a critic's prediction before each token (PPO only).
    """

    responses: Sequence[Sequence[int]]
    scores: Sequence[float]
    log_probs: Sequence[Sequence[float]] | None = None
    values: Sequence[Sequence[float]] | None = None

    def __post_init__(self):
        if len(self.scores) != len(self.responses):
            raise ValueError(
                f"got {len(self.responses)} responses and {len(self.scores)} scores; expected one score each"
            )
        if not all(self.responses):
            raise ValueError("got a response without tokens; expected at least one token each")
        wrong = [x for x in self.scores if not (math.isfinite(x) and 0 <= x <= 1)]
        if wrong:
            raise ValueError(f"got a score of {wrong[0]}; expected scores in [0, 1]")
        for name, rows in (("log_probs", self.log_probs), ("values", self.values)):
            self._check_per_token(name, rows)

    def _check_per_token(self, name: str, rows: Sequence[Sequence[float]] | None) -> None:
        lengths = [len(each) for each in self.responses]
        if rows is not None and [len(each) for each in rows] != lengths:
            raise ValueError(f"got {name} of other lengths than the responses; expected one per token")

    def part(self, start: int, stop: int) -> "Rollouts":
        """Rollouts number ``start`` to ``stop`` - 1."""
        log_probs, values = (None if rows is None else rows[start:stop] for rows in (self.log_probs, self.values))
        return Rollouts(self.responses[start:stop], self.scores[start:stop], log_probs, values)

    def group(self, like: torch.Tensor, with_values: bool) -> Group:
        """Scores (n,) and, if wanted and given, values (n, T) in the shape of ``like``; float64."""
        scores = torch.tensor(self.scores, dtype=torch.float64, device=like.device)
        values = padded(self.values, like) if with_values and self.values is not None else None
        return Group(scores, values)


def padded(rows: Sequence[Sequence[float]], like: torch.Tensor) -> torch.Tensor:
    """Ragged rows in float64, zero behind their ends. (bs, T) of the shape and device of ``like``"""
    result = torch.zeros(like.shape, dtype=torch.float64)
    for i, row in enumerate(rows):
        result[i, : len(row)] = torch.tensor(row, dtype=torch.float64)
    return result.to(like.device)


@dataclass(frozen=True)
class Question:
    """A question, its pool of rollouts, and its gold solution.

    Attributes:
        prompt: token ids.
        pool: M rollouts.
        demonstration: token ids of the gold solution with its end-of-sequence token, or None.
    """

    prompt: Sequence[int]
    pool: Rollouts
    demonstration: Sequence[int] | None = None


def check(questions: Sequence[Question], group_size: int) -> None:
    """Raise ValueError for questions that cannot be diagnosed in groups of ``group_size``."""
    if not questions:
        raise ValueError("got no questions; expected at least one")
    if group_size < 2:
        raise ValueError(f"got a group size of {group_size}; a group-relative advantage needs n >= 2 rollouts")
    sizes = {len(each.pool.responses) for each in questions}
    if len(sizes) > 1:
        raise ValueError(
            f"got pools of {min(sizes)} to {max(sizes)} rollouts; expected the same number for each question"
        )
    (size,) = sizes
    if size < group_size:
        raise ValueError(
            f"got {size} rollouts per question, fewer than a group of {group_size}; "
            "sample more rollouts or take smaller groups"
        )
    if size < 2 * group_size:
        raise ValueError(
            f"got {size} rollouts per question, one group of {group_size}; a variance needs two "
            f"groups: expected at least {2 * group_size} rollouts"
        )
    for name in ("log_probs", "values"):
        given = [getattr(each.pool, name) is not None for each in questions]
        if any(given) and not all(given):
            raise ValueError(f"got {name} for {sum(given)} of {len(given)} questions; expected all or none")
    if any(not each.prompt for each in questions):
        raise ValueError("got a question without prompt tokens; expected at least one")
    have = [bool(each.demonstration) for each in questions]
    if any(have) and not all(have):
        raise ValueError(
            f"got demonstrations for {sum(have)} of {len(have)} questions; expected all or none: "
            "entries on demonstrations and on rollouts are compared on the same questions"
        )
