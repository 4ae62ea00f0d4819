# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Figure 2 of arXiv 2509.04419: pass@k over k per benchmark, one line per method, with bootstrap intervals."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from hpt.evaluation.metrics import (
    CONFIDENCE,
    RESAMPLES,
    bootstrap_interval,
    pass_at_k_table,
    powers_of_two,
)
from hpt.evaluation.results import BOOTSTRAP_SEED
from recipe.hpt.reproduction.report.measured import (
    Evaluated,
    benchmark_label,
    columns_of,
    question_records,
    read_evaluation,
)
from recipe.hpt.reproduction.report.plots import (
    Figure,
    draw_line,
    drawing,
    finish,
    label_left,
    styles_of,
)
from recipe.hpt.reproduction.report.runs import RunEntry, label_of, methods_of, unknown_note, without_ablations

COLUMNS = ("benchmark", "method", "k", "pass_at_k", "low", "high", "questions", "n", "seeds")
Records = Mapping[str, Mapping[str, Any]]


def pass_at_k_figure(slug: str, model: str, entries: Sequence[RunEntry]) -> list[Figure]:
    """Figure 2 of one model. Ablations are not drawn; they have tables of their own.

    Raises:
        recipe.hpt.reproduction.report.runs.RunsError: an evaluation that cannot be read.
    """
    key, title = f"figure2_{slug}", f"Figure 2: pass@k, {model}"
    caption = (
        "Probability that at least one of k samples is correct, 1 - C(n-c, k) / C(n, k), in percent, as the mean over "
        f"questions and seeds. The band is the {100 * CONFIDENCE:.0f} % percentile bootstrap interval over questions "
        f"({RESAMPLES} resamples). Samples are not drawn again."
    )
    runs = [read_evaluation(entry) for entry in entries]
    methods = without_ablations(methods_of(entries))
    rows = [
        row
        for names in columns_of(name for run in runs for name in run.benchmarks).values()
        for name in names
        for method in methods
        for row in _rows(method, name, [run for run in runs if run.entry.method == method])
    ]
    if not rows:
        needs = "It needs evaluations with several samples per question (n of recipe.hpt.main_eval)."
        return [Figure(key, title, caption, missing=needs)]
    notes = _notes(rows) + unknown_note(methods)
    return [Figure(key, title, caption, COLUMNS, rows, _drawn(rows, methods), notes=notes)]


def _rows(method: str, name: str, runs: Sequence[Evaluated]) -> list[dict[str, Any]]:
    """A method's curve on one benchmark; empty where a question has only one sample."""
    having = sorted((run for run in runs if name in run.benchmarks), key=lambda r: r.entry.seed)
    per_seed = [most_samples(run, name) for run in having]
    n = min((each["n"] for records in per_seed for each in records.values()), default=1)
    if n < 2:
        return []
    ks = powers_of_two(n)
    values = _questions_by_k(per_seed, ks)
    low, high = bootstrap_interval(values, RESAMPLES, BOOTSTRAP_SEED)
    return [
        {
            "benchmark": name,
            "method": method,
            "k": k,
            "pass_at_k": fmean(column),
            "low": None if math.isnan(low[i]) else float(low[i]),
            "high": None if math.isnan(high[i]) else float(high[i]),
            "questions": len(per_seed[0]),
            "n": n,
            "seeds": " ".join(str(run.entry.seed) for run in having),
        }
        for i, (k, column) in enumerate(zip(ks, values.T, strict=True))
    ]


def most_samples(run: Evaluated, name: str) -> Records:
    """The records of the folder with most samples per question. A run may have a second evaluation, for the curve."""
    found = [question_records(folder, name) for folder in run.folders[name]]
    return max(found, key=lambda records: min(each["n"] for each in records.values()))


def _questions_by_k(per_seed: Sequence[Records], ks: Sequence[int]) -> np.ndarray:
    """pass@k per question, (q, m).

    Where every seed has the same questions, a question is one unit and its seeds are averaged, as they share its
    difficulty. Where each seed has other questions, as in the built-in task, every question of a seed is a unit.
    """
    tables = []
    for records in per_seed:
        ids = sorted(records)
        n, correct = ([records[id][what] for id in ids] for what in ("n", "correct"))
        tables.append(pass_at_k_table(n, correct, ks))
    answers = [{id: each["answer"] for id, each in records.items()} for records in per_seed]
    if all(each == answers[0] for each in answers):
        return np.mean(tables, axis=0)
    return np.concatenate(tables)


def _notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Samples and seeds of the lines, in one sentence where all lines have the same."""
    notes = []
    for what, title in (("n", "Samples per question"), ("seeds", "Seeds")):
        values = sorted({str(row[what]) for row in rows})
        if len(values) == 1:
            notes.append(f"{title}: {values[0]}.")
        else:
            of = dict.fromkeys((row["method"], row["benchmark"], str(row[what])) for row in rows)
            notes.append(f"{title}: {'; '.join(_per_line(list(of)))}.")
    return notes


def _per_line(values: Sequence[tuple[str, str, str]]) -> list[str]:
    """Describe (method, benchmark, value); a method's benchmarks are named where their values differ."""
    found = []
    for method in dict.fromkeys(method for method, _, _ in values):
        mine = {benchmark: value for m, benchmark, value in values if m == method}
        if len(set(mine.values())) == 1:
            found.append(f"{label_of(method)} ({next(iter(mine.values()))})")
        else:
            found += [f"{label_of(method)}, {benchmark_label(b)} ({value})" for b, value in mine.items()]
    return found


def _drawn(rows: Sequence[Mapping[str, Any]], methods: Sequence[str]) -> bytes:
    names = list(dict.fromkeys(row["benchmark"] for row in rows))
    styles = styles_of(methods)
    with drawing(4, len(names), width=2.9, height=2.5) as (figure, axes):
        for axis, name in zip(axes, names, strict=True):
            for method in methods:
                mine = [r for r in rows if (r["benchmark"], r["method"]) == (name, method)]
                if mine:
                    _draw(axis, mine, styles[method], label_of(method))
            axis.set_xscale("log", base=2)
            axis.set(title=benchmark_label(name), xlabel="k", ylim=(-4, 104))
        label_left(axes, "pass@k, %")
        return finish(figure, axes)


def _draw(axis: Any, rows: Sequence[Mapping[str, Any]], style: tuple[str, str, str], label: str) -> None:
    low, high = ([row[side] for row in rows] for side in ("low", "high"))
    known = None not in low
    below, above = ([100 * x for x in side] if known else None for side in (low, high))
    ks = [row["k"] for row in rows]
    draw_line(axis, ks, [100 * row["pass_at_k"] for row in rows], style, label, below, above)
