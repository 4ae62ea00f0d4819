# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Tables and curves of an evaluation, from the contents of its results.json."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

TITLES = {
    "in_distribution": "Average, in distribution",
    "out_of_distribution": "Average, out of distribution",
    "other": "Average, other benchmarks",
}
NONE = "-"
CURVE_COLUMNS = ("benchmark", "questions", "n", "k", "pass_at_k", "low", "high", "maj_at_k")
_PANELS_PER_ROW = 3


def percent(value: float | None) -> str:
    """``0.1234`` as ``12.3``."""
    return NONE if value is None else f"{100 * value:.1f}"


def with_error(figures: Mapping[str, Any]) -> str:
    """``33.0 ± 2.1``, in percent."""
    error = figures["standard_error"]
    return percent(figures["value"]) + ("" if error is None else f" ± {percent(error)}")


def main_table(results: Mapping[str, Any]) -> Table:
    """A row per benchmark, then the averages."""
    table = Table()
    table.add_column("benchmark")
    for name in ("questions", "metric", "%", "pass@k %", "maj@n %", "tokens", "truncated %"):
        table.add_column(name, justify="right")
    for name, figures in results["benchmarks"].items():
        table.add_row(
            name,
            str(figures["questions"]),
            figures["metric"],
            with_error(figures),
            _last_of_curve(figures),
            percent(figures["maj_at_k"][str(figures["n"])]) if figures["n"] > 1 else NONE,
            f"{figures['mean_tokens']:.0f}",
            percent(figures["truncated"]),
        )
    for group, figures in results["averages"].items():
        have, missing = len(figures["benchmarks"]), len(figures["missing"])
        title = TITLES[group] + (f" ({have} of {have + missing})" if missing else "")
        table.add_row(title, "", "", with_error(figures), "", "", "", "")
    return table


def _last_of_curve(figures: Mapping[str, Any]) -> str:
    """pass@k at the largest k of the curve, with its interval."""
    if figures["n"] == 1:
        return NONE
    k, point = list(figures["pass_at_k"].items())[-1]
    interval = "" if point["low"] is None else f" [{percent(point['low'])}, {percent(point['high'])}]"
    return f"@{k}: {percent(point['value'])}{interval}"


def level_table(results: Mapping[str, Any]) -> Table | None:
    """Shares of correct samples per level; None where no benchmark has more than one level."""
    rows = [
        (name, level, figures)
        for name, benchmark in results["benchmarks"].items()
        if len(benchmark["levels"]) > 1
        for level, figures in benchmark["levels"].items()
    ]
    if not rows:
        return None
    table = Table()
    table.add_column("benchmark")
    for name in ("level", "questions", "%"):
        table.add_column(name, justify="right")
    for name, level, figures in rows:
        table.add_row(name, level, str(figures["questions"]), with_error(figures))
    return table


def notes(results: Mapping[str, Any]) -> list[str]:
    """What a reader must know about the figures."""
    sampling = results["sampling"]
    found = [
        f"Model {results['model']['name']} (fingerprint {results['model']['fingerprint'][:12]}); temperature "
        f"{sampling['temperature']}, top-p {sampling['top_p']}, at most {sampling['max_tokens']} tokens, seed "
        f"{sampling['seed']}.",
        "± is the standard error over questions of the share of correct samples; [ ] the "
        f"{100 * results['bootstrap']['confidence']:.0f} % bootstrap interval over questions. maj@n: ties share.",
    ]
    for name, figures in results["incomplete"].items():
        found.append(f"{name} is not finished: {figures['samples']} of {figures['of']} samples.")
    if len(results["engines"]) > 1:
        texts = [", ".join(f"{key} {value}" for key, value in each.items()) for each in results["engines"]]
        found.append("The samples were made by different engines: " + " | ".join(texts) + ".")
    return found


def curve_rows(results: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """pass@k and maj@k over k, of benchmarks with more than one sample per question."""
    return [
        (name, figures["questions"], figures["n"], int(k), point["value"], point["low"], point["high"],
         figures["maj_at_k"][k])
        for name, figures in results["benchmarks"].items()
        if figures["n"] > 1
        for k, point in figures["pass_at_k"].items()
    ]  # fmt: skip


def write_curves(results: Mapping[str, Any], path: Path) -> None:
    """The curves as CSV."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CURVE_COLUMNS)
        writer.writerows(curve_rows(results))


def plot_curves(results: Mapping[str, Any], path: Path) -> None:
    """A panel per benchmark: pass@k with its interval, and maj@k, over k on a logarithmic axis."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = curve_rows(results)
    names = list(dict.fromkeys(row[0] for row in rows))
    columns = min(_PANELS_PER_ROW, len(names))
    lines = -(-len(names) // columns)
    figure, axes = pyplot.subplots(
        lines, columns, figsize=(4.2 * columns, 3.4 * lines), layout="constrained", squeeze=False
    )
    for panel in axes.flat[len(names) :]:
        panel.set_visible(False)
    for name, panel in zip(names, axes.flat, strict=False):
        mine = [row for row in rows if row[0] == name]
        ks = [row[3] for row in mine]
        panel.plot(ks, [100 * row[4] for row in mine], "o-", markersize=3, label="pass@k")
        if all(row[5] is not None for row in mine):
            low, high = ([100 * row[i] for row in mine] for i in (5, 6))
            panel.fill_between(ks, low, high, alpha=0.2, linewidth=0)
        panel.plot(ks, [100 * row[7] for row in mine], "s--", markersize=3, label="maj@k")
        panel.set_xscale("log", base=2)
        panel.set(title=f"{name} (n = {mine[0][2]})", xlabel="k", ylabel="%", ylim=(-3, 103))
        panel.legend(fontsize=7)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
