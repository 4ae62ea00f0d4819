# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Figures 2 to 8 of arXiv 2509.04419 from any runs, each with its data. Nothing is smoothed.

Each figure is about one model. A figure says which inputs are missing, and which runs cannot be drawn.
"""

from collections.abc import Callable, Mapping, Sequence

from tqdm import tqdm

from recipe.hpt.reproduction.methods import BASE
from recipe.hpt.reproduction.report import series
from recipe.hpt.reproduction.report.measured import AVERAGE, benchmark_label, columns_of
from recipe.hpt.reproduction.report.pass_curves import pass_at_k_figure
from recipe.hpt.reproduction.report.plots import Figure, draw_lines, drawing, finish, label_left
from recipe.hpt.reproduction.report.runs import (
    GATE_PREFIX,
    RunEntry,
    label_of,
    methods_of,
    model_label,
    models_of,
    of_model,
    seeds_note,
    slug,
    unknown_note,
    without_ablations,
)
from recipe.hpt.reproduction.report.series import (
    LINE_COLUMNS,
    Line,
    Series,
    line_of,
    over_seeds,
    rows_of,
)
from recipe.hpt.reproduction.report.solve_map import solve_map_figures
from recipe.hpt.reproduction.report.tables import gate_label

DEMONSTRATIONS, ENTROPY = "hpt/demonstration_share_rows", "hpt/entropy_rollout"
LENGTH, REWARD = "hpt/response_length_rollout", "hpt/rollout_accuracy"
BAND = (
    "Lines are means over seeds, bands one standard error over seeds; a single seed has no band. Nothing is smoothed."
)
STEPS = "training step"
Make = Callable[[str, str, Sequence[RunEntry]], list[Figure]]


def make_figures(entries: Sequence[RunEntry]) -> list[Figure]:
    """All figures of every model.

    Raises:
        recipe.hpt.reproduction.report.runs.RunsError: inputs that cannot be read.
    """
    tasks = [(model, make) for model in models_of(entries) for make in FIGURES]
    figures: list[Figure] = []
    for model, make in tqdm(tasks, desc="figures", unit="figure", disable=None):
        figures += make(slug(model), model_label(model), of_model(entries, model))
    return figures


def _of_method(entries: Sequence[RunEntry]) -> dict[str, list[RunEntry]]:
    """Method -> its runs that were trained."""
    return {
        method: [entry for entry in entries if entry.method == method and entry.training]
        for method in methods_of(entries)
    }


def lines_of(entries: Sequence[RunEntry], metric: str, methods: Sequence[str]) -> dict[str, Line]:
    """Method -> the metric over its seeds, for the methods that have it."""
    by_method = _of_method(entries)
    found = {method: line_of(by_method.get(method, []), metric) for method in methods}
    return {method: line for method, line in found.items() if line is not None and line.values}


def _notes(lines: Mapping[str, Line], labels: Mapping[str, str]) -> list[str]:
    notes = []
    if lines:
        notes.append(seeds_note({labels[method]: line.seeds for method, line in lines.items()}))
    lost = {method: line.left_out for method, line in lines.items() if line.left_out}
    if lost:
        each = (f"{labels[method]} {count}" for method, count in lost.items())
        notes.append(f"Values that are not finite are left out: {', '.join(each)}.")
    return notes + unknown_note(lines)


def _not_drawn(panels: Mapping[str, Mapping[str, Line]], by_method: Mapping[str, Sequence[RunEntry]]) -> list[str]:
    """A note on the runs that are in no line because they did not log the values.

    Args:
        panels: title of a panel -> method -> its line.
        by_method: all methods that the figure compares; the base model, which is not trained, need not log them.
    """
    panels_of: dict[str, list[str]] = {}
    for panel, lines in panels.items():
        runs = []
        for method, entries in by_method.items():
            drawn = lines[method].seeds if method in lines else ()
            absent = [entry.seed for entry in entries if entry.seed not in drawn]
            if absent and method != BASE:
                seeds = f", seed {', '.join(map(str, sorted(absent)))}" if drawn else ""
                runs.append(f"{label_of(method)}{seeds}")
        if runs:
            panels_of.setdefault("; ".join(runs), []).append(panel)
    each = [
        f"{'every panel' if len(names) == len(panels) > 1 else ', '.join(names)} ({runs})"
        for runs, names in panels_of.items()
    ]
    return [f"Not logged and therefore not drawn: {'; '.join(each)}."] if each else []


def _panels(
    key: str, title: str, caption: str, entries: Sequence[RunEntry], methods: Sequence[str],
    labels: Mapping[str, str], panels: Mapping[str, tuple[str, str]],
    keep: Callable[[Line], bool] = lambda line: True,
) -> Figure:  # fmt: skip
    """A figure with a panel per metric and a line per method.

    Args:
        panels: metric -> (title, unit on the axis).
        keep: says which lines are drawn; the data have all of them.
    """
    found = {metric: lines_of(entries, metric, methods) for metric in panels}
    drawn = {metric: {method: line for method, line in lines.items() if keep(line)} for metric, lines in found.items()}
    lacking = [metric for metric, lines in drawn.items() if not lines]
    if lacking:
        needs = f"It needs trainings of {_listed(methods, labels)} that log {' and '.join(lacking)}."
        return Figure(key, title, caption, missing=needs)
    rows = [
        row
        for metric, lines in found.items()
        for method, line in lines.items()
        for row in rows_of(line, metric=metric, method=method)
    ]
    first = {m: line for lines in drawn.values() for m, line in lines.items()}
    all_labels = {method: labels[method] for method in methods if method in first}
    notes = _notes(first, labels)
    flat = [labels[m] for lines in found.values() for m, line in lines.items() if not keep(line)]
    if flat:
        notes.append(f"Always 0 or 1 and therefore not drawn: {', '.join(dict.fromkeys(flat))}.")
    by_method = {method: runs for method, runs in _of_method(entries).items() if method in methods}
    notes += _not_drawn({panels[metric][0]: lines for metric, lines in found.items()}, by_method)
    with drawing(2, len(panels), width=4.6) as (figure, axes):
        for axis, (metric, (name, unit)) in zip(axes, panels.items(), strict=True):
            draw_lines(axis, drawn[metric], all_labels)
            axis.set(title=name, xlabel=STEPS, ylabel=unit)
            axis.set_ylim(bottom=0)
        svg = finish(figure, axes)
    return Figure(key, title, caption, ("metric", "method", *LINE_COLUMNS), rows, svg, notes=notes)


def _listed(methods: Sequence[str], labels: Mapping[str, str]) -> str:
    return ", ".join(labels[method] for method in methods) or "any method"


# ---- Figure 5 ----


def validation_figure(slug: str, model: str, entries: Sequence[RunEntry]) -> list[Figure]:
    """Figure 5: held-out accuracy over the steps, first the mean, then a panel per benchmark."""
    key, title = f"figure5_{slug}", f"Figure 5: validation over training, {model}"
    caption = f"Validation accuracy in percent. {BAND} The base model is a level line."
    trained = [entry for entry in entries if entry.training]
    metrics = {entry: series.validated(entry) for entry in trained}
    names = {name for of_entry in metrics.values() for name in of_entry}
    methods = without_ablations(methods_of(trained))
    if not names or all(method == BASE for method in methods):
        needs = "It needs trainings with validations (val-core/... in their metrics; trainer.test_freq)."
        return [Figure(key, title, caption, missing=needs)]
    groups = columns_of(names)
    inside = groups[AVERAGE]
    panels = {f"mean of {_span(inside)}": inside} if len(inside) > 1 else {}
    panels |= {benchmark_label(name): (name,) for members in groups.values() for name in members}
    lines = {panel: _validated(trained, metrics, methods, of) for panel, of in panels.items()}
    by_method = {method: runs for method, runs in _of_method(trained).items() if method in methods}
    return [_drawn_validation(key, title, caption, lines, by_method)]


def _span(names: Sequence[str]) -> str:
    labels = [benchmark_label(name) for name in names]
    if all(label.startswith("level ") for label in labels):
        return f"levels {labels[0].removeprefix('level ')} to {labels[-1].removeprefix('level ')}"
    return f"{len(labels)} benchmarks"


def _validated(
    entries: Sequence[RunEntry], metrics: Mapping[RunEntry, Mapping[str, str]],
    methods: Sequence[str], sources: Sequence[str],
) -> dict[str, Line]:  # fmt: skip
    found = {}
    for method in methods:
        per_seed: dict[int, Series] = {}
        for entry in entries:
            if entry.method == method and all(name in metrics[entry] for name in sources):
                chosen = [metrics[entry][name] for name in sources]
                per_seed[entry.seed] = series.mean_of(entry, chosen)
        line = over_seeds(per_seed)
        if line is not None and line.values:
            found[method] = line
    return found


def _drawn_validation(
    key: str, title: str, caption: str, lines: Mapping[str, Mapping[str, Line]],
    by_method: Mapping[str, Sequence[RunEntry]],
) -> Figure:  # fmt: skip
    rows = [
        row
        for panel, of_panel in lines.items()
        for method, line in of_panel.items()
        for row in rows_of(line, benchmark=panel, method=method)
    ]
    every = {method: line for of_panel in lines.values() for method, line in of_panel.items()}
    labels = {method: label_of(method) for method in by_method if method in every}
    steps = [step for line in every.values() for step in line.values]
    with drawing(4, len(lines), width=2.9, height=2.5) as (figure, axes):
        for axis, (panel, of_panel) in zip(axes, lines.items(), strict=True):
            leveled = {
                method: _level(line, max(steps)) if method == BASE else line for method, line in of_panel.items()
            }
            draw_lines(axis, leveled, labels, scale=100.0)
            axis.set(title=panel, xlabel=STEPS, ylim=(-4, 104))
        label_left(axes, "accuracy, %")
        svg = finish(figure, axes)
    columns = ("benchmark", "method", *LINE_COLUMNS)
    notes = _notes(every, labels) + _not_drawn(lines, by_method)
    return Figure(key, title, caption, columns, rows, svg, notes=notes)


def _level(line: Line, last: int) -> Line:
    """The base model's one value at every step, as it is not trained."""
    value = next(iter(line.values.values()))
    return Line({0: value, last: value}, line.seeds, line.left_out)


# ---- Figures 6, 7 and 8 ----


def demonstration_figure(slug: str, model: str, entries: Sequence[RunEntry]) -> list[Figure]:
    """Figure 6: the share of demonstrations in the rows sent to training."""
    methods = without_ablations(methods_of(entries))
    caption = (
        f"Demonstrations as a share of all rows sent to training per step (the paper's offline-data ratio). {BAND}"
    )
    title = f"Figure 6: share of demonstrations, {model}"
    panels = {DEMONSTRATIONS: ("demonstrations", "share of rows")}
    labels = {method: label_of(method) for method in methods}

    def moves(line: Line) -> bool:
        return any(value.mean not in (0.0, 1.0) for value in line.values.values())

    return [_panels(f"figure6_{slug}", title, caption, entries, methods, labels, panels, moves)]


def entropy_figure(slug: str, model: str, entries: Sequence[RunEntry]) -> list[Figure]:
    """Figure 7: the policy's entropy and the length of its responses."""
    methods = without_ablations(methods_of(entries))
    caption = f"Mean entropy per token of the rollouts trained on, and mean length of all rollouts. {BAND}"
    title = f"Figure 7: entropy and response length, {model}"
    panels = {ENTROPY: ("entropy", "nats per token"), LENGTH: ("response length", "tokens")}
    labels = {method: label_of(method) for method in methods}
    return [_panels(f"figure7_{slug}", title, caption, entries, methods, labels, panels)]


def gate_figure(slug: str, model: str, entries: Sequence[RunEntry]) -> list[Figure]:
    """Figure 8: reward and share of demonstrations per gate."""
    key, title = f"figure8_{slug}", f"Figure 8: reward and share of demonstrations per gate, {model}"
    caption = f"Mean score of all rollouts, and the share of demonstrations in the rows. {BAND}"
    gates = [m for m in methods_of(entries) if m == "hpt" or m.startswith(GATE_PREFIX)]
    trained = [method for method in gates if any(_of_method(entries)[method])]
    if "hpt" not in trained or len(trained) < 2:
        needs = f"It needs trainings of hpt and of at least one other gate ({GATE_PREFIX}...)."
        return [Figure(key, title, caption, missing=needs)]
    panels = {
        REWARD: ("reward", "mean score"),
        DEMONSTRATIONS: ("demonstrations", "share of rows"),
    }
    labels = {method: gate_label(method) for method in trained}
    return [_panels(key, title, caption, entries, trained, labels, panels)]


FIGURES: tuple[Make, ...] = (
    pass_at_k_figure,
    solve_map_figures,
    validation_figure,
    demonstration_figure,
    entropy_figure,
    gate_figure,
)
