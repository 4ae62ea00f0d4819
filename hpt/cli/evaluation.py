# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``hpt eval``: which checkpoint to evaluate, and what to do with the results of ``python -m recipe.hpt.main_eval``."""

from pathlib import Path

import typer

from hpt.cli.options import MARKDOWN, OK, epilog, group
from hpt.common.terminal import rendered
from hpt.evaluation import compare as comparison
from hpt.evaluation import metrics
from hpt.evaluation.choice import best_checkpoint
from hpt.evaluation.manifest import locked, read_manifest
from hpt.evaluation.outputs import places, write_outputs

COMPARE = "hpt eval compare runs/eval/hpt runs/eval/grpo"
commands = group(
    "Choose a checkpoint; compare and render finished evaluations. python -m recipe.hpt.main_eval makes them.", COMPARE
)
RESAMPLES = typer.Option(metrics.RESAMPLES, help="resamples of the bootstrap")


@commands.command(epilog=epilog("hpt eval best runs/qwen2.5_math_7b_hpt"))
def best(folder: Path = typer.Argument(metavar="RUN", help="folder of a training")) -> int:
    """Print the kept checkpoint whose validation score is highest."""
    print(best_checkpoint(folder))
    return OK


@commands.command(epilog=epilog(f"{COMPARE} --solved-at 0.5 --markdown"))
def compare(
    a: Path = typer.Argument(metavar="A", help="folder of a finished evaluation"),
    b: Path = typer.Argument(metavar="B", help="another one on the same questions"),
    solved_at: float = typer.Option(
        comparison.SOLVED_AT, metavar="SHARE", help="share of correct samples from which a question counts as solved"
    ),
    resamples: int = RESAMPLES,
    markdown: bool = MARKDOWN,
) -> int:
    """Show the differences of two evaluations, and what one alone solves."""
    found, notes = comparison.compare(a, b, solved_at, resamples)
    tables = [rendered(make(found), markdown) for make in (comparison.difference_table, comparison.exclusive_table)]
    head = f"A: {a}; B: {b}. Solved: at least {solved_at:g} of a question's samples are correct."
    print("\n\n".join([*tables, "\n".join([head, *notes])]))
    return OK


@commands.command(epilog=epilog("hpt eval report runs/eval/hpt"))
def report(
    folder: Path = typer.Argument(metavar="DIR", help="folder of a finished evaluation"),
    resamples: int = RESAMPLES,
) -> int:
    """Write the tables and curves of a folder again."""
    read_manifest(folder)  # before a lock file is made where there are no results
    with locked(folder):
        print(write_outputs(folder, resamples))
    print(*places(folder), sep="\n")
    return OK
