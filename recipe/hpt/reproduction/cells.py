# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The cells of a study: what the training questions' demonstrations are like. Imports no torch.

A cell is written as the settings that differ from the defaults, ``wrong_step=0.3,coverage=0.25``; "" is the task as it
is. The settings are those of :class:`recipe.hpt.reproduction.task.demonstrations.Demonstrations`.
"""

import yaml

from hpt.common.errors import ConfigError
from recipe.hpt.reproduction.errors import StudyError
from recipe.hpt.reproduction.task.demonstrations import Demonstrations

WRONG, COVERAGES, STYLES = (0.0, 0.1, 0.3, 0.5), (1.0, 0.25, 0.05), ("reversed", "notation")
"""The style "verbose" is left out: it needs a longer limit of the answers, which divides the RL terms."""
MISTAKE = "carry"
"""What a wrong step of the map is. Slips, which differ from one demonstration to the next, average out."""


def demonstrations_of(cell: str) -> Demonstrations:
    """The settings that a cell names.

    Raises:
        StudyError: it does not say what it should.
    """
    items = [item.partition("=") for item in cell.split(",") if item]
    try:
        found = Demonstrations(**{name.strip(): yaml.safe_load(value) for name, _, value in items})
    except ConfigError as error:
        raise StudyError(f"got the cell {cell!r}: {error}") from error
    if written(found) != cell:
        raise StudyError(f"got the cell {cell!r}; expected {written(found)!r}, the settings that differ in their order")
    return found


def written(demonstrations: Demonstrations) -> str:
    """A cell's settings as text."""
    return ",".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in demonstrations.changed.items()
    )


def named(name: str, cell: str) -> str:
    """``name`` with the cell, for folders; the task as it is needs no mention."""
    label = demonstrations_of(cell).label
    return f"{name}-{label}" if label else name


def cell_of(wrong: float, coverage: float) -> str:
    """The cell of the map with these shares."""
    mistake = {"mistake": MISTAKE} if wrong else {}
    return written(Demonstrations(wrong_step=wrong, coverage=coverage, **mistake))


def style_cell(style: str) -> str:
    """The cell of the map with this style."""
    return written(Demonstrations(style=style))


def map_cells() -> tuple[str, ...]:
    """The cells of the map in the order of their importance: the edges, the styles, what lies between."""
    edges = [cell_of(*each) for each in ((0.0, 1.0), (0.3, 1.0), (0.0, 0.05), (0.5, 1.0), (0.1, 1.0), (0.0, 0.25))]
    styles = [style_cell(style) for style in STYLES]
    inside = [cell_of(wrong, coverage) for wrong in (0.3, 0.5, 0.1) for coverage in reversed(COVERAGES[1:])]
    return (*edges, *styles, *inside)
