# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Questions with pools of rollouts, the input of a diagnosis. They are plain lists, because rows are ragged."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from hpt.common.errors import ConfigError
from recipe.hpt.reproduction.diagnose.variants import Group


@dataclass(frozen=True)
class Rollouts:
    """Independent rollouts of one question from one policy, at temperature 1.

    Attributes:
        responses: token ids, with the end-of-sequence token if it was sampled.
        scores: one score in [0, 1] per response.
        log_probs: log-probabilities in nats of the tokens under the policy that sampled them. They are None if the
            model under diagnosis sampled them.
        values: a critic's prediction before each token (PPO only).

    Raises:
        ConfigError: a score, a response or a list that does not fit.
    """

    responses: Sequence[Sequence[int]]
    scores: Sequence[float]
    log_probs: Sequence[Sequence[float]] | None = None
    values: Sequence[Sequence[float]] | None = None

    def __post_init__(self):
        if len(self.scores) != len(self.responses):
            raise ConfigError(
                f"got {len(self.responses)} responses and {len(self.scores)} scores; expected one score each"
            )
        if not all(self.responses):
            raise ConfigError("got a response without tokens; expected at least one token each")
        wrong = [x for x in self.scores if not (math.isfinite(x) and 0 <= x <= 1)]
        if wrong:
            raise ConfigError(f"got a score of {wrong[0]}; expected scores in [0, 1]")
        for name, rows in (("log_probs", self.log_probs), ("values", self.values)):
            self._check_per_token(name, rows)

    def _check_per_token(self, name: str, rows: Sequence[Sequence[float]] | None) -> None:
        lengths = [len(each) for each in self.responses]
        if rows is not None and [len(each) for each in rows] != lengths:
            raise ConfigError(f"got {name} of other lengths than the responses; expected one per token")

    def part(self, start: int, stop: int) -> "Rollouts":
        """The rollouts from number ``start`` to ``stop`` - 1."""
        log_probs, values = (None if rows is None else rows[start:stop] for rows in (self.log_probs, self.values))
        return Rollouts(self.responses[start:stop], self.scores[start:stop], log_probs, values)

    def group(self, like: torch.Tensor, with_values: bool) -> Group:
        """Scores (n,), and values (n, T) in the shape of ``like`` if they are wanted and given; float64."""
        scores = torch.tensor(self.scores, dtype=torch.float64, device=like.device)
        values = padded(self.values, like) if with_values and self.values is not None else None
        return Group(scores, values)


def padded(rows: Sequence[Sequence[float]], like: torch.Tensor) -> torch.Tensor:
    """Ragged rows in float64 with zeros behind their ends, (bs, T) in the shape and on the device of ``like``."""
    result = torch.zeros(like.shape, dtype=torch.float64)
    for i, row in enumerate(rows):
        result[i, : len(row)] = torch.tensor(row, dtype=torch.float64)
    return result.to(like.device)


@dataclass(frozen=True)
class Question:
    """A question, its pool of rollouts, and its demonstration.

    Attributes:
        prompt: token ids.
        pool: M rollouts.
        demonstration: token ids with the end-of-sequence token, or None.
    """

    prompt: Sequence[int]
    pool: Rollouts
    demonstration: Sequence[int] | None = None


def check(questions: Sequence[Question], group_size: int) -> None:
    """Refuse questions that cannot be diagnosed in groups of ``group_size``.

    Raises:
        ConfigError: what was wrong, and what was expected.
    """
    if not questions:
        raise ConfigError("got no questions; expected at least one")
    if group_size < 2:
        raise ConfigError(f"got a group size of {group_size}; a group-relative advantage needs n >= 2 rollouts")
    sizes = {len(each.pool.responses) for each in questions}
    if len(sizes) > 1:
        raise ConfigError(
            f"got pools of {min(sizes)} to {max(sizes)} rollouts; expected the same number for each question"
        )
    (size,) = sizes
    if size < group_size:
        raise ConfigError(
            f"got {size} rollouts per question, fewer than a group of {group_size}; "
            "sample more rollouts or take smaller groups"
        )
    if size < 2 * group_size:
        raise ConfigError(
            f"got {size} rollouts per question, one group of {group_size}; a variance needs two "
            f"groups: expected at least {2 * group_size} rollouts"
        )
    for name in ("log_probs", "values"):
        given = [getattr(each.pool, name) is not None for each in questions]
        if any(given) and not all(given):
            raise ConfigError(f"got {name} for {sum(given)} of {len(given)} questions; expected all or none")
    if any(not each.prompt for each in questions):
        raise ConfigError("got a question without prompt tokens; expected at least one")
    have = [bool(each.demonstration) for each in questions]
    if any(have) and not all(have):
        raise ConfigError(
            f"got demonstrations for {sum(have)} of {len(have)} questions; expected all or none: "
            "entries on demonstrations and on rollouts are compared on the same questions"
        )
