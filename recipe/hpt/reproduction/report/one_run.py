# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""One run of the built-in task: a summary in text and a figure, for the quickstart."""

import os
from collections.abc import Mapping, Sequence
from statistics import fmean

from hpt.common.training_log import DEMONSTRATION_SHARE, Run

PARTS = 5
"""Columns of the summary's second table."""


def stretches(series: Mapping[int, float], parts: int = PARTS) -> list[tuple[str, float]]:
    """Split the steps into ``parts`` stretches of equal length; returns (label of the steps, mean) for each."""
    steps = list(series)
    size = -(-len(steps) // parts)
    parts_of_run = [steps[start : start + size] for start in range(0, len(steps), size)]
    return [
        (f"{part[0]}-{part[-1]}" if len(part) > 1 else f"{part[0]}", fmean([series[step] for step in part]))
        for part in parts_of_run
    ]


def summary(run: Run, training_levels: Sequence[int]) -> str:
    """Held-out accuracy per level before and after training, and the use of demonstrations over time.

    Raises:
        ValueError: the run has no validation of the built-in task.
    """
    levels = run.accuracy_per_level()
    if not levels:
        raise ValueError(f"the metrics in {run.folder} hold no validation of the built-in task")
    first = {level: next(iter(values.items())) for level, values in levels.items()}
    last = {level: list(values.items())[-1] for level, values in levels.items()}
    before, after = next(iter(first.values()))[0], next(iter(last.values()))[0]
    lines = [f"Held-out accuracy (greedy){'':8}step {before:<6} step {after:<6}  change"]

    def row(label: str, old: float, new: float) -> str:
        return f"  {label:<32}{old:>7.3f}     {new:>7.3f}   {new - old:>+7.3f}"

    for level in levels:
        note = "" if level in training_levels else " (not in training)"
        lines.append(row(f"level {level}{note}", first[level][1], last[level][1]))
    trained = [level for level in levels if level in training_levels]
    old, new = (fmean([values[level][1] for level in trained]) for values in (first, last))
    lines.append(row("mean of the training levels", old, new))
    share = run.series(DEMONSTRATION_SHARE)
    if share:
        lines += ["", "Share of questions that are trained on their demonstration"]
        over_time = stretches(share)
        lines.append("  steps   " + "".join(f"{label:>10}" for label, _ in over_time))
        lines.append("  share   " + "".join(f"{value:>10.2f}" for _, value in over_time))
    return "\n".join(lines)


def plot(run: Run, training_levels: Sequence[int], path: str | os.PathLike[str]) -> None:
    """Write a figure over the steps: accuracy per level, the gate's decisions, and the losses."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (accuracy, share, loss) = pyplot.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    colours = pyplot.get_cmap("viridis")
    levels = run.accuracy_per_level()
    for number, (level, values) in enumerate(levels.items()):
        style = "-" if level in training_levels else ":"
        accuracy.plot(
            list(values), list(values.values()), style, marker="o", markersize=3,
            color=colours(number / max(1, len(levels) - 1)), label=f"level {level}",
        )  # fmt: skip
    accuracy.set(title="Held-out accuracy", ylim=(-0.03, 1.03))
    share_lines = (
        (DEMONSTRATION_SHARE, "questions trained on their demonstration", "-"),
        ("hpt/rollout_accuracy", "rollout accuracy", "--"),
    )
    loss_lines = (
        ("hpt/loss_sft", "SFT term", "-"),
        ("hpt/loss_rl", "RL term", "--"),
        ("hpt/loss_off", "off-policy RL term", ":"),
    )
    for axis, lines in ((share, share_lines), (loss, loss_lines)):
        for name, label, style in lines:
            series = run.series(name)
            axis.plot(list(series), list(series.values()), style, label=label)
    share.set(title="Gate", ylim=(-0.03, 1.03))
    loss.set(title="Loss per optimizer step")
    for axis in (accuracy, share, loss):
        axis.set_xlabel("step")
        axis.legend(fontsize=7)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
