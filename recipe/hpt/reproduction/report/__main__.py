# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Tables 2 to 6 and Figures 2 to 8 of arXiv 2509.04419 from any runs.

hpt report tables RUNS.yaml --out DIR      writes Markdown, CSV and LaTeX
hpt report figures RUNS.yaml --out DIR     writes SVG, and the data of each as CSV
hpt report page RUNS.yaml --out FILE.html  writes everything on one self-contained page
hpt report all RUNS.yaml --out DIR         writes tables/, figures/ and report.html
hpt report runs DIR --out DIR/RUNS.yaml    names the runs that the scripts of examples/ left in DIR

For RUNS.yaml see :mod:`recipe.hpt.reproduction.report.runs` and :mod:`recipe.hpt.reproduction.report.find`.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from recipe.hpt.reproduction.report.figures import make_figures
from recipe.hpt.reproduction.report.files import (
    check_folder,
    check_page,
    write_figures,
    write_page,
    write_report,
    write_tables,
)
from recipe.hpt.reproduction.report.find import write_runs
from recipe.hpt.reproduction.report.page import page
from recipe.hpt.reproduction.report.runs import RunEntry, read_runs
from recipe.hpt.reproduction.report.tables import make_tables


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hpt report", epilog="Example: hpt report all runs/report.yaml --out runs/report", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what, out in (
        ("tables", "Tables 2 to 6 as Markdown, CSV and LaTeX", "DIR"),
        ("figures", "Figures 2 to 8 as SVG and CSV", "DIR"),
        ("page", "everything on one self-contained HTML page", "FILE.html"),
        ("all", "tables/, figures/ and report.html", "DIR"),
    ):
        example = f"Example: hpt report {name} runs/report.yaml --out runs/report{'.html' * (name == 'page')}"
        command = commands.add_parser(name, help=what, description=what, epilog=example, allow_abbrev=False)
        command.add_argument("runs", type=Path, metavar="RUNS.yaml")
        command.add_argument("--out", type=Path, required=True, metavar=out)
    what = "write the file of runs for what the scripts of examples/ left in a folder"
    example = "Example: hpt report runs runs --out runs/report.yaml"
    command = commands.add_parser("runs", help=what, description=what, epilog=example, allow_abbrev=False)
    command.add_argument("folder", type=Path, metavar="DIR")
    command.add_argument("--out", type=Path, required=True, metavar="RUNS.yaml")
    return parser


def _make_tables(entries: Sequence[RunEntry], out: Path) -> list[str]:
    return write_tables(make_tables(entries), out)


def _make_figures(entries: Sequence[RunEntry], out: Path) -> list[str]:
    return write_figures(make_figures(entries), out)


def _make_page(entries: Sequence[RunEntry], out: Path) -> list[str]:
    write_page(page(entries, make_tables(entries), make_figures(entries)), out)
    return [str(out)]


Command = tuple[Callable[[Path], None], Callable[[Sequence[RunEntry], Path], list[str]]]
COMMANDS: dict[str, Command] = {
    "tables": (check_folder, _make_tables),
    "figures": (check_folder, _make_figures),
    "page": (check_page, _make_page),
    "all": (check_folder, write_report),
}
"""Name -> (check of --out before anything is read, function that makes the files)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0 done, 2 wrong file, folders or options."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "runs":
            print(*write_runs(options.folder, options.out), sep="\n")
            return 0
        check, make = COMMANDS[options.command]
        check(options.out)
        print(*make(read_runs(options.runs), options.out), sep="\n")
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
