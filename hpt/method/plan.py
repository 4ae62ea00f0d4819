# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What routing takes and what it decides: questions, terms, rows, a plan. Imports no torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from hpt.method.gate import Coefficients


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
        imitated: first tokens of each rollout that the SFT term acts on, where it acts on prefixes; same order.
        shown: whether a rollout was given the demonstration, a part of it or a hint.
    """

    uid: str
    rollouts: Sequence[str]
    scores: Sequence[float]
    demonstration: Sequence[int] | None = None
    lengths: Sequence[int] = ()
    id: str = ""
    demonstration_score: float = 1.0
    number: int = -1
    imitated: Sequence[int] = ()
    shown: bool = False

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
        sft: uids of the questions with an SFT term.
        shown: uids of the questions whose demonstration, a part of it or a hint was given to a rollout, or to the
            teacher that scores rollouts.
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
    shown: list[str] = field(default_factory=list)
    rl: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    deferred: list[str] = field(default_factory=list)


class Imitated(StrEnum):
    """What the SFT term acts on."""

    DEMONSTRATION = "demonstration"
    ROLLOUTS = "rollouts"  # scored by a teacher
    PREFIXES = "prefixes"  # the first tokens of rollouts, which are the demonstration's


@dataclass(frozen=True)
class Imitation:
    """The SFT term.

    Attributes:
        acts_on: tokens of what.
        pooled: it is a mean over all these tokens of the optimizer step. Else it is a mean over questions of means
            over tokens, and on prefixes a sum that is divided as Dr. GRPO's.
        deferred: demonstrations wait for an optimizer step of their own.
    """

    acts_on: Imitated = Imitated.DEMONSTRATION
    pooled: bool = False
    deferred: bool = False


OF_DEMONSTRATIONS = Imitation()
