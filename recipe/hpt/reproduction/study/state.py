# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A study's state in plain files, so that an interruption loses nothing that was finished.

    study.json                  the settings; a launch with other settings is refused
    results.jsonl               one line per finished run, rebuilt from the runs' own files
    runs/NAME/job.json          what the run was given
    runs/NAME/launches.jsonl    one line per launch that ended: seconds, exit status
    runs/NAME/result.json       written last, in one rename: the run is finished
    runs/NAME/...               verl's checkpoints, metrics and logs
    evaluations/NAME/results/   samples and figures of a final model, as recipe.hpt.main_eval leaves them
    evaluations/NAME/evaluated.json  written last: the evaluation is finished

A run without result.json continues from verl's last complete checkpoint; without one it starts over.
"""

import contextlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from hpt.common import lock
from hpt.common.files import read_json_object, write_json
from hpt.common.training_log import DEMONSTRATION_SHARE, SHOWN_SHARE, read_run
from hpt.preflight.run_record import checkpoint_of
from recipe.hpt.reproduction.errors import StudyError
from recipe.hpt.reproduction.study.plan import Evaluation, Job
from recipe.hpt.reproduction.study.settings import Budget, Settings

SETTINGS, RESULTS, RUNS, LOCK = "study.json", "results.jsonl", "runs", ".lock"
EVALUATIONS, EVALUATED = "evaluations", "evaluated.json"
JOB, LAUNCHES, RESULT = "job.json", "launches.jsonl", "result.json"
FORMAT_VERSION = 2
"""Raise it when the same settings would give other runs. Reports read all versions; runs are added to this one only."""


class Unfinished(Exception):
    """A training that ended without what a result needs. The message says what is missing."""


# ---- the study ----


def settings_for(out: Path, given: dict[str, Any]) -> Settings:
    """The settings of the folder, or of a new study.

    Args:
        out: the study's folder.
        given: the settings that this launch names. The folder's settings complete them, or the defaults.

    Raises:
        StudyError: ``given`` differs from the settings of the folder's runs.
    """
    file = out / SETTINGS
    if not file.exists():
        if (out / RUNS).exists():
            raise StudyError(
                f"got --out {out}, which has runs but no {SETTINGS}; expected a study's folder or a new one"
            )
        return Settings(**given)
    recorded = _recorded(file)["settings"]
    wanted = Settings(**{**recorded, **given})
    for field in fields(Settings):
        before, now = getattr(Settings(**recorded), field.name), getattr(wanted, field.name)
        if before != now:
            raise StudyError(
                f"got {field.name}={_plain(now)}, but {file} was started with {field.name}={_plain(before)}; runs of "
                "both would not compare: leave the option out to continue, or name a new folder with --out"
            )
    return wanted


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _recorded(file: Path) -> dict[str, Any]:
    """The record of the settings, with tuples in place of lists.

    Raises:
        StudyError: a later version of the code wrote it, or it is damaged.
    """
    damaged = "expected the record of a study's settings: restore it, or name a new folder with --out"
    try:
        record = read_json_object(file, damaged)
    except ValueError as error:
        raise StudyError(str(error)) from error
    if not record or "format_version" not in record or not isinstance(record.get("settings"), dict):
        raise StudyError(f"got {file} without settings; {damaged}")
    if record["format_version"] not in range(1, FORMAT_VERSION + 1):
        raise StudyError(
            f"got {file} of format {record['format_version']}; expected at most {FORMAT_VERSION}: name a new folder "
            "with --out"
        )
    if unknown := sorted(record["settings"].keys() - {field.name for field in fields(Settings)}):
        raise StudyError(f"got {file} with the unknown settings {', '.join(unknown)}; {damaged}")
    values = record["settings"].items()
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in values}
    return {**record, "settings": settings}


def record_settings(out: Path, settings: Settings) -> None:
    """Write the settings of a new study, and see that runs may be added to an old one.

    Raises:
        StudyError: the folder's runs are of an earlier format.
    """
    file = out / SETTINGS
    if not file.exists():
        write_json(file, {"format_version": FORMAT_VERSION, "settings": asdict(settings)})
    elif (version := _recorded(file)["format_version"]) != FORMAT_VERSION:
        raise StudyError(
            f"got {file} of format {version}; expected {FORMAT_VERSION}, as runs are given other settings now: name a "
            "new folder with --out, or read this one with --report"
        )


def locked(out: Path) -> contextlib.AbstractContextManager[None]:
    """One launch per folder at a time.

    Raises:
        StudyError: another launch holds the lock.
    """
    return lock.locked(
        out / LOCK,
        lambda holder: StudyError(
            f"got --out {out}, where another launch of this study is running ({holder}); wait for it, or name another "
            "folder"
        ),
    )


# ---- one run ----


def folder_of(out: Path, job: Job) -> Path:
    return out / RUNS / job.name


def result_of(out: Path, job: Job) -> dict[str, Any] | None:
    """A finished run's result, or None."""
    try:
        return json.loads((folder_of(out, job) / RESULT).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def finished(out: Path, pattern: str) -> list[dict[str, Any]]:
    """The results of the finished runs whose names match a pattern, in the order of the names."""
    files = sorted((out / RUNS).glob(f"{pattern}/{RESULT}"))
    return [json.loads(file.read_text()) for file in files]


def checkpoint_step(folder: Path) -> int | None:
    """Batches in the last complete checkpoint, or None."""
    found = checkpoint_of(folder)
    return None if found is None else int(found.name.removeprefix("global_step_"))


def exported_model(folder: Path, steps: int) -> Path:
    """The Hugging Face checkpoint that a run of ``steps`` batches leaves."""
    return folder / f"global_step_{steps}" / "actor" / "huggingface"


def begin(folder: Path, given: dict[str, Any]) -> int | None:
    """Make the folder ready for a launch, and return the batches to continue from; None: from the start.

    Files that a launch without a checkpoint left would mix with those of the new one. Only its log stays.

    Args:
        folder: the run's folder.
        given: what the run depends on (plain JSON).

    Raises:
        StudyError: the run in the folder depends on something else.
    """
    record = folder / JOB
    if record.exists() and json.loads(record.read_text()) != given:
        raise StudyError(
            f"got an unfinished run in {folder} with other overrides ({JOB}) than this launch gives it; the code or "
            "the chosen learning rate has changed: remove this folder to start the run over, or name a new study with "
            "--out"
        )
    step = checkpoint_step(folder)
    if step is None and folder.exists():
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix != ".log" and path.name != LAUNCHES:
                path.unlink()
    write_json(record, given)
    return step


def record_launch(folder: Path, seconds: float, status: int | None) -> None:
    """Note a launch that ended; a ``status`` of None means that it was interrupted."""
    with open(folder / LAUNCHES, "a") as file:
        file.write(json.dumps({"seconds": round(seconds, 1), "status": status}) + "\n")


def launches_of(folder: Path) -> list[dict[str, Any]]:
    file = folder / LAUNCHES
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def has_failed(out: Path, job: Job) -> bool:
    """Whether the last launch of an unfinished run ended by itself: with an error, or without a last validation."""
    launches = launches_of(folder_of(out, job))
    return result_of(out, job) is None and bool(launches) and launches[-1]["status"] is not None


def measured(job: Job, folder: Path, budget: Budget) -> dict[str, Any]:
    """The figures of a finished training, from its metrics.

    Returns:
        ``curve`` is batches of this run -> level -> accuracy, ``accuracy`` its last entry, ``sets`` the same of the
        further held-out sets. Budgets, tokens of responses and seconds are those of this run alone; ``demonstrations``
        counts those that it trained on, or that a rollout or a teacher was given in whole or in part, once per batch;
        ``batch_seconds`` leaves out the start and the end of its launches.

    Raises:
        Unfinished: there is no validation after the last batch.
    """
    try:
        run = read_run(folder)
    except FileNotFoundError as error:
        raise Unfinished(str(error)) from error
    curve: dict[int, dict[str, float]] = {}
    sets = run.accuracy_per_set()
    for level, values in sets.pop("", {}).items():
        for step, accuracy in values.items():
            curve.setdefault(step, {})[str(level)] = accuracy
    if job.steps not in curve:
        raise Unfinished(f"the metrics in {folder} have no validation after batch {job.steps}")
    launches = launches_of(folder)
    batches = run.series("timing_s/step")
    # No strategy of the studies trains on a demonstration that it also shows.
    used = [share for name in (DEMONSTRATION_SHARE, SHOWN_SHARE) for share in run.series(name).values()]
    return {
        "steps": job.steps,
        "questions": job.steps * budget.questions,
        "questions_before": job.start * budget.questions,
        "optimizer_steps": budget.optimizer_steps(job.steps),
        # An idle step has no row: all answers to its questions are right, or all are wrong.
        "optimizer_steps_skipped": round(
            sum(sum(run.series(f"hpt/steps_{what}").values()) for what in ("skipped", "idle"))
        ),
        # An interruption loses the metrics of a batch whose checkpoint is already complete.
        "steps_with_metrics": len(batches),
        "accuracy": curve[job.steps],
        "sets": {
            name: {str(level): values[job.steps] for level, values in levels.items()} for name, levels in sets.items()
        },
        "tokens_trained": round(sum(run.series("hpt/tokens_trained").values())),
        "tokens_sampled": round(sum(run.series("hpt/tokens_sampled").values())),
        "demonstrations": round(budget.questions * sum(used)),
        "curve": {str(step): levels for step, levels in sorted(curve.items())},
        "wall_seconds": round(sum(launch["seconds"] for launch in launches), 1),
        "batch_seconds": round(sum(batches.values()), 1),
        "launches": len(launches),
    }


def finish(folder: Path, result: dict[str, Any]) -> None:
    """Mark the run as finished."""
    write_json(folder / RESULT, result)


# ---- evaluations ----


def evaluation_folder(out: Path, evaluation: Evaluation) -> Path:
    return out / EVALUATIONS / evaluation.name


def evaluation_results(folder: Path) -> Path:
    """The folder of main_eval in an evaluation's folder; main_eval refuses one with other files, such as a log."""
    return folder / "results"


def is_evaluated(folder: Path) -> bool:
    return (folder / EVALUATED).exists()


def mark_evaluated(folder: Path, made_with: dict[str, Any]) -> None:
    """Mark the evaluation as finished."""
    write_json(folder / EVALUATED, made_with)


# ---- all runs ----


def results_of(out: Path, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """The results of the finished runs among ``jobs``, in their order: the lines of results.jsonl."""
    found = (result_of(out, job) for job in jobs)
    return [result for result in found if result is not None]
