# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A study as a report: the tables and figures of the paper in their small version, from what its folder has.

A folder without models, samples and logs is small enough to be kept and shared, and gives the same pages.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from hpt.common.files import TRACKER
from hpt.common.training_log import METRICS_FILE, read_run
from hpt.evaluation.outputs import QUESTIONS, RESULTS
from hpt.method import question_log
from recipe.hpt.reproduction.report import solve_map
from recipe.hpt.reproduction.report.files import write_report
from recipe.hpt.reproduction.report.runs import read_runs
from recipe.hpt.reproduction.study import state
from recipe.hpt.reproduction.study.plan import (
    METHODS,
    Evaluation,
    Settings,
    StudyError,
    evaluations,
    stages_of,
)

RUNS_FILE = "runs.yaml"
MODEL = "builtin"
"""How the report calls the built-in task's base model."""
_METRICS = ("hpt/", "val-core/")
_QUESTION_KEYS = ("benchmark", "question", "level", "answer", "n", "correct")


def entries(out: Path, settings: Settings) -> list[dict[str, Any]]:
    """What the report is given of the finished final runs, in its own terms (:mod:`recipe.hpt.reproduction.report.runs`)."""
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


def write_pages(out: Path, settings: Settings) -> list[str]:
    """Write ``runs.yaml`` and the report next to it; returns a line per file.

    Raises:
        StudyError: no final run has finished.
        recipe.hpt.reproduction.report.runs.RunsError: metrics or an evaluation that cannot be read.
    """
    found = entries(out, settings)
    if not found:
        raise StudyError(f"got {out} without a finished final run; there is nothing to report yet")
    state.write_whole(out / RUNS_FILE, yaml.safe_dump({"runs": found}, sort_keys=False))
    return write_report(read_runs(out / RUNS_FILE), out)


# ---- a folder to keep ----


def copy_results(out: Path, to: Path, settings: Settings) -> None:
    """Copy what tables, curves and pages are made from, without models, samples, logs and paths of this machine.

    Args:
        to: a new folder, or one that this function wrote.

    Raises:
        StudyError: ``to`` is something else, or lies inside of ``out``.
    """
    _check_target(out, to)
    for name in (state.RUNS, state.EVALUATIONS):
        shutil.rmtree(to / name, ignore_errors=True)
    state.write_whole(to / state.SETTINGS, (out / state.SETTINGS).read_text())
    for result in sorted((out / state.RUNS).glob(f"*/{state.RESULT}")):
        folder = to / state.RUNS / result.parent.name
        state.write_whole(folder / state.RESULT, result.read_text())
        run = json.loads(result.read_text())
        if run["kind"] == "final":
            _copy_metrics(result.parent, folder)
            _copy_question_log(result.parent, folder, run["method"])
    for evaluation in evaluations(settings, tuple(METHODS)):
        source = state.evaluation_folder(out, evaluation)
        if state.is_evaluated(source):
            _copy_evaluation(out, source, to / source.relative_to(out))


def _check_target(out: Path, to: Path) -> None:
    if to == out or out in to.parents:
        raise StudyError(f"got --copy-to {to}, in the study's own folder; name one outside of it")
    is_full = any(to.glob("task-seed*")) or any((to / state.RUNS).glob(f"*/{TRACKER}"))
    is_other = to.exists() and not (to / state.SETTINGS).is_file() and any(to.iterdir())
    if is_full or is_other:
        raise StudyError(
            f"got --copy-to {to}, which holds something else than a copy of a study's results; name a new folder"
        )


def _copy_metrics(source: Path, target: Path) -> None:
    lines = []
    for step, row in sorted(read_run(source).steps.items()):
        kept = {name: value for name, value in row.items() if name.startswith(_METRICS)}
        lines.append(json.dumps({"step": step, "data": kept}) + "\n")
    state.write_whole(target / METRICS_FILE, "".join(lines))


def _copy_question_log(source: Path, target: Path, method: str) -> None:
    """Of the methods that are compared question by question: one log is larger than all metrics of its run."""
    if method in (solve_map.HERE, *solve_map.OTHERS) and (source / question_log.FILE).exists():
        state.write_whole(target / question_log.FILE, (source / question_log.FILE).read_text())


def _copy_evaluation(out: Path, source: Path, target: Path) -> None:
    measured, kept = state.evaluation_results(source), state.evaluation_results(target)
    results = (measured / RESULTS).read_text().replace(str(out), "OUT")
    state.write_whole(kept / RESULTS, results)
    records = map(json.loads, (measured / QUESTIONS).read_text().splitlines())
    lines = (json.dumps({key: each[key] for key in _QUESTION_KEYS}) + "\n" for each in records)
    state.write_whole(kept / QUESTIONS, "".join(lines))
    state.write_whole(target / state.EVALUATED, (source / state.EVALUATED).read_text())
