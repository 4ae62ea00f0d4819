# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A study's curves: held-out accuracy over the questions seen, as data and as a figure."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recipe.hpt.reproduction.methods import BASE, COMPARED, METHODS
from recipe.hpt.reproduction.report.formats import csv_of
from recipe.hpt.reproduction.report.statistics import Value, value_of
from recipe.hpt.reproduction.report.study import IN, OUT, Outcome, groups_of, mean_over

# Colours of Okabe and Ito, which colour-blind readers can tell apart. Markers and dashes tell lines apart in grey.
STYLES: dict[str, tuple[str, str, str]] = {
    "base": ("#000000", "", ":"),
    "sft": ("#E69F00", "s", "-"),
    "grpo": ("#56B4E9", "^", "-"),
    "sft_grpo": ("#009E73", "D", "--"),
    "luffy": ("#CC79A7", "v", "-"),
    "srft": ("#0072B2", "P", "--"),
    "hpt": ("#D55E00", "o", "-"),
}


def curve_rows(found: Sequence[Outcome], training_levels: Sequence[int]) -> list[dict[str, Any]]:
    """The mean over levels and seeds, per compared method, group of levels and number of questions seen.

    Every line starts from the base model of its own seeds. A line has only the places where all of the method's seeds
    were validated, as the band would otherwise move with the seeds.
    """
    base = {each.seed: each.accuracy for each in found if each.method == BASE}
    rows = []
    for method in COMPARED:
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
    """Write the data behind the figure; an empty standard error means a single seed."""
    path.write_text(csv_of(("method", "levels", "questions", "mean", "standard_error", "seeds"), rows, digits=None))


def plot_curves(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw accuracy over questions seen: a line per method, with bands of one standard error."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from PIL import Image

    groups = [name for name in (IN, OUT) if any(row["levels"] == name for row in rows)]
    figure, axes = pyplot.subplots(
        1, max(1, len(groups)), figsize=(6.5 * max(1, len(groups)), 4.4), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    longest = max((row["questions"] for row in rows), default=0)
    for group, axis in zip(groups, axes[0], strict=False):
        for method in COMPARED:
            of_line = [row for row in rows if (row["method"], row["levels"]) == (method, group)]
            _draw(axis, method, of_line, longest)
        axis.set(
            title=f"Test accuracy, mean over levels {group}",
            xlabel="questions seen",
            ylim=(-0.03, 1.03),
        )
        axis.grid(color="0.9")
        axis.set_axisbelow(True)
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=150)
    pyplot.close(figure)
    # It is committed: 256 colours take a third of the bytes.
    Image.open(drawn).convert("RGB").quantize(256).save(path, format="PNG", optimize=True)


def _draw(axis: Any, method: str, rows: Sequence[Mapping[str, Any]], longest: int) -> None:
    if not rows:
        return
    colour, marker, dashes = STYLES[method]
    x, y = [row["questions"] for row in rows], [row["mean"] for row in rows]
    errors = [row["standard_error"] or 0.0 for row in rows]
    if method == BASE:  # It sees no questions, so it is a level line to compare with.
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
