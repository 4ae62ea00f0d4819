# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``hpt data``: prepare question files, validate them, and compare training with benchmarks."""

import sys
from collections.abc import Sequence
from typing import Literal

import typer
from rich.table import Table

from hpt.cli import contamination, prepare
from hpt.cli.options import NO_PROGRESS, OK, PLUGIN, REFUSED, WORKERS, epilog, group, load_plugins
from hpt.common.errors import DataError
from hpt.common.terminal import print_table
from hpt.data.checks import ADVICE
from hpt.data.inspection import Inspection, inspect_file, most_common

CHECK = "hpt data check data/openr1_math_46k.parquet data/benchmarks/aime24.parquet"
commands = group("Prepare question files, validate them, and compare training with benchmarks.", CHECK)
commands.add_typer(prepare.commands, name="prepare")
contamination.add_to(commands)


@commands.command(epilog=epilog(CHECK))
def check(
    files: list[str] = typer.Argument(metavar="FILE...", help="parquet files"),
    kind: Literal["auto", "train", "eval"] = typer.Option(
        "auto", help="train needs gold solutions (auto: train where there is a column target)"
    ),
    no_gold: bool = typer.Option(False, "--no-gold", help="do not ask the verifier about the gold answers"),
    workers: int = WORKERS,
    plugin: list[str] = PLUGIN,
    no_progress: bool = NO_PROGRESS,
) -> int:
    """Validate training and evaluation files.

    It prints a table of the files, and what is wrong with each: columns, rows, ids, kinds of answers, and gold answers
    that cannot be verified. The exit status is 2 if anything is.
    """
    load_plugins(plugin)
    inspections = [
        inspect_file(file, kind, gold=not no_gold, workers=workers, progress=not no_progress) for file in files
    ]
    print_table(_table(inspections), ["Lengths are in characters: smallest / median / largest."], False)
    bad = [inspection for inspection in inspections if inspection.problems]
    for inspection in bad:
        print(f"error: {DataError(inspection.problems, ADVICE)}", file=sys.stderr)
    return REFUSED if bad else OK


def _table(inspections: Sequence[Inspection]) -> Table:
    """One row per file."""
    result = Table()
    for name in ("file", "kind", "data_source", "verifier_kind", "question", "answer", "solution"):
        result.add_column(name, overflow="fold")
    for name in ("rows", "with solution", "problems"):
        result.add_column(name, justify="right")
    for found in inspections:
        result.add_row(
            found.path,
            found.kind,
            most_common(found.sources),
            most_common(found.verifier_kinds),
            *(str(lengths) for lengths in (found.questions, found.answers, found.targets)),
            *(f"{count:,}" for count in (found.rows, found.with_target, len(found.problems))),
        )
    return result
