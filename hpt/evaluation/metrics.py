# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics over samples: pass@k, avg@k, exclusive solves, lengths. Pure functions in float64.

The samples of a question share its difficulty, so they are not independent of one another. Every standard error and
interval here is therefore over questions, from one number per question.

Shapes: (q,) one entry per question, (q, m) questions by values of k.
"""

import math
import operator
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

MAX_K = 1024
"""Largest k of a curve, as in the paper (which draws up to 2048 samples)."""
RESAMPLES = 10_000
CONFIDENCE = 0.95

# e^-38 is below 2^-54, half the spacing of float64 just below 1, so that 1 - e^-38 rounds to 1.
_NEGLIGIBLE = 38.0


def pass_at_k(n: int, c: int, k: int) -> float:
    """Probability that k of n samples, drawn without replacement, include at least one of the c correct ones.

    This is the unbiased estimator 1 - C(n - c, k) / C(n, k) of arXiv 2107.03374, section 2.1: the exact value, rounded
    once.

    Raises:
        ValueError: a negative number, k > n, c > n, or a number that is not whole.
    """
    n, c, k = _whole("n", n), _whole("c", c), _whole("k", k)
    if k > n or c > n:
        name, value = ("k", k) if k > n else ("c", c)
        raise ValueError(f"got {name}={value} of n={n} samples; expected at most n")
    if c * k > _NEGLIGIBLE * n:  # at most e^(-c k / n) is left
        return 1.0
    few, many = min(c, k), max(c, k)  # the quotient is symmetric in c and k, and cheap for few
    whole = math.comb(n, few)
    # Python rounds the quotient of two integers once, however long they are.
    return (whole - math.comb(n - many, few)) / whole


def _whole(name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if isinstance(value, bool | np.bool_) or number < 0:
        raise ValueError(f"got {name}={value!r}; expected a whole number >= 0")
    return number


def pass_at_k_table(n: Sequence[int], c: Sequence[int], ks: Sequence[int]) -> np.ndarray:
    """:func:`pass_at_k` of every question and k.

    Args:
        n, c: (q,) samples and correct samples.
        ks: (m,).

    Returns:
        (q, m) float64.

    Raises:
        ValueError: as :func:`pass_at_k`, or n and c of different lengths, or no question.
    """
    _same_questions(n, c)
    known: dict[tuple[int, int], list[float]] = {}
    for pair in zip(n, c, strict=True):
        if pair not in known:
            known[pair] = [pass_at_k(*pair, k) for k in ks]
    return np.array([known[pair] for pair in zip(n, c, strict=True)], dtype=np.float64)


def _same_questions(*columns: Sequence[Any]) -> None:
    lengths = sorted({len(column) for column in columns})
    if lengths[0] == 0:
        raise ValueError("got no questions; expected at least one")
    if len(lengths) > 1:
        raise ValueError(f"got columns of {lengths} questions; expected equal numbers")


def powers_of_two(n: int) -> list[int]:
    """The powers 1, 2, 4, ... up to the smaller of n and MAX_K."""
    return [1 << i for i in range(min(n, MAX_K).bit_length())]


class Mean(NamedTuple):
    """A mean over questions and its standard error (q - 1 degrees of freedom); None for a single question."""

    value: float
    error: float | None
    questions: int


def mean_over_questions(values: Sequence[float]) -> Mean:
    """Mean and standard error of one value per question, (q,): avg@k of shares of correct samples, or pass@1.

    Raises:
        ValueError: no question.
    """
    _same_questions(values)
    q = len(values)
    mean = fmean(values)
    if q == 1:
        return Mean(mean, None, q)
    variance = math.fsum((value - mean) ** 2 for value in values) / (q - 1)
    return Mean(mean, math.sqrt(variance / q), q)


# Methods are compared on the same questions, one benchmark after another, and the draws of 1000 questions take 80 MB.
# So one entry is kept.
@lru_cache(maxsize=1)
def _times_drawn(q: int, resamples: int, seed: int) -> np.ndarray:
    """How often each resample holds each question, (resamples, q)."""
    drawn = np.random.default_rng(seed).multinomial(q, np.full(q, 1.0 / q), size=resamples)
    drawn.flags.writeable = False
    return drawn


def bootstrap_interval(
    values: np.ndarray, resamples: int = RESAMPLES, seed: int = 0, confidence: float = CONFIDENCE
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile bootstrap interval of the means over questions.

    Each resample draws questions with replacement. It does not draw a question's samples again: the question's value
    already contains their noise, so the interval covers it.

    Args:
        values: (q, m), one column per quantity; all columns share the draws.
        resamples: number of draws.

    Returns:
        low and high, both (m,); NaN for a single question, which has no interval.

    Raises:
        ValueError: no question, or settings out of range.
    """
    if values.ndim != 2:
        raise ValueError(f"got values of shape {values.shape}; expected (questions, quantities)")
    _same_questions(values)  # type: ignore[arg-type]
    if resamples < 1 or not 0.0 < confidence < 1.0:
        raise ValueError(
            f"got resamples={resamples}, confidence={confidence}; expected at least 1, and a number in (0, 1)"
        )
    q, m = values.shape
    if q == 1:
        return np.full(m, np.nan), np.full(m, np.nan)
    means = _times_drawn(q, resamples, seed) @ values.astype(np.float64) / q
    tail = (1.0 - confidence) / 2
    low, high = np.quantile(means, [tail, 1.0 - tail], axis=0)
    return low, high


class Point(NamedTuple):
    """A mean over questions and its interval; None for a single question, which has none."""

    value: float
    low: float | None
    high: float | None


def pass_at_k_curve(n: Sequence[int], c: Sequence[int], resamples: int = RESAMPLES, seed: int = 0) -> dict[int, Point]:
    """pass@k for k = 1, 2, 4, ... up to MAX_K and the smallest number of samples of any question.

    Args:
        n, c: (q,) samples and correct samples.

    Raises:
        ValueError: see :func:`pass_at_k_table`.
    """
    _same_questions(n, c)
    ks = powers_of_two(min(n))
    table = pass_at_k_table(n, c, ks)
    means = [fmean(column) for column in table.T]
    if len(n) == 1:
        return {k: Point(mean, None, None) for k, mean in zip(ks, means, strict=True)}
    bounds = (bound.tolist() for bound in bootstrap_interval(table, resamples, seed))
    return {k: Point(*values) for k, *values in zip(ks, means, *bounds, strict=True)}


class Exclusive(NamedTuple):
    """Questions that only one of two models solves, that both do, and that neither does."""

    only_a: int
    only_b: int
    both: int
    neither: int


def exclusive_solves(
    a: Mapping[str, bool], b: Mapping[str, bool], levels: Mapping[str, Hashable]
) -> dict[Hashable, Exclusive]:
    """Count, per level, the questions that A solves and B does not, and the reverse (Table 4 of the paper).

    Args:
        a, b: question id -> solved.
        levels: question id -> level.

    Returns:
        Level -> counts, in the order of ``levels``.

    Raises:
        ValueError: no question, or different questions in the three mappings.
    """
    if not a:
        raise ValueError("got no questions; expected at least one")
    if not a.keys() == b.keys() == levels.keys():
        odd = sorted((a.keys() ^ b.keys()) | (a.keys() ^ levels.keys()))
        raise ValueError(
            f"got {len(odd)} questions that are not in both runs, such as {odd[0]!r}; expected the same in both"
        )
    counts: dict[Hashable, Counter[tuple[bool, bool]]] = {}
    for question, level in levels.items():
        counts.setdefault(level, Counter())[bool(a[question]), bool(b[question])] += 1
    outcomes = ((True, False), (False, True), (True, True), (False, False))
    return {level: Exclusive(*(count[outcome] for outcome in outcomes)) for level, count in counts.items()}


class Lengths(NamedTuple):
    """Mean length of responses in tokens, and the share that was cut off at the limit."""

    mean_tokens: float
    truncated: float


def lengths(tokens: Sequence[int], finish_reasons: Sequence[str]) -> Lengths:
    """Summarise the lengths of all samples.

    Args:
        tokens: generated tokens of each sample.
        finish_reasons: vLLM's reason for each sample; "length" marks a response that was cut off.

    Raises:
        ValueError: no sample, or lists of different lengths.
    """
    if len(tokens) != len(finish_reasons) or not tokens:
        raise ValueError(
            f"got {len(tokens)} lengths and {len(finish_reasons)} finish reasons; expected equal numbers, at least one"
        )
    cut = sum(reason == "length" for reason in finish_reasons)
    return Lengths(fmean(tokens), cut / len(tokens))
