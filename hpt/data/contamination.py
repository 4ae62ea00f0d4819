# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Training questions that overlap with benchmark questions.

Both are compared as words (`hpt.data.questions.words`): runs of letters and runs of digits, without case, punctuation,
operators and LaTeX dress. A training question overlaps with a benchmark question if

- the two are the same (`question_key`), however short, or
- they share a run of n words that is no common phrase, and the shared runs cover at least a given share of the
  benchmark question's words.

A run is a common phrase if several different benchmark questions have it ("where m and n are relatively prime positive
integers"), or more training questions than a leak explains. Benchmark questions of fewer than n words are compared as
a whole only. Lines that all questions of a benchmark file end with, such as an instruction, are left out.

The training file is read twice, and all is linear in the text.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hpt.data.checks import iter_rows
from hpt.data.questions import last_user_message, question_key, words

WHOLE = "whole question"
_WORD_BYTES = array("I").itemsize


@dataclass(frozen=True)
class Settings:
    """When questions overlap.

    Attributes:
        n: words of a run.
        min_share: smallest share of the benchmark question's words that shared runs cover, in [0, 1].
        common_benchmark: different benchmark questions from which on a run is a common phrase.
        common_train: training questions above which a run is a common phrase.

    Raises:
        ValueError: a number out of range.
    """

    n: int = 13
    min_share: float = 0.3
    common_benchmark: int = 3
    common_train: int = 10

    def __post_init__(self) -> None:
        if min(self.n, self.common_train) < 1 or self.common_benchmark < 2:
            raise ValueError(f"got {self}; expected n and common_train >= 1 and common_benchmark >= 2")
        if not 0.0 <= self.min_share <= 1.0:
            raise ValueError(f"got min_share={self.min_share}; expected a share in [0, 1]")


@dataclass(frozen=True)
class Question:
    """A benchmark question: its file's stem, row and id."""

    benchmark: str
    row: int
    id: str
    text: str


@dataclass(frozen=True)
class Overlap:
    """A training question and a benchmark question.

    Attributes:
        row, id: of the training question.
        question: the benchmark question.
        share: of the benchmark question's words that shared runs cover; 1.0 where it is the same.
        run: a shared run of words, or `WHOLE`.
    """

    row: int
    id: str
    question: Question
    share: float
    run: str


class BenchmarkIndex:
    """The benchmark questions' runs of n words and their whole texts, for look-up.

    Args:
        questions: of all benchmarks.
        settings: when questions overlap.
    """

    def __init__(self, questions: Sequence[Question], settings: Settings):
        self.questions, self.settings = questions, settings
        self._vocabulary: dict[str, int] = {}
        self.keys: dict[str, list[int]] = {}
        self._runs: dict[bytes, list[int]] = {}
        self._lengths: list[int] = []
        for number, question in enumerate(questions):
            key = question_key(question.text)
            self.keys.setdefault(key, []).append(number)
            tokens = words(question.text)
            self._lengths.append(len(tokens))
            ids = array("I", (self._vocabulary.setdefault(w, len(self._vocabulary)) for w in tokens))
            for run in dict.fromkeys(_runs(ids, settings.n)):
                self._runs.setdefault(run, []).append(number)
        self._drop_common(questions)

    def _drop_common(self, questions: Sequence[Question]) -> None:
        # The same question in two benchmarks makes no phrase of it.
        key_of = [question_key(question.text) for question in questions]
        limit = self.settings.common_benchmark
        self.common = {
            run for run, numbers in self._runs.items() if len({key_of[number] for number in numbers}) >= limit
        }
        for run in self.common:
            del self._runs[run]

    def runs_of(self, tokens: Sequence[str]) -> list[tuple[int, bytes]]:
        """(position, run) of every run of these words that a benchmark question has."""
        unknown = len(self._vocabulary)  # no benchmark's word, so that no run with it is found
        ids = array("I", (self._vocabulary.get(word, unknown) for word in tokens))
        found = enumerate(_runs(ids, self.settings.n))
        return [(position, run) for position, run in found if run in self._runs]

    def shares(self, tokens: Sequence[str], ignored: set[bytes]) -> Iterator[tuple[int, float, str]]:
        """(benchmark question, share of its words covered, first shared run) of a training question's words."""
        positions: dict[int, list[int]] = {}
        for position, run in self.runs_of(tokens):
            if run not in ignored:
                for number in self._runs[run]:
                    positions.setdefault(number, []).append(position)
        for number, starts in positions.items():
            covered = _covered(starts, self.settings.n)
            shown = " ".join(tokens[starts[0] : starts[0] + self.settings.n])
            yield number, min(1.0, covered / self._lengths[number]), shown


def _runs(ids: array, n: int) -> Iterator[bytes]:
    data = ids.tobytes()
    width = n * _WORD_BYTES
    for start in range(0, len(data) - width + 1, _WORD_BYTES):
        yield data[start : start + width]


def _covered(starts: Sequence[int], n: int) -> int:
    """Words within the union of the runs that start at these positions, in rising order."""
    covered = end = 0
    for start in starts:
        covered += start + n - max(start, end)
        end = start + n
    return covered


def load_questions(path: str, benchmark: str) -> list[Question]:
    """The questions of a benchmark file that has passed `hpt.data.checks`, less the lines that all of them end with."""
    found = []
    for row, values in iter_rows(path, ["prompt", "extra_info"]):
        found.append((row, _id_of(values, row), last_user_message(values["prompt"])))
    cut = _common_ending([text for _, _, text in found])
    return [Question(benchmark, row, name, text[: len(text) - cut] if cut else text) for row, name, text in found]


def _id_of(values: dict[str, Any], row: int) -> str:
    name = (values.get("extra_info") or {}).get("id")
    return str(row) if name is None else str(name)


def _common_ending(texts: Sequence[str]) -> int:
    """Characters of the whole lines that all texts end with; 0 for a single text."""
    if len(texts) < 2:
        return 0
    ending = texts[0].split("\n")[1:]
    for text in texts[1:]:
        lines = text.split("\n")[1:]
        same = 0
        while same < min(len(ending), len(lines)) and ending[-1 - same] == lines[-1 - same]:
            same += 1
        ending = ending[len(ending) - same :]
    return len("\n".join(["", *ending])) if ending else 0


def find_overlaps(path: str, index: BenchmarkIndex, total: int, progress: bool = True) -> list[Overlap]:
    """All pairs of a checked file's training question and a benchmark question that overlap, in the order of the file.

    Args:
        path: the training file.
        index: of the benchmarks.
        total: rows of the file.
        progress: show a progress bar for each of the two passes.
    """
    ignored = _common_in_training(_questions(path, total, progress, "common phrases"), index)
    overlaps = []
    for row, name, text in _questions(path, total, progress, "overlaps"):
        overlaps += _overlaps(row, name, text, index, ignored)
    return overlaps


def _questions(path: str, total: int, progress: bool, what: str) -> Iterator[tuple[int, str, str]]:
    rows = iter_rows(path, ["prompt", "extra_info"])
    for row, values in tqdm(rows, total=total, desc=what, unit="row", disable=not progress):
        yield row, _id_of(values, row), last_user_message(values["prompt"])


def _common_in_training(questions: Iterable[tuple[int, str, str]], index: BenchmarkIndex) -> set[bytes]:
    counts: Counter[bytes] = Counter()
    seen: set[str] = set()
    for _, _, text in questions:
        key = question_key(text)
        if key not in seen:  # a question that occurs often is no phrase
            seen.add(key)
            counts.update({run for _, run in index.runs_of(words(text))})
    return {run for run, count in counts.items() if count > index.settings.common_train}


def _overlaps(row: int, name: str, text: str, index: BenchmarkIndex, ignored: set[bytes]) -> list[Overlap]:
    same = index.keys.get(question_key(text), [])
    found = [(number, 1.0, WHOLE) for number in same]
    found += [
        (number, share, run)
        for number, share, run in index.shares(words(text), ignored)
        if share >= index.settings.min_share and number not in same
    ]
    found.sort(key=lambda each: -each[1])
    return [Overlap(row, name, index.questions[number], round(share, 4), run) for number, share, run in found]


def report_record(path: Path, rows: int, index: BenchmarkIndex, overlaps: Sequence[Overlap]) -> dict[str, Any]:
    """The report as plain JSON: settings, training questions that overlap per benchmark, and each of them."""
    return {
        "train": path.name,
        "questions": rows,
        "settings": asdict(index.settings),
        "benchmarks": per_benchmark(index, overlaps),
        "overlapping": len({overlap.row for overlap in overlaps}),
        "overlaps": [asdict(overlap) for overlap in overlaps],
    }


def per_benchmark(index: BenchmarkIndex, overlaps: Sequence[Overlap]) -> dict[str, dict[str, int]]:
    """Per benchmark its questions, how many of them are met, and by how many training questions."""
    counts = {}
    for name in dict.fromkeys(question.benchmark for question in index.questions):
        mine = [overlap for overlap in overlaps if overlap.question.benchmark == name]
        counts[name] = {
            "questions": sum(question.benchmark == name for question in index.questions),
            "met": len({overlap.question.row for overlap in mine}),
            "by": len({overlap.row for overlap in mine}),
        }
    return counts
