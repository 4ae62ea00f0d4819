# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""maj@k: the answer that most of k samples give. Pure.

Answers are grouped by value as far as their text shows it (:func:`answer_key`); neither the gold answer nor the verifier
has a say in the grouping, or the right answers would be gathered more diligently than the wrong ones. A group's score is
the mean of its samples' scores, which are all alike unless a check timed out. Samples without an answer do not vote. The
groups that share the largest number of votes win with equal probability: the score is the mean over them. Where nobody
votes it is 0.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

DRAWS = 256
"""Random subsets of k samples over which maj@k is averaged, where 1 < k < n."""

MAX_DIGITS = 1000
"""Longer numbers are compared as text: Python refuses to convert those of more than 4300 digits."""
_SPACING = re.compile(r"\\[,;:! ]|\\q?quad(?![a-zA-Z])|\\(?:left|right)(?![a-zA-Z])|[\s~$]")
_FRACTION_COMMAND = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_RATIO = re.compile(r"([+-]?[0-9]+)/([0-9]+)")
_LATEX_RATIO = re.compile(r"([+-]?)\\frac\{([+-]?[0-9]+)\}\{([0-9]+)\}")


def answer_key(answer: str) -> str:
    r"""What an answer is grouped by: ``0.50``, ``1/2`` and ``\dfrac{1}{2}`` have one key, ``x + 1`` and ``1+x`` two.

    Numbers (whole, with thousands separators, decimal, fractions of whole ones) go by their value, everything else by
    its text without spacing, dollar signs, ``\left``, ``\right`` and a full stop at the end.
    """
    text = _FRACTION_COMMAND.sub(r"\\frac", _SPACING.sub("", answer)).removesuffix(".")
    value = _value(text) if len(text) <= MAX_DIGITS else None
    return text if value is None else str(value)


def _value(text: str) -> Fraction | None:
    if _THOUSANDS.fullmatch(text):
        return Fraction(text.replace(",", ""))
    if _DECIMAL.fullmatch(text):
        return Fraction(text)
    sign, ratio = "", _RATIO.fullmatch(text)
    if ratio is None and (found := _LATEX_RATIO.fullmatch(text)):
        sign, ratio = found[1], _RATIO.fullmatch(f"{found[2]}/{found[3]}")
    if ratio is None or int(ratio[2]) == 0:
        return None
    value = Fraction(int(ratio[1]), int(ratio[2]))
    return -value if sign == "-" else value


@dataclass(frozen=True)
class Votes:
    """The votes of a question's samples.

    Attributes:
        keys: of the groups, those with most votes first, then by key.
        counts: (groups,) votes.
        scores: (groups,) in [0, 1].
        abstained: samples without an answer.
    """

    keys: tuple[str, ...]
    counts: tuple[int, ...]
    scores: tuple[float, ...]
    abstained: int

    @property
    def n(self) -> int:
        """Samples."""
        return sum(self.counts) + self.abstained

    @property
    def winner(self) -> str | None:
        """The answer with most votes; None where nobody votes or several share the first place."""
        if not self.counts or self.counts[1:2] == self.counts[:1]:
            return None
        return self.keys[0]


def tally(answers: Sequence[str | None], scores: Sequence[float]) -> Votes:
    """Group the samples of one question.

    Args:
        answers: (n,) what was extracted; None: no answer.
        scores: (n,) of the verifier.

    Raises:
        ValueError: no sample, or lists of different lengths.
    """
    if len(answers) != len(scores) or not answers:
        raise ValueError(f"got {len(answers)} answers and {len(scores)} scores; expected as many, at least one")
    groups: dict[str, list[float]] = {}
    for answer, score in zip(answers, scores, strict=True):
        if answer is not None:
            groups.setdefault(answer_key(answer), []).append(score)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return Votes(
        keys=tuple(key for key, _ in ordered),
        counts=tuple(len(group) for _, group in ordered),
        scores=tuple(math.fsum(group) / len(group) for _, group in ordered),
        abstained=len(answers) - sum(len(group) for _, group in ordered),
    )


def majority_score(votes: Votes) -> float:
    """maj@n: the score of the group with most votes, the mean over those that share the first place."""
    if not votes.counts:
        return 0.0
    winners = [score for count, score in zip(votes.counts, votes.scores, strict=True) if count == votes.counts[0]]
    return math.fsum(winners) / len(winners)


def majority_at_k(votes: Votes, k: int, draws: int = DRAWS, seed: int = 0) -> float:
    """maj@k: the expectation of the majority's score over subsets of k samples, without replacement.

    Exact for k = 1 and k = n; in between the mean over ``draws`` random subsets.

    Raises:
        ValueError: k outside 1 to n.
    """
    if not 1 <= k <= votes.n:
        raise ValueError(f"got k={k}; expected 1 to n={votes.n} samples")
    if not votes.counts:
        return 0.0
    counts, scores = np.array(votes.counts), np.array(votes.scores)
    if k == votes.n:
        return majority_score(votes)
    if k == 1:
        return float(counts @ scores / votes.n)
    rng = np.random.default_rng([seed, k])
    drawn = rng.multivariate_hypergeometric([*votes.counts, votes.abstained], k, size=draws)
    voted = drawn[:, :-1]  # (draws, groups)
    most = voted.max(axis=1, keepdims=True)
    wins = (voted == most) & (most > 0)
    shared = wins @ scores / np.maximum(wins.sum(axis=1), 1)
    return float(shared.mean())
