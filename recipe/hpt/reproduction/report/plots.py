# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What the figures share: lines of methods in panels, written as SVG. The same data give the same bytes.

The colours are those of Okabe and Ito. Markers and dashes tell lines apart in grey.
"""

import io
import re
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from recipe.hpt.reproduction.report.curves import STYLES
from recipe.hpt.reproduction.report.formats import csv_of
from recipe.hpt.reproduction.report.series import Line

_MORE: tuple[tuple[str, str, str], ...] = (
    ("#009E73", "X", "-."),
    ("#CC79A7", "<", "-."),
    ("#0072B2", ">", ":"),
    ("#E69F00", "h", "--"),
    ("#56B4E9", "*", ":"),
    ("#000000", "d", "--"),
)
"""Styles for ablations and for the reader's own methods, in the order of the legend."""
MARKS = 8
"""Number of markers on a line; more of them would hide it."""
# A glyph's scale (0.015625) is in neither pattern: it must stay exact.
_PLACES = re.compile(r' (?:d|x|y)="[^"]*"|translate\([^)]*\)')
_DIGITS = re.compile(r"\d+\.\d{3,}")
_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "hpt.report",  # the former name; a new one would change every figure
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",  # It comes with matplotlib, so every machine draws the same letters.
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True)
class Figure:
    """A figure and the data behind it. A figure whose inputs are missing only says what it needs.

    Attributes:
        key: name of its files, such as ``figure5_builtin``.
        title, caption: texts of the page.
        columns, rows: the data behind the figure.
        svg: the picture, or None where inputs are missing.
        missing: what the figure needs; empty where nothing is missing.
        notes: what a reader must know.
    """

    key: str
    title: str
    caption: str
    columns: tuple[str, ...] = ()
    rows: list[dict[str, Any]] = field(default_factory=list)
    svg: bytes | None = None
    missing: str = ""
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        assert (self.svg is None) == bool(self.missing), self.key

    @property
    def csv(self) -> str:
        return csv_of(self.columns, self.rows)


def styles_of(methods: Sequence[str]) -> dict[str, tuple[str, str, str]]:
    """Method -> colour, marker, dashes. A method of the paper's tables has the same style in every figure."""
    others = [method for method in methods if method not in STYLES]
    more = {method: _MORE[number % len(_MORE)] for number, method in enumerate(others)}
    return {method: STYLES.get(method) or more[method] for method in methods}


@contextmanager
def drawing(columns: int, panels: int, width: float = 4.0, height: float = 2.9):
    """Yield (figure, axes of the panels in use) of matplotlib's Agg, and close the figure at the end."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = min(columns, panels)
    lines = -(-panels // columns)
    # Start from matplotlib's defaults, as the reader's matplotlibrc would give other bytes.
    with pyplot.style.context(["default", _SETTINGS]):
        figure, axes = pyplot.subplots(
            lines,
            columns,
            figsize=(max(width * columns, 5.0), height * lines + 0.5),
            layout="constrained",
            squeeze=False,
        )
        for axis in axes.flat[panels:]:
            axis.remove()
        try:
            yield figure, list(axes.flat[:panels])
        finally:
            pyplot.close(figure)


def svg_of(figure: Any) -> bytes:
    """The picture as SVG without date and program, so that the same input gives the same bytes."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return _compact(file.getvalue().decode()).encode()


def _compact(svg: str) -> str:
    """Round places to 0.01 point, which nobody sees, and leave out comments and indentation: a fifth of the size."""
    svg = _PLACES.sub(lambda place: _DIGITS.sub(_rounded, place[0]), svg)
    svg = re.sub(r"\s*<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r' style="[^"]*"', lambda style: style[0].replace("; ", ";").replace(": ", ":"), svg)
    return re.sub(r"\n\s+", "\n", svg)


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def draw_line(
    axis: Any, x: Sequence[float], y: Sequence[float], style: tuple[str, str, str], label: str,
    low: Sequence[float] | None = None, high: Sequence[float] | None = None, shift: int = 0,
) -> None:  # fmt: skip
    """Draw a line with a band. ``shift`` moves its markers, so that lines on top of each other can be distinguished."""
    colour, marker, dashes = style
    every = max(1, len(x) // MARKS)
    axis.plot(
        x,
        y,
        color=colour,
        marker=marker or None,
        linestyle=dashes,
        linewidth=1.4,
        markersize=4.5,
        markevery=(shift % every, every),
        label=label,
    )
    if low is not None and high is not None:
        axis.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)


def draw_lines(axis: Any, lines: Mapping[str, Line], labels: Mapping[str, str], scale: float = 1.0) -> None:
    """Draw lines of methods with bands of one standard error over seeds. A single seed has no band."""
    styles = styles_of(list(labels))
    for method, line in lines.items():
        x, values = list(line.values), list(line.values.values())
        low = [scale * (value.mean - (value.error or 0.0)) for value in values]
        high = [scale * (value.mean + (value.error or 0.0)) for value in values]
        y = [scale * value.mean for value in values]
        shift = 2 * list(labels).index(method)
        draw_line(axis, x, y, styles[method], labels[method], low, high, shift)


def label_left(axes: Sequence[Any], label: str) -> None:
    """Name the y axis, which all panels share, once per row."""
    for axis in axes:
        if axis.get_subplotspec().is_first_col():
            axis.set_ylabel(label)


def finish(figure: Any, axes: Sequence[Any]) -> bytes:
    """Add a grid and, below the panels where it hides nothing, one legend for all of them; returns the picture."""
    handles: dict[str, Any] = {}
    for axis in axes:
        axis.grid(color="0.9")
        axis.set_axisbelow(True)
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    columns = max(2, min(len(handles), int(figure.get_figwidth() // 1.6)))
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=columns,
        fontsize=8, frameon=False, handlelength=3,
    )  # fmt: skip
    return svg_of(figure)
