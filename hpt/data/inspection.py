# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What a question file holds and everything that is wrong with it, for ``hpt data check``."""

import statistics
from array import array
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from hpt.common.digests import file_sha256
from hpt.common.errors import Problem
from hpt.data.checks import check_file, iter_rows, solution_text
from hpt.data.gold_answers import DEFAULT_KIND, gold_answer_problems
from hpt.data.questions import last_user_message
from hpt.data.writing import manifest_path, read_manifest
from hpt.verifier.pool import DEFAULT_WORKERS

KINDS = ("auto", "train", "eval")


@dataclass
class Lengths:
    """Lengths of texts in characters."""

    values: array = field(default_factory=lambda: array("q"))

    def __str__(self) -> str:
        if not self.values:
            return "-"
        return f"{min(self.values):,} / {statistics.median_high(self.values):,} / {max(self.values):,}"


@dataclass
class Inspection:
    """What was found in one file.

    Attributes:
        path: the file, as it was named.
        kind: ``train`` or ``eval``.
        rows, with_target: number of questions, and of those with a demonstration.
        problems: everything that is wrong, in the order of rows; if a check of the columns fails, the rest is empty.
        sources: data_source -> questions.
        verifier_kinds: verifier_kind -> questions; "math" where a row names none.
        questions, answers, targets: lengths of the user's messages, gold answers and demonstrations.
    """

    path: str
    kind: str
    rows: int
    with_target: int
    problems: tuple[Problem, ...]
    sources: Counter[str] = field(default_factory=Counter)
    verifier_kinds: Counter[str] = field(default_factory=Counter)
    questions: Lengths = field(default_factory=Lengths)
    answers: Lengths = field(default_factory=Lengths)
    targets: Lengths = field(default_factory=Lengths)

    def count(self) -> None:
        """Count kinds and lengths in a file without problems."""
        columns = ["prompt", "data_source", "reward_model.ground_truth", "extra_info"]
        for _, values in iter_rows(self.path, columns + ["target"] * (self.kind == "train")):
            self.sources[values["data_source"]] += 1
            self.verifier_kinds[(values.get("extra_info") or {}).get("verifier_kind") or DEFAULT_KIND] += 1
            self.questions.values.append(len(last_user_message(values["prompt"])))
            self.answers.values.append(len(values["reward_model"]["ground_truth"]))
            if text := solution_text(values.get("target")):
                self.targets.values.append(len(text))


def inspect_file(
    path: str, kind: str = "auto", *, gold: bool = True, workers: int = DEFAULT_WORKERS, progress: bool = True
) -> Inspection:
    """Check one file in full.

    Args:
        path: a parquet file.
        kind: ``train`` requires at least one demonstration, ``eval`` ignores demonstrations; ``auto`` is ``train``
            where there is a column target.
        gold: check that every gold answer can be verified.
        workers: verifier processes for that.
        progress: show a progress bar.

    Returns:
        The findings; a bad file raises nothing.
    """
    assert kind in KINDS
    report = check_file(path)
    if kind == "auto":
        kind = "train" if report.rows and "target" in pq.read_schema(Path(path).expanduser()).names else "eval"
    if kind == "train":
        report = check_file(path, require_target=True)
    found = Inspection(path, kind, report.rows, report.with_target, report.problems)
    if not found.problems:
        found.count()
        more = gold_answer_problems([path], gold=gold, workers=workers, progress=progress)
        found.problems = (*more, *_manifest_problems(path))
    return found


def _manifest_problems(path: str) -> list[Problem]:
    file = Path(path).expanduser()
    try:
        manifest = read_manifest(file)
    except ValueError as error:
        return [Problem(path, None, str(error))]
    if manifest is None or manifest.get("sha256") == file_sha256(file):
        return []
    return [Problem(path, None, f"is not the file of {manifest_path(file).name}: its sha256 differs")]


def most_common(counts: Counter[str], shown: int = 4) -> str:
    """The largest counts as text, such as "math 500, choice 2", and the number of others."""
    parts = [f"{name} {rows:,}" for name, rows in counts.most_common(shown)]
    rest = len(counts) - shown
    return ", ".join([*parts, *([f"{rest} more"] if rest > 0 else [])]) or "-"
