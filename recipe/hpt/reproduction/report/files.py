# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The report's files: tables, figures with their data, and the page."""

from collections.abc import Sequence
from pathlib import Path

from hpt.common.files import write_whole
from recipe.hpt.reproduction.report.figures import make_figures
from recipe.hpt.reproduction.report.formats import FORMATS, ReportTable
from recipe.hpt.reproduction.report.page import GENERATOR, page
from recipe.hpt.reproduction.report.plots import Figure
from recipe.hpt.reproduction.report.runs import RunEntry, RunsError
from recipe.hpt.reproduction.report.tables import make_tables

TABLES, FIGURES, PAGE = "tables", "figures", "report.html"


def check_folder(out: Path) -> None:
    """Raise RunsError if ``out`` cannot be a folder."""
    if out.exists() and not out.is_dir():
        raise RunsError(f"got --out {out}, a file; expected a folder or a new path")


def check_page(out: Path) -> None:
    """Raise RunsError if the page would replace something that this module did not write."""
    if out.suffix != ".html":
        raise RunsError(f"got --out {out}; expected a file that ends in .html")
    if out.is_dir():
        raise RunsError(f"got --out {out}, a folder; expected a file")
    if out.exists() and f'content="{GENERATOR}"' not in out.read_text(errors="replace")[:2000]:
        raise RunsError(
            f"got --out {out}, which exists and was not written by this command; name another file, or move it away"
        )


def write_tables(tables: Sequence[ReportTable], out: Path) -> list[str]:
    """Write each table as Markdown, CSV and LaTeX; returns a line for each."""
    lines = []
    for table in tables:
        for suffix, text_of in FORMATS.items():
            write_whole(out / f"{table.key}.{suffix}", text_of(table))
        lines.append(f"{out / table.key}.md .csv .tex  {table.title}")
    return lines


def write_figures(figures: Sequence[Figure], out: Path) -> list[str]:
    """Write each figure as SVG and CSV; returns a line for each, also for those whose inputs are missing."""
    lines = []
    for figure in figures:
        paths = [out / f"{figure.key}.{suffix}" for suffix in ("svg", "csv")]
        if figure.svg is None:
            # A reader would take an earlier picture of other runs for one of these runs.
            for path in paths:
                path.unlink(missing_ok=True)
            lines.append(f"missing  {figure.title}: {figure.missing}")
            continue
        write_whole(paths[0], figure.svg.decode())
        write_whole(paths[1], figure.csv)
        lines.append(f"{out / figure.key}.svg .csv  {figure.title}")
    return lines


def write_page(text: str, out: Path) -> None:
    write_whole(out, text)


def write_report(entries: Sequence[RunEntry], out: Path) -> list[str]:
    """Write everything into a folder; returns a line per table, figure and page.

    Raises:
        RunsError: runs that cannot be read, or a report.html that this module did not write.
    """
    check_page(out / PAGE)
    tables, figures = make_tables(entries), make_figures(entries)
    write_page(page(entries, tables, figures), out / PAGE)
    return [
        *write_tables(tables, out / TABLES),
        *write_figures(figures, out / FIGURES),
        str(out / PAGE),
    ]
