# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Makes a training file from the rows of a source; all training sets take this path."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hpt.common.errors import DataError, Problem
from hpt.common.tokenizers import with_eos
from hpt.data.candidates import Candidate, Layout, Settings
from hpt.data.counts import Counts, Rejected
from hpt.data.gold_answers import DEFAULT_KIND, UNVERIFIABLE, GoldAnswer, detail, unverifiable
from hpt.data.ids import UniqueIds
from hpt.data.questions import question_key
from hpt.data.sources import Source
from hpt.data.writing import QuestionWriter, question_row, question_schema
from hpt.verifier import extract_answer
from hpt.verifier.pool import DEFAULT_WORKERS

# Demonstrations tokenised at a time: a fast tokenizer works on them in parallel.
BATCH_ROWS = 64

NO_ANSWER = "no gold answer"
DUPLICATE = "question occurs earlier"
OVERLONG = "demonstration too long"
NOT_UNICODE = "text that is no Unicode (lone surrogates)"
UNBOXED = "demonstration without a boxed answer"
LONG_KEPT = "demonstration too long, kept"
ADVICE = (
    "Nothing was written. Leave such questions out with --unverifiable drop and --overlong drop, or correct the source."
)


class Preparation:
    """Turns the usable questions of a source into a training file.

    A question is dropped for its tags, its gold answer, the length of its demonstration, or because it repeats an
    earlier question that was kept. It is counted under the first of these reasons.

    Args:
        source: the rows.
        layout: how to read them.
        settings: which of them to use.
        tokenizer: the policy's Hugging Face tokenizer, to measure demonstrations; required with `max_target_length`.
        workers: verifier processes.
        progress: show progress bars.

    Raises:
        SourceError: the source lacks a column.
        ValueError: a limit without a tokenizer, or a tokenizer without EOS.
    """

    def __init__(
        self,
        source: Source,
        layout: Layout,
        settings: Settings,
        *,
        tokenizer: Any = None,
        workers: int = DEFAULT_WORKERS,
        progress: bool = True,
    ):
        source.require(layout.columns)
        if settings.max_target_length is not None:
            if tokenizer is None:
                raise ValueError(
                    f"got max_target_length={settings.max_target_length} without a tokenizer; name one to count tokens"
                )
            if tokenizer.eos_token_id is None:
                raise ValueError("the tokenizer has no EOS token, with which a demonstration ends: set one")
        self.source, self.layout, self.settings = source, layout, settings
        self.tokenizer, self.workers, self.progress = tokenizer, workers, progress
        self.counts = Counts()
        if settings.max_target_length is None:
            self.counts.remarks.append(
                "Demonstrations were not measured: --max-target-length and --tokenizer limit their length."
            )
        self._problems: list[Problem] = []
        self._unverifiable: dict[GoldAnswer, str] = {}

    def write(self, out: Path, *, overwrite: bool = False, record: dict[str, Any] | None = None) -> Counts:
        """Write the file and its manifest; call it once.

        Args:
            out: the parquet file.
            overwrite: replace an existing file.
            record: more settings for the manifest.

        Returns:
            The counts.

        Raises:
            DataError: rows that a policy ``error`` concerns, or no usable question at all.
            ValueError: ``out`` exists or is no parquet file's name.
        """
        schema = question_schema(self.layout.info, with_target=True)
        with QuestionWriter(out, schema, overwrite) as writer:
            self._unverifiable = self._check_answers()
            self._write_rows(writer)
            if self._problems:
                raise DataError(sorted(self._problems, key=lambda found: found.row or 0), ADVICE)
            if not self.counts.kept:
                fates = ", ".join(f"{why}: {n}" for why, n in sorted(self.counts.dropped.items()))
                reason = f"no usable question ({fates})"
                raise DataError([Problem(self.source.name, None, reason)], "Nothing was written.")
            writer.finish(
                {
                    "source": self.source.description,
                    "settings": {**self.settings.model_dump(), **(record or {})},
                    "counts": self.counts.as_record(),
                }
            )
        return self.counts

    def _check_answers(self) -> dict[GoldAnswer, str]:
        answers = (self.layout.answer(row) for row in self.source.rows(self.layout.answer_columns))
        known = ((answer, DEFAULT_KIND) for answer in answers if answer is not None)
        return unverifiable(known, workers=self.workers, progress=self.progress)

    def _write_rows(self, writer: QuestionWriter) -> None:
        ids, seen = UniqueIds(), set[str]()
        for row, candidate in self._of_fitting_length(self._candidates()):
            key = question_key(candidate.question)
            if key in seen:
                self.counts.drop(row, Rejected(DUPLICATE))
                continue
            seen.add(key)
            if extract_answer(candidate.solution) is None:
                self.counts.notes[UNBOXED] += 1
            writer.add(_training_row(candidate, self.counts.kept, ids))
            self.counts.kept += 1

    def _candidates(self) -> Iterator[tuple[int, Candidate]]:
        """The questions that their row alone does not rule out, with the row's number."""
        total, hidden = self.source.count, not self.progress
        rows = tqdm(self.source.rows(), total=total, desc="questions", unit="row", disable=hidden)
        for row, values in enumerate(rows):
            self.counts.read += 1
            try:
                answer = self.layout.answer(values)
                if answer is None:
                    raise Rejected(NO_ANSWER)
                candidate = self.layout.candidate(values)
                _check_unicode(candidate)
                self._check_answer(row, candidate.answer)
            except Rejected as rejected:
                self.counts.drop(row, rejected)
            else:
                yield row, candidate

    def _check_answer(self, row: int, text: str) -> None:
        answer = (text, DEFAULT_KIND)
        if answer not in self._unverifiable:
            return
        why = detail(answer, self._unverifiable[answer])
        if self.settings.unverifiable == "error":
            self._problems.append(Problem(self.source.name, row, f"{UNVERIFIABLE}: {why}"))
        raise Rejected(UNVERIFIABLE, why)

    def _of_fitting_length(self, candidates: Iterator[tuple[int, Candidate]]) -> Iterator[tuple[int, Candidate]]:
        longest = self.settings.max_target_length
        if longest is None:
            yield from candidates
            return
        assert self.tokenizer is not None
        while batch := list(islice(candidates, BATCH_ROWS)):
            tokens = with_eos([item.solution for _, item in batch], self.tokenizer)
            for (row, candidate), length in zip(batch, map(len, tokens), strict=True):
                if length <= longest or self.settings.overlong == "keep":
                    if length > longest:
                        self.counts.notes[LONG_KEPT] += 1
                    yield row, candidate
                    continue
                self.counts.drop(row, Rejected(OVERLONG))
                if self.settings.overlong == "error":
                    reason = f"the demonstration has {length} tokens with EOS, more than {longest}"
                    self._problems.append(Problem(self.source.name, row, reason))


def _check_unicode(candidate: Candidate) -> None:
    try:
        for text in (candidate.question, candidate.answer, candidate.solution):
            text.encode()
    except UnicodeEncodeError as error:
        raise Rejected(NOT_UNICODE) from error


def _training_row(candidate: Candidate, index: int, ids: UniqueIds) -> dict[str, Any]:
    return question_row(
        index,
        ids.of(candidate.source_id, candidate.question),
        candidate.question,
        candidate.answer,
        data_source=candidate.data_source,
        split="train",
        kind=DEFAULT_KIND,
        info=candidate.info,
        solution=candidate.solution,
    )
