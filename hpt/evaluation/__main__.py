# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What to do with results folders; ``python -m recipe.hpt.main_eval`` makes them.

python -m hpt.evaluation compare A B [--solved-at SHARE] [--markdown]
python -m hpt.evaluation report DIR
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hpt.common.terminal import rendered
from hpt.evaluation import metrics
from hpt.evaluation.compare import SOLVED_AT, compare, difference_table, exclusive_table
from hpt.evaluation.manifest import locked, read_manifest
from hpt.evaluation.outputs import places, write_outputs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hpt.evaluation", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    two = commands.add_parser("compare", help="two finished folders on the same questions")
    two.add_argument("a", type=Path, metavar="A")
    two.add_argument("b", type=Path, metavar="B")
    two.add_argument(
        "--solved-at",
        type=float,
        default=SOLVED_AT,
        metavar="SHARE",
        help=f"share of correct samples from which a question counts as solved ({SOLVED_AT})",
    )
    two.add_argument("--markdown", action="store_true", help="tables in Markdown")
    one = commands.add_parser("report", help="write tables and curves of a folder again")
    one.add_argument("folder", type=Path, metavar="DIR")
    for each in (two, one):
        each.add_argument(
            "--resamples",
            type=int,
            default=metrics.RESAMPLES,
            help=f"of the bootstrap ({metrics.RESAMPLES})",
        )
    return parser


def _compare(options: argparse.Namespace) -> None:
    found, notes = compare(options.a, options.b, options.solved_at, options.resamples)
    tables = [rendered(make(found), options.markdown) for make in (difference_table, exclusive_table)]
    notes = [
        f"A: {options.a}; B: {options.b}. Solved: at least {options.solved_at:g} of a question's samples are correct.",
        *notes,
    ]
    print("\n\n".join([*tables, "\n".join(notes)]))


def _report(options: argparse.Namespace) -> None:
    read_manifest(options.folder)  # before a lock file is made where there are no results
    with locked(options.folder):
        print(write_outputs(options.folder, options.resamples))
    print(*places(options.folder), sep="\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 2 wrong folders or options."""
    options = _parser().parse_args(arguments)
    try:
        {"compare": _compare, "report": _report}[options.command](options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
