# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Makes benchmark files from their sources."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from hpt.common import settings
from hpt.common.errors import DataError, Problem, SourceError
from hpt.data.benchmarks import INFO, SIMPLE_COLUMNS, Benchmark, Item, Row, simple_item
from hpt.data.choices import INSTRUCTION as CHOICE_INSTRUCTION
from hpt.data.counts import Counts, Rejected
from hpt.data.gold_answers import UNVERIFIABLE, GoldAnswer, detail, unverifiable
from hpt.data.ids import UniqueIds
from hpt.data.sources import Source
from hpt.data.writing import QuestionWriter, question_row, question_schema
from hpt.verifier.pool import DEFAULT_WORKERS

Unverifiable = Literal["error", "drop", "keep"]
KEPT = f"{UNVERIFIABLE}, kept: always scored 0"
BAD_ROWS_ADVICE = "Nothing was written for this benchmark. Correct the source, or take it from another place."
BAD_ANSWERS_ADVICE = (
    "Nothing was written for this benchmark. --unverifiable drop leaves these questions out; --unverifiable keep keeps "
    "them, and their score will always be 0."
)


class Settings(settings.Settings):
    """How benchmark files are made; part of their manifests."""

    instruction: str | None = None
    """Text appended to each question after an empty line. None: nothing for mathematics and
    `hpt.data.choices.INSTRUCTION` for choice questions; empty: nothing for either."""
    unverifiable: Unverifiable = "error"
    """What to do with a question whose gold answer cannot be verified."""

    def instruction_for(self, kind: str) -> str:
        """The text appended to questions of a verifier kind."""
        if self.instruction is not None:
            return self.instruction.strip()
        return CHOICE_INSTRUCTION if kind == "choice" else ""


def write_benchmark(
    benchmark: Benchmark,
    source: Source,
    out: Path,
    settings: Settings,
    *,
    overwrite: bool = False,
    workers: int = DEFAULT_WORKERS,
    progress: bool = True,
) -> Counts:
    """Write one benchmark file and its manifest; it keeps every question unless the policy drops some.

    Args:
        source: rows in the hub's layout or in the simple one.
        out: the parquet file.
        overwrite: replace an existing file.
        workers: verifier processes.
        progress: show a progress bar.

    Returns:
        The counts, with a remark if the published set has another number of questions.

    Raises:
        SourceError: the columns fit neither layout.
        DataError: rows have no question or answer; under ``error`` gold answers that cannot be verified.
        ValueError: ``out`` exists or is no parquet file's name.
    """
    read = _layout(benchmark, source)
    instruction = settings.instruction_for(benchmark.kind)
    counts = Counts()
    with QuestionWriter(out, question_schema(INFO, with_target=False), overwrite) as writer:
        rows = tqdm(source.rows(), total=source.count, desc=benchmark.name, unit="row", disable=not progress)
        items = list(_items(read, source, rows))
        answers = [(item.answer, benchmark.kind) for item in items]
        bad = unverifiable(answers, workers=workers, progress=progress)
        _refuse(source, answers, bad, settings)
        ids = UniqueIds()
        for row, item in enumerate(items):
            counts.read += 1
            if answers[row] in bad:
                if settings.unverifiable == "drop":
                    counts.drop(row, Rejected(UNVERIFIABLE, detail(answers[row], bad[answers[row]])))
                    continue
                counts.notes[KEPT] += 1
            writer.add(_row(benchmark, item, counts.kept, ids, instruction))
            counts.kept += 1
        if counts.kept != benchmark.size:
            counts.remarks.append(f"The published set has {benchmark.size:,} questions, this file {counts.kept:,}.")
        writer.finish(
            {
                "benchmark": benchmark.name,
                "source": source.description,
                "settings": {"instruction": instruction, "unverifiable": settings.unverifiable},
                "counts": counts.as_record(),
            }
        )
    return counts


def _refuse(source: Source, answers: list[GoldAnswer], bad: dict[GoldAnswer, str], settings: Settings) -> None:
    """Raise DataError if gold answers cannot be verified and the policy does not allow it."""
    problems = [
        Problem(source.name, row, f"{UNVERIFIABLE}: {detail(answer, bad[answer])}")
        for row, answer in enumerate(answers)
        if answer in bad
    ]
    if problems and (settings.unverifiable == "error" or len(problems) == len(answers)):
        raise DataError(problems, BAD_ANSWERS_ADVICE)


def _layout(benchmark: Benchmark, source: Source) -> Callable[[Row], Item]:
    if source.columns.issuperset(benchmark.columns):
        return benchmark.item
    if source.columns.issuperset(SIMPLE_COLUMNS):
        return simple_item
    raise SourceError(
        f"{source.name} is no source of {benchmark.name}: its columns are {', '.join(sorted(source.columns))}; "
        f"expected {', '.join(benchmark.columns)}, or the simple layout with {', '.join(SIMPLE_COLUMNS)}"
    )


def _items(read: Callable[[Row], Item], source: Source, rows: Iterator[Row]) -> Iterator[Item]:
    problems = []
    for row, values in enumerate(rows):
        try:
            item = read(values)
            f"{item.question}{item.answer}".encode()
        except UnicodeEncodeError:
            problems.append(Problem(source.name, row, "text that is no Unicode (lone surrogates)"))
        except (ValueError, KeyError, TypeError) as error:
            reason = f"has no {error.args[0]!r}" if isinstance(error, KeyError) else str(error)
            problems.append(Problem(source.name, row, reason))
        else:
            yield item
    if problems:
        raise DataError(problems, BAD_ROWS_ADVICE)


def _row(benchmark: Benchmark, item: Item, index: int, ids: UniqueIds, instruction: str) -> dict[str, Any]:
    return question_row(
        index,
        ids.of(item.id, item.question),
        f"{item.question}\n\n{instruction}" if instruction else item.question,
        item.answer,
        data_source=benchmark.name,
        split="test",
        kind=benchmark.kind,
        info=item.info or {},
    )
