# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Validate training and evaluation files: columns, rows, ids, kinds of answers, and that golds can be verified."""

import argparse
import sys
from collections.abc import Sequence

from rich.table import Table

from hpt.common.errors import DataError
from hpt.common.terminal import print_table
from hpt.data.checks import ADVICE
from hpt.data.command import OK, REFUSED, at_least
from hpt.data.inspection import KINDS, Inspection, inspect_file, most_common
from hpt.method.strategies import import_plugins
from hpt.verifier.pool import DEFAULT_WORKERS

HELP = "validate training and evaluation files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="parquet file")
    parser.add_argument(
        "--kind",
        choices=KINDS,
        default="auto",
        help="train wants gold solutions (auto: where there is a column target)",
    )
    parser.add_argument("--no-gold", action="store_true", help="do not ask the verifier about the gold answers")
    parser.add_argument("--workers", type=at_least(1), default=DEFAULT_WORKERS, help="verifier processes (2)")
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="MODULE",
        help="module to import that registers kinds of answers; may be repeated",
    )
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")


def run(options: argparse.Namespace) -> int:
    """Print a table of all files and what is wrong with each; 2 if anything is."""
    import_plugins(options.plugin, "--plugin")
    inspections = [
        inspect_file(
            file,
            options.kind,
            gold=not options.no_gold,
            workers=options.workers,
            progress=not options.no_progress,
        )
        for file in options.files
    ]
    print_table(table(inspections), ["Lengths are in characters: smallest / median / largest."], False)
    bad = [inspection for inspection in inspections if inspection.problems]
    for inspection in bad:
        print(f"error: {DataError(inspection.problems, ADVICE)}", file=sys.stderr)
    return REFUSED if bad else OK


def table(inspections: Sequence[Inspection]) -> Table:
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
            str(found.questions),
            str(found.answers),
            str(found.targets),
            f"{found.rows:,}",
            f"{found.with_target:,}",
            f"{len(found.problems):,}",
        )
    return result
