# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""One run read back: its metrics over the steps, a summary in text and a figure."""

import glob
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

METRICS_FILE = "metrics.jsonl"
SFT_SHARE = "hpt/sft_share_questions"
_LEVEL = re.compile(r"^val-core/builtin/level_(\d+)/acc/mean@\d+$")


@dataclass
class Run:
    """Metrics of a run, one dict per training step (step 0 is the validation before training).

    Attributes:
        folder: the run's folder.
        steps: step -> metric -> value.
    """

    folder: Path
    steps: dict[int, dict[str, Any]] = field(default_factory=dict)

    def series(self, name: str) -> dict[int, float]:
        """step -> value, for the steps that have the metric."""
        return {step: row[name] for step, row in sorted(self.steps.items()) if name in row}

    def accuracy_per_level(self) -> dict[int, dict[int, float]]:
        """level -> step -> held-out accuracy, for the built-in task."""
        levels: dict[int, dict[int, float]] = {}
        for step, row in sorted(self.steps.items()):
            for name, value in row.items():
                if match := _LEVEL.match(name):
                    levels.setdefault(int(match[1]), {})[step] = value
        return dict(sorted(levels.items()))


def read_run(folder: str | os.PathLike[str]) -> Run:
    """Read a run's metrics, those of earlier launches included (a later launch has the last word).

    A line that is cut off, as a killed process may leave it at the end of a file, is left out.

    Raises:
        FileNotFoundError: no metrics in the folder.
    """
    folder = Path(folder)
    stem = METRICS_FILE.removesuffix(".jsonl")
    pattern = os.path.join(glob.escape(str(folder)), f"{stem}.*.jsonl")
    earlier = sorted(glob.glob(pattern), key=lambda path: int(Path(path).name.split(".")[1]))
    current = folder / METRICS_FILE
    files = [*earlier, *([str(current)] if current.exists() else [])]
    if not files:
        raise FileNotFoundError(
            f"no {METRICS_FILE} in {folder}; expected the folder of a run (trainer.default_local_dir)"
        )
    run = Run(folder)
    for file in files:
        for line in Path(file).read_text().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            run.steps.setdefault(entry["step"], {}).update(entry["data"])
    return run


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def stretches(series: dict[int, float], parts: int = 5) -> list[tuple[str, float]]:
    """The series as means over ``parts`` equal stretches of steps: (label of the steps, mean)."""
    steps = list(series)
    size = -(-len(steps) // parts)
    parts_of_run = [steps[start : start + size] for start in range(0, len(steps), size)]
    return [
        (
            f"{part[0]}-{part[-1]}" if len(part) > 1 else f"{part[0]}",
            _mean([series[step] for step in part]),
        )
        for part in parts_of_run
    ]


def summary(run: Run, training_levels: tuple[int, ...]) -> str:
    """The run in a few lines: held-out accuracy before and after per level, and the SFT share over time."""
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
    lines.append(
        row(
            "mean of the training levels",
            _mean([first[level][1] for level in trained]),
            _mean([last[level][1] for level in trained]),
        )
    )
    share = run.series(SFT_SHARE)
    if share:
        lines += ["", "Share of questions trained on their gold solution"]
        over_time = stretches(share)
        lines.append("  steps   " + "".join(f"{label:>10}" for label, _ in over_time))
        lines.append("  share   " + "".join(f"{value:>10.2f}" for _, value in over_time))
    return "\n".join(lines)


def plot(run: Run, training_levels: tuple[int, ...], path: str | os.PathLike[str]) -> None:
    """Write a figure: accuracy per level, SFT share and rollout accuracy, losses; over the steps."""
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
    accuracy.set(title="Held-out accuracy", xlabel="step", ylim=(-0.03, 1.03))
    accuracy.legend(fontsize=7)
    for name, label, style in (
        (SFT_SHARE, "questions on their gold solution", "-"),
        ("hpt/rollout_accuracy", "rollout accuracy", "--"),
    ):
        series = run.series(name)
        share.plot(list(series), list(series.values()), style, label=label)
    share.set(title="Gate", xlabel="step", ylim=(-0.03, 1.03))
    share.legend(fontsize=7)
    for name, label, style in (
        ("hpt/loss_sft", "SFT term", "-"),
        ("hpt/loss_rl", "RL term", "--"),
        ("hpt/loss_offline", "off-policy RL term", ":"),
    ):
        series = run.series(name)
        loss.plot(list(series), list(series.values()), style, label=label)
    loss.set(title="Loss per optimizer step", xlabel="step")
    loss.legend(fontsize=7)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
