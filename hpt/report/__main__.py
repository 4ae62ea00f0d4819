# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Tables 2 to 6 and Figures 2 to 8 of arXiv 2509.04419 from any runs.

python -m hpt.report tables RUNS.yaml --out DIR      Markdown, CSV and LaTeX
python -m hpt.report figures RUNS.yaml --out DIR     SVG, and the data behind each as CSV
python -m hpt.report page RUNS.yaml --out FILE.html  everything on one self-contained page

RUNS.yaml names the runs: see :mod:`hpt.report.runs`.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hpt.report.figures import make_figures
from hpt.report.formats import FORMATS
from hpt.report.page import check_out, page, write_page
from hpt.report.runs import RunEntry, RunsError, read_runs
from hpt.report.tables import make_tables
from hpt.study.state import write_whole


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hpt.report", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what, out in (
        ("tables", "Tables 2 to 6 as Markdown, CSV and LaTeX", "DIR"),
        ("figures", "Figures 2 to 8 as SVG and CSV", "DIR"),
        ("page", "everything on one self-contained HTML page", "FILE.html"),
    ):
        command = commands.add_parser(name, help=what, description=what, allow_abbrev=False)
        command.add_argument("runs", type=Path, metavar="RUNS.yaml")
        command.add_argument("--out", type=Path, required=True, metavar=out)
    return parser


def _folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise RunsError(f"got --out {out}, a file; expected a folder, or a path that is free")


def _tables(entries: Sequence[RunEntry], out: Path) -> list[str]:
    lines = []
    for table in make_tables(entries):
        for suffix, text_of in FORMATS.items():
            write_whole(out / f"{table.key}.{suffix}", text_of(table))
        lines.append(f"{out / table.key}.md .csv .tex  {table.title}")
    return lines


def _figures(entries: Sequence[RunEntry], out: Path) -> list[str]:
    lines = []
    for figure in make_figures(entries):
        paths = [out / f"{figure.key}.{suffix}" for suffix in ("svg", "csv")]
        if figure.svg is None:
            # An earlier picture of other runs would pass for one of these.
            for path in paths:
                path.unlink(missing_ok=True)
            lines.append(f"missing  {figure.title}: {figure.missing}")
            continue
        write_whole(paths[0], figure.svg.decode())
        write_whole(paths[1], figure.csv)
        lines.append(f"{out / figure.key}.svg .csv  {figure.title}")
    return lines


def _page(entries: Sequence[RunEntry], out: Path) -> list[str]:
    write_page(page(entries, make_tables(entries), make_figures(entries)), out)
    return [str(out)]


Command = tuple[Callable[[Path], None], Callable[[Sequence[RunEntry], Path], list[str]]]
COMMANDS: dict[str, Command] = {
    "tables": (_folder, _tables),
    "figures": (_folder, _figures),
    "page": (check_out, _page),
}
"""Name -> (check of --out before anything is read, what it does)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 2 wrong file, folders or options."""
    options = _parser().parse_args(arguments)
    check, make = COMMANDS[options.command]
    try:
        check(options.out)
        print(*make(read_runs(options.runs), options.out), sep="\n")
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
