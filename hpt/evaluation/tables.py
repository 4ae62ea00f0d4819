# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Tables and curves of an evaluation, made from the contents of its results.json."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

TITLES = {
    "in_distribution": "Average, in distribution",
    "out_of_distribution": "Average, out of distribution",
    "other": "Average, other benchmarks",
}
NONE = "-"
CURVE_COLUMNS = ("benchmark", "questions", "n", "k", "pass_at_k", "low", "high", "maj_at_k")
_PANELS_PER_ROW = 3


def table_of(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table whose first column is text and whose other columns are numbers."""
    table = Table()
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    return table


def percent(value: float | None) -> str:
    """``0.1234`` as ``12.3``."""
    return NONE if value is None else f"{100 * value:.1f}"


def with_error(figures: Mapping[str, Any]) -> str:
    """``33.0 ± 2.1``, in percent."""
    error = figures["standard_error"]
    return percent(figures["value"]) + ("" if error is None else f" ± {percent(error)}")


def main_table(results: Mapping[str, Any]) -> Table:
    """A row per benchmark, then the averages."""
    rows = [
        (
            name,
            str(figures["questions"]),
            figures["metric"],
            with_error(figures),
            _last_of_curve(figures),
            percent(figures["maj_at_k"][str(figures["n"])]) if figures["n"] > 1 else NONE,
            f"{figures['mean_tokens']:.0f}",
            percent(figures["truncated"]),
        )
        for name, figures in results["benchmarks"].items()
    ]
    for group, figures in results["averages"].items():
        have, missing = len(figures["benchmarks"]), len(figures["missing"])
        title = TITLES[group] + (f" ({have} of {have + missing})" if missing else "")
        rows.append((title, "", "", with_error(figures), "", "", "", ""))
    return table_of(("benchmark", "questions", "metric", "%", "pass@k %", "maj@n %", "tokens", "truncated %"), rows)


def _last_of_curve(figures: Mapping[str, Any]) -> str:
    """pass@k at the largest k of the curve, with its interval."""
    if figures["n"] == 1:
        return NONE
    k, point = list(figures["pass_at_k"].items())[-1]
    interval = "" if point["low"] is None else f" [{percent(point['low'])}, {percent(point['high'])}]"
    return f"@{k}: {percent(point['value'])}{interval}"


def level_table(results: Mapping[str, Any]) -> Table | None:
    """Shares of correct samples per level; None if no benchmark has more than one level."""
    rows = [
        (name, level, str(figures["questions"]), with_error(figures))
        for name, benchmark in results["benchmarks"].items()
        if len(benchmark["levels"]) > 1
        for level, figures in benchmark["levels"].items()
    ]
    return table_of(("benchmark", "level", "questions", "%"), rows) if rows else None


def notes(results: Mapping[str, Any]) -> list[str]:
    """What a reader must know about the figures."""
    model, sampling = results["model"], results["sampling"]
    found = [
        f"Model {model['name']} (fingerprint {model['fingerprint'][:12]}); temperature {sampling['temperature']}, "
        f"top-p {sampling['top_p']}, at most {sampling['max_tokens']} tokens, seed {sampling['seed']}.",
        "± gives the standard error over questions of the share of correct samples, [ ] the "
        f"{100 * results['bootstrap']['confidence']:.0f} % bootstrap interval over questions. In maj@n, answers that "
        "tie share the vote.",
    ]
    for name, figures in results["incomplete"].items():
        found.append(f"{name} is not finished: {figures['samples']} of {figures['of']} samples.")
    if len(results["engines"]) > 1:
        texts = [", ".join(f"{key} {value}" for key, value in each.items()) for each in results["engines"]]
        found.append("Different engines made the samples: " + " | ".join(texts) + ".")
    return found


def curves(results: Mapping[str, Any]) -> pd.DataFrame:
    """pass@k and maj@k over k, for benchmarks with more than one sample per question; columns CURVE_COLUMNS."""
    rows = [
        (name, figures["questions"], figures["n"], int(k), *point.values(), figures["maj_at_k"][k])
        for name, figures in results["benchmarks"].items()
        if figures["n"] > 1
        for k, point in figures["pass_at_k"].items()
    ]
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS)).astype({"low": float, "high": float})


def plot_curves(rows: pd.DataFrame, path: Path) -> None:
    """Draw a panel per benchmark: pass@k with its interval, and maj@k, over k on a logarithmic axis."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    groups = list(rows.groupby("benchmark", sort=False))
    columns = min(_PANELS_PER_ROW, len(groups))
    lines = -(-len(groups) // columns)
    size = (4.2 * columns, 3.4 * lines)
    figure, axes = pyplot.subplots(lines, columns, figsize=size, layout="constrained", squeeze=False)
    for panel in axes.flat[len(groups) :]:
        panel.set_visible(False)
    for (name, curve), panel in zip(groups, axes.flat, strict=False):
        panel.plot(curve.k, 100 * curve.pass_at_k, "o-", markersize=3, label="pass@k")
        # A single question has no interval; matplotlib leaves NaN out.
        panel.fill_between(curve.k, 100 * curve.low, 100 * curve.high, alpha=0.2, linewidth=0)
        panel.plot(curve.k, 100 * curve.maj_at_k, "s--", markersize=3, label="maj@k")
        panel.set_xscale("log", base=2)
        panel.set(title=f"{name} (n = {curve.n.iloc[0]})", xlabel="k", ylabel="%", ylim=(-3, 103))
        panel.legend(fontsize=7)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
