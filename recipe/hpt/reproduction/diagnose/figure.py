# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The figure of a diagnosis, and the rows behind it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from recipe.hpt.reproduction.diagnose.results import Diagnosis, Entry

ON, OFF = "on-policy", "off-policy"
# Okabe and Ito's blue and vermillion: colour-blind readers can tell them apart, and in grey they differ in lightness.
COLOURS = {ON: "#0072B2", OFF: "#D55E00"}
MARKERS = {ON: "o", OFF: "s"}


def figure_rows(pools: Mapping[str, Diagnosis]) -> list[dict[str, str | float | None]]:
    """What the figure shows, with one row per pool and entry."""
    return [
        {
            "pool": pool,
            "entry": each.label,
            "relative_variance_rollouts": each.relative_rollouts,
            "relative_variance_questions": each.relative_questions,
            "cosine": each.cosine,
            "cosine_error": each.cosine_error,
            "ess_share": each.ess_share,
        }
        for pool, diagnosis in pools.items()
        for each in diagnosis.entries.values()
    ]


def plot(pools: Mapping[str, Diagnosis], paths: Sequence[Path]) -> None:
    """Draw relative variance, cosine and effective sample size per entry for both pools, into one file per path."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(13, 5), layout="constrained", sharey=True)
    labels = list(pools[ON].entries)
    for pool, diagnosis in pools.items():
        shift = -0.15 if pool == ON else 0.15
        entries = [each for each in diagnosis.entries.values() if each.label in labels]
        places = [labels.index(each.label) + shift for each in entries]
        _draw(axes, pool, entries, places)
    axes[0].set(xscale="log", title="Variance of a step / squared norm", xlabel="relative variance")
    axes[1].set(title="Direction of the mean gradient", xlabel="cosine to the gradient of expected reward")
    axes[2].set(title="Weights", xlabel="effective sample size, share of tokens", xlim=(-0.03, 1.03))
    axes[1].axvline(1.0, color="0.6", linewidth=0.8)
    axes[0].set_yticks(range(len(labels)), labels)
    axes[0].invert_yaxis()
    # The legend is below the panels: inside one it would hide points.
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    for each in axes:
        each.grid(axis="y", color="0.9")
        each.set_axisbelow(True)
    for path in paths:
        figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _draw(axes, pool: str, entries: Sequence[Entry], places: Sequence[float]) -> None:
    """Draw one pool into the three panels. Filled markers are rollouts, hollow ones questions."""
    variance, direction, weights = axes
    style = {"marker": MARKERS[pool], "color": COLOURS[pool], "linestyle": "none", "markersize": 5}
    for attribute, fill, what in (
        ("relative_rollouts", COLOURS[pool], "rollouts"),
        ("relative_questions", "white", "questions"),
    ):
        points = [(getattr(each, attribute), y) for each, y in zip(entries, places, strict=True)]
        # A logarithmic axis has no place for the variance 0 of SFT over rollouts.
        shown = [(x, y) for x, y in points if x is not None and x > 0]
        variance.plot(
            [x for x, _ in shown], [y for _, y in shown], markerfacecolor=fill,
            label=f"{pool}, over {what}", **style,
        )  # fmt: skip
    known = [(each, y) for each, y in zip(entries, places, strict=True) if each.cosine is not None]
    direction.errorbar(
        [each.cosine for each, _ in known],
        [y for _, y in known],
        xerr=[each.cosine_error or 0.0 for each, _ in known],
        **style,
    )
    weights.plot([each.ess_share for each in entries], list(places), **style)
