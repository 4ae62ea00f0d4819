# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Samples on disk: a journal that takes each sample as it comes, and a file in canonical order once all are there.

    samples/NAME.partial.jsonl   lines in the order of events: a finished sample, and later its verdict
    samples/NAME.jsonl           one line per sample with its verdict, by question (as in the benchmark), then by index

Neither holds times, so the second is a function of the samples alone. It replaces the first in one rename. Samples that
are added later (a larger n) go through a new journal.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from hpt.common.errors import HPTError
from hpt.common.files import end_of_last_line
from hpt.common.seeds import sample_seed

FOLDER = "samples"
SAMPLE_FIELDS = ("question", "sample", "seed", "text", "tokens", "finish_reason")
VERDICT_FIELDS = ("score", "extracted", "reason")


class StoreError(HPTError):
    """Files that this evaluation did not write; the message says which, and what to do."""


class Key(NamedTuple):
    """A sample's question id and its index, counted from 0."""

    question: str
    sample: int


@dataclass(frozen=True)
class Sample:
    """A finished response.

    Attributes:
        tokens: number of generated tokens.
        finish_reason: "stop", or "length" if the response was cut off.
    """

    question: str
    sample: int
    seed: int
    text: str
    tokens: int
    finish_reason: str

    @property
    def key(self) -> Key:
        return Key(self.question, self.sample)


@dataclass(frozen=True)
class Judged:
    """The part of a verified sample that is kept in memory."""

    tokens: int
    finish_reason: str
    score: float
    extracted: str | None
    reason: str


class _Place(NamedTuple):
    """The file and byte offset of a sample's line."""

    path: Path
    offset: int


def file_stem(benchmark: str) -> str:
    """The benchmark's name as a file name."""
    return "".join(each if each.isalnum() or each in "-_" else "_" for each in benchmark)


class SampleStore:
    """The samples of one benchmark, as a context manager. The folder's lock keeps other processes out.

    Args:
        out: the results folder.
        benchmark: its name.
        questions: ids, in the benchmark's order.
        run_seed: the evaluation's seed.

    Raises:
        StoreError: a damaged file, or one with other questions or seeds.
    """

    def __init__(self, out: Path, benchmark: str, questions: Sequence[str], run_seed: int) -> None:
        self.benchmark, self.questions, self.run_seed = benchmark, tuple(questions), run_seed
        self.path = out / FOLDER / f"{file_stem(benchmark)}.jsonl"
        self.journal_path = self.path.with_suffix(".partial.jsonl")
        self.cut_short: str | None = None
        """What is wrong with the journal's last line, in words; the next line written replaces it."""
        self._known = frozenset(self.questions)
        self._places: dict[Key, _Place] = {}
        self._samples: dict[Key, dict[str, Any]] = {}
        self._verdicts: dict[Key, dict[str, Any]] = {}
        self._journal: BinaryIO | None = None
        self._journal_end = 0
        self._read()

    def __enter__(self) -> "SampleStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    # ---- known samples ----

    def missing(self, n: int) -> list[Key]:
        """Samples still to generate, so that every question has n, in canonical order."""
        return [key for key in self._keys(n) if key not in self._places]

    def unjudged(self, n: int) -> list[Sample]:
        """Samples without a verdict, read from disk."""
        waiting = (key for key in self._keys(n) if key in self._places and key not in self._verdicts)
        return [Sample(**_part(self._line(key), SAMPLE_FIELDS)) for key in waiting]

    def complete(self, n: int) -> bool:
        """Whether every question has n samples with their verdicts."""
        return all(key in self._verdicts for key in self._keys(n))

    @property
    def complete_count(self) -> int:
        """Samples that have their verdict."""
        return len(self._verdicts)

    def judged(self, n: int) -> dict[str, list[Judged]]:
        """Question id -> its first n samples."""
        return {
            question: [Judged(**self._samples[key], **self._verdicts[key]) for key in _keys_of(question, n)]
            for question in self.questions
        }

    def _keys(self, n: int) -> Iterator[Key]:
        return (key for question in self.questions for key in _keys_of(question, n))

    # ---- writing ----

    def add(self, sample: Sample) -> None:
        """Append a finished sample; it is in the file when this returns. A known sample is left as it is."""
        if sample.key in self._places:
            return
        self._check(sample.key, sample.seed, "got a sample")
        record = asdict(sample)
        self._remember(sample.key, record, _Place(self.journal_path, self._append(record)))

    def judge(self, key: Key, score: float, extracted: str | None, reason: str) -> None:
        """Append the verdict on a sample."""
        assert key in self._places, f"verdict on an unknown sample: {key}"
        if key in self._verdicts:
            return
        verdict = {"score": score, "extracted": extracted, "reason": reason}
        self._append({**key._asdict(), **verdict})
        self._verdicts[key] = verdict

    def finish(self, n: int) -> None:
        """Write the file in canonical order and remove the journal; without a journal, do nothing."""
        assert self.complete(n), f"{self.benchmark} lacks samples: expected {n} for every question"
        if not self.journal_path.exists():
            return
        self.close()
        assert len(self._places) == n * len(self.questions), "samples beyond n would be lost"
        temporary = self.path.with_suffix(".jsonl.new")
        places: dict[Key, _Place] = {}
        with open(temporary, "wb") as file:
            for key in self._keys(n):
                places[key] = _Place(self.path, file.tell())
                file.write(_encoded({**self._line(key), **self._verdicts[key]}))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)
        self.journal_path.unlink()
        self._places, self._journal_end = places, 0

    def _append(self, record: Mapping[str, Any]) -> int:
        if self._journal is None:
            self.journal_path.parent.mkdir(parents=True, exist_ok=True)
            self._journal = open(self.journal_path, "ab")  # noqa: SIM115
            self._journal.truncate(self._journal_end)
        offset, line = self._journal_end, _encoded(record)
        self._journal.write(line)
        self._journal.flush()
        self._journal_end += len(line)
        return offset

    # ---- reading ----

    def _read(self) -> None:
        if self.path.exists():
            for place, key, record in self._records(self.path, self.path.stat().st_size):
                if key in self._places or not {*SAMPLE_FIELDS, *VERDICT_FIELDS} <= record.keys():
                    raise _damaged(place, "is no sample with a verdict, or repeats one")
                self._remember(key, record, place)
                self._verdicts[key] = _part(record, VERDICT_FIELDS)
        if self.journal_path.exists():
            self._find_journal_end()
            for place, key, record in self._records(self.journal_path, self._journal_end):
                if "text" in record and key not in self._places:
                    self._remember(key, record, place)
                elif "score" in record and key not in self._verdicts:
                    if key not in self._places:
                        raise _damaged(place, "is a verdict on a sample that is missing")
                    self._verdicts[key] = _part(record, VERDICT_FIELDS)

    def _remember(self, key: Key, record: Mapping[str, Any], place: _Place) -> None:
        self._places[key] = place
        self._samples[key] = _part(record, ("tokens", "finish_reason"))

    def _records(self, path: Path, end: int) -> Iterator[tuple[_Place, Key, dict[str, Any]]]:
        offset = 0
        with open(path, "rb") as file:
            while offset < end:
                line = file.readline()
                try:
                    record = json.loads(line)
                except ValueError:
                    raise _damaged(_Place(path, offset), "is no JSON") from None
                try:
                    key = Key(record["question"], record["sample"])
                except (KeyError, TypeError):
                    raise _damaged(_Place(path, offset), "has no question and sample") from None
                self._check(key, record.get("seed"), f"got {path} with a sample")
                yield _Place(path, offset), key, record
                offset += len(line)

    def _line(self, key: Key) -> dict[str, Any]:
        place = self._places[key]
        with open(place.path, "rb") as file:
            file.seek(place.offset)
            return json.loads(file.readline())

    def _find_journal_end(self) -> None:
        """Leave out the last line if it was not written to its end; no other line can be cut short."""
        with open(self.journal_path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            self._journal_end = end_of_last_line(file, size)
        if self._journal_end < size:
            self.cut_short = (
                f"{self.journal_path}: the last line was cut short when an earlier launch was killed. Its "
                f"{size - self._journal_end} bytes are removed, and that sample or verdict is made again"
            )

    def _check(self, key: Key, seed: int | None, got: str) -> None:
        if key.question not in self._known or not isinstance(key.sample, int) or key.sample < 0:
            raise StoreError(
                f"{got} {key.sample} of question {key.question!r}, which is not in {self.benchmark}; restore the file, "
                "or name another folder with out="
            )
        expected = sample_seed(self.run_seed, self.benchmark, key.question, key.sample)
        if seed is not None and seed != expected:
            raise StoreError(
                f"{got} {key.sample} of question {key.question!r} made with seed {seed}; expected {expected}: it "
                "belongs to another run, name another folder with out="
            )


def _keys_of(question: str, n: int) -> Iterator[Key]:
    return (Key(question, sample) for sample in range(n))


def _part(record: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: record[name] for name in names}


def _damaged(place: _Place, why: str) -> StoreError:
    return StoreError(
        f"got {place.path}, whose line at byte {place.offset} {why}; expected what an evaluation wrote. Nothing was "
        "changed: restore the file, remove that line (its sample is made again), or name another folder with out="
    )


def _encoded(record: Mapping[str, Any]) -> bytes:
    # ASCII: a response may hold what UTF-8 cannot encode, such as half of a surrogate pair.
    return json.dumps(record, ensure_ascii=True).encode() + b"\n"
