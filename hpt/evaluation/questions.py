# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Read benchmark files. All mistakes in them become one message, before anything starts."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpt.common.errors import DataError, Problem
from hpt.data.checks import check_files, iter_rows
from hpt.data.gold_answers import DEFAULT_KIND, by_comparison, described, gold_answer_problems, kind_of_row
from hpt.data.ids import question_id
from hpt.verifier.gold import kind_of_gold

ADVICE = (
    "Correct the files and write them again. Each question, or none, needs an extra_info.id (text) of its own. Each "
    "needs an answer that the verifier understands, and an extra_info.verifier_kind that it knows, or none (math)."
)


@dataclass(frozen=True)
class Question:
    """One question of a benchmark.

    Attributes:
        id: unique within the benchmark and stable over runs.
        messages: the prompt, {role, content} each.
        answer: the gold answer.
        kind: how the verifier compares.
        level, subject: as text, if the file has them.
    """

    id: str
    messages: tuple[dict[str, str], ...]
    answer: str
    kind: str = DEFAULT_KIND
    level: str | None = None
    subject: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "messages": list(self.messages)}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Question":
        return cls(**{**record, "messages": tuple(record["messages"])})


@dataclass(frozen=True)
class Benchmark:
    """The questions of one ``data_source``, in the order of their file."""

    name: str
    file: str
    questions: tuple[Question, ...]

    @property
    def repeats(self) -> int:
        """Questions whose prompt and answer an earlier one has, too."""
        return len(self.questions) - len({json.dumps([each.messages, each.answer]) for each in self.questions})

    def comparison(self) -> str:
        """How the gold answers are compared, with counts, and how many questions repeat an earlier one."""
        text = described(by_comparison((question.answer, question.kind) for question in self.questions))
        return f"{text}; {self.repeats} questions repeat an earlier one" if self.repeats else text

    def without_unverifiable(self) -> "Benchmark":
        """The benchmark without questions whose gold answer is not understood."""
        kept = tuple(each for each in self.questions if kind_of_gold(each.answer, each.kind) != "unverifiable")
        return replace(self, questions=kept)

    def digest(self) -> str:
        """SHA-256 of the questions. It does not depend on other columns of the file, or on its compression."""
        text = json.dumps([question.to_json() for question in self.questions], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def load_benchmarks(files: Sequence[str], policy: str = "fail") -> list[Benchmark]:
    """Read all questions. Those that share a ``data_source`` form a benchmark; a file may hold several.

    Args:
        policy: what becomes of gold answers that cannot be verified: ``fail``, ``keep`` or ``drop``.

    Raises:
        DataError: a file is empty or cannot be read; a benchmark is spread over several files; or a row has no prompt,
            no answer, an answer that cannot be verified (under ``fail``), an unknown kind of answer, or another
            question's id; or half of a benchmark's rows or more repeat an earlier question.
    """
    files = list(dict.fromkeys(os.path.expanduser(str(file)) for file in files))
    check_files(files)
    problems = gold_answer_problems(files, gold=policy == "fail")
    found: dict[str, Benchmark] = {}
    for file in files:
        for name, questions in _read(file).items():
            if name in found:
                reason = f"has questions of {name!r}, as {found[name].file}; expected a benchmark in one file"
                problems.append(Problem(file, None, reason))
            found[name] = Benchmark(name, file, tuple(questions))
            if (repeats := found[name].repeats) * 2 >= len(questions):
                reason = (
                    f"{repeats} of {len(questions)} rows of {name!r} repeat an earlier question; they would count as "
                    f"questions of their own: expected each question once, and n.{name} for its samples"
                )
                problems.append(Problem(file, None, reason))
    if problems:
        raise DataError(problems, ADVICE)
    return [each.without_unverifiable() if policy == "drop" else each for each in found.values()]


def _read(file: str) -> dict[str, list[Question]]:
    columns = ["prompt", "data_source", "reward_model.ground_truth", "extra_info"]
    benchmarks: dict[str, list[Question]] = {}
    for row, values in iter_rows(file, columns):
        benchmarks.setdefault(values["data_source"], []).append(_question(values, row))
    return benchmarks


def _question(values: dict[str, Any], row: int) -> Question:
    info = values.get("extra_info") or {}
    return Question(
        id=question_id(values, row),
        messages=tuple({"role": each["role"], "content": each["content"]} for each in values["prompt"]),
        answer=values["reward_model"]["ground_truth"],
        kind=str(kind_of_row(values)),
        level=_text(info.get("level")),
        subject=_text(info.get("subject")),
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
