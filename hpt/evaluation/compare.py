# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Two finished results folders on the same questions: difference and exclusive solves (Table 4 of the paper)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from hpt.evaluation import metrics
from hpt.evaluation.manifest import FolderError
from hpt.evaluation.results import BOOTSTRAP_SEED, Measured, metric_name, read_folder
from hpt.evaluation.tables import NONE, percent

SOLVED_AT = 0.5
ALL, NO_LEVEL = "all", "-"


@dataclass(frozen=True)
class Comparison:
    """One benchmark in two folders.

    Attributes:
        metric_a, metric_b: names of the two values, which may be over different numbers of samples.
        value_a, value_b: mean share of correct samples.
        low, high: interval of value_a - value_b: questions are drawn with replacement, each with both its shares.
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
        solved_at: a question is solved where the share of its correct samples is at least this; with one sample, where it
            is correct.

    Returns:
        The comparisons, and notes on what was left out.

    Raises:
        FolderError: no common benchmark, or one with other questions in A than in B.
        ValueError: solved_at outside (0, 1].
    """
    if not 0 < solved_at <= 1:
        raise ValueError(f"got --solved-at {solved_at}; expected a share in (0, 1]")
    (_, in_a), (_, in_b) = read_folder(a), read_folder(b)
    found, notes = [], []
    for name in dict.fromkeys([*in_a, *in_b]):
        pair = in_a.get(name), in_b.get(name)
        lacking = [
            str(folder) for folder, each in zip((a, b), pair, strict=True) if each is None or each.samples is None
        ]
        if lacking:
            notes.append(f"{name} is left out: not there, or not finished, in {' and '.join(lacking)}.")
            continue
        assert pair[0] is not None and pair[1] is not None
        if pair[0].benchmark.digest() != pair[1].benchmark.digest():
            raise FolderError(
                f"got {name} with other questions in {a} than in {b}; expected the same benchmark in both"
            )
        found.append(_compared(pair[0], pair[1], solved_at, resamples))
    if not found:
        raise FolderError(f"got {a} and {b}, which have no finished benchmark in common. {' '.join(notes)}".strip())
    return found, notes


def _compared(a: Measured, b: Measured, solved_at: float, resamples: int) -> Comparison:
    differences = np.array([[a.shares[id] - b.shares[id]] for id in a.shares])
    low, high = metrics.bootstrap_interval(differences, resamples, BOOTSTRAP_SEED)
    solved_a, solved_b = ({id: share >= solved_at for id, share in each.shares.items()} for each in (a, b))
    levels = {question.id: question.level or NO_LEVEL for question in a.benchmark.questions}
    per_level = metrics.exclusive_solves(solved_a, solved_b, levels)
    exclusive = {str(level): per_level[level] for level in sorted(per_level, key=str)}
    if len(exclusive) == 1:
        exclusive = {}
    total = metrics.exclusive_solves(solved_a, solved_b, dict.fromkeys(levels, ALL))
    exclusive[ALL] = total[ALL]
    return Comparison(
        a.benchmark.name,
        metric_name(a.n),
        metric_name(b.n),
        metrics.mean_over_questions(list(a.shares.values())).value,
        metrics.mean_over_questions(list(b.shares.values())).value,
        float(low[0]),
        float(high[0]),
        exclusive,
    )


def difference_table(found: Sequence[Comparison]) -> Table:
    """A row per benchmark, in percent."""
    table = Table()
    table.add_column("benchmark")
    for name in ("A %", "B %", "A - B", "95 % interval"):
        table.add_column(name, justify="right")
    for each in found:
        table.add_row(
            each.name,
            f"{percent(each.value_a)} ({each.metric_a})",
            f"{percent(each.value_b)} ({each.metric_b})",
            f"{100 * (each.value_a - each.value_b):+.1f}",
            NONE if math.isnan(each.low) else f"[{100 * each.low:+.1f}, {100 * each.high:+.1f}]",
        )
    return table


def exclusive_table(found: Sequence[Comparison]) -> Table:
    """A row per benchmark and level: questions that only A or only B solves."""
    table = Table()
    table.add_column("benchmark")
    for name in ("level", "questions", "only A", "only B", "both", "neither"):
        table.add_column(name, justify="right")
    for each in found:
        for level, counts in each.levels.items():
            table.add_row(
                each.name, level, str(sum(counts)), f"+{counts.only_a}", f"-{counts.only_b}",
                str(counts.both), str(counts.neither),
            )  # fmt: skip
    return table
