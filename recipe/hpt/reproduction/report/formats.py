# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Write a report's table as Markdown, LaTeX and CSV. The same table gives the same bytes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from rich.table import Table

from hpt.common.terminal import rendered

MISSING, NONE = "missing", "-"
"""Cells for a value that was not measured yet, and for one that does not exist."""
RECORD_COLUMNS = (
    "table", "model", "method", "compared_with", "column", "quantity", "measured", "standard_error",
    "error_over", "seeds", "published", "quoted", "difference", "status",
)  # fmt: skip
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
}


@dataclass(frozen=True)
class ReportTable:
    """A table as text, and the numbers behind it.

    Attributes:
        key: name of its files, such as ``table2``.
        title: what the table shows.
        header: names of the columns; the first ``labels`` columns are text, the others numbers.
        rows: cells of each row; an empty first cell continues the row above.
        records: one dict per number (``RECORD_COLUMNS``).
        notes: sentences under the table.
    """

    key: str
    title: str
    header: tuple[str, ...]
    rows: list[list[str]]
    records: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    labels: int = 2

    def __post_init__(self) -> None:
        for row in self.rows:
            assert len(row) == len(self.header), (self.key, row)


def markdown(table: ReportTable) -> str:
    """Title, table and notes."""
    shown = Table()
    for number, name in enumerate(table.header):
        shown.add_column(_plain(name), justify="left" if number < table.labels else "right")
    for row in table.rows:
        shown.add_row(*map(_plain, row))
    notes = [f"- {_line(note)}" for note in table.notes]
    parts = [f"### {_line(table.title)}", rendered(shown, markdown=True), "\n".join(notes)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split())


def _plain(text: str) -> str:
    """Escape what would end a cell."""
    return _line(text).replace("\\", "\\\\").replace("|", r"\|")


def latex_text(text: str) -> str:
    """Escape LaTeX's special characters."""
    text = _line(text).replace(" -> ", "\0")
    return "".join(_LATEX.get(each, each) for each in text).replace("\0", r" $\rightarrow$ ")


def latex(table: ReportTable) -> str:
    """A table environment, which needs the package booktabs."""
    alignment = "l" * table.labels + "r" * (len(table.header) - table.labels)
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_text(table.title)}}}",
        rf"\label{{tab:{table.key}}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        _latex_row(table.header),
        r"\midrule",
    ]
    for number, row in enumerate(table.rows):
        if number and row[0]:
            lines.append(r"\addlinespace")
        lines.append(_latex_row(row))
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\footnotesize {latex_text(note)}" for note in table.notes]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(latex_text, cells)) + r" \\"


def csv_text(table: ReportTable) -> str:
    """One line per number; an unknown value is an empty field."""
    return csv_of(RECORD_COLUMNS, [{"table": table.key, **record} for record in table.records])


def csv_of(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], digits: int | None = 6) -> str:
    """Rows as CSV with LF line ends. Floats have ``digits`` digits (None: all); an unknown value is empty."""
    frame = pd.DataFrame(list(rows), columns=list(columns))
    return frame.to_csv(index=False, lineterminator="\n", float_format=f"%.{digits}g" if digits else None)


FORMATS = {"md": markdown, "csv": csv_text, "tex": latex}
