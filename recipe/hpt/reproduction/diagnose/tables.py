# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Estimator diagnostics as tables on standard output."""

from collections.abc import Sequence
from statistics import fmean

from rich.table import Table

from hpt.common.terminal import print_table
from recipe.hpt.reproduction.diagnose.claims import Claim
from recipe.hpt.reproduction.diagnose.figure import OFF
from recipe.hpt.reproduction.diagnose.report import Report
from recipe.hpt.reproduction.diagnose.results import Diagnosis, Entry

LEGEND = (
    "norm is the norm of the mean gradient g of a step on these questions; var is its variance with fresh rollouts.",
    "var/norm2 is the relative variance: r over fresh rollouts, q what fresh questions add. cos is the cosine of g",
    "to the gradient of expected reward, +- its standard error; step is that of a single step, with its noise.",
    "ESS is the effective sample size of w = coefficient * pi_theta * denominator, as a share of the tokens.",
    "1_s is the share of tokens with 1_stable != 1. norm, var/norm2 and cos are corrected for the noise of finite",
    "pools; a cosine may exceed 1 by that noise.",
)


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}g}"


def _cosine(entry: Entry) -> str:
    if entry.cosine is None:
        return "-"
    if entry.cosine_error is None:
        return f"{entry.cosine:.3f}"
    return f"{entry.cosine:.3f} +- {entry.cosine_error:.3f}"


def entry_table(diagnosis: Diagnosis) -> Table:
    """A table with one row per variant."""
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
    """A table with one row per claim of the paper."""
    table = Table("what the paper argues", "what was measured", "verdict")
    for each in claims:
        table.add_row(each.argument, each.measured, each.verdict)
    return table


def heading(label: str, diagnosis: Diagnosis) -> list[str]:
    """A few lines on the pool."""
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
    """Print the report's tables, notes and times."""
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
