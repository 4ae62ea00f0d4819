# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmark files from their sources."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hpt.common.errors import DataError, Problem, SourceError
from hpt.data.benchmarks import INFO, SIMPLE_COLUMNS, Benchmark, Item, Row, simple_item
from hpt.data.choices import INSTRUCTION as CHOICE_INSTRUCTION
from hpt.data.counts import Counts, Rejected
from hpt.data.gold_answers import Gold, unverifiable
from hpt.data.ids import UniqueIds
from hpt.data.sources import Source
from hpt.data.writing import QuestionWriter, question_schema
from hpt.verifier.pool import DEFAULT_WORKERS

UNVERIFIABLE_POLICIES = ("error", "drop", "keep")
UNVERIFIABLE = "gold answer cannot be verified"
UNVERIFIABLE_KEPT = "gold answer cannot be verified, kept: always scored 0"
BAD_ROWS_ADVICE = "Nothing was written for this benchmark. Correct the source, or take it from another place."
BAD_GOLDS_ADVICE = (
    "Nothing was written for this benchmark. --unverifiable drop makes a smaller one, --unverifiable keep keeps "
    "these questions, whose score will always be 0."
)


@dataclass(frozen=True)
class Settings:
    """How benchmark files are made; part of their manifests.

    Attributes:
        instruction: text appended to each question after an empty line; None: nothing for mathematics,
            `hpt.data.choices.INSTRUCTION` for choice questions; empty: nothing for either.
        unverifiable: what becomes of a question whose gold answer cannot be verified: ``error``, ``drop`` or ``keep``.

    Raises:
        ValueError: another policy.
    """

    instruction: str | None = None
    unverifiable: str = "error"

    def __post_init__(self) -> None:
        if self.unverifiable not in UNVERIFIABLE_POLICIES:
            raise ValueError(
                f"got unverifiable={self.unverifiable!r}; expected one of {', '.join(UNVERIFIABLE_POLICIES)}"
            )

    def instruction_for(self, kind: str) -> str:
        """What is appended to questions of this verifier kind."""
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
    """Write one benchmark file with its manifest; every question is kept, or the policy says what happens.

    Args:
        source: rows in the hub's layout or the simple one.
        out: the parquet file.
        overwrite: replace an existing one.
        workers: verifier processes.
        progress: show a progress bar.

    Returns:
        The counts, with a remark if they are not those of the published set.

    Raises:
        SourceError: columns of neither layout.
        DataError: rows without question or answer; under ``error`` gold answers that cannot be verified.
        ValueError: ``out`` exists or is no name for a parquet file.
    """
    read = _layout(benchmark, source)
    counts = Counts()
    with QuestionWriter(out, question_schema(INFO, with_target=False), overwrite) as writer:
        rows = tqdm(
            source.rows(),
            total=source.count,
            desc=benchmark.name,
            unit="row",
            disable=not progress,
        )
        items = list(_items(read, source, rows))
        golds = [(item.answer, benchmark.kind) for item in items]
        bad = unverifiable(golds, workers=workers, progress=progress)
        _refuse(source, golds, bad, settings)
        ids = UniqueIds()
        for row, item in enumerate(items):
            counts.read += 1
            if _is_used(row, golds[row], bad, settings, counts):
                writer.add(_row(benchmark, item, counts.kept, ids, settings))
                counts.kept += 1
        if counts.kept != benchmark.size:
            counts.remarks.append(f"The published set has {benchmark.size:,} questions, this file {counts.kept:,}.")
        writer.finish(_record(benchmark, source, settings, counts))
    return counts


def _refuse(source: Source, golds: list[Gold], bad: dict[Gold, str], settings: Settings) -> None:
    """Raise DataError if gold answers cannot be verified and the policy does not allow for that."""
    problems = [
        Problem(source.name, row, f"{UNVERIFIABLE}: {gold[0][:80]!r}: {bad[gold]}")
        for row, gold in enumerate(golds)
        if gold in bad
    ]
    if problems and (settings.unverifiable == "error" or len(problems) == len(golds)):
        raise DataError(problems, BAD_GOLDS_ADVICE)


def _is_used(row: int, gold: Gold, bad: dict[Gold, str], settings: Settings, counts: Counts) -> bool:
    if gold not in bad:
        return True
    if settings.unverifiable == "keep":
        counts.note(UNVERIFIABLE_KEPT)
        return True
    counts.drop(row, Rejected(UNVERIFIABLE, f"{gold[0][:80]!r}: {bad[gold]}"))
    return False


def _record(benchmark: Benchmark, source: Source, settings: Settings, counts: Counts) -> dict[str, Any]:
    return {
        "benchmark": benchmark.name,
        "source": source.description,
        "settings": {
            "instruction": settings.instruction_for(benchmark.kind),
            "unverifiable": settings.unverifiable,
        },
        "counts": counts.as_record(),
    }


def _layout(benchmark: Benchmark, source: Source) -> Callable[[Row], Item]:
    if source.columns.issuperset(benchmark.columns):
        return benchmark.item
    if source.columns.issuperset(SIMPLE_COLUMNS):
        return simple_item
    raise SourceError(
        f"{source.name} is no source of {benchmark.name}: its columns are {', '.join(sorted(source.columns))}; expected "
        f"{', '.join(benchmark.columns)}, or the simple layout with {', '.join(SIMPLE_COLUMNS)}"
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
            missing = isinstance(error, KeyError)
            reason = f"has no {error.args[0]!r}" if missing else str(error)
            problems.append(Problem(source.name, row, reason))
        else:
            yield item
    if problems:
        raise DataError(problems, BAD_ROWS_ADVICE)


def _row(benchmark: Benchmark, item: Item, index: int, ids: UniqueIds, settings: Settings) -> dict[str, Any]:
    instruction = settings.instruction_for(benchmark.kind)
    question = f"{item.question}\n\n{instruction}" if instruction else item.question
    return {
        "data_source": benchmark.name,
        "prompt": [{"role": "user", "content": question}],
        "ability": "math" if benchmark.kind == "math" else "knowledge",
        "reward_model": {"style": "rule", "ground_truth": item.answer},
        "extra_info": {
            "index": index,
            "split": "test",
            "id": ids.of(item.id, item.question),
            "verifier_kind": benchmark.kind,
            **(item.info or {}),
        },
    }
