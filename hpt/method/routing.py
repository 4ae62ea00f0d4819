# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Routing turns gated questions into training rows with weights, and cuts them into optimizer steps.

Pure functions; no Ray, no TransferQueue, no torch. Everything an algorithm decides about a row is
decided here, once, as one advantage and two weights per row: the actor only sums
``rl_weight * RL surrogate + sft_weight * SFT surrogate`` over tokens.

An optimizer step is made of N questions (``ppo_mini_batch_size``), not of rows. With lambda the
SFT coefficient, n the rows in the question's group and L_max the maximal response length, under
``normalization: prompt``:

    rollout token, RL          on / (N * n * L_max)      (Dr. GRPO's constant denominators)
    demonstration token, RL    off / (N * n * L_max)
    demonstration token, SFT   lambda * sft / (N * |tau*|) (a mean over the solution's tokens)

A group is what is reinforced of a question: its rollouts where ``on`` is not 0, its demonstration,
with its own score, where ``off`` is not 0.

The released code cuts optimizer steps by rows instead; :func:`hpt.verl_ext.layout.lay_out_by_rows` does so.
"""

import math
from collections.abc import Mapping, Sequence

from hpt.method.gate import Coefficients, Context, Feedback, Gate, gate_of, mean_score
from hpt.method.normalization import Normalization
from hpt.method.plan import OF_DEMONSTRATIONS, Imitated, Imitation, Plan, Question, Row, RowKind, Term


def route(
    questions: Sequence[Question],
    feedback: Feedback | Gate,
    *,
    rollouts: Term,
    demonstrations: Term,
    normalization: Normalization,
    sft_coef: float = 1.0,
    off_coef: float = 1.0,
    keep_idle: bool,
    imitation: Imitation = OF_DEMONSTRATIONS,
    step: int = 1,
    total_steps: int = 1,
) -> Plan:
    """Turn gated questions into weighted training rows.

    Args:
        questions: the batch, in the order in which it is cut into optimizer steps.
        feedback: P -> coefficients, or a gate, see :mod:`hpt.method.gate`; P is 0 for a question that was not
            sampled from.
        rollouts: how rollouts are reinforced.
        demonstrations: how demonstrations are reinforced.
        normalization: what the terms are means over.
        sft_coef: lambda, weight of the SFT term, >= 0.
        off_coef: weight of RL on demonstrations, >= 0.
        keep_idle: keep rows whose advantages are all zero. Their gradient is zero, so they are dropped unless an
            entropy or KL term acts on them. On a demonstration only an averaged entropy acts.
        imitation: what the SFT term acts on.
        step, total_steps: the training step, from 1, and their number, for the gate.

    Raises:
        ValueError: scores outside [0, 1].
    """
    plan, gate = Plan(), gate_of(feedback)
    means = [mean_score(question.scores) if question.rollouts else 0.0 for question in questions]
    plan.means = [mean for mean, question in zip(means, questions, strict=True) if question.rollouts]
    size = normalization.questions_per_step
    for start in range(0, len(questions), size):
        groups = []
        for question, mean in zip(questions[start : start + size], means[start : start + size], strict=True):
            context = Context(mean, question.scores, question.id, step, total_steps, means)
            plan.coefficients.append(gate(context))
            coefficients = _effective(plan, question, sft_coef, off_coef, imitation)
            groups.append(_Group(question, mean, coefficients, rollouts, demonstrations, normalization, imitation))
        sft_tokens = sum(group.imitated_tokens for group in groups)
        rl_tokens = sum(group.tokens for group in groups)
        for group in groups:
            number = start // size
            kept = group.rollout_rows(number, rl_tokens, sft_tokens)
            if kept and (keep_idle or any(row.advantage or row.sft_weight for row in kept)):
                plan.rows += kept
            else:
                plan.dropped += group.question.rollouts
            demonstration = group.demonstration_row(number, rl_tokens, sft_tokens)
            acted_on = keep_idle and normalization.averages_entropy and group.trains_on_demonstration
            if demonstration.rl_weight or demonstration.sft_weight or acted_on:
                plan.rows.append(demonstration)
    return plan


def step_of_demonstrations(
    lengths: Mapping[str, int], normalization: Normalization, sft_coef: float, step: int
) -> list[Row]:
    """The rows of an optimizer step of demonstrations alone.

    Args:
        lengths: tokens of each demonstration, by uid.
        normalization: what the SFT term is a mean over.
        sft_coef: lambda.
        step: the optimizer step's index in the batch.
    """
    tokens = sum(lengths.values())
    return [
        Row(RowKind.DEMONSTRATION, uid, None, step, 1.0, 0.0, sft_coef / normalization.sft(length, tokens))
        for uid, length in lengths.items()
    ]


def _effective(plan: Plan, question: Question, sft_coef: float, off_coef: float, imitation: Imitation) -> Coefficients:
    """Multiply the question's coefficients by the settings'; without a demonstration, its terms are off."""
    on, off, sft = plan.coefficients[-1]
    off, sft = off * off_coef, sft * sft_coef
    if on > 0.0:
        plan.rl.append(question.uid)
    if question.shown:
        plan.shown.append(question.uid)
    if (off or sft) and question.demonstration is None:
        plan.skipped.append(question.uid)
        return Coefficients(on, 0.0, 0.0)
    if imitation.acts_on == Imitated.PREFIXES and not any(question.imitated):
        sft = 0.0
    if sft:
        plan.sft.append(question.uid)
        if imitation.acts_on == Imitated.ROLLOUTS and not question.shown:
            plan.shown.append(question.uid)
    if sft and imitation.deferred:
        plan.deferred.append(question.uid)
        sft = 0.0
    if off or (sft and imitation.acts_on == Imitated.DEMONSTRATION):
        plan.demonstrated.append(question.uid)
    return Coefficients(on, off, sft)


class _Group:
    """The rows of one question, with advantages relative to those that are reinforced."""

    def __init__(
        self,
        question: Question,
        mean: float,
        coefficients: Coefficients,
        rollouts: Term,
        demonstrations: Term,
        normalization: Normalization,
        imitation: Imitation,
    ):
        self.question, self.mean, self.normalization = question, mean, normalization
        self.coefficients, self.imitation = coefficients, imitation
        self.rollouts, self.demonstrations = rollouts, demonstrations
        scores, lengths = [], []
        if coefficients.on:
            scores, lengths = list(question.scores), list(question.lengths)
        if coefficients.off:
            scores, lengths = [*scores, question.demonstration_score], [*lengths, question.demonstration_length]
        self.scores, self.tokens = scores, sum(lengths)

    @property
    def trains_on_demonstration(self) -> bool:
        sft = self.imitation.acts_on == Imitated.DEMONSTRATION and self.coefficients.sft
        return bool(self.coefficients.off or sft)

    @property
    def imitated_tokens(self) -> float:
        """Tokens under the SFT term; of rollouts that a teacher scores their mean number."""
        if not self.coefficients.sft:
            return 0
        if self.imitation.acts_on == Imitated.ROLLOUTS:
            return sum(self.question.lengths) / len(self.question.lengths)
        if self.imitation.acts_on == Imitated.PREFIXES:
            return sum(self.question.imitated)
        return self.question.demonstration_length

    def rollout_rows(self, step: int, step_tokens: int, sft_tokens: float) -> list[Row]:
        on, question = self.coefficients.on, self.question
        sft = self.coefficients.sft if self.imitation.acts_on != Imitated.DEMONSTRATION else 0.0
        if not (on or sft):
            return []
        count = len(question.rollouts)
        advantages = self.rollouts.credit(self.scores)[:count] if on else [0.0] * count
        lengths, imitated = question.lengths or [0] * count, question.imitated or [0] * count
        return [
            Row(
                RowKind.ROLLOUT,
                question.uid,
                key,
                step,
                advantage,
                on / self._of_rl(self.rollouts, length, step_tokens) if on else 0.0,
                sft / self._of_sft(length, prefix, sft_tokens) if sft else 0.0,
                self.mean,
            )
            for key, advantage, length, prefix in zip(question.rollouts, advantages, lengths, imitated, strict=True)
        ]

    def _of_sft(self, length: int, prefix: int, sft_tokens: float) -> float:
        """Denominator of a rollout's SFT term; infinite where none of its tokens is imitated."""
        count = len(self.question.rollouts)
        if self.imitation.acts_on == Imitated.ROLLOUTS:
            return count * self.normalization.sft(length, sft_tokens)
        if not prefix:
            return math.inf
        if self.imitation.pooled:
            return self.normalization.sft(prefix, sft_tokens)
        return self.normalization.rl("constant", prefix, count, 0, 0)

    def demonstration_row(self, step: int, step_tokens: int, sft_tokens: float) -> Row:
        off, length = self.coefficients.off, self.question.demonstration_length
        sft = self.coefficients.sft if self.imitation.acts_on == Imitated.DEMONSTRATION else 0.0
        # Alone in its group it keeps its score as its advantage.
        advantage = self.demonstrations.credit(self.scores)[-1] if off else 1.0
        rl = off / self._of_rl(self.demonstrations, length, step_tokens) if off and advantage else 0.0
        weight = sft / self.normalization.sft(length, sft_tokens) if sft else 0.0
        return Row(RowKind.DEMONSTRATION, self.question.uid, None, step, advantage, rl, weight, self.mean)

    def _of_rl(self, term: Term, row_tokens: int, step_tokens: int) -> float:
        return self.normalization.rl(term.length, row_tokens, len(self.scores), self.tokens, step_tokens)


def rows_per_rank(num_rows: int, ranks: int, micro_batch_size: int | None = None) -> int:
    """Count the rows that each rank holds of one optimizer step, padding included.

    Every rank holds the same number, because verl deals a batch out in equal parts and FSDP's
    collectives need the same number of micro-batches on every rank.

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
    """Cut at least ``rows`` rows into equal micro-batches; return (rows with padding, rows per micro-batch).

    There are as few micro-batches as the size allows, and as little padding as their number allows: 13 rows
    in micro-batches of at most 8 become 2 of 7 (one row of padding), not 2 of 8.
    """
    count = -(-rows // micro_batch_size)
    size = -(-rows // count)
    return count * size, size
