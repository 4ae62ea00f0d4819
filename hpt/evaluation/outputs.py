# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The files that sum up a results folder. All can be made again from its samples: ``python -m hpt.evaluation report``.

results.json        every figure
results.md          the tables
questions.jsonl     one record per question
pass_at_k.csv/.png  curves, where a benchmark has more than one sample per question
"""

import json
from pathlib import Path

from rich.table import Table

from hpt.common.files import write_whole
from hpt.common.terminal import rendered
from hpt.evaluation import tables as report
from hpt.evaluation.results import results_of

RESULTS, TABLES, QUESTIONS = "results.json", "results.md", "questions.jsonl"
CURVES, FIGURE = "pass_at_k.csv", "pass_at_k.png"


def write_outputs(out: Path, resamples: int) -> str:
    """Write them all from the folder's samples; returns the tables for the terminal.

    Raises:
        hpt.evaluation.manifest.FolderError, hpt.evaluation.store.StoreError: no results, or damaged ones.
    """
    results, records = results_of(out, resamples)
    write_whole(out / RESULTS, json.dumps(results, indent=1) + "\n")
    write_whole(out / QUESTIONS, "".join(json.dumps(record) + "\n" for record in records))
    if report.curve_rows(results):
        report.write_curves(results, out / CURVES)
        report.plot_curves(results, out / FIGURE)
    tables: list[Table] = [report.main_table(results)]
    levels = report.level_table(results)
    tables += [levels] if levels is not None else []
    notes = report.notes(results)
    markdown = [rendered(table, markdown=True) for table in tables]
    write_whole(out / TABLES, "\n\n".join([*markdown, *notes]) + "\n")
    return "\n\n".join([*(rendered(table, markdown=False) for table in tables), "\n".join(notes)])


def places(out: Path) -> list[str]:
    """Lines that say where everything is."""
    named = {
        "results": RESULTS,
        "tables": TABLES,
        "questions": QUESTIONS,
        "samples": "samples",
        "curves": FIGURE,
    }
    return [f"{what:<11}{out / name}" for what, name in named.items() if (out / name).exists()]
