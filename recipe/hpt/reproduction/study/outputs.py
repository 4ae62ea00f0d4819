# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What a study prints and writes: its plan with the work that is left, and tables and curves of the finished runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpt.common.files import write_json_lines, write_whole
from hpt.common.terminal import rendered
from recipe.hpt.reproduction.methods import STAGES
from recipe.hpt.reproduction.report import curves
from recipe.hpt.reproduction.report import study as statistics
from recipe.hpt.reproduction.study import data, state, timing
from recipe.hpt.reproduction.study.map_outputs import map_of, tables_of, write_map
from recipe.hpt.reproduction.study.plan import Job
from recipe.hpt.reproduction.study.runner import Study
from recipe.hpt.reproduction.study.settings import Settings
from recipe.hpt.reproduction.sweep import SWEEP_SEED
from recipe.hpt.reproduction.task.questions import TRAIN_LEVELS, VAL_LEVELS

QUESTIONS = len(VAL_LEVELS) * data.HELD_OUT_PER_LEVEL
"""Number of questions in a test set."""
TABLES, CURVES, FIGURE = "results.md", "curves.csv", "curves.png"


def report(study: Study, to: Path | None = None) -> str:
    """Write tables and curves of the finished runs; returns the tables for the terminal.

    Args:
        to: folder of the files; None: the study's folder.
    """
    to = to or study.out
    results = state.results_of(study.out, study.every_job)
    if to == study.out:  # In a packed copy it would be a large part for what the documents have, too.
        write_json_lines(to / state.RESULTS, results)
    found = statistics.outcomes(results)
    rows = statistics.rows_of([each for each in found if each.cell == study.settings.cells[0]], TRAIN_LEVELS)
    scores = statistics.sweep_scores(results, TRAIN_LEVELS)
    choices = {stage: study.choice(stage) for stage in STAGES if stage in scores}
    missing: list[str] = []
    if study.settings.is_map:
        whole = map_of(study, results)
        tables = tables_of(study, whole.begun())
        missing = whole.not_begun()
        write_map(whole.begun(), to)
    else:
        tables = {
            "Held-out accuracy (test set, greedy), mean ± standard error over seeds": (
                statistics.accuracy_table(rows, TRAIN_LEVELS)
            ),
            "Training of each method, per seed": statistics.budget_table(rows),
        }
        points = curves.curve_rows(found, TRAIN_LEVELS)
        curves.write_curves(points, to / CURVES)
        curves.plot_curves(points, to / FIGURE)
    if scores:
        tables[
            "Choice of learning rates: accuracy on the development set, mean over the training levels (* chosen)"
        ] = statistics.sweep_table(scores, choices, study.settings.sweep_lrs)
    notes = [
        f"{_finished(study)} of {len(study.jobs)} runs finished. Each method and seed: "
        f"{study.budget.described(study.settings.steps)}.",
        *missing,
        *statistics.notes_on(rows, choices),
        *statistics.lost_metrics(results),
        *_versions_noted(results),
    ]
    for markdown in (True, False):
        mark = "### " if markdown else ""
        parts = [f"{mark}{title}\n\n{rendered(table, markdown)}" for title, table in tables.items()]
        text = "\n\n".join([*parts, *notes]) + "\n"
        if markdown:
            write_whole(to / TABLES, text)
    return text


def _finished(study: Study) -> int:
    return sum(state.result_of(study.out, job) is not None for job in study.jobs)


def _versions_noted(results: Sequence[dict[str, Any]]) -> list[str]:
    names = ("verl", "vllm", "torch", "commit")
    used = sorted({tuple(str(line[name]) for name in names) for line in results})
    texts = ["; ".join(f"{name} {v}" for name, v in zip(names, each, strict=True)) for each in used]
    if len(texts) > 1:
        return ["Runs were made with different versions: " + " | ".join(texts) + "."]
    return [f"Made with {text}." for text in texts]


def described(study: Study) -> str:
    """The plan, with the expected time of the work that is left."""
    settings, budget, left, lines = study.settings, study.budget, 0.0, []
    width = 2 + max(len(f"evaluate {each.name}") for each in (*study.jobs, *study.evaluations))
    for job in study.jobs:
        status, seconds = _status(study, job)
        left += seconds / timing.gain(study.at_once)
        lines.append(
            f"{job.name:<{width}}{_rate(settings, job):<14}{job.steps:>6}{job.steps * budget.questions:>10}"
            f"{budget.optimizer_steps(job.steps):>11}{seconds / 60:>9.1f}  {status}"
        )
    for evaluation in study.evaluations:
        done = state.is_evaluated(state.evaluation_folder(study.out, evaluation))
        seconds = 0.0 if done else timing.seconds_of_evaluation(settings, QUESTIONS)
        left += seconds
        name = f"{'evaluate ' + evaluation.name:<{width + 41}}"
        lines.append(f"{name}{seconds / 60:>9.1f}  {'finished' if done else 'to do'}")
    new = {job.seed for job in study.jobs if not data.is_there(study.task(job.seed))}
    left += len(new) * timing.BASE_MODEL_SECONDS
    head = f"{'run':<{width}}{'lr':<14}{'steps':>6}{'questions':>10}{'opt. steps':>11}{'minutes':>9}"
    notes = [
        f"base models to train: {len(new)}, {timing.BASE_MODEL_SECONDS / 60:.1f} minutes each",
        "",
        f"Each method and seed: {budget.described(settings.steps)}; {budget.rollouts} rollouts per question where the "
        "method samples.",
    ]
    if settings.is_swept:
        notes.append(
            f"Sweeps use seed {SWEEP_SEED}, which is not reported, and development questions that are in no test "
            "set. We pick the learning rate with the highest accuracy after the last batch, the mean over the training "
            "levels; ties go to the smaller one."
        )
    notes.append(
        f"Expected: {left / 3600:.1f} hours for {len(study.jobs)} runs{_and_evaluations(study)} "
        "on 2 idle cores; a busy machine may take half as long again."
    )
    return "\n".join([head, *lines, *notes])


def _and_evaluations(study: Study) -> str:
    return f" and {len(study.evaluations)} evaluations" if study.evaluations else ""


def _status(study: Study, job: Job) -> tuple[str, float]:
    """What is left of a run: (in words, in seconds)."""
    if state.result_of(study.out, job) is not None:
        return "finished", 0.0
    step = state.checkpoint_step(state.folder_of(study.out, job))
    whole = timing.seconds_of(job, study.settings)
    return ("to do" if step is None else f"resumes at {step}"), whole


def _rate(settings: Settings, job: Job) -> str:
    if job.stage_name is None:
        return "-"
    if job.learning_rate is None and settings.is_swept:
        return "from the sweep"
    return f"{job.learning_rate or settings.sweep_lrs[0]:g}"
