# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Results of the evaluations of a report's runs: values per benchmark and averages over seeds, in percent.

An average is taken per seed, and only over seeds that have all of its benchmarks.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpt.evaluation.outputs import QUESTIONS, RESULTS
from hpt.evaluation.results import averages
from recipe.hpt.reproduction.paper.results import (
    AVERAGE,
    AVERAGE_OOD,
    BENCHMARK_LABELS,
    BENCHMARKS,
)
from recipe.hpt.reproduction.report.runs import RunEntry, RunsError, label_of
from recipe.hpt.reproduction.report.statistics import value_of
from recipe.hpt.reproduction.task.questions import TRAIN_LEVELS

SEEDS, QUESTIONS_UNIT = "seeds", "questions"
"""The units that a standard error is over."""
_BUILTIN = re.compile(r"^builtin/level_(\d+)$")
_FIGURES = ("value", "standard_error", "n", "questions", "pass_at_k")


@dataclass(frozen=True)
class Cell:
    """A measured number, in percent.

    Attributes:
        error: standard error of the mean; None where it is unknown (a single question).
        over: ``SEEDS``, or ``QUESTIONS_UNIT`` if there is a single seed.
        seeds: the seeds that the mean is over.
    """

    mean: float
    error: float | None
    over: str
    seeds: tuple[int, ...]

    @property
    def text(self) -> str:
        """``33.0 ± 2.1``; ``33.0 ± 2.1 (q)`` where the error is over questions."""
        if self.error is None:
            return f"{self.mean:.1f}"
        mark = "" if self.over == SEEDS else " (q)"
        return f"{self.mean:.1f} ± {self.error:.1f}{mark}"


@dataclass(frozen=True)
class Evaluated:
    """One run's evaluation.

    Attributes:
        benchmarks: name -> figures as in results.json.
        folders: benchmark -> the folders that have it.
        incomplete: benchmark -> how much of it is done, in words.
        sampling: folder -> the settings that decide its samples, without the seed.
        repeated: benchmarks that several folders have; the first folder counts.
    """

    entry: RunEntry
    benchmarks: dict[str, dict[str, Any]] = field(default_factory=dict)
    folders: dict[str, list[Path]] = field(default_factory=dict)
    incomplete: dict[str, str] = field(default_factory=dict)
    sampling: dict[str, str] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)


def read_evaluation(entry: RunEntry) -> Evaluated:
    """Read the results of all evaluation folders of a run.

    Raises:
        RunsError: a results.json cannot be read or lacks values.
    """
    found = Evaluated(entry)
    for folder in entry.evaluation:
        results = _results(folder / RESULTS)
        for name, figures in results["benchmarks"].items():
            if name in found.benchmarks:
                found.repeated.append(name)
            found.benchmarks.setdefault(name, figures)
            found.folders.setdefault(name, []).append(folder)
        for name, figures in results["incomplete"].items():
            found.incomplete[name] = f"{figures['samples']} of {figures['of']} samples"
        sampling = {key: value for key, value in results["sampling"].items() if key != "seed"}
        found.sampling[folder.name] = json.dumps(sampling, sort_keys=True)
    for name in found.benchmarks:
        found.incomplete.pop(name, None)
    return found


def _results(file: Path) -> dict[str, Any]:
    advice = "write it again with `hpt eval report`"
    try:
        results = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise RunsError(f"got {file}, which cannot be read ({error}); {advice}") from None
    lacking = [
        key
        for key in ("benchmarks", "incomplete", "sampling")
        if not isinstance(results, dict) or not isinstance(results.get(key), dict)
    ]
    if not lacking:
        lacking = [
            f"benchmarks.{name}.{key}"
            for name, figures in results["benchmarks"].items()
            for key in _FIGURES
            if not isinstance(figures, dict) or key not in figures
        ]
    if lacking:
        raise RunsError(f"got {file} without {', '.join(lacking[:3])}; {advice}")
    return results


def question_records(folder: Path, benchmark: str) -> dict[str, dict[str, Any]]:
    """Question id -> its record (n, correct, level, answer) in an evaluation's folder.

    Raises:
        RunsError: the records are missing or damaged.
    """
    file = folder / QUESTIONS
    advice = "write it again with `hpt eval report`"
    try:
        records = [json.loads(line) for line in file.read_text().splitlines()]
        found = {each["question"]: each for each in records if each["benchmark"] == benchmark}
        for each in found.values():
            _ = each["n"], each["correct"], each["level"], each["answer"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunsError(f"got {file}, which cannot be read ({error!r}); {advice}") from None
    if not found:
        raise RunsError(f"got {file} without {benchmark}, which {RESULTS} there has; {advice}")
    return found


# ---- columns ----


def benchmark_label(name: str) -> str:
    if match := _BUILTIN.match(name):
        return f"level {match[1]}"
    return BENCHMARK_LABELS.get(name, name)


def columns_of(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Average -> the benchmarks that it is over: in distribution, and out of distribution if there are any.

    The paper's benchmarks are grouped as in the paper, and the built-in task's levels by whether they are trained on.
    Other benchmarks have a single average.
    """
    names = sorted(set(names), key=_place)
    levels = {name: int(match[1]) for name in names if (match := _BUILTIN.match(name))}
    if levels and len(levels) == len(names):
        inside = [name for name in names if levels[name] in TRAIN_LEVELS]
    elif set(names) <= set(BENCHMARKS):
        inside = [name for name in names if name in BENCHMARKS[:6]]
    else:
        inside = names
    inside = inside or names
    groups = {AVERAGE: tuple(inside), AVERAGE_OOD: tuple(n for n in names if n not in inside)}
    return {group: members for group, members in groups.items() if members}


def _place(name: str) -> tuple[int, int, str]:
    if match := _BUILTIN.match(name):
        return 0, int(match[1]), name
    return 0, BENCHMARKS.index(name) if name in BENCHMARKS else len(BENCHMARKS), name


# ---- over seeds ----


def cell_of(found: Sequence[Evaluated], benchmark: str) -> Cell | None:
    """The mean of one benchmark over the runs (seeds) of a method that have it; None if none has."""
    return _over_seeds(found, lambda run: run.benchmarks.get(benchmark))


def average_of(found: Sequence[Evaluated], benchmarks: Sequence[str]) -> Cell | None:
    """The mean over ``benchmarks`` per seed, then over the seeds that have all of them; None if no seed has."""
    return _over_seeds(found, lambda run: _average(run.benchmarks, benchmarks))


def _average(figures: Mapping[str, Mapping[str, Any]], benchmarks: Sequence[str]) -> Mapping[str, Any] | None:
    if not all(name in figures for name in benchmarks):
        return None
    # These names are in none of the paper's groups, so all benchmarks form one group.
    renamed = {f"column {name}": figures[name] for name in benchmarks}
    (average,) = averages(renamed).values()
    return average


def _over_seeds(found: Sequence[Evaluated], figures_of: Callable[[Evaluated], Mapping[str, Any] | None]) -> Cell | None:
    have = {
        run.entry.seed: figures
        for run in sorted(found, key=lambda run: run.entry.seed)
        if (figures := figures_of(run)) is not None
    }
    if not have:
        return None
    if len(have) == 1:
        ((seed, only),) = have.items()
        error = only["standard_error"]
        scaled = None if error is None else 100 * error
        return Cell(100 * only["value"], scaled, QUESTIONS_UNIT, (seed,))
    value = value_of([100 * figures["value"] for figures in have.values()])
    return Cell(value.mean, value.error, SEEDS, tuple(have))


def notes_on(found: Mapping[str, Sequence[Evaluated]], benchmarks: Sequence[str]) -> list[str]:
    """What a reader of the cells must know.

    Args:
        found: method -> its runs.
        benchmarks: the columns of the table.
    """
    notes = []
    for method, runs in found.items():
        for name in benchmarks:
            have = [run.entry.seed for run in runs if name in run.benchmarks]
            if runs and 0 < len(have) < len(runs):
                notes.append(
                    f"{label_of(method)}, {benchmark_label(name)}: {len(have)} of {len(runs)} seeds "
                    f"({', '.join(map(str, sorted(have)))})."
                )
        for run in runs:
            notes += [
                f"{label_of(method)}, seed {run.entry.seed}: {benchmark_label(name)} is unfinished ({what})."
                for name, what in run.incomplete.items()
                if name in benchmarks
            ]
    notes += _same_for_all(found, benchmarks)
    return notes


def _same_for_all(found: Mapping[str, Sequence[Evaluated]], benchmarks: Sequence[str]) -> list[str]:
    every = [run for runs in found.values() for run in runs]
    notes = []
    samples = {}
    for name in benchmarks:
        counts = sorted({run.benchmarks[name]["n"] for run in every if name in run.benchmarks})
        if counts:
            samples[benchmark_label(name)] = "/".join(map(str, counts))
    if len(set(samples.values())) == 1:
        notes.append(f"Samples per question: {next(iter(samples.values()))}.")
    elif samples:
        each = (f"{label} {counts}" for label, counts in samples.items())
        notes.append(f"Samples per question: {', '.join(each)}.")
    settings = sorted({value for run in every for value in run.sampling.values()})
    if len(settings) > 1:
        notes.append(f"The runs were sampled with different settings: {' | '.join(settings)}.")
    twice = sorted({name for run in every for name in run.repeated if name in benchmarks})
    if twice:
        notes.append(
            "Several evaluations of a run have these benchmarks, and the first counts: "
            f"{', '.join(map(benchmark_label, twice))}."
        )
    return notes
