# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The files that sum up a results folder. ``hpt eval report`` makes them again from its samples.

results.json        every figure
results.md          the tables
questions.jsonl     one record per question
pass_at_k.csv/.png  curves, if a benchmark has more than one sample per question
"""

from pathlib import Path

from hpt.common.files import write_json, write_json_lines, write_whole
from hpt.common.terminal import rendered
from hpt.evaluation import tables
from hpt.evaluation.results import results_of

RESULTS, TABLES, QUESTIONS = "results.json", "results.md", "questions.jsonl"
CURVES, FIGURE = "pass_at_k.csv", "pass_at_k.png"


def write_outputs(out: Path, resamples: int) -> str:
    """Write all files from the folder's samples, and return the tables for the terminal.

    Raises:
        hpt.evaluation.manifest.FolderError, hpt.evaluation.store.StoreError: no results, or damaged ones.
    """
    results, records = results_of(out, resamples)
    write_json(out / RESULTS, results)
    write_json_lines(out / QUESTIONS, records)
    curves = tables.curves(results)
    if not curves.empty:
        curves.to_csv(out / CURVES, index=False)
        tables.plot_curves(curves, out / FIGURE)
    made = [table for table in (tables.main_table(results), tables.level_table(results)) if table is not None]
    notes = tables.notes(results)
    markdown = [rendered(table, markdown=True) for table in made]
    write_whole(out / TABLES, "\n\n".join([*markdown, *notes]) + "\n")
    return "\n\n".join([*(rendered(table, markdown=False) for table in made), "\n".join(notes)])


def places(out: Path) -> list[str]:
    """Lines that name each file and its place."""
    named = {"results": RESULTS, "tables": TABLES, "questions": QUESTIONS, "samples": "samples", "curves": FIGURE}
    return [f"{what:<11}{out / name}" for what, name in named.items() if (out / name).exists()]
