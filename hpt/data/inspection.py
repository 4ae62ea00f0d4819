# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What a question file holds, and everything wrong with it: ``python -m hpt.data check``."""

import statistics
from array import array
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from hpt.common.digests import file_sha256
from hpt.common.errors import Problem
from hpt.data.checks import check_file, iter_rows, solution_text
from hpt.data.gold_answers import gold_answer_problems
from hpt.data.questions import last_user_message
from hpt.data.writing import manifest_path, read_manifest
from hpt.verifier.pool import DEFAULT_WORKERS

KINDS = ("auto", "train", "eval")


@dataclass(frozen=True)
class Lengths:
    """Lengths of texts in characters."""

    values: array = field(default_factory=lambda: array("q"))

    def __str__(self) -> str:
        if not self.values:
            return "-"
        middle = statistics.median_high(self.values)
        return f"{min(self.values):,} / {middle:,} / {max(self.values):,}"


@dataclass(frozen=True)
class Inspection:
    """What was found in one file.

    Attributes:
        path: as it was named.
        kind: ``train`` or ``eval``.
        rows, with_target: questions, and those with a gold solution.
        sources: data_source -> questions.
        verifier_kinds: verifier_kind -> questions; "math" stands for none.
        questions, answers, targets: lengths of the user's messages, gold answers and gold solutions.
        problems: in the order of rows.
    """

    path: str
    kind: str
    rows: int
    with_target: int
    sources: Counter[str]
    verifier_kinds: Counter[str]
    questions: Lengths
    answers: Lengths
    targets: Lengths
    problems: tuple[Problem, ...]


def inspect_file(
    path: str,
    kind: str = "auto",
    *,
    gold: bool = True,
    workers: int = DEFAULT_WORKERS,
    progress: bool = True,
) -> Inspection:
    """Check one file in full.

    Args:
        path: a parquet file.
        kind: ``train`` wants at least one gold solution, ``eval`` ignores them; ``auto`` is ``train`` where
            there is a column target.
        gold: see to it that every gold answer can be verified.
        workers: verifier processes for that.
        progress: show its progress bar.

    Returns:
        The findings; a bad file raises nothing.
    """
    assert kind in KINDS
    report = check_file(path)
    if kind == "auto":
        kind = "train" if report.rows and "target" in _columns(path) else "eval"
    if kind == "train":
        report = check_file(path, require_target=True)
    problems = list(report.problems)
    counted = _Counted()
    if not problems:
        counted = _count(path, with_targets=kind == "train")
        problems += gold_answer_problems([path], gold=gold, workers=workers, progress=progress)
        problems += _manifest_problems(path)
    return Inspection(
        path=path,
        kind=kind,
        rows=report.rows,
        with_target=report.with_target,
        sources=counted.sources,
        verifier_kinds=counted.kinds,
        questions=counted.questions,
        answers=counted.answers,
        targets=counted.targets,
        problems=tuple(problems),
    )


@dataclass(frozen=True)
class _Counted:
    sources: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    questions: Lengths = field(default_factory=Lengths)
    answers: Lengths = field(default_factory=Lengths)
    targets: Lengths = field(default_factory=Lengths)


def _columns(path: str) -> list[str]:
    with pq.ParquetFile(Path(path).expanduser()) as file:
        return file.schema_arrow.names


def _count(path: str, with_targets: bool) -> _Counted:
    columns = ["prompt", "data_source", "reward_model.ground_truth", "extra_info"]
    counted = _Counted()
    for _, values in iter_rows(path, [*columns, *(["target"] if with_targets else [])]):
        counted.sources[values["data_source"]] += 1
        counted.kinds[(values.get("extra_info") or {}).get("verifier_kind") or "math"] += 1
        counted.questions.values.append(len(last_user_message(values["prompt"])))
        counted.answers.values.append(len(values["reward_model"]["ground_truth"]))
        if text := solution_text(values.get("target")):
            counted.targets.values.append(len(text))
    return counted


def _manifest_problems(path: str) -> list[Problem]:
    file = Path(path).expanduser()
    try:
        manifest = read_manifest(file)
    except ValueError as error:
        return [Problem(path, None, str(error))]
    if manifest is None or manifest.get("sha256") == file_sha256(file):
        return []
    reason = f"is not the file that {manifest_path(file).name} was written for: its sha256 differs"
    return [Problem(path, None, reason)]


def most_common(counts: Counter[str], shown: int = 4) -> str:
    """ "math 500, choice 2", the rest as a number."""
    parts = [f"{name} {rows:,}" for name, rows in counts.most_common(shown)]
    rest = len(counts) - shown
    return ", ".join([*parts, *([f"{rest} more"] if rest > 0 else [])]) or "-"
