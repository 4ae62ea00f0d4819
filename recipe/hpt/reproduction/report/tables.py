# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Tables 2, 3, 5 and 6 of arXiv 2509.04419, measured values beside published ones; other models get a small version."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from tqdm import tqdm

from recipe.hpt.reproduction.methods import ABLATIONS, COMPARED
from recipe.hpt.reproduction.paper.results import (
    ABLATION_MODEL,
    AVERAGE,
    AVERAGE_OOD,
    BENCHMARKS,
    LLAMA_8B,
    MODELS,
    QWEN_1_5B,
    QWEN_7B,
    SOURCE,
    TABLE_2,
    TABLE_3,
    TABLE_5,
    TABLE_6,
    Published,
    published_row,
)
from recipe.hpt.reproduction.paper.sft_then_rl import PARAMETERS, RERUNS, columns_of, rerun_of, training_flops
from recipe.hpt.reproduction.paper.sft_then_rl import SOURCE as RERUN_SOURCE
from recipe.hpt.reproduction.report import measured
from recipe.hpt.reproduction.report.exclusive import exclusive_table
from recipe.hpt.reproduction.report.formats import MISSING, NONE, ReportTable
from recipe.hpt.reproduction.report.measured import Cell, Evaluated, read_evaluation
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
)
from recipe.hpt.reproduction.report.series import series_of

GATED_ON = {"off_on": "OFF/ON", "mix_on": "Mix/ON", "hpt": "SFT/ON (HPT)"}
SMALL_GATES = tuple(name for name in ABLATIONS if name.startswith(GATE_PREFIX))
ERROR_NOTE = (
    "Percent of samples that are correct. ± is the standard error over seeds; with (q) it is over the questions of "
    "one seed."
)
PUBLISHED_NOTE = f"Published: {SOURCE}. A star marks values that it quotes from other papers."
RERUN_NOTE = (
    f"{RERUN_SOURCE}: its own trainings, ± the standard deviation over three seeds. FLOPs are of a training, by its "
    "formula: 6 N per trained and 2 N per sampled response token; measured ones are the mean over seeds."
)
FLOPS = "FLOPs / 1e19"
AVERAGE_LABELS = {AVERAGE: "Avg", AVERAGE_OOD: "Avg OOD"}
Runs = Mapping[str, Sequence[Evaluated]]
"""Method -> its evaluated runs, one per seed."""


def make_tables(entries: Sequence[RunEntry]) -> list[ReportTable]:
    """All tables of the runs.

    Runs of one of the paper's models give all of the paper's tables, where values that were not measured are marked as
    missing. Every other model gives the small versions of Tables 2, 4, 5 and 6.

    Raises:
        recipe.hpt.reproduction.report.runs.RunsError: an evaluation that cannot be read.
    """
    bar = tqdm(entries, desc="evaluations", unit="run", disable=None)
    evaluated = {entry: read_evaluation(entry) for entry in bar}
    tables: list[ReportTable] = []
    models = models_of(entries)
    if any(model in MODELS for model in models):
        of = {model: _by_method(evaluated, model) for model in MODELS}
        rows = {row.model for row in TABLE_3}
        tables += [
            _comparison("table2", "Table 2", QWEN_7B, of[QWEN_7B], TABLE_2),
            *(
                _comparison(f"table3_{slug(model)}", "Table 3", model, of[model], TABLE_3)
                for model in (LLAMA_8B, QWEN_1_5B)
                if model in rows
            ),
            exclusive_table("table4", "Table 4", QWEN_7B, of[QWEN_7B]),
            _gated_on("table5", ABLATION_MODEL, of[ABLATION_MODEL]),
            _gates("table6", ABLATION_MODEL, of[ABLATION_MODEL]),
        ]
    for model in models:
        if model not in MODELS:
            tables += _small(model, _by_method(evaluated, model))
    return tables


def _small(model: str, found: Runs) -> list[ReportTable]:
    name = slug(model)
    return [
        _comparison(f"table2_{name}", _number(2, model), model, found, ()),
        exclusive_table(f"table4_{name}", _number(4, model), model, found),
        _gated_on(f"table5_{name}", model, found),
        _gates(f"table6_{name}", model, found),
    ]


def _number(table: int, model: str) -> str:
    return f"Table {table}" if model in MODELS else f"Table {table}, small version"


def _by_method(evaluated: Mapping[RunEntry, Evaluated], model: str) -> dict[str, list[Evaluated]]:
    entries = of_model(evaluated, model)
    return {method: [evaluated[entry] for entry in entries if entry.method == method] for method in methods_of(entries)}


def columns(model: str, found: Runs) -> dict[str, tuple[str, ...]]:
    """Average -> its benchmarks: those of the paper for its models (Table 3 has no second group), else those found."""
    if model in MODELS:
        return measured.columns_of(BENCHMARKS if model == QWEN_7B else BENCHMARKS[:6])
    names = {name for runs in found.values() for run in runs for name in run.benchmarks}
    return measured.columns_of(names)


# ---- Tables 2 and 3 ----


def _comparison(key: str, number: str, model: str, found: Runs, published: Sequence[Published]) -> ReportTable:
    """The rows of the paper's table, and one for every other measured method that is not an ablation."""
    groups = columns(model, found)
    quoted_only = [row.method for row in published if row.model == model]
    own = [name for name in found if name not in (*ABLATIONS, *TABLE_5, *TABLE_6)]
    reruns = [row.method for row in RERUNS if row.model == model]
    order = [*COMPARED, *reruns, *own, *quoted_only]
    expected = {*quoted_only, *own, *reruns, *(() if published else COMPARED), *({"hpt"} & {*found})}
    methods = [name for name in dict.fromkeys(order) if name in expected]
    rows: list[list[str]] = []
    records: list[dict[str, Any]] = []
    for method in methods:
        lines, numbers = _method_rows(model, method, found.get(method, ()), groups)
        rows += lines
        records += numbers
    header = ["method", "", *(name for group in groups for name in _group_labels(group, groups))]
    if model in PARAMETERS:
        header.append(FLOPS)
    benchmarks = [name for members in groups.values() for name in members]
    shown = {method: found[method] for method in methods if method in found}
    notes = [ERROR_NOTE, *([PUBLISHED_NOTE] if published else [NO_PUBLISHED])]
    notes += [RERUN_NOTE] if model in PARAMETERS else []
    notes += _seed_notes(shown) + measured.notes_on(shown, benchmarks)
    return ReportTable(key, f"{number}: {model_label(model)}", tuple(header), rows, records, notes)


NO_PUBLISHED = "The paper has no such model, so there are no published values to compare with."


def _group_labels(group: str, groups: Mapping[str, Sequence[str]]) -> list[str]:
    labels = [measured.benchmark_label(name) for name in groups[group]]
    return [*labels, AVERAGE_LABELS[group]] if len(labels) > 1 else labels


def _method_rows(
    model: str, method: str, runs: Sequence[Evaluated], groups: Mapping[str, Sequence[str]]
) -> tuple[list[list[str]], list[dict[str, Any]]]:
    row = published_row(model, method)
    pairs: list[tuple[str, Cell | None, float | None]] = []
    for group, names in groups.items():
        for name in names:
            pairs.append((name, measured.cell_of(runs, name), row.cells.get(name) if row else None))
        if len(names) > 1:
            average = measured.average_of(runs, names)
            pairs.append((f"average_{group}", average, row.averages.get(group) if row else None))
    star = "*" if row and row.quoted else ""
    label = label_of(method)
    lines = [[label, "measured", *(shown(cell) for _, cell, _ in pairs)]]
    if row:
        lines.append(["", f"published{star}", *(number(known) for _, _, known in pairs)])
        if any(cell for _, cell, _ in pairs):
            lines.append(["", "difference", *(difference(cell, known) for _, cell, known in pairs)])
    if not runs and row and method not in COMPARED:  # a published model of others, which is not trained here
        lines = [[label, *lines[1][1:]]]
    quoted = bool(row and row.quoted)
    records = [record(model, method, name, cell, known, quoted) for name, cell, known in pairs]
    if rerun := rerun_of(model, method):
        numbers = columns_of(rerun)
        lines.append(["", RERUN_SOURCE, *(_with_deviation(numbers.get(name)) for name, _, _ in pairs)])
        records += [
            {**record(model, method, name, None, numbers[name][0]), "quantity": f"percent, {RERUN_SOURCE}"}
            for name, _, _ in pairs
            if name in numbers
        ]
    if model in PARAMETERS:
        flops = _flops_of(model, runs)
        by_source = {"measured": flops, RERUN_SOURCE: rerun.flops if rerun else None}
        lines = [[*line, NONE if (n := by_source.get(line[1])) is None else f"{n / 1e19:.2f}"] for line in lines]
        records += [
            {**record(model, method, "training", None, known), "measured": flops, "quantity": "FLOPs"}
            for known in [by_source[RERUN_SOURCE]]
            if known is not None or flops is not None
        ]
    return lines, records


def _with_deviation(value: tuple[float, float | None] | None) -> str:
    if value is None:
        return NONE
    mean, deviation = value
    return f"{mean:.1f}" if deviation is None else f"{mean:.1f} ± {deviation:.1f}"


def _flops_of(model: str, runs: Sequence[Evaluated]) -> float | None:
    """Mean over seeds of what the trainings took; None where a run has no training that counted its tokens."""
    found = []
    for run in runs:
        trained, sampled = (series_of(run.entry, f"hpt/tokens_{what}") for what in ("trained", "sampled"))
        if not trained.values:
            return None
        found.append(training_flops(PARAMETERS[model], sum(trained.values.values()), sum(sampled.values.values())))
    return fmean(found) if found else None


def shown(cell: Cell | None) -> str:
    return MISSING if cell is None else cell.text


def number(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f}"


def difference(cell: Cell | None, known: float | None) -> str:
    """Measured minus published."""
    return NONE if cell is None or known is None else f"{cell.mean - known:+.1f}"


def record(
    model: str,
    method: str,
    column: str,
    cell: Cell | None,
    known: float | None,
    quoted: bool = False,
) -> dict[str, Any]:
    """One number, as a row of the CSV."""
    return {
        "model": model,
        "method": method,
        "column": column,
        "quantity": "percent",
        "measured": cell and cell.mean,
        "standard_error": cell and cell.error,
        "error_over": cell and (cell.over if cell.error is not None else None),
        "seeds": " ".join(map(str, cell.seeds)) if cell else None,
        "published": known,
        "quoted": str(quoted).lower() if known is not None else None,
        "difference": cell.mean - known if cell and known is not None else None,
        "status": "measured" if cell else MISSING,
    }


def _seed_notes(found: Runs) -> list[str]:
    seeds = {method: tuple(sorted(run.entry.seed for run in runs)) for method, runs in found.items()}
    notes = []
    if seeds:
        notes.append(seeds_note({label_of(method): each for method, each in seeds.items()}))
    return notes + unknown_note(found)


# ---- Tables 5 and 6 ----


def _gated_on(key: str, model: str, found: Runs) -> ReportTable:
    known = TABLE_5 if model == ABLATION_MODEL else {}
    title = f"{_number(5, model)}: what gated questions train on"
    return _averages(key, title, model, found, GATED_ON, known)


def _gates(key: str, model: str, found: Runs) -> ReportTable:
    known = TABLE_6 if model == ABLATION_MODEL else {}
    gates = [method for method in found if method.startswith(GATE_PREFIX)]
    expected = tuple(known) if known else ("hpt", *(() if gates else SMALL_GATES))
    methods = dict.fromkeys((*expected, *gates))
    labels = {method: gate_label(method) for method in methods}
    return _averages(key, f"{_number(6, model)}: the gate", model, found, labels, known)


def gate_label(method: str) -> str:
    """``gamma = 1/8`` for ``hpt_gamma_1_8``; HPT's own gate is 0."""
    return f"gamma = {method.removeprefix(GATE_PREFIX).replace('_', '/')}" if method != "hpt" else "gamma = 0"


def _averages(
    key: str, title: str, model: str, found: Runs, labels: Mapping[str, str],
    known: Mapping[str, float],
) -> ReportTable:  # fmt: skip
    """A row per method: the average in distribution, and the one out of distribution where there is one."""
    groups = columns(model, found)
    rows, records = [], []
    for method, label in labels.items():
        row = [label]
        for group, names in groups.items():
            cell = measured.average_of(found.get(method, ()), names)
            value = known.get(method) if group == AVERAGE else None
            row.append(shown(cell))
            if known and group == AVERAGE:
                row += [number(value), difference(cell, value)]
            records.append(record(model, method, f"average_{group}", cell, value))
        rows.append(row)
    header = ["method"]
    for group in groups:
        header.append(f"{AVERAGE_LABELS[group]}, measured")
        header += ["published", "difference"] if known and group == AVERAGE else []
    over = "; ".join(
        f"{AVERAGE_LABELS[group]} is the mean of {', '.join(map(measured.benchmark_label, names))}"
        for group, names in groups.items()
    )
    mine = {method: found[method] for method in labels if method in found}
    benchmarks = [name for names in groups.values() for name in names]
    notes = [ERROR_NOTE, *([f"{over}."] if over else [])]
    notes += [PUBLISHED_NOTE] if known else []
    notes += _seed_notes(mine) + measured.notes_on(mine, benchmarks)
    full = f"{title}, {model_label(model)}"
    return ReportTable(key, full, tuple(header), rows, records, notes, labels=1)
