# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A study as a report: the paper's tables and figures in their small version, from what its folder has."""

from pathlib import Path
from typing import Any

import yaml

from hpt.common.files import write_whole
from recipe.hpt.reproduction.errors import StudyError
from recipe.hpt.reproduction.methods import METHODS
from recipe.hpt.reproduction.report.files import write_report
from recipe.hpt.reproduction.report.runs import read_runs
from recipe.hpt.reproduction.study import state
from recipe.hpt.reproduction.study.plan import Evaluation, evaluations, stages_of
from recipe.hpt.reproduction.study.settings import Settings

RUNS_FILE = "runs.yaml"
MODEL = "builtin"
"""Name of the built-in task's base model in the report."""


def entries(out: Path, settings: Settings) -> list[dict[str, Any]]:
    """The finished final runs, as entries of a file of runs (:mod:`recipe.hpt.reproduction.report.runs`)."""
    return [
        found
        for evaluation in evaluations(settings, tuple(METHODS))
        if (found := _entry(out, settings, evaluation)) is not None
    ]


def _entry(out: Path, settings: Settings, evaluation: Evaluation) -> dict[str, Any] | None:
    jobs = stages_of(settings, evaluation.method, evaluation.seed)
    if any(state.result_of(out, job) is None for job in jobs):
        return None
    entry: dict[str, Any] = {
        "model": MODEL,
        "method": evaluation.method,
        "seed": evaluation.seed,
        "training": [str(state.folder_of(out, job).relative_to(out)) for job in jobs],
    }
    folder = state.evaluation_folder(out, evaluation)
    if state.is_evaluated(folder):
        entry["evaluation"] = str(state.evaluation_results(folder).relative_to(out))
    return entry


def write_pages(out: Path, settings: Settings, to: Path | None = None) -> list[str]:
    """Write the report, and ``runs.yaml``, which names its runs; returns a line per file.

    Args:
        out: the study's folder; ``runs.yaml`` is written there, as its paths are relative to it.
        to: folder of the report; None: the study's folder.

    Raises:
        StudyError: no final run has finished.
        recipe.hpt.reproduction.report.runs.RunsError: metrics or an evaluation that cannot be read.
    """
    found = entries(out, settings)
    if not found:
        raise StudyError(f"got {to or out} without a finished final run; there is nothing to report yet")
    write_whole(out / RUNS_FILE, yaml.safe_dump({"runs": found}, sort_keys=False))
    return write_report(read_runs(out / RUNS_FILE), to or out)
