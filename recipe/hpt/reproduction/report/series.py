# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of trainings over their steps. Stages follow each other; then come mean and standard error over seeds."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

from hpt.common.training_log import Run, read_run
from recipe.hpt.reproduction.report.runs import RunEntry, RunsError
from recipe.hpt.reproduction.report.statistics import Value, value_of

_VALIDATION = re.compile(r"^val-core/(.+)/(acc|reward)/mean@(\d+)$")


@dataclass
class Series:
    """One metric of one run.

    Attributes:
        values: step -> value; steps are counted over all stages.
        left_out: steps whose value is not finite.
    """

    values: dict[int, float] = field(default_factory=dict)
    left_out: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Line:
    """A metric over seeds.

    Attributes:
        values: step -> mean and standard error over seeds. Only steps that every seed has are there, as the band would
            otherwise move with the seeds.
        seeds: the seeds that have the metric.
        left_out: number of values that are not finite, over all seeds.
    """

    values: dict[int, Value]
    seeds: tuple[int, ...]
    left_out: int = 0


@lru_cache(maxsize=256)
def run_of(folder: Path) -> Run:
    """Read a run (:func:`hpt.common.training_log.read_run`), once per folder.

    Raises:
        RunsError: the folder has no metrics, or a line that no training wrote.
    """
    try:
        return read_run(folder)
    except FileNotFoundError as error:
        raise RunsError(f"got {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunsError(
            f"got metrics in {folder} that cannot be read ({error!r}); expected one object with step and data per line"
        ) from None


def stages_of(entry: RunEntry) -> list[tuple[int, Run]]:
    """For each stage: (number of steps in the stages before it, its run)."""
    found, before = [], 0
    for folder in entry.training:
        run = run_of(folder)
        found.append((before, run))
        before += max(run.steps, default=0)
    return found


def series_of(entry: RunEntry, metric: str) -> Series:
    """One metric over all stages of a run."""
    series = Series()
    for before, run in stages_of(entry):
        for step, value in run.series(metric).items():
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise RunsError(f"got {metric}={value!r} at step {step} of {entry.name}; expected a number")
            if math.isfinite(value):
                series.values[before + step] = float(value)
            else:
                series.left_out.append(before + step)
    return series


def line_of(entries: Sequence[RunEntry], metric: str) -> Line | None:
    """One metric of a method over its seeds; None if no run has it."""
    series = {entry.seed: series_of(entry, metric) for entry in entries}
    return over_seeds(series)


def over_seeds(series: Mapping[int, Series]) -> Line | None:
    """Join the series of the seeds to one line; None if no seed has a value."""
    have = {seed: each for seed, each in sorted(series.items()) if each.values}
    if not have:
        return None
    common = sorted(set.intersection(*(set(each.values) for each in have.values())))
    values = {step: value_of([each.values[step] for each in have.values()]) for step in common}
    return Line(values, tuple(have), sum(len(each.left_out) for each in series.values()))


def validated(entry: RunEntry) -> dict[str, str]:
    """Data source -> name of the metric that holds its validation accuracy, the mean over samples."""
    found: dict[str, str] = {}
    for _, run in stages_of(entry):
        for name in sorted({name for row in run.steps.values() for name in row}):
            if match := _VALIDATION.match(name):
                found.setdefault(match[1], name)
    return found


def mean_of(entry: RunEntry, metrics: Iterable[str]) -> Series:
    """The mean over metrics, at the steps that have all of them."""
    each = [series_of(entry, metric) for metric in metrics]
    if not each:
        return Series()
    steps = sorted(set.intersection(*(set(one.values) for one in each)))
    return Series(
        {step: fmean(one.values[step] for one in each) for step in steps},
        sorted({step for one in each for step in one.left_out}),
    )


def rows_of(line: Line, **labels: Any) -> list[dict[str, Any]]:
    """The line as rows of a CSV."""
    return [
        {
            **labels,
            "step": step,
            "mean": value.mean,
            "standard_error": value.error,
            "seeds": " ".join(map(str, line.seeds)),
        }
        for step, value in line.values.items()
    ]


LINE_COLUMNS = ("step", "mean", "standard_error", "seeds")
