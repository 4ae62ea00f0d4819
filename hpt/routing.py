# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Routing: from gated questions to training rows, their weights and their optimizer steps.

Pure functions; no Ray, no TransferQueue, no torch. Everything an algorithm decides about a row is
decided here, once, as one weight per row: the actor only sums ``weight * surrogate`` over tokens.

An optimizer step is made of N questions (``ppo_mini_batch_size``), not of rows. With lambda the
SFT coefficient, n the question's rollouts and L_max the maximal response length:

    rollout token        alpha / (N * n * L_max)      (Dr. GRPO's constant denominators)
    demonstration token  lambda * beta / (N * |tau*|) (a mean over the solution's tokens)
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from hpt.gate import Feedback, mean_score


class RowKind(IntEnum):
    """What a training row is; travels as one integer per row."""

    ROLLOUT = 0
    DEMONSTRATION = 1
    PADDING = 2


@dataclass(frozen=True)
class Question:
    """A question with its finished rollouts.

    Attributes:
        uid: the question's id in this batch.
        rollouts: keys of its n rollouts.
        scores: their verifier scores, each in [0, 1]; same order.
        demonstration_length: tokens of the gold solution with its EOS; None if there is none.
    """

    uid: str
    rollouts: Sequence[str]
    scores: Sequence[float]
    demonstration_length: int | None = None

    def __post_init__(self):
        if len(self.rollouts) != len(self.scores):
            raise ValueError(
                f"got {len(self.rollouts)} rollouts and {len(self.scores)} scores; expected one score each"
            )

    @property
    def is_unanimous(self) -> bool:
        """All scores equal: every group-relative advantage is exactly zero."""
        return min(self.scores) == max(self.scores)


@dataclass(frozen=True)
class Row:
    """One training row.

    Attributes:
        kind: rollout or demonstration.
        uid: the question it belongs to.
        key: the rollout's key; None for a demonstration, which has none yet.
        weight: multiplies the surrogate of each of its response tokens.
        step: index of the optimizer step (mini-batch) it is part of.
    """

    kind: RowKind
    uid: str
    key: str | None
    weight: float
    step: int


@dataclass
class Plan:
    """What routing decided for one batch of questions.

    Attributes:
        rows: rows to train on.
        dropped: keys of rollouts that are not trained on.
        means: P per question, in the order of the questions.
        sft: uids of the questions trained on their demonstration.
        rl: uids of the questions whose rollouts the gate sent to RL (also unanimous ones).
        skipped: uids the gate sent to SFT that have no demonstration.
    """

    rows: list[Row] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    means: list[float] = field(default_factory=list)
    sft: list[str] = field(default_factory=list)
    rl: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def route(
    questions: Sequence[Question],
    feedback: Feedback,
    *,
    questions_per_step: int,
    max_response_length: int,
    sft_coef: float,
    keep_unanimous: bool,
) -> Plan:
    """Turn gated questions into weighted training rows.

    Args:
        questions: the batch, in the order in which it is cut into optimizer steps.
        feedback: P -> (alpha, beta), see :mod:`hpt.gate`.
        questions_per_step: N, questions in an optimizer step.
        max_response_length: L_max in tokens.
        sft_coef: lambda.
        keep_unanimous: keep rollouts whose advantages are all zero. They cannot move the policy,
            so they are dropped unless an entropy or KL term acts on them.

    Raises:
        ValueError: scores outside [0, 1], a question without rollouts, or N < 1.
    """
    if questions_per_step < 1:
        raise ValueError(f"got questions_per_step={questions_per_step}; expected at least 1")
    plan = Plan()
    for position, question in enumerate(questions):
        step = position // questions_per_step
        mean = mean_score(question.scores)
        alpha, beta = feedback(mean)
        plan.means.append(mean)
        if alpha > 0.0:
            plan.rl.append(question.uid)
        if alpha > 0.0 and (keep_unanimous or not question.is_unanimous):
            weight = alpha / (questions_per_step * len(question.rollouts) * max_response_length)
            plan.rows += [
                Row(RowKind.ROLLOUT, question.uid, key, weight, step) for key in question.rollouts
            ]
        else:
            plan.dropped += question.rollouts
        if sft_coef * beta == 0.0:
            continue
        if question.demonstration_length is None:
            plan.skipped.append(question.uid)
        else:
            plan.sft.append(question.uid)
            weight = sft_coef * beta / (questions_per_step * question.demonstration_length)
            plan.rows.append(Row(RowKind.DEMONSTRATION, question.uid, None, weight, step))
    return plan


def rows_per_rank(num_rows: int, ranks: int, micro_batch_size: int | None = None) -> int:
    """Rows that each rank holds of one optimizer step, padding included.

    Every rank holds the same number, because verl deals a batch out in equal parts and FSDP's
    collectives want the same number of micro-batches everywhere.

    Args:
        num_rows: rows of the step over all ranks; 0 gives 0.
        ranks: data-parallel size.
        micro_batch_size: rows of a micro-batch, or None with dynamic batch size. With it the result
            splits into equal micro-batches of at most that many rows.
    """
    rows = -(-num_rows // ranks)
    if micro_batch_size is None or rows == 0:
        return rows
    return rows if rows <= micro_batch_size else micro_batches(rows, micro_batch_size)[0]


def micro_batches(rows: int, micro_batch_size: int) -> tuple[int, int]:
    """Equal micro-batches for at least ``rows`` rows: (rows with padding, rows per micro-batch).

    As few micro-batches as the size allows, then as little padding as their number allows: 13 rows
    in micro-batches of at most 8 are 2 of 7 (one row of padding), not 2 of 8.
    """
    count = -(-rows // micro_batch_size)
    size = -(-rows // count)
    return count * size, size
