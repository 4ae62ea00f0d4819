# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The gate: from the scores of a question's rollouts to the coefficients of its losses.

P is the mean verifier score of a question's rollouts, and a feedback function maps it to coefficients (arXiv
2509.04419, Section 3.2 and Algorithm 1). The paper's alpha = f(P) is ``on``, its beta = g(P) is ``sft``; ``off`` is
for methods that also reinforce the demonstration. A :class:`Gate` sees more than P and may remember.
"""

import bisect
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

# P is a mean of n scores and gamma a number typed by a user: 3 of 8 has to pass gamma=0.375 and
# 1 of 3 gamma=0.333333, whatever the last bits say.
TOLERANCE = 1e-6


class Coefficients(NamedTuple):
    """What the three terms of a question are multiplied by, each >= 0.

    Attributes:
        on: RL on the question's rollouts.
        off: off-policy RL on its demonstration.
        sft: SFT on its demonstration.
    """

    on: float
    off: float
    sft: float


@dataclass(frozen=True)
class Context:
    """What a gate may look at when it decides about a question.

    Attributes:
        mean: P, in [0, 1]; 0 for a question that was not sampled from.
        scores: of the question's rollouts.
        question: the question's id in its data set.
        step: training step, from 1.
        total_steps: of the training.
        batch_means: P of every question in the batch.
    """

    mean: float
    scores: Sequence[float] = ()
    question: str = ""
    step: int = 1
    total_steps: int = 1
    batch_means: Sequence[float] = ()


class Gate:
    """From a question's context to its coefficients; a subclass has ``__call__``.

    A gate with a state overrides ``state_dict`` and ``load_state_dict``, too: the state is saved with a checkpoint and
    restored from it. A question may be asked about once per batch.

    Attributes:
        terms: names of :class:`Coefficients` that may differ from 0; data and passes are prepared for them.
        when: the coefficients (on, off, sft) and what they depend on, for the table of methods.
    """

    terms: Sequence[str] = ("on", "off", "sft")
    when: str = "as its gate says"

    def __call__(self, context: Context) -> Coefficients:
        raise NotImplementedError

    def observe(self, metrics: Mapping[str, float]) -> None:
        """Called after each step's update with its metrics, ``hpt/grad_norm`` among them."""

    def state_dict(self) -> dict[str, Any]:
        """What ``load_state_dict`` restores; JSON must hold it."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state that ``state_dict`` returned."""
        if state:
            raise ValueError(f"got a state ({', '.join(state)}) for {type(self).__name__}, which has none")


Feedback = Callable[[float], Coefficients]
Knot = tuple[float, float, float, float]  # P, on, off, sft

RL = Coefficients(1.0, 0.0, 0.0)
OFF_POLICY = Coefficients(0.0, 1.0, 0.0)
SFT = Coefficients(0.0, 0.0, 1.0)


def mean_score(scores: Sequence[float]) -> float:
    """Return P, the mean score of a question's rollouts.

    Args:
        scores: verifier scores of the n rollouts, each in [0, 1].

    Raises:
        ValueError: no scores, or one outside [0, 1] (a gate on accuracy has no meaning there).
    """
    if not scores:
        raise ValueError("a question without rollouts has no mean score; expected n >= 1 scores")
    outside = [score for score in scores if not 0.0 <= score <= 1.0]
    if outside:
        raise ValueError(
            f"got a rollout score of {outside[0]}; the gate compares the mean score with gamma in [0, 1]: "
            "make the reward function return scores in [0, 1]"
        )
    return sum(scores) / len(scores)


class ByMean(Gate):
    """A gate that looks at P alone.

    Args:
        feedback: P -> coefficients.
        rollouts: n; the terms are those that are used at P = 0, 1/n, ..., 1.
    """

    def __init__(self, feedback: Feedback, rollouts: int = 8):
        self.feedback = feedback
        every = [feedback(solved / rollouts) for solved in range(rollouts + 1)]
        self.terms = [name for name in Coefficients._fields if any(getattr(each, name) for each in every)]

    def __call__(self, context: Context) -> Coefficients:
        return self.feedback(context.mean)


def gate_of(feedback: "Feedback | Gate", rollouts: int = 8) -> Gate:
    """Return a gate: ``feedback`` itself, or one that asks it for the coefficients at P.

    Args:
        rollouts: of a question.
    """
    return feedback if isinstance(feedback, Gate) else ByMean(feedback, rollouts)


def constant(coefficients: Coefficients) -> Feedback:
    """Return a feedback function that gives the same coefficients at every P."""
    return lambda mean: coefficients


def switch(gamma: float, gated: Coefficients = SFT, gamma_off: float | None = None) -> Feedback:
    """HPT's switch: ``gated`` (SFT) where P <= gamma, RL on the rollouts elsewhere (Algorithm 1).

    Args:
        gamma: mean rollout accuracy at or below which a question is gated, in [0, 1].
        gated: coefficients of a gated question.
        gamma_off: upper end of the middle band gamma < P <= gamma_off, in which off-policy RL on the
            demonstration takes the rollouts' place; None for no band.

    Raises:
        ValueError: gamma outside [0, 1], or gamma_off outside [gamma, 1].
    """
    if not 0.0 <= gamma <= 1.0:
        raise ValueError(f"got gamma={gamma}; expected a mean rollout accuracy in [0, 1]")
    if gamma_off is not None and not gamma <= gamma_off <= 1.0:
        raise ValueError(f"got gamma_off={gamma_off}; expected a mean rollout accuracy in [gamma, 1] = [{gamma}, 1]")

    def feedback(mean: float) -> Coefficients:
        if mean <= gamma + TOLERANCE:
            return gated
        if gamma_off is not None and mean <= gamma_off + TOLERANCE:
            return OFF_POLICY
        return RL

    return feedback


def schedule(knots: Sequence[Sequence[float]]) -> Feedback:
    """Return a feedback function that interpolates coefficients linearly in P between knots.

    Args:
        knots: rows (P, on, off, sft), P rising from 0 to 1.

    Raises:
        ValueError: rows of another shape, P that leaves a gap in [0, 1] or does not rise, a
            coefficient that is negative or not finite.
    """
    try:
        rows = [tuple(float(number) for number in knot) for knot in knots]
    except (TypeError, ValueError):  # no rows, or no numbers in them
        rows = []
    if not rows or any(len(row) != 4 for row in rows):
        raise ValueError(f"got the schedule {list(knots)}; expected rows [P, on, off, sft]")
    positions = [row[0] for row in rows]
    if any(not later > earlier for earlier, later in itertools.pairwise(positions)):
        raise ValueError(f"got a schedule at P = {positions}; expected values that rise")
    if positions[0] != 0.0 or positions[-1] != 1.0:
        raise ValueError(
            f"got a schedule from P = {positions[0]} to {positions[-1]}; expected one without a gap, from 0 to 1"
        )
    for row in rows:
        check_coefficients(row[1:], row[0])

    def feedback(mean: float) -> Coefficients:
        right = min(bisect.bisect_left(positions, mean), len(rows) - 1)
        left = max(right - 1, 0)
        width = positions[right] - positions[left]
        share = (mean - positions[left]) / width if width else 0.0
        return Coefficients(
            *((1 - share) * a + share * b for a, b in zip(rows[left][1:], rows[right][1:], strict=True))
        )

    return feedback


def check_coefficients(values: Sequence[float], mean: float) -> Coefficients:
    """Turn (on, off, sft) into coefficients.

    Raises:
        ValueError: not three finite numbers >= 0.
    """
    if len(values) != 3 or not all(math.isfinite(value) and value >= 0 for value in values):
        raise ValueError(
            f"got the coefficients {tuple(values)} at P = {mean}; expected three finite numbers >= 0 (on, off, sft)"
        )
    return Coefficients(*map(float, values))


def _of_eight(*coefficients: tuple[float, float, float]) -> list[Knot]:
    """Build a released table from its coefficients at 1 to 8 correct rollouts of 8; P = 0 takes those at 1 of 8."""
    knots = [(count / 8, *values) for count, values in enumerate(coefficients, start=1)]
    return [(0.0, *coefficients[0]), *knots]


_TYPE_0 = (
    (0, 0, 1), (0.125, 0.5, 0.5), (0.25, 1, 0.25), (0.5, 0.5, 0.125),
    (1, 0.25, 0), (1, 0.125, 0), (1, 0, 0), (1, 0, 0),
)  # fmt: skip
_TYPE_1 = (
    (0, 1, 1), (0.125, 1, 0.5), (0.25, 1, 0.25), (0.5, 1, 0.125),
    (1, 1, 0), (1, 1, 0), (1, 1, 0), (1, 1, 0),
)  # fmt: skip
# In the released trainer, for 8 rollouts; its actor never reads them.
SCHEDULES: dict[str, list[Knot]] = {
    "type_0": _of_eight(*_TYPE_0),
    "type_1": _of_eight(*_TYPE_1),
    "type_2": _of_eight(*((on, 0, sft) for on, _, sft in _TYPE_1)),
}
