# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Compare two finished results folders on the same questions: difference and exclusive solves (the paper's Table 4)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from hpt.common.errors import ConfigError
from hpt.evaluation import metrics
from hpt.evaluation.manifest import FolderError
from hpt.evaluation.results import BOOTSTRAP_SEED, Measured, metric_name, read_folder
from hpt.evaluation.tables import NONE, percent, table_of

SOLVED_AT = 0.5
ALL, NO_LEVEL = "all", "-"


@dataclass(frozen=True)
class Comparison:
    """One benchmark in two folders.

    Attributes:
        metric_a, metric_b: names of the two values, which may be over different numbers of samples.
        value_a, value_b: mean share of correct samples.
        low, high: interval of value_a - value_b. Each resample draws questions with replacement, with both their
        shares.
        levels: level -> exclusive solves; "all" comes last.
    """

    name: str
    metric_a: str
    metric_b: str
    value_a: float
    value_b: float
    low: float
    high: float
    levels: dict[str, metrics.Exclusive]


def compare(
    a: Path, b: Path, solved_at: float = SOLVED_AT, resamples: int = metrics.RESAMPLES
) -> tuple[list[Comparison], list[str]]:
    """Compare every benchmark that both folders have finished.

    Args:
        solved_at: a question counts as solved if the share of its correct samples is at least this.

    Returns:
        The comparisons, and notes on what was left out.

    Raises:
        FolderError: the folders share no benchmark, or its questions differ.
        ConfigError: solved_at outside (0, 1].
    """
    if not 0 < solved_at <= 1:
        raise ConfigError(f"got --solved-at {solved_at}; expected a share in (0, 1]")
    (_, in_a), (_, in_b) = read_folder(a), read_folder(b)
    found, notes = [], []
    for name in {**in_a, **in_b}:
        finished = [each[name] for each in (in_a, in_b) if name in each and each[name].samples is not None]
        if len(finished) < 2:
            lacking = [
                str(folder) for folder, each in ((a, in_a), (b, in_b)) if name not in each or each[name].samples is None
            ]
            notes.append(f"{name} is left out: it is missing, or not finished, in {' and '.join(lacking)}.")
            continue
        if finished[0].benchmark.digest() != finished[1].benchmark.digest():
            raise FolderError(
                f"got {name} with other questions in {a} than in {b}; expected the same benchmark in both"
            )
        found.append(_compared(finished[0], finished[1], solved_at, resamples))
    if not found:
        raise FolderError(f"got {a} and {b}, which have no finished benchmark in common. {' '.join(notes)}".strip())
    return found, notes


def _compared(a: Measured, b: Measured, solved_at: float, resamples: int) -> Comparison:
    differences = np.array([[a.shares[id] - b.shares[id]] for id in a.shares])
    low, high = metrics.bootstrap_interval(differences, resamples, BOOTSTRAP_SEED)
    solved_a, solved_b = ({id: share >= solved_at for id, share in each.shares.items()} for each in (a, b))
    levels = {question.id: question.level or NO_LEVEL for question in a.benchmark.questions}
    per_level = metrics.exclusive_solves(solved_a, solved_b, levels)
    exclusive = {str(level): per_level[level] for level in sorted(per_level, key=str)} if len(per_level) > 1 else {}
    total = metrics.exclusive_solves(solved_a, solved_b, dict.fromkeys(levels, ALL))
    value_a, value_b = (metrics.mean_over_questions(list(each.shares.values())).value for each in (a, b))
    return Comparison(
        a.benchmark.name, metric_name(a.n), metric_name(b.n), value_a, value_b, float(low[0]), float(high[0]),
        {**exclusive, ALL: total[ALL]},
    )  # fmt: skip


def difference_table(found: Sequence[Comparison]) -> Table:
    """A row per benchmark, in percent."""
    rows = [
        (
            each.name,
            f"{percent(each.value_a)} ({each.metric_a})",
            f"{percent(each.value_b)} ({each.metric_b})",
            f"{100 * (each.value_a - each.value_b):+.1f}",
            NONE if math.isnan(each.low) else f"[{100 * each.low:+.1f}, {100 * each.high:+.1f}]",
        )
        for each in found
    ]
    return table_of(("benchmark", "A %", "B %", "A - B", "95 % interval"), rows)


def exclusive_table(found: Sequence[Comparison]) -> Table:
    """A row per benchmark and level: the questions that only A or only B solves."""
    rows = [
        (
            *(each.name, level, str(sum(counts))),
            *(f"+{counts.only_a}", f"-{counts.only_b}", str(counts.both), str(counts.neither)),
        )
        for each in found
        for level, counts in each.levels.items()
    ]
    return table_of(("benchmark", "level", "questions", "only A", "only B", "both", "neither"), rows)
