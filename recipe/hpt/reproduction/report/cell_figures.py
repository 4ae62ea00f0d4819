# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The figures of a map: accuracy of each method in each cell, and how it falls with wrong and with missing ones."""

import math
from collections.abc import Sequence
from typing import Any

from recipe.hpt.reproduction.cells import COVERAGES, STYLES, WRONG, cell_of, style_cell
from recipe.hpt.reproduction.methods import BASE, METHODS
from recipe.hpt.reproduction.report.cell_map import COLUMNS, FAILED, CellMap, title_of
from recipe.hpt.reproduction.report.plots import Figure, drawing, finish, label_left, styles_of, svg_of
from recipe.hpt.reproduction.report.statistics import Difference, Value

DRAWN = ("sft", "grpo", "sft_grpo", "hpt", "chord")
"""The methods of the figure with lines; more of them would hide each other."""
GROUPS = {
    "wrong": [cell_of(wrong, 1.0) for wrong in WRONG],
    "scarce": [cell_of(0.0, coverage) for coverage in COVERAGES[1:]],
    "wrong and scarce": [cell_of(wrong, coverage) for wrong in WRONG[1:] for coverage in COVERAGES[1:]],
    "another style": [style_cell(style) for style in STYLES],
}
"""Name of a group of cells -> its cells, from left to right."""
GAP = 0.35


def heat_map(found: CellMap) -> Figure:
    """Every method in every cell. Needs a finished final run of one method besides the base model."""
    key, title = "map", "When does mixing pay? Accuracy of each method in each cell"
    seeds = ", ".join(map(str, found.seeds))
    caption = (
        f"Mean accuracy on levels 1 to 6 over seeds {seeds}, in percent, on held-out questions. A frame marks the "
        "highest mean of a column, of methods with the same questions, and a dot each method whose paired 95 % "
        "interval of the difference to it includes 0; a single seed has neither. An empty field is a run that is "
        "missing; a cross is one that failed."
    )
    methods = [
        method for method in found.methods if any(isinstance(found.value(method, c), Value) for c in found.cells)
    ]
    if not [method for method in methods if method != BASE]:
        return Figure(key, title, caption, missing="finished final runs of a map")
    groups = {name: [cell for cell in cells if cell in found.cells] for name, cells in GROUPS.items()}
    columns = sum(map(len, groups.values()))
    with drawing(1, 1, width=2.4 + 0.52 * columns, height=0.9 + 0.3 * len(methods)) as (figure, (axis,)):
        right = 0.0
        for name, cells in groups.items():
            for cell in cells:
                _column(axis, found, methods, cell, right)
                right += 1
            if cells:
                axis.text(right - len(cells) / 2 - 0.5, -0.85, name, ha="center", va="bottom", fontsize=8.5)
                right += GAP
        places, names = _ticks(groups)
        axis.set_xticks(places, names, rotation=55, ha="right", rotation_mode="anchor", fontsize=7.5)
        axis.set_yticks(range(len(methods)), [METHODS[method].label for method in methods], fontsize=8)
        axis.set(xlim=(-0.5, right - GAP - 0.5), ylim=(len(methods) - 0.5, -0.6))
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        svg = svg_of(figure)
    return Figure(key, title, caption, COLUMNS, found.rows(), svg)


def _ticks(groups: dict[str, list[str]]) -> tuple[list[float], list[str]]:
    places, names, right = [], [], 0.0
    for cells in groups.values():
        for cell in cells:
            places.append(right)
            names.append(title_of(cell))
            right += 1
        right += GAP if cells else 0
    return places, names


def _column(axis: Any, found: CellMap, methods: Sequence[str], cell: str, x: float) -> None:
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    best = found.best(cell, (name for name in methods if name != BASE and METHODS[name].has_equal_questions))
    for y, method in enumerate(methods):
        value = found.value(method, cell)
        if not isinstance(value, Value):
            if value == FAILED:
                axis.text(x, y, "x", ha="center", va="center", fontsize=8)
            continue
        axis.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, color=colormaps["cividis"](value.mean), linewidth=0))
        ink = "white" if value.mean < 0.6 else "black"
        difference = found.difference(best, method, cell) if best and method != best else None
        level = isinstance(difference, Difference) and difference.half_width is not None and difference.sign == 0
        axis.text(x, y, f"{100 * value.mean:.0f}{'·' * level}", ha="center", va="center", fontsize=8, color=ink)
        if method == best and value.error is not None:
            axis.add_patch(Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, fill=False, edgecolor=ink, linewidth=1.4))


def lines(found: CellMap) -> Figure:
    """Accuracy over the share of wrong demonstrations, and over their coverage."""
    key, title = "map_lines", "Wrong demonstrations, and missing ones"
    caption = (
        "Accuracy on levels 1 to 6 in percent, mean over seeds; the bar is one standard error. GRPO reads no "
        "demonstration. Left: every question has one, some end wrong as every carry is dropped. Right: all are right, "
        "some questions have none."
    )
    panels = {
        "wrong demonstrations (%)": [(100 * wrong, cell_of(wrong, 1.0)) for wrong in WRONG],
        "questions with a demonstration (%)": [(100 * share, cell_of(0.0, share)) for share in COVERAGES],
    }
    methods = [method for method in DRAWN if method in found.methods]
    drawn = {
        (label, method): [
            (number, x, value)
            for number, (x, cell) in enumerate(cells)
            if cell in found.cells and isinstance(value := found.value(method, cell), Value)
        ]
        for label, cells in panels.items()
        for method in methods
    }
    if not any(drawn.values()):
        return Figure(key, title, caption, missing="finished final runs of a map")
    # The first of the further styles has the colour of SFT -> GRPO.
    styles, rows = {**styles_of(methods), "chord": ("#CC79A7", "X", "-.")}, []
    with drawing(2, 2, width=3.7, height=2.9) as (figure, axes):
        for axis, (label, cells) in zip(axes, panels.items(), strict=True):
            for method in methods:
                points = drawn[label, method]
                colour, marker, dashes = styles[method]
                means, errors = [math.nan] * len(cells), [0.0] * len(cells)  # a line ends where a run is missing
                for number, _, value in points:
                    means[number], errors[number] = 100 * value.mean, 100 * (value.error or 0.0)
                axis.errorbar(
                    range(len(cells)), means, errors,
                    color=colour, marker=marker, linestyle=dashes, linewidth=1.4, markersize=4.5, elinewidth=0.8,
                    label=METHODS[method].label,
                )  # fmt: skip
                rows += [
                    {"panel": label, "method": method, "x": x, "mean": value.mean, "standard_error": value.error,
                     "seeds": value.n} for _, x, value in points
                ]  # fmt: skip
            axis.set_xticks(range(len(cells)), [f"{x:g}" for x, _ in cells])
            axis.set(xlabel=label, ylim=(0, 100))
        label_left(axes, "accuracy (%)")
        svg = finish(figure, axes)
    return Figure(key, title, caption, ("panel", "method", "x", "mean", "standard_error", "seeds"), rows, svg)
