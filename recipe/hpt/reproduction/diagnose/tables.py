# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Estimator diagnostics as tables, JSON and a figure with the data behind it."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from rich.table import Table

from hpt.common.terminal import print_table
from recipe.hpt.reproduction.diagnose.claims import Claim
from recipe.hpt.reproduction.diagnose.results import Diagnosis, Entry

ON, OFF = "on-policy", "off-policy"
# Okabe and Ito's blue and vermillion: told apart by colour-blind readers, and in grey by lightness.
COLOURS = {ON: "#0072B2", OFF: "#D55E00"}
MARKERS = {ON: "o", OFF: "s"}
LEGEND = (
    "norm: of the mean gradient g of a step on these questions. var: its variance with fresh rollouts.",
    "var/norm2: relative, over fresh rollouts (r) and what fresh questions add (q). cos: g to the gradient of",
    "expected reward, +- standard error; step: of a single step, noise included. ESS: effective",
    "sample size of w = coefficient * pi_theta * denominator, share of the tokens. 1_s: share with 1_stable != 1.",
    "norm, var/norm2 and cos are corrected for the noise of finite pools; a cosine may exceed 1 by that noise.",
)


@dataclass(frozen=True)
class Report:
    """What one call of the command found.

    Attributes:
        settings: option -> value.
        seconds: what took how long.
        on_policy, off_policy: on rollouts of the model, and of the policy it was before.
        claims: the paper's arguments against these numbers.
    """

    settings: dict[str, str]
    seconds: dict[str, float]
    on_policy: Diagnosis
    off_policy: Diagnosis
    claims: Sequence[Claim]

    @property
    def pools(self) -> dict[str, Diagnosis]:
        return {ON: self.on_policy, OFF: self.off_policy}


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}g}"


def _cosine(entry: Entry) -> str:
    if entry.cosine is None:
        return "-"
    if entry.cosine_error is None:
        return f"{entry.cosine:.3f}"
    return f"{entry.cosine:.3f} +- {entry.cosine_error:.3f}"


def entry_table(diagnosis: Diagnosis) -> Table:
    """One row per variant."""
    columns = ("norm", "var", "var/norm2 r", "var/norm2 q", "cos", "step", "ESS", "1_s")
    table = Table("entry", "rows", *columns)
    for each in diagnosis.entries.values():
        table.add_row(
            each.label,
            each.rows[:4],
            _number(each.norm),
            _number(each.variance_rollouts),
            _number(each.relative_rollouts),
            _number(each.relative_questions),
            _cosine(each),
            _number(each.step_cosine, 2),
            f"{each.ess_share:.0%}",
            f"{each.stabilised:.1%}",
        )
    return table


def block_table(diagnosis: Diagnosis) -> Table:
    """Variance over rollouts and questions relative to the squared norm, per block of parameters."""
    blocks = list(next(iter(diagnosis.entries.values())).blocks)
    table = Table("var/norm2 (r + q)", *blocks)
    for each in diagnosis.entries.values():
        table.add_row(each.label, *(_number(relative(each, block)) for block in blocks))
    return table


def relative(entry: Entry, block: str) -> float | None:
    """A block's variance over rollouts and questions, relative to its squared norm."""
    found = entry.blocks[block]
    squared, rollouts = found["squared_norm"], found["variance_rollouts"]
    questions = found["variance_questions"]
    if squared is None or squared <= 0 or rollouts is None or questions is None:
        return None
    return (rollouts + questions) / squared


def claim_table(claims: Sequence[Claim]) -> Table:
    table = Table("what the paper argues", "what was measured", "verdict")
    for each in claims:
        table.add_row(each.argument, each.measured, each.verdict)
    return table


def heading(label: str, diagnosis: Diagnosis) -> list[str]:
    """The pool in a few lines."""
    lines = [
        f"{label}: {diagnosis.questions} questions, {diagnosis.groups} groups of "
        f"{diagnosis.group_size} rollouts each, mean score {fmean(diagnosis.accuracy):.2f}; cosine expected "
        f"between the reference and the gradient it estimates {_number(diagnosis.reference_reliability, 2)}"
    ]
    if diagnosis.gap is not None:
        gap = diagnosis.gap
        lines.append(
            f"log pi_old - log pi_theta per token: mean {gap.mean:.4f}, mean magnitude "
            f"{gap.mean_absolute:.4f}, largest {gap.largest:.2f} nats; {gap.sequence:.3f} per rollout; "
            f"{gap.outside_clip:.1%} of the tokens with a ratio outside [0.8, 1.2]"
        )
    return lines


def show(report: Report, markdown: bool = False) -> None:
    """Print everything."""
    for label, diagnosis in report.pools.items():
        print(*heading(label, diagnosis), sep="\n")
        print_table(entry_table(diagnosis), (), markdown)
        print()
    absent = report.off_policy.not_applicable
    print(*(f"not applicable: {name}: {reason}" for name, reason in absent.items()), sep="\n")
    print(*LEGEND, "", f"Per block, {OFF}:", sep="\n")
    print_table(block_table(report.off_policy), (), markdown)
    print()
    print_table(claim_table(report.claims), (), markdown)
    print("\n" + ", ".join(f"{name} {value:.0f} s" for name, value in report.seconds.items()))


def figure_rows(report: Report) -> list[dict[str, str | float | None]]:
    """What the figure shows, one row per pool and entry."""
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
        for pool, diagnosis in report.pools.items()
        for each in diagnosis.entries.values()
    ]


def write(report: Report, folder: Path) -> list[Path]:
    """diagnosis.json (everything), .csv (what the figure shows), .png and .svg; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"diagnosis.{ending}" for ending in ("json", "csv", "png", "svg")]
    paths[0].write_text(json.dumps(asdict(report), indent=1) + "\n")
    rows = figure_rows(report)
    with open(paths[1], "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    plot(report, paths[2:])
    return paths


def plot(report: Report, paths: Sequence[Path]) -> None:
    """Relative variance, cosine and effective sample size per entry, both pools; one file per path."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(13, 5), layout="constrained", sharey=True)
    labels = list(report.on_policy.entries)
    for pool, diagnosis in report.pools.items():
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
    # Below the panels: inside one it would hide points.
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    for each in axes:
        each.grid(axis="y", color="0.9")
        each.set_axisbelow(True)
    for path in paths:
        figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _draw(axes, pool: str, entries: Sequence[Entry], places: Sequence[float]) -> None:
    """One pool into the three panels. Filled: rollouts; hollow: questions."""
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
