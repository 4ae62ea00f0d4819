# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Finds training questions that overlap with benchmark questions.

Both are compared as words (`hpt.data.questions.words`): runs of letters and runs of digits, without case, punctuation,
operators and LaTeX spacing. A training question overlaps with a benchmark question if

- the two are the same (`question_key`), however short, or
- they share a run of n words that is no common phrase, and the shared runs cover at least a given share of the
  benchmark question's words.

A run is a common phrase if several different benchmark questions have it ("where m and n are relatively prime positive
integers"), or more training questions than a leak explains. Benchmark questions with fewer than n words are compared as
a whole only. Lines that all questions of a benchmark file end with, such as an instruction, are ignored.

The training file is read twice, and the time is linear in the text.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hpt.data.checks import iter_rows
from hpt.data.questions import last_user_message, question_key, words

WHOLE = "whole question"


@dataclass(frozen=True)
class Settings:
    """When questions overlap.

    Attributes:
        n: number of words in a run.
        min_share: smallest share of the benchmark question's words that the shared runs must cover, in [0, 1].
        common_benchmark: a run is a common phrase if at least this many different benchmark questions have it.
        common_train: a run is a common phrase if more training questions than this have it.

    Raises:
        ValueError: a number is out of range.
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
    """A training question that overlaps with a benchmark question.

    Attributes:
        row, id: the training question's row and id.
        question: the benchmark question.
        share: share of the benchmark question's words that shared runs cover; 1.0 if the questions are the same.
        run: the first shared run of words, or `WHOLE`.
    """

    row: int
    id: str
    question: Question
    share: float
    run: str


class BenchmarkIndex:
    """Finds benchmark questions by their runs of n words and by their whole text.

    Args:
        questions: the questions of all benchmarks.
        settings: when questions overlap.
    """

    def __init__(self, questions: Sequence[Question], settings: Settings):
        self.questions, self.settings = questions, settings
        self.keys: dict[str, list[int]] = {}
        self._runs: dict[int, list[int]] = {}
        self._lengths: list[int] = []
        for number, question in enumerate(questions):
            self.keys.setdefault(question_key(question.text), []).append(number)
            tokens = words(question.text)
            self._lengths.append(len(tokens))
            for run in dict.fromkeys(_runs(tokens, settings.n)):
                self._runs.setdefault(run, []).append(number)
        # A question that is in two benchmarks counts once: its runs are no phrases.
        key_of = [question_key(question.text) for question in questions]
        for run, numbers in list(self._runs.items()):
            if len({key_of[number] for number in numbers}) >= settings.common_benchmark:
                del self._runs[run]

    def runs_of(self, tokens: Sequence[str]) -> list[tuple[int, int]]:
        """(position, run) for every run of these words that a benchmark question has."""
        return [(place, run) for place, run in enumerate(_runs(tokens, self.settings.n)) if run in self._runs]

    def shares(self, tokens: Sequence[str], ignored: set[int]) -> Iterator[tuple[int, float, str]]:
        """Compare the words of a training question with all benchmark questions.

        Yields:
            (number of the benchmark question, share of its words that is covered, first shared run).
        """
        positions: dict[int, list[int]] = {}
        for position, run in self.runs_of(tokens):
            if run not in ignored:
                for number in self._runs[run]:
                    positions.setdefault(number, []).append(position)
        for number, starts in positions.items():
            covered = _covered(starts, self.settings.n)
            shown = " ".join(tokens[starts[0] : starts[0] + self.settings.n])
            yield number, min(1.0, covered / self._lengths[number]), shown


def _runs(tokens: Sequence[str], n: int) -> Iterator[int]:
    """The runs of n words in order, as 64-bit hashes: tuples of a million runs would take too much memory."""
    return map(hash, zip(*(tokens[start:] for start in range(n)), strict=False))


def _covered(starts: Sequence[int], n: int) -> int:
    """Number of words in the union of the runs that start at these rising positions."""
    covered = end = 0
    for start in starts:
        covered += start + n - max(start, end)
        end = start + n
    return covered


def load_questions(path: str, benchmark: str) -> list[Question]:
    """The questions of a checked benchmark file, without the lines that all of them end with."""
    found = list(_questions(iter_rows(path, ["prompt", "extra_info"])))
    cut = _common_ending([text for _, _, text in found])
    return [Question(benchmark, row, name, text[: len(text) - cut] if cut else text) for row, name, text in found]


def _questions(rows: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[tuple[int, str, str]]:
    """(row, id, text) of each question; the row replaces a missing id."""
    for row, values in rows:
        name = (values.get("extra_info") or {}).get("id")
        yield row, str(row if name is None else name), last_user_message(values["prompt"])


def _common_ending(texts: Sequence[str]) -> int:
    """Number of characters in the whole lines that all texts end with; 0 for a single text."""
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
    """All overlaps of a training file's questions with benchmark questions, in the order of the file.

    Args:
        path: the training file; it has passed `hpt.data.checks`.
        index: the benchmark questions.
        total: number of rows in the file.
        progress: show a progress bar for each of the two passes.
    """

    def questions(what: str) -> Iterator[tuple[int, str, str]]:
        rows = iter_rows(path, ["prompt", "extra_info"])
        return _questions(tqdm(rows, total=total, desc=what, unit="row", disable=not progress))

    ignored = _common_in_training(questions("common phrases"), index)
    overlaps = []
    for row, name, text in questions("overlaps"):
        overlaps += _overlaps(row, name, text, index, ignored)
    return overlaps


def _common_in_training(questions: Iterable[tuple[int, str, str]], index: BenchmarkIndex) -> set[int]:
    counts: Counter[int] = Counter()
    seen: set[str] = set()
    for _, _, text in questions:
        key = question_key(text)
        if key not in seen:  # a question that is repeated makes no phrase
            seen.add(key)
            counts.update({run for _, run in index.runs_of(words(text))})
    return {run for run, count in counts.items() if count > index.settings.common_train}


def _overlaps(row: int, name: str, text: str, index: BenchmarkIndex, ignored: set[int]) -> list[Overlap]:
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
    """The report as plain JSON: settings, numbers per benchmark, and every overlap."""
    return {
        "train": path.name,
        "questions": rows,
        "settings": asdict(index.settings),
        "benchmarks": per_benchmark(index, overlaps),
        "overlapping": len({overlap.row for overlap in overlaps}),
        "overlaps": [asdict(overlap) for overlap in overlaps],
    }


def per_benchmark(index: BenchmarkIndex, overlaps: Sequence[Overlap]) -> dict[str, dict[str, int]]:
    """Per benchmark: its questions, how many of them overlap (met), and with how many training questions (by)."""
    counts = {}
    for name in dict.fromkeys(question.benchmark for question in index.questions):
        mine = [overlap for overlap in overlaps if overlap.question.benchmark == name]
        counts[name] = {
            "questions": sum(question.benchmark == name for question in index.questions),
            "met": len({overlap.question.row for overlap in mine}),
            "by": len({overlap.row for overlap in mine}),
        }
    return counts
