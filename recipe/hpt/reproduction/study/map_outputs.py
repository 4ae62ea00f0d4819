# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What a map writes besides a study's tables: its own tables, figures and data."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from hpt.evaluation.metrics import pass_at_k_table, powers_of_two
from hpt.evaluation.outputs import QUESTIONS
from recipe.hpt.reproduction.methods import METHODS, check_methods
from recipe.hpt.reproduction.paper.results import AVERAGE
from recipe.hpt.reproduction.report import cell_figures, cell_map
from recipe.hpt.reproduction.report import study as statistics
from recipe.hpt.reproduction.report.cell_map import CellMap, title_of
from recipe.hpt.reproduction.report.files import write_figures
from recipe.hpt.reproduction.report.measured import columns_of
from recipe.hpt.reproduction.study import plan, state
from recipe.hpt.reproduction.study.runner import Study
from recipe.hpt.reproduction.task.model import PARAMETERS
from recipe.hpt.reproduction.task.questions import TRAIN_LEVELS


def map_of(study: Study, results: Sequence[Mapping[str, Any]]) -> CellMap:
    """The final runs of a study as a map, with the methods that earlier launches asked for."""
    found = {(each.method, each.cell, each.seed): each for each in statistics.outcomes(results)}
    methods = check_methods(tuple({*study.methods, *(method for method, _, _ in found)}))
    failed = {
        (job.method, job.cell, job.seed)
        for job in plan.final_jobs(study.settings, methods)
        if state.has_failed(study.out, job)
    }
    return CellMap(
        found, study.settings.cells, study.settings.seeds, methods, frozenset(failed), PARAMETERS, TRAIN_LEVELS
    )


def tables_of(study: Study, found: CellMap) -> dict[str, Table]:
    """Title -> table."""
    cells, mapped = found.cells, found.mapped()
    tables = {
        f"Accuracy on {what}, mean ± standard error over seeds": cell_map.accuracy_by_cell(mapped, cells, name)
        for name, what in cell_map.QUANTITIES.items()
    }
    title = (
        "The best mapped method that mixes against the best that does not, with the same questions, where finished; "
        "levels 1 to 6"
    )
    tables[title] = cell_map.verdicts(mapped, cells)
    for method in mapped.methods:
        if METHODS[method].mixes:
            title = f"{METHODS[method].label}: paired differences on levels 1 to 6, 95 % intervals"
            tables[title] = cell_map.differences(mapped, [(method, other) for other in cell_map.UNMIXED], cells)
    mixing = [method for method in mapped.methods if METHODS[method].mixes and method != "hpt"]
    if "hpt" in mapped.methods and mixing:
        title = "HPT against the other mapped methods that mix: paired differences on levels 1 to 6, 95 % intervals"
        tables[title] = cell_map.differences(mapped, [("hpt", other) for other in mixing], cells)
    longer = [name for name in mapped.methods if not METHODS[name].has_equal_questions]
    if "hpt" in mapped.methods and longer:
        title = "HPT against more batches of SFT: paired differences on levels 1 to 6, 95 % intervals"
        tables[title] = cell_map.differences(mapped, [("hpt", other) for other in longer], cells)
    if faulty := [(name, sound) for name in found.methods if (sound := METHODS[name].sound)]:
        title = "What SFT's published faults cost: paired differences on levels 1 to 6, 95 % intervals"
        tables[title] = cell_map.differences(found, faulty, cells)
    passes = _passes(study, found.methods)
    for cell in (each for each in study.settings.evaluated if each in cells):
        title = f"Every method where demonstrations are {title_of(cell)}"
        tables[title] = cell_map.leaderboard(found, cell, passes)
    return tables


def write_map(found: CellMap, to: Path) -> list[str]:
    """Write the figures and their data; returns a line per figure."""
    mapped = found.mapped()
    return write_figures([cell_figures.heat_map(mapped), cell_figures.lines(mapped)], to)


def _passes(study: Study, methods: Sequence[str]) -> dict[tuple[str, str, int], dict[int, float]]:
    """(method, cell, seed) -> k -> pass@k over the training levels, of the finished evaluations."""
    found = {}
    for each in plan.evaluations(study.settings, methods):
        folder = state.evaluation_folder(study.out, each)
        if state.is_evaluated(folder):
            lines = (state.evaluation_results(folder) / QUESTIONS).read_text().splitlines()
            rows = list(map(json.loads, lines))
            levels = columns_of(row["benchmark"] for row in rows)[AVERAGE]
            inside = [row for row in rows if row["benchmark"] in levels]
            n = [row["n"] for row in inside]
            ks = powers_of_two(min(n))
            means = pass_at_k_table(n, [row["correct"] for row in inside], ks).mean(axis=0)
            found[each.method, each.cell, each.seed] = dict(zip(ks, means.tolist(), strict=True))
    return found
