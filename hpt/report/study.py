# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Statistics, tables and curves of a study, from the lines of its results.jsonl. Nothing here trains.

A value is (mean, standard error of the mean, n) over seeds. The standard error is s / sqrt(n) with
s of n - 1 degrees of freedom; of a single seed there is none, and none is shown.
"""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from hpt.study.plan import BASE, METHODS, STAGES, Choice

# Okabe and Ito's colours, told apart by colour-blind readers; markers and dashes tell lines apart in grey.
STYLES: dict[str, tuple[str, str, str]] = {
    "base": ("#000000", "", ":"),
    "sft": ("#E69F00", "s", "-"),
    "grpo": ("#56B4E9", "^", "-"),
    "sft_grpo": ("#009E73", "D", "--"),
    "luffy": ("#CC79A7", "v", "-"),
    "srft": ("#0072B2", "P", "--"),
    "hpt": ("#D55E00", "o", "-"),
}
IN, OUT, ALL = "in distribution", "out of distribution", "all"


class Value(NamedTuple):
    """A mean over n seeds and its standard error; None where n = 1."""

    mean: float
    error: float | None
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3f}" + ("" if self.error is None else f" ± {self.error:.3f}")


def value_of(samples: Sequence[float]) -> Value:
    """Mean and standard error (n - 1 degrees of freedom) of one number per seed.

    Raises:
        ValueError: no number.
    """
    if not samples:
        raise ValueError("got no numbers; expected one per seed that finished")
    mean, n = _mean(samples), len(samples)
    if n == 1:
        return Value(mean, None, n)
    variance = math.fsum((sample - mean) ** 2 for sample in samples) / (n - 1)
    return Value(mean, math.sqrt(variance / n), n)


# ---- from lines to methods ----


@dataclass
class Outcome:
    """One method on one seed, all its stages finished.

    Attributes:
        accuracy: level -> held-out accuracy of the final model.
        curve: questions seen -> level -> accuracy, over all stages.
        questions, optimizer_steps, skipped: over all stages; skipped ones are among the steps.
        seconds: of all launches.
        learning_rates: one per stage.
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


def _levels(accuracy: Mapping[str, float]) -> dict[int, float]:
    return {int(level): value for level, value in accuracy.items()}


def outcomes(results: Iterable[Mapping[str, Any]]) -> list[Outcome]:
    """The methods that finished, per seed; a method whose later stage is missing has no outcome."""
    found: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for line in results:
        if line["kind"] == "final":
            found.setdefault((line["method"], line["seed"]), []).append(line)
    complete = []
    for (method, seed), lines in found.items():
        lines = sorted(lines, key=lambda line: line["stage"])
        if len(lines) == max(1, len(METHODS[method].stages)):
            complete.append(_outcome(method, seed, lines))
    return complete


def _outcome(method: str, seed: int, lines: Sequence[Mapping[str, Any]]) -> Outcome:
    outcome = Outcome(method, seed, _levels(lines[-1]["accuracy"]))
    for line in lines:
        per_batch = line["questions"] // max(1, line["steps"])
        for step, accuracy in line["curve"].items():
            questions = line["questions_before"] + int(step) * per_batch
            outcome.curve[questions] = _levels(accuracy)
        outcome.questions += line["questions"]
        outcome.optimizer_steps += line["optimizer_steps"]
        outcome.skipped += line["optimizer_steps_skipped"]
        outcome.seconds += line["wall_seconds"]
        if line["learning_rate"] is not None:
            outcome.learning_rates.append(line["learning_rate"])
    return outcome


def _mean(numbers: Sequence[float]) -> float:
    return math.fsum(numbers) / len(numbers)


def mean_over(accuracy: Mapping[int, float], levels: Sequence[int]) -> float | None:
    """Mean accuracy over those of ``levels`` that were measured; None where none was."""
    measured = [accuracy[level] for level in levels if level in accuracy]
    return _mean(measured) if measured else None


def groups_of(levels: Iterable[int], training_levels: Sequence[int]) -> dict[str, list[int]]:
    """Levels in and out of the training distribution, and all of them."""
    levels = sorted(levels)
    inside = [level for level in levels if level in training_levels]
    return {IN: inside, OUT: [level for level in levels if level not in inside], ALL: levels}


@dataclass(frozen=True)
class Row:
    """A method over its seeds.

    Attributes:
        seeds: that finished.
        levels: level -> value.
        groups: "in distribution", "out of distribution", "all" -> value of the mean over these levels,
            taken per seed first; a group without a level is absent.
        questions, optimizer_steps: of each seed.
        skipped, seconds: mean over seeds.
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
        of_method = sorted(
            (outcome for outcome in found if outcome.method == method), key=lambda each: each.seed
        )
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
            name: value_of([_mean([each.accuracy[level] for level in members]) for each in found])
            for name, members in groups.items()
            if members
        },
        questions=found[0].questions,
        optimizer_steps=found[0].optimizer_steps,
        skipped=_mean([each.skipped for each in found]),
        seconds=_mean([each.seconds for each in found]),
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
    """What each method was given and took, per seed."""
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


def sweep_scores(
    results: Iterable[Mapping[str, Any]], training_levels: Sequence[int]
) -> dict[str, dict[float, float]]:
    """Stage -> learning rate -> accuracy on the development set, mean over the training levels."""
    scores: dict[str, dict[float, float]] = {}
    for line in results:
        if line["kind"] == "sweep":
            score = mean_over(_levels(line["accuracy"]), training_levels)
            if score is not None:
                scores.setdefault(line["method"], {})[line["learning_rate"]] = score
    return scores


def sweep_table(
    scores: Mapping[str, Mapping[float, float]],
    choices: Mapping[str, Choice],
    rates: Sequence[float],
) -> Table:
    """A row per stage that was swept, the chosen rate marked with a star."""
    table = Table("method", *(f"lr {rate:g}" for rate in rates), "chosen")
    for stage in STAGES:
        if stage in scores:
            chosen = choices[stage].learning_rate
            table.add_row(
                METHODS[stage].label,
                *(_starred(scores[stage].get(rate), rate == chosen) for rate in rates),
                "-" if chosen is None else f"{chosen:g}",
            )
    return table


def _starred(score: float | None, chosen: bool) -> str:
    return "-" if score is None else f"{score:.3f}{' *' if chosen else ''}"


def notes_on(rows: Sequence[Row], choices: Mapping[str, Choice]) -> list[str]:
    """What a reader must know before comparing rows."""
    notes = []
    single = [METHODS[row.method].label for row in rows if len(row.seeds) == 1]
    if single:
        notes.append(f"One seed only, so no standard error: {', '.join(single)}.")
    if len({row.seeds for row in rows}) > 1:
        each = (f"{METHODS[row.method].label} {_span(row.seeds)}" for row in rows)
        notes.append(f"Not all methods finished on the same seeds: {'; '.join(each)}.")
    edge = [METHODS[stage].label for stage, choice in choices.items() if choice.at_edge]
    if edge:
        notes.append(
            f"The chosen learning rate is at the edge of those tried, a better one may lie outside: {', '.join(edge)}."
        )
    return notes


def lost_metrics(results: Iterable[Mapping[str, Any]]) -> list[str]:
    """Runs whose skipped optimizer steps are not all known: an interruption between a batch's checkpoint and
    its metrics leaves the batch without them."""
    lost = [
        f"{line['name']} {line['steps'] - line['steps_with_metrics']} of {line['steps']}"
        for line in results
        if line["kind"] == "final" and line["steps_with_metrics"] < line["steps"]
    ]
    return (
        [
            "Batches whose metrics an interruption lost, their skipped optimizer steps not counted: "
            f"{'; '.join(lost)}."
        ]
        if lost
        else []
    )


# ---- curves ----


def curve_rows(found: Sequence[Outcome], training_levels: Sequence[int]) -> list[dict[str, Any]]:
    """Value of the mean over levels, per method, group of levels and questions seen.

    Every line starts from the base model of its own seeds. Only places where all of a method's seeds were
    validated: a band over other seeds at each place would move with the seeds.
    """
    base = {each.seed: each.accuracy for each in found if each.method == BASE}
    rows = []
    for method in METHODS:
        curves = [_from_base(each, base.get(each.seed)) for each in found if each.method == method]
        if not curves:
            continue
        for questions in sorted(set.intersection(*(set(curve) for curve in curves))):
            levels = {level for curve in curves for level in curve[questions]}
            for name, members in groups_of(levels, training_levels).items():
                means = [mean_over(curve[questions], members) for curve in curves]
                samples = [mean for mean in means if mean is not None]
                if samples:
                    rows.append(_curve_row(method, name, questions, value_of(samples)))
    return rows


def _from_base(outcome: Outcome, base: dict[int, float] | None) -> dict[int, dict[int, float]]:
    return outcome.curve if base is None else {0: base, **outcome.curve}


def _curve_row(method: str, group: str, questions: int, value: Value) -> dict[str, Any]:
    return {
        "method": method,
        "levels": group,
        "questions": questions,
        "mean": value.mean,
        "standard_error": value.error,
        "seeds": value.n,
    }


def write_curves(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The data behind the figure; an empty standard error means one seed."""
    with open(path, "w", newline="") as file:
        names = ("method", "levels", "questions", "mean", "standard_error", "seeds")
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def plot_curves(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Accuracy over questions seen, one line per method, bands of one standard error."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    groups = [name for name in (IN, OUT) if any(row["levels"] == name for row in rows)]
    figure, axes = pyplot.subplots(
        1, max(1, len(groups)), figsize=(6.5 * max(1, len(groups)), 4.4), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    longest = max((row["questions"] for row in rows), default=0)
    for group, axis in zip(groups, axes[0], strict=False):
        for method in METHODS:
            of_line = [row for row in rows if (row["method"], row["levels"]) == (method, group)]
            _draw(axis, method, of_line, longest)
        axis.set(
            title=f"Test accuracy, mean over levels {group}",
            xlabel="questions seen",
            ylim=(-0.03, 1.03),
        )
        axis.grid(color="0.9")
        axis.set_axisbelow(True)
    figure.legend(
        *axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8
    )
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _draw(axis: Any, method: str, rows: Sequence[Mapping[str, Any]], longest: int) -> None:
    if not rows:
        return
    colour, marker, dashes = STYLES[method]
    x, y = [row["questions"] for row in rows], [row["mean"] for row in rows]
    errors = [row["standard_error"] or 0.0 for row in rows]
    if method == BASE:  # it sees none: a level to compare with
        x, y, errors = [0, longest], y * 2, errors * 2
    axis.plot(
        x,
        y,
        color=colour,
        marker=marker,
        linestyle=dashes,
        markersize=4,
        label=METHODS[method].label,
    )
    low = [value - error for value, error in zip(y, errors, strict=True)]
    high = [value + error for value, error in zip(y, errors, strict=True)]
    axis.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
