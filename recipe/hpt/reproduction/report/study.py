# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of a study, from the lines of its results.jsonl.

Values are means over seeds with their standard errors (:mod:`recipe.hpt.reproduction.report.statistics`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from rich.table import Table

from recipe.hpt.reproduction.methods import METHODS, STAGES
from recipe.hpt.reproduction.report.statistics import Value, value_of
from recipe.hpt.reproduction.sweep import Choice, Tried

IN, OUT, ALL = "in distribution", "out of distribution", "all"


# ---- from lines to methods ----


@dataclass
class Outcome:
    """One method on one seed in one cell, with all of its stages finished.

    Attributes:
        accuracy: level -> held-out accuracy of the final model.
        curve: questions seen -> level -> accuracy, over all stages.
        questions, optimizer_steps, skipped: sums over all stages; skipped steps are among the optimizer steps.
        seconds: duration of all launches.
        learning_rates: one per stage.
        cell: what the demonstrations were like.
        sets: further held-out set -> level -> accuracy of the final model.
        tokens_trained, tokens_sampled, demonstrations: sums over all stages, of responses.
        runs: names of its runs.
    """

    method: str
    seed: int
    accuracy: dict[int, float]
    curve: dict[int, dict[int, float]] = field(default_factory=dict)
    questions: int = 0
    optimizer_steps: int = 0
    skipped: int = 0
    seconds: float = 0.0
    learning_rates: list[float] = field(default_factory=list)
    cell: str = ""
    sets: dict[str, dict[int, float]] = field(default_factory=dict)
    tokens_trained: int = 0
    tokens_sampled: int = 0
    demonstrations: int = 0
    runs: list[str] = field(default_factory=list)


def _levels(accuracy: Mapping[str, float]) -> dict[int, float]:
    return {int(level): value for level, value in accuracy.items()}


def outcomes(results: Iterable[Mapping[str, Any]]) -> list[Outcome]:
    """The finished methods per seed and cell. A method whose later stage is missing has no outcome."""
    found: dict[tuple[str, int, str], list[Mapping[str, Any]]] = {}
    for line in results:
        if line["kind"] == "final":
            found.setdefault((line["method"], line["seed"], line.get("cell", "")), []).append(line)
    complete = []
    for (method, seed, cell), lines in found.items():
        lines = sorted(lines, key=lambda line: line["stage"])
        if len(lines) == max(1, len(METHODS[method].stages)):
            complete.append(_outcome(method, seed, cell, lines))
    return complete


def _outcome(method: str, seed: int, cell: str, lines: Sequence[Mapping[str, Any]]) -> Outcome:
    outcome = Outcome(method, seed, _levels(lines[-1]["accuracy"]), cell=cell)
    outcome.sets = {name: _levels(accuracy) for name, accuracy in lines[-1].get("sets", {}).items()}
    for line in lines:
        per_batch = line["questions"] // max(1, line["steps"])
        for step, accuracy in line["curve"].items():
            questions = line["questions_before"] + int(step) * per_batch
            outcome.curve[questions] = _levels(accuracy)
        outcome.questions += line["questions"]
        outcome.optimizer_steps += line["optimizer_steps"]
        outcome.skipped += line["optimizer_steps_skipped"]
        outcome.seconds += line["wall_seconds"]
        outcome.tokens_trained += line.get("tokens_trained", 0)
        outcome.tokens_sampled += line.get("tokens_sampled", 0)
        outcome.demonstrations += line.get("demonstrations", 0)
        outcome.runs.append(line["name"])
        if line["learning_rate"] is not None:
            outcome.learning_rates.append(line["learning_rate"])
    return outcome


def mean_over(accuracy: Mapping[int, float], levels: Sequence[int]) -> float | None:
    """Mean accuracy over the measured ones of ``levels``; None if none was measured."""
    measured = [accuracy[level] for level in levels if level in accuracy]
    return fmean(measured) if measured else None


def groups_of(levels: Iterable[int], training_levels: Sequence[int]) -> dict[str, list[int]]:
    """Group levels: in the training distribution, out of it, and all of them."""
    levels = sorted(levels)
    inside = [level for level in levels if level in training_levels]
    return {IN: inside, OUT: [level for level in levels if level not in inside], ALL: levels}


@dataclass(frozen=True)
class Row:
    """A method over its seeds.

    Attributes:
        seeds: the finished seeds.
        levels: level -> value.
        groups: "in distribution", "out of distribution", "all" -> value of the mean over these levels, which is taken
            per seed first; a group without levels is absent.
        questions, optimizer_steps: numbers per seed.
        skipped, seconds: means over seeds.
    """

    method: str
    seeds: tuple[int, ...]
    levels: dict[int, Value]
    groups: dict[str, Value]
    questions: int
    optimizer_steps: int
    skipped: float
    seconds: float
    learning_rates: list[float]


def rows_of(found: Sequence[Outcome], training_levels: Sequence[int]) -> list[Row]:
    """One row per method with an outcome, in the order of ``METHODS``."""
    rows = []
    for method in METHODS:
        of_method = sorted((outcome for outcome in found if outcome.method == method), key=lambda each: each.seed)
        if of_method:
            rows.append(_row(method, of_method, training_levels))
    return rows


def _row(method: str, found: Sequence[Outcome], training_levels: Sequence[int]) -> Row:
    levels = sorted(set.intersection(*(set(each.accuracy) for each in found)))
    groups = groups_of(levels, training_levels)
    return Row(
        method=method,
        seeds=tuple(each.seed for each in found),
        levels={level: value_of([each.accuracy[level] for each in found]) for level in levels},
        groups={
            name: value_of([fmean([each.accuracy[level] for level in members]) for each in found])
            for name, members in groups.items()
            if members
        },
        questions=found[0].questions,
        optimizer_steps=found[0].optimizer_steps,
        skipped=fmean([each.skipped for each in found]),
        seconds=fmean([each.seconds for each in found]),
        learning_rates=found[0].learning_rates,
    )


# ---- tables ----


def accuracy_table(rows: Sequence[Row], training_levels: Sequence[int]) -> Table:
    """Accuracy per level, in and out of distribution, and over all levels."""
    levels = sorted({level for row in rows for level in row.levels})
    groups = groups_of(levels, training_levels)
    table = Table("method", "seeds")
    for level in groups[IN]:
        table.add_column(f"level {level}", justify="right")
    for name, members in groups.items():
        if members:
            table.add_column(f"{name} ({_span(members)})", justify="right")
    for row in rows:
        table.add_row(
            METHODS[row.method].label,
            f"{len(row.seeds)}",
            *(_shown(row.levels.get(level)) for level in groups[IN]),
            *(_shown(row.groups.get(name)) for name, members in groups.items() if members),
        )
    return table


def _span(levels: Sequence[int]) -> str:
    if len(levels) > 1 and levels[-1] - levels[0] == len(levels) - 1:
        return f"{levels[0]}-{levels[-1]}"
    return ", ".join(str(level) for level in levels)


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)


def budget_table(rows: Sequence[Row]) -> Table:
    """Questions, steps and time of each method, per seed."""
    table = Table("method", "learning rate", "questions", "optimizer steps", "skipped", "minutes")
    for row in rows:
        table.add_row(
            METHODS[row.method].label,
            ", ".join(f"{rate:g}" for rate in row.learning_rates) or "-",
            f"{row.questions}",
            f"{row.optimizer_steps}",
            f"{row.skipped:.1f}",
            f"{row.seconds / 60:.1f}",
        )
    return table


def sweep_scores(results: Iterable[Mapping[str, Any]], training_levels: Sequence[int]) -> dict[str, dict[Tried, float]]:
    """Stage -> what its sweep tried -> accuracy on the development set, mean over the training levels."""
    scores: dict[str, dict[Tried, float]] = {}
    for line in results:
        if line["kind"] == "sweep":
            score = mean_over(_levels(line["accuracy"]), training_levels)
            if score is not None:
                scores.setdefault(line["method"], {})[line["learning_rate"], line.get("weight")] = score
    return scores


def sweep_table(
    scores: Mapping[str, Mapping[Tried, float]], choices: Mapping[str, Choice], rates: Sequence[float]
) -> Table:
    """A row per swept stage, with a star at the chosen rate; weights at that rate follow where there are any.

    Args:
        rates: those that every sweep starts with; the columns are these and the ones that a search added.
    """
    rates = sorted({*rates, *(rate for tried in scores.values() for rate, _ in tried)})
    has_weights = any(weight is not None for tried in scores.values() for _, weight in tried)
    table = Table("method", *(f"lr {rate:g}" for rate in rates), "chosen", *["weight of demonstrations"] * has_weights)
    for stage in STAGES:
        if stage not in scores:
            continue
        chosen = choices[stage].learning_rate
        row = [
            METHODS[stage].label,
            *(_starred(scores[stage].get((rate, None)), rate == chosen) for rate in rates),
            "-" if chosen is None else f"{chosen:g}",
        ]
        if has_weights:
            row.append(_weights(stage, scores[stage], choices[stage]))
        table.add_row(*row)
    return table


def _weights(stage: str, scores: Mapping[Tried, float], choice: Choice) -> str:
    term, at = STAGES[stage].weight, choice.learning_rate
    if term is None or at is None:
        return "-"
    found = {
        term.value if weight is None else weight: (score, weight == choice.weight)
        for (rate, weight), score in scores.items()
        if rate == at
    }
    return ", ".join(f"{weight:g}: {_starred(*found[weight])}" for weight in sorted(found))


def _starred(score: float | None, chosen: bool) -> str:
    return "-" if score is None else f"{score:.3f}{' *' if chosen else ''}"


def notes_on(rows: Sequence[Row], choices: Mapping[str, Choice]) -> list[str]:
    """What a reader must know before comparing rows."""
    notes = []
    single = [METHODS[row.method].label for row in rows if len(row.seeds) == 1]
    if single:
        notes.append(f"A single seed, so no standard error: {', '.join(single)}.")
    if len({row.seeds for row in rows}) > 1:
        each = (f"{METHODS[row.method].label} {_span(row.seeds)}" for row in rows)
        notes.append(f"Not all methods finished on the same seeds: {'; '.join(each)}.")
    edge = [METHODS[stage].label for stage, choice in choices.items() if choice.at_edge]
    if edge:
        notes.append(
            f"The chosen learning rate is at the edge of the sweep, so a better one may lie outside: {', '.join(edge)}."
        )
    return notes


def lost_metrics(results: Iterable[Mapping[str, Any]]) -> list[str]:
    """A note on runs whose skipped optimizer steps are not all known.

    An interruption between a batch's checkpoint and its metrics loses these metrics.
    """
    lost = [
        f"{line['name']} {line['steps'] - line['steps_with_metrics']} of {line['steps']}"
        for line in results
        if line["kind"] == "final" and line["steps_with_metrics"] < line["steps"]
    ]
    return (
        [
            "An interruption lost the metrics of batches, whose skipped optimizer steps, tokens, FLOPs and "
            "demonstrations are not counted: "
            f"{'; '.join(lost)}."
        ]
        if lost
        else []
    )
