# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A study's results in a few small files, from which all of its tables, figures and pages can be made again.

    study.json                    the settings, as in the study's folder
    documents.parquet             path, text: the small JSON files (results of runs and of evaluations)
    metrics.parquet               run, step, metric, value: one row per number that a training logged
    question_log.parquet          run, step, epoch, question, n, correct, mean, route: one row per question and step
    evaluated_questions.parquet   folder, benchmark, question, level, answer, n, correct: one row per question

Models, samples, logs and paths of the machine are left out. :func:`unpack` gives the study's own layout back.
"""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from hpt.common.files import TRACKER, write_json_lines, write_whole
from hpt.common.training_log import METRICS_FILE, read_run
from hpt.evaluation.outputs import QUESTIONS, RESULTS
from hpt.method import question_log
from recipe.hpt.reproduction.errors import StudyError
from recipe.hpt.reproduction.methods import METHODS
from recipe.hpt.reproduction.report import solve_map
from recipe.hpt.reproduction.study import state
from recipe.hpt.reproduction.study.pages import RUNS_FILE
from recipe.hpt.reproduction.study.plan import evaluations
from recipe.hpt.reproduction.study.settings import Settings

DOCUMENTS, METRICS = "documents.parquet", "metrics.parquet"
QUESTION_LOG, EVALUATED = "question_log.parquet", "evaluated_questions.parquet"
FILES = (DOCUMENTS, METRICS, QUESTION_LOG, EVALUATED)
COLUMNS = {
    DOCUMENTS: ("path", "text"),
    METRICS: ("run", "step", "metric", "value"),
    QUESTION_LOG: ("run", "step", "epoch", "question", "n", "correct", "mean", "route"),
    EVALUATED: ("folder", "benchmark", "question", "level", "answer", "n", "correct"),
}
KEPT_METRICS = ("hpt/", "val-core/")
"""Prefixes of the metrics that the report reads."""
COMPRESSION_LEVEL = 19
_LOGGED = {"id": "question", "n": "n", "correct": "correct", "mean": "mean", "route": "route"}
"""Key of a line in ``questions.jsonl`` -> column."""


def is_packed(folder: Path) -> bool:
    """Whether the folder holds packed results rather than a study."""
    return (folder / DOCUMENTS).is_file()


@contextlib.contextmanager
def readable(folder: Path) -> Iterator[Path]:
    """The study's folder itself, or a temporary one with its packed results unpacked.

    Raises:
        StudyError: the packed results are damaged.
    """
    if not is_packed(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        unpack(folder, Path(temporary) / "study")
        yield Path(temporary) / "study"


# ---- pack ----


def pack(out: Path, to: Path, settings: Settings) -> None:
    """Pack the finished runs and evaluations of a study, and which runs have failed.

    Args:
        out: the study's folder (see :func:`readable` for one that is packed).
        to: a folder that :func:`check_target` accepts.
    """
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in FILES}
    for file in sorted((out / state.RUNS).glob(f"*/{state.RESULT}")):
        rows[DOCUMENTS].append(_document(out, file))
        run = json.loads(file.read_text())
        if run["kind"] == "final" and not settings.is_map:  # A map's report reads the results of its runs alone.
            rows[METRICS] += _metrics(file.parent)
            # Figures 3 and 4 compare these question by question.
            if run["method"] in (solve_map.HERE, *solve_map.OTHERS):
                rows[QUESTION_LOG] += _question_log(file.parent)
    for file in sorted((out / state.RUNS).glob(f"*/{state.LAUNCHES}")):
        if not file.with_name(state.RESULT).exists():  # The report marks a run that has failed.
            rows[DOCUMENTS].append(_document(out, file))
    for evaluation in evaluations(settings, tuple(METHODS)):
        folder = state.evaluation_folder(out, evaluation)
        if state.is_evaluated(folder):
            results = state.evaluation_results(folder)
            rows[DOCUMENTS] += [_document(out, folder / state.EVALUATED), _document(out, results / RESULTS)]
            rows[EVALUATED] += _evaluated(out, results)
    # An earlier copy may have the study's own layout.
    for name in (state.RUNS, state.EVALUATIONS):
        shutil.rmtree(to / name, ignore_errors=True)
    (to / RUNS_FILE).unlink(missing_ok=True)
    write_whole(to / state.SETTINGS, (out / state.SETTINGS).read_text())
    for name, found in rows.items():
        frame = pd.DataFrame(found, columns=list(COLUMNS[name]))
        frame.to_parquet(to / name, index=False, compression="zstd", compression_level=COMPRESSION_LEVEL)


def check_target(out: Path, to: Path) -> None:
    """Raise StudyError unless ``to`` is a new folder, or one that results of this study were copied to before."""
    if to == out or out in to.parents:
        raise StudyError(f"got --copy-to {to}, in the study's own folder; name one outside of it")
    is_full = any(to.glob("task-seed*")) or any((to / state.RUNS).glob(f"*/{TRACKER}"))
    is_other = to.exists() and not (to / state.SETTINGS).is_file() and any(to.iterdir())
    if is_full or is_other:
        raise StudyError(
            f"got --copy-to {to}, which holds something else than a copy of a study's results; name a new folder"
        )
    if (to / state.SETTINGS).is_file() and state.settings_for(to, {}) != state.settings_for(out, {}):
        raise StudyError(f"got --copy-to {to}, which holds results of a study with other settings; name a new folder")


def _document(out: Path, file: Path) -> dict[str, Any]:
    return {"path": file.relative_to(out).as_posix(), "text": file.read_text().replace(str(out), "OUT")}


def _metrics(folder: Path) -> list[dict[str, Any]]:
    found = [
        {"run": folder.name, "step": step, "metric": name, "value": float(value)}
        for step, row in read_run(folder).steps.items()
        for name, value in row.items()
        if name.startswith(KEPT_METRICS)
    ]
    return sorted(found, key=lambda row: (row["metric"], row["step"]))  # Like numbers side by side compress better.


def _question_log(folder: Path) -> list[dict[str, Any]]:
    if not (folder / question_log.FILE).exists():
        return []
    return [
        {"run": folder.name, "step": step, "epoch": line["epoch"], **dict(zip(_LOGGED.values(), values, strict=True))}
        for step, line in question_log.read(folder).items()
        for values in zip(*(line[key] for key in _LOGGED), strict=True)
    ]


def _evaluated(out: Path, results: Path) -> list[dict[str, Any]]:
    folder = results.relative_to(out).as_posix()
    records = map(json.loads, (results / QUESTIONS).read_text().splitlines())
    return [{"folder": folder, **{key: each[key] for key in COLUMNS[EVALUATED][1:]}} for each in records]


# ---- unpack ----


def unpack(packed: Path, to: Path) -> None:
    """Write packed results in the layout of a study's folder.

    Args:
        to: a folder that is new or empty.

    Raises:
        StudyError: ``to`` is in use, or the packed results are missing or damaged.
    """
    if not is_packed(packed):
        raise StudyError(f"got --out {packed} without {DOCUMENTS}; expected a folder that --copy-to has written")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise StudyError(f"got --unpack-to {to}, which is not empty; name a new folder")
    frames = {name: _read(packed / name) for name in FILES}
    write_whole(to / state.SETTINGS, (packed / state.SETTINGS).read_text())
    for path, text in frames[DOCUMENTS].itertuples(index=False):
        write_whole(_inside(to, path), text)
    for run, of_run in frames[METRICS].groupby("run"):
        lines = (
            {"step": int(step), "data": dict(zip(rows["metric"], rows["value"], strict=True))}
            for step, rows in of_run.groupby("step")
        )
        write_json_lines(_inside(to, f"{state.RUNS}/{run}/{METRICS_FILE}"), lines)
    for run, of_run in frames[QUESTION_LOG].groupby("run"):
        lines = (
            {"step": int(step), "epoch": int(epoch), **{key: rows[name].tolist() for key, name in _LOGGED.items()}}
            for (step, epoch), rows in of_run.groupby(["step", "epoch"])
        )
        write_json_lines(_inside(to, f"{state.RUNS}/{run}/{question_log.FILE}"), lines)
    for folder, of_folder in frames[EVALUATED].groupby("folder"):
        records = of_folder.drop(columns="folder").astype(object)
        write_json_lines(_inside(to, f"{folder}/{QUESTIONS}"), records.where(records.notna(), None).to_dict("records"))


def _read(file: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(file, columns=list(COLUMNS[file.name]))
    except (OSError, ValueError) as error:
        raise StudyError(f"got {file}, which cannot be read ({error}); copy the results again with --copy-to") from None


def _inside(to: Path, path: str) -> Path:
    file = to / path
    if not file.resolve().is_relative_to(to.resolve()):
        raise StudyError(f"got packed results with the path {path!r}; expected paths inside the study's folder")
    return file
