# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A table of a report as Markdown, LaTeX and CSV. The same table gives the same bytes."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from hpt.common.terminal import rendered

MISSING, NONE = "missing", "-"
"""Not measured yet, and nothing to show."""
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
        key: of its files, such as ``table2``.
        title: what it shows.
        header: of the columns; the first ``labels`` are text, the others numbers.
        rows: of cells; an empty first cell continues the row above.
        records: one per number, see ``RECORD_COLUMNS``.
        notes: under the table.
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
    """Text that stays within a cell."""
    return _line(text).replace("\\", "\\\\").replace("|", r"\|")


def latex_text(text: str) -> str:
    """Text with LaTeX's special characters as themselves."""
    text = _line(text).replace(" -> ", "\0")
    return "".join(_LATEX.get(each, each) for each in text).replace("\0", r" $\rightarrow$ ")


def latex(table: ReportTable) -> str:
    """A table environment; it needs the package booktabs."""
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
    """One line per number; an empty field is one that is not known."""
    return csv_of(RECORD_COLUMNS, [{"table": table.key, **record} for record in table.records])


def csv_of(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV with LF line ends; floats with six significant digits."""
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _field(value) for name, value in row.items()})
    return file.getvalue()


def _field(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


FORMATS = {"md": markdown, "csv": csv_text, "tex": latex}
