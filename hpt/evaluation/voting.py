# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""maj@k: the score of the answer that most of k samples give. Pure functions.

:func:`answer_key` groups answers by value, as far as their text shows it. The grouping uses neither the gold answer nor
the verifier, because these would group right answers better than wrong ones. A group's score is the mean of its
samples' scores, which are equal unless a check timed out. Samples without an answer do not vote. If several groups have
the most votes, the score is the mean over them. Without any vote it is 0.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean

import numpy as np

# Random subsets of k samples over which maj@k is averaged for 1 < k < n.
DRAWS = 256
# Longer numbers are compared as text: Python refuses to convert numbers of more than 4300 digits.
MAX_DIGITS = 1000
_SPACING = re.compile(r"\\[,;:! ]|\\q?quad(?![a-zA-Z])|\\(?:left|right)(?![a-zA-Z])|[\s~$]")
_FRACTION_COMMAND = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_RATIO = re.compile(r"([+-]?[0-9]+)/([0-9]+)")
_LATEX_RATIO = re.compile(r"([+-]?)\\frac\{([+-]?[0-9]+)\}\{([0-9]+)\}")


def answer_key(answer: str) -> str:
    r"""The key of an answer's group: ``0.50``, ``1/2`` and ``\dfrac{1}{2}`` share one, ``x + 1`` and ``1+x`` do not.

    The key of a number (whole, decimal, with thousands separators, or a fraction of whole numbers) is its value. The
    key of any other answer is its text without spacing, dollar signs, ``\left``, ``\right`` and a full stop at the end.
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
        keys: the groups' keys, by falling number of votes, then by key.
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
        """Number of samples."""
        return sum(self.counts) + self.abstained

    @property
    def winner(self) -> str | None:
        """The answer with the most votes; None without a vote, or if several answers tie."""
        if not self.counts or self.counts[1:2] == self.counts[:1]:
            return None
        return self.keys[0]


def tally(answers: Sequence[str | None], scores: Sequence[float]) -> Votes:
    """Group the samples of one question.

    Args:
        answers: (n,) extracted answers; None: no answer.
        scores: (n,) the verifier's scores.

    Raises:
        ValueError: no sample, or lists of different lengths.
    """
    if len(answers) != len(scores) or not answers:
        raise ValueError(f"got {len(answers)} answers and {len(scores)} scores; expected equal numbers, at least one")
    groups: dict[str, list[float]] = {}
    for answer, score in zip(answers, scores, strict=True):
        if answer is not None:
            groups.setdefault(answer_key(answer), []).append(score)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return Votes(
        keys=tuple(key for key, _ in ordered),
        counts=tuple(len(group) for _, group in ordered),
        scores=tuple(fmean(group) for _, group in ordered),
        abstained=len(answers) - sum(len(group) for _, group in ordered),
    )


def majority_score(votes: Votes) -> float:
    """maj@n: the score of the group with the most votes; the mean if several groups tie."""
    if not votes.counts:
        return 0.0
    winners = [score for count, score in zip(votes.counts, votes.scores, strict=True) if count == votes.counts[0]]
    return fmean(winners)


def majority_at_k(votes: Votes, k: int, draws: int = DRAWS, seed: int = 0) -> float:
    """maj@k: the expected score of the majority in a subset of k samples, drawn without replacement.

    It is exact for k = 1 and k = n. In between it is the mean over ``draws`` random subsets.

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
