# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmarks of the paper's tables, and MMLU-Pro: where they are and how to read their rows.

Each may also come in the simple layout: columns ``prompt`` and ``answer``, and optionally ``id``, ``source``,
``level`` and ``subject``. The prompt of a choice question has the choices as lines.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hpt.common.settings import one_of
from hpt.data.choices import LETTERS, letter_of, shuffled, with_choices

IN_DISTRIBUTION = ("aime24", "aime25", "amc23", "math500", "minerva", "olympiadbench")
OUT_OF_DISTRIBUTION = ("arc_c", "gpqa")
"""The benchmarks of the paper's two averages."""

Row = dict[str, Any]
SIMPLE_COLUMNS = ("prompt", "answer")
INFO = ("level", "subject", "source")
"""Texts in extra_info of every benchmark file; null where unknown."""


@dataclass(frozen=True)
class Item:
    """A benchmark question with its choices in the text; ``id`` is None if the source has none."""

    question: str
    answer: str
    id: str | None = None
    info: dict[str, str] | None = None


@dataclass(frozen=True)
class Benchmark:
    """Where a benchmark is and how to read it.

    Attributes:
        name: the data_source of its questions, and the file's name.
        title: the name in tables.
        hub_id, config, split: its place on the hub.
        size: number of questions in the published set.
        kind: the kind of verifier, ``math`` or ``choice``.
        columns: the columns of the hub's rows; a source without all of them must have the simple layout.
        item: reads one of the hub's rows; raises ValueError or KeyError for a row that cannot be used.
    """

    name: str
    title: str
    hub_id: str
    split: str
    size: int
    columns: tuple[str, ...]
    item: Callable[[Row], Item]
    kind: str = "math"
    config: str | None = None


def simple_item(row: Row) -> Item:
    """Read a row of the simple layout."""
    info = {name: str(row[name]) for name in INFO if row.get(name) is not None}
    return Item(_text(row, "prompt"), _answer(row, "answer"), _id(row, "id"), info)


def _text(row: Row, column: str) -> str:
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{column} is {_shown(value)}, expected text")
    return value.strip()


def _answer(row: Row, column: str) -> str:
    """A gold answer as text; a whole number has no fraction, whatever its type (27.0 gives 27)."""
    value = row.get(column)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return str(value)
    return _text(row, column)


def _id(row: Row, column: str) -> str | None:
    value = row.get(column)
    return None if value is None or not str(value).strip() else str(value)


def _shown(value: object) -> str:
    return "empty" if value == "" else "null" if value is None else f"{value!r:.80}"


def _problem_answer(question: str, id_column: str = "id") -> Callable[[Row], Item]:
    return lambda row: Item(_text(row, question), _answer(row, "answer"), _id(row, id_column), {})


def _math_500(row: Row) -> Item:
    info = {"level": str(row["level"]), "subject": _text(row, "subject")}
    return Item(_text(row, "problem"), _answer(row, "answer"), _id(row, "unique_id"), info)


def _olympiad_bench(row: Row) -> Item:
    """Join several final answers into one list, which the verifier reads as a set."""
    answers = row["final_answer"]
    if isinstance(answers, str):
        answers = [answers]
    if not answers or any(not isinstance(each, str) or not each.strip() for each in answers):
        raise ValueError(f"final_answer is {_shown(answers)}, expected at least one text")
    bare = [each.strip().removeprefix("$").removesuffix("$").strip() for each in answers]
    answer = answers[0].strip() if len(answers) == 1 else ", ".join(bare)
    info = {"subject": str(row["subfield"])} if row.get("subfield") else {}
    return Item(_text(row, "question"), answer, _id(row, "id"), info)


def _arc(row: Row) -> Item:
    texts, labels = row["choices"]["text"], row["choices"]["label"]
    question = with_choices(_text(row, "question"), texts)
    return Item(question, letter_of(row["answerKey"], labels), _id(row, "id"), {})


GPQA_CHOICES = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def _gpqa(row: Row) -> Item:
    """Shuffle the choices by the record's id, because the source puts the right answer first."""
    record = _text(row, "Record ID")
    choices = [_text(row, column) for column in GPQA_CHOICES]
    order = shuffled(choices, record)
    question = with_choices(_text(row, "Question"), [choices[position] for position in order])
    info = {"subject": str(row["Subdomain"])} if row.get("Subdomain") else {}
    return Item(question, LETTERS[order.index(0)], record, info)


def _mmlu_pro(row: Row) -> Item:
    options, letter, index = row["options"], _text(row, "answer"), row["answer_index"]
    if letter not in LETTERS[: len(options)] or LETTERS.index(letter) != index:
        raise ValueError(f"answer {letter!r} is not option {index} of {len(options)}, which answer_index names")
    question = with_choices(_text(row, "question"), options)
    return Item(question, letter, _id(row, "question_id"), {"subject": _text(row, "category")})


# Per entry: name, title and place on the hub; columns and reader; what differs from mathematics.
_ALL = (
    Benchmark(
        "aime24", "AIME 2024", "HuggingFaceH4/aime_2024", "train", 30,
        ("id", "problem", "answer"), _problem_answer("problem"),
    ),
    Benchmark(
        "aime25", "AIME 2025", "math-ai/aime25", "test", 30,
        ("problem", "answer"), _problem_answer("problem"),
    ),
    Benchmark(
        "amc23", "AMC 2023", "math-ai/amc23", "test", 40,
        ("question", "answer"), _problem_answer("question"),
    ),
    Benchmark(
        "math500", "MATH-500", "HuggingFaceH4/MATH-500", "test", 500,
        ("problem", "answer", "subject", "level", "unique_id"), _math_500,
    ),
    Benchmark(
        "minerva", "Minerva Math", "math-ai/minervamath", "test", 272,
        ("question", "answer"), _problem_answer("question"),
    ),
    Benchmark(
        "olympiadbench", "OlympiadBench", "Hothan/OlympiadBench", "train", 674,
        ("question", "final_answer"), _olympiad_bench, config="OE_TO_maths_en_COMP",
    ),
    Benchmark(
        "arc_c", "ARC-Challenge", "allenai/ai2_arc", "test", 1172,
        ("id", "question", "choices", "answerKey"), _arc, kind="choice", config="ARC-Challenge",
    ),
    Benchmark(
        "gpqa", "GPQA diamond", "Idavidrein/gpqa", "train", 198,
        ("Record ID", "Question", *GPQA_CHOICES), _gpqa, kind="choice", config="gpqa_diamond",
    ),
    Benchmark(
        "mmlu_pro", "MMLU-Pro", "TIGER-Lab/MMLU-Pro", "test", 12032,
        ("question_id", "question", "options", "answer", "answer_index", "category"), _mmlu_pro, kind="choice",
    ),
)  # fmt: skip
BENCHMARKS = {benchmark.name: benchmark for benchmark in _ALL}
assert len(BENCHMARKS) == len(_ALL)


def benchmark_of(name: str) -> Benchmark:
    """Look a benchmark up; raises ConfigError with the known names."""
    one_of("benchmark", name, BENCHMARKS)
    return BENCHMARKS[name]
