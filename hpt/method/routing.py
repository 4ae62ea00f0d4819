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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from hpt.method.gate import Coefficients, Context, Feedback, Gate, gate_of, mean_score
from hpt.method.normalization import Normalization


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
        rollouts: keys of its rollouts; none where a strategy does not generate.
        scores: their verifier scores, each in [0, 1]; same order.
        demonstration: token ids of its demonstration with EOS; None if there is none.
        demonstration_score: its score in the group, in [0, 1].
        lengths: tokens of the rollouts; same order. Needed where a term divides by them.
        id: the question's id in its data set, for the gate and the question log.
        number: its row of the data set.
    """

    uid: str
    rollouts: Sequence[str]
    scores: Sequence[float]
    demonstration: Sequence[int] | None = None
    lengths: Sequence[int] = ()
    id: str = ""
    demonstration_score: float = 1.0
    number: int = -1

    def __post_init__(self):
        if len(self.rollouts) != len(self.scores):
            raise ValueError(
                f"got {len(self.rollouts)} rollouts and {len(self.scores)} scores; expected one score each"
            )

    @property
    def demonstration_length(self) -> int:
        """Tokens of the demonstration; 0 without one."""
        return len(self.demonstration or ())


@dataclass(frozen=True)
class Term:
    """How rows of one kind are reinforced.

    Attributes:
        credit: a group's scores -> its advantages.
        length: what sums over tokens are divided by, one of :class:`hpt.method.estimator.credit.Length`.
    """

    credit: Callable[[list[float]], list[float]]
    length: str = "constant"


@dataclass(frozen=True)
class Row:
    """One training row.

    Attributes:
        kind: rollout or demonstration.
        uid: the question it belongs to.
        key: the rollout's key; None for a demonstration, which has none yet.
        step: index of the optimizer step (mini-batch) it is part of.
        advantage: of all its response tokens.
        rl_weight: multiplies the RL surrogate of each of its response tokens.
        sft_weight: multiplies the SFT term's surrogate of each of them.
        mean_score: P of its question, for entries that read it.
    """

    kind: RowKind
    uid: str
    key: str | None
    step: int
    advantage: float
    rl_weight: float
    sft_weight: float = 0.0
    mean_score: float = field(default=0.0, compare=False)


@dataclass
class Plan:
    """What routing decided for one batch of questions.

    Attributes:
        rows: rows to train on.
        dropped: keys of rollouts that are not trained on.
        means: P per question that was sampled from, in the order of the questions.
        coefficients: of each question, in their order.
        demonstrated: uids of the questions that train on their demonstration, by SFT or off-policy RL (also
            those whose demonstration has no advantage).
        sft: uids of those among them with an SFT term.
        rl: uids of the questions whose rollouts the gate sent to RL (also unanimous ones).
        skipped: uids the gate sent to their demonstration that have none.
        deferred: uids of the questions in ``sft`` whose demonstration is not trained on now; the caller queues it.
    """

    rows: list[Row] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    means: list[float] = field(default_factory=list)
    coefficients: list[Coefficients] = field(default_factory=list)
    demonstrated: list[str] = field(default_factory=list)
    sft: list[str] = field(default_factory=list)
    rl: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    deferred: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Imitation:
    """What the SFT term acts on.

    Attributes:
        of_rollouts: the rollouts themselves, scored by a teacher, in place of the demonstration.
        deferred: demonstrations wait for an optimizer step of their own.
    """

    of_rollouts: bool = False
    deferred: bool = False


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
    imitation: Imitation = Imitation(),
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
    if (off or sft) and question.demonstration is None:
        plan.skipped.append(question.uid)
        return Coefficients(on, 0.0, 0.0)
    if sft:
        plan.sft.append(question.uid)
    if sft and imitation.deferred:
        plan.deferred.append(question.uid)
        sft = 0.0
    if off or (sft and not imitation.of_rollouts):
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
        return bool(self.coefficients.off or (self.coefficients.sft and not self.imitation.of_rollouts))

    @property
    def imitated_tokens(self) -> float:
        """Tokens under the SFT term; of rollouts their mean number."""
        if not self.coefficients.sft:
            return 0
        if self.imitation.of_rollouts:
            return sum(self.question.lengths) / len(self.question.lengths)
        return self.question.demonstration_length

    def rollout_rows(self, step: int, step_tokens: int, sft_tokens: float) -> list[Row]:
        on, question = self.coefficients.on, self.question
        sft = self.coefficients.sft / len(question.rollouts) if self.imitation.of_rollouts else 0.0
        if not (on or sft):
            return []
        advantages = self.rollouts.credit(self.scores)[: len(question.rollouts)] if on else [0.0] * len(question.scores)
        lengths = question.lengths or [0] * len(question.rollouts)
        return [
            Row(
                RowKind.ROLLOUT,
                question.uid,
                key,
                step,
                advantage,
                on / self._of_rl(self.rollouts, length, step_tokens) if on else 0.0,
                sft / self.normalization.sft(length, sft_tokens) if sft else 0.0,
                self.mean,
            )
            for key, advantage, length in zip(question.rollouts, advantages, lengths, strict=True)
        ]

    def demonstration_row(self, step: int, step_tokens: int, sft_tokens: float) -> Row:
        off, sft = self.coefficients.off, 0.0 if self.imitation.of_rollouts else self.coefficients.sft
        length = self.question.demonstration_length
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
