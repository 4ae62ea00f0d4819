# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""How a sweep chooses a learning rate, and a search a weight besides. Imports no torch.

Each stage has a sweep of its own, on a task and a base model of a seed that is not reported. Otherwise the best of the
swept runs would be reported as the result, with its luck.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

SWEEP_SEED = 100
"""The seed of the task, the base model and the run of all sweeps."""
TIE = 1e-9
"""Accuracies closer than this are the same fraction of the same questions."""


Tried = tuple[float, float | None]
"""A learning rate, and a weight of the demonstrations' term; None: as it is before the search."""
T = TypeVar("T", float, Tried)


@dataclass(frozen=True)
class Choice:
    """What a sweep decided.

    Attributes:
        learning_rate: the chosen one; None while runs are missing.
        missing: what has no result yet.
        at_edge: whether it is the smallest or the largest of several, so that a better one may lie outside.
        weight: the chosen weight of the demonstrations' term; None: as it is before a search.
    """

    learning_rate: float | None
    missing: tuple[Tried, ...] = ()
    at_edge: bool = False
    weight: float | None = None


def choose(scores: Mapping[Tried, float], tried: Sequence[Tried]) -> Choice:
    """Choose what has the highest score; ties go to the smaller one.

    While a score is missing, nothing is chosen. A run that failed says nothing about its rate, and a choice that
    changes later would waste final runs.

    Args:
        scores: accuracy on the development set, mean over the training levels.
        tried: all of the sweep; a single one is taken without a sweep.
    """
    if len(tried) == 1:
        return Choice(tried[0][0])
    missing = tuple(each for each in tried if each not in scores)
    if missing:
        return Choice(None, missing)
    rate, weight = best_of({each: scores[each] for each in tried})
    rates = {rate for rate, _ in tried}
    return Choice(rate, at_edge=rate in (min(rates), max(rates)), weight=weight)


def best_of(scores: Mapping[T, float]) -> T:
    """The value with the highest score; ties go to the smaller one, and to the weight as it is before the search."""
    best = max(scores.values())
    return min((value for value, score in scores.items() if score >= best - TIE), key=_size)


def _size(value: float | Tried) -> tuple[float, float]:
    return (value[0], value[1] or 0.0) if isinstance(value, tuple) else (value, 0.0)


def extended(
    values: Sequence[float],
    scores: Mapping[float, float],
    largest: float = math.inf,
    smallest: float = 0.0,
    steps: int = 3,
) -> list[float]:
    """The values of a search: those of its start, and beyond an edge as long as the best one lies there.

    Args:
        values: those of the start, at least two, in their order; a further one keeps the ratio of the
            outermost two, and is rounded to one digit.
        scores: value -> score, of the runs that have finished. While one is missing, no value is added.
        largest, smallest: no value lies above or below.
        steps: values that may be added at each end; a search that is still at the edge then ends there.
    """
    found, added = sorted(values), {False: 0, True: 0}
    while all(value in scores for value in found):
        best = best_of({value: scores[value] for value in found})
        if best not in (found[0], found[-1]):
            break
        above = best == found[-1]
        further = _beyond(found[-1], found[-2]) if above else _beyond(found[0], found[1])
        if added[above] == steps or not smallest <= further <= largest:
            break
        added[above] += 1
        found = sorted([*found, further])
    return found


def _beyond(edge: float, before: float) -> float:
    return float(f"{edge * edge / before:.0e}")
