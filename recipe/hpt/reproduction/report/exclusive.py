# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Table 4 of arXiv 2509.04419: questions that HPT solves and another method does not, and the other way round.

The counts are those of ``hpt eval compare``. They come from the records of questions that every evaluation leaves, so
the samples need not be kept. Only runs of the same seed are compared; the table shows means over seeds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hpt.evaluation.compare import ALL, NO_LEVEL, SOLVED_AT
from hpt.evaluation.metrics import Exclusive, exclusive_solves
from recipe.hpt.reproduction.paper.results import TABLE_4, TABLE_4_BENCHMARK, TABLE_4_MODEL
from recipe.hpt.reproduction.report.formats import MISSING, NONE, ReportTable
from recipe.hpt.reproduction.report.measured import (
    Evaluated,
    benchmark_label,
    columns_of,
    question_records,
)
from recipe.hpt.reproduction.report.runs import RunsError, label_of, model_label, seeds_note
from recipe.hpt.reproduction.report.statistics import Value, value_of

HERE = "hpt"
OTHERS = ("grpo", "luffy")
"""The methods that the paper compares HPT with."""
Pairs = dict[int, dict[str, Exclusive]]
"""Seed -> level -> counts."""


def exclusive_table(key: str, number: str, model: str, found: Mapping[str, Sequence[Evaluated]]) -> ReportTable:
    """Table 4, with a row per level for each method that HPT is compared with.

    Raises:
        RunsError: two runs of one seed were evaluated on different questions.
    """
    rows, records = [], []
    seeds: dict[str, Sequence[int]] = {}
    known_of = TABLE_4 if model == TABLE_4_MODEL else {}
    for other in OTHERS:
        pairs = _pairs(found.get(HERE, ()), found.get(other, ()))
        known = known_of.get(other, {})
        levels = list(dict.fromkeys([*(level for each in pairs.values() for level in each), *known]))
        levels = [level for level in levels if level != ALL] + [ALL]
        for position, level in enumerate(levels):
            counts = [each[level] for each in pairs.values() if level in each]
            title = f"HPT / {label_of(other)}" if position == 0 else ""
            rows.append([title, benchmark_label(level), *_cells(counts, known.get(level), bool(known_of))])
            records += _records(model, other, level, counts, pairs, known.get(level))
        if pairs:
            seeds[label_of(other)] = list(pairs)
    header = ["alone / alone", "level", "questions", "measured"]
    header += ["published", "difference"] if known_of else []
    notes = [
        "Number of questions that only HPT (+) or only the other method (-) solves. A question is solved if at least "
        f"{SOLVED_AT:g} of its samples are correct. Mean over seeds ± its standard error.",
        *([seeds_note(seeds)] if seeds else []),
    ]
    title = f"{number}: exclusive solves, {model_label(model)}"
    return ReportTable(key, title, tuple(header), rows, records, notes)


def _pairs(here: Sequence[Evaluated], there: Sequence[Evaluated]) -> Pairs:
    """Counts for the seeds that both methods have; a seed without a common benchmark is left out."""
    others = {run.entry.seed: run for run in there}
    found = {}
    for run in sorted(here, key=lambda run: run.entry.seed):
        other = others.get(run.entry.seed)
        counts = _counts(run, other) if other else {}
        if counts:
            found[run.entry.seed] = counts
    return found


def _counts(a: Evaluated, b: Evaluated) -> dict[str, Exclusive]:
    """Level -> counts. The levels are those of MATH-500 where both runs have it; else each benchmark is a level."""
    common = [name for name in a.benchmarks if name in b.benchmarks]
    if TABLE_4_BENCHMARK in common:
        common = [TABLE_4_BENCHMARK]
    solved: tuple[dict[str, bool], dict[str, bool]] = ({}, {})
    levels: dict[str, str] = {}
    ordered = [name for names in columns_of(common).values() for name in names] if common else []
    for name in ordered:
        records = [question_records(run.folders[name][0], name) for run in (a, b)]
        _check_same(a, b, name, records)
        for side, of_side in zip(solved, records, strict=True):
            # Ids are unique within a benchmark only.
            side |= {f"{name}\0{id}": _solved(each) for id, each in of_side.items()}
        only = name == TABLE_4_BENCHMARK
        levels |= {f"{name}\0{id}": str(each["level"] or NO_LEVEL) if only else name for id, each in records[0].items()}
    if not levels:
        return {}
    per_level = exclusive_solves(*solved, levels)
    order = sorted(per_level, key=str) if TABLE_4_BENCHMARK in common else list(per_level)
    total = exclusive_solves(*solved, dict.fromkeys(levels, ALL))
    return {**{str(level): per_level[level] for level in order}, ALL: total[ALL]}


def _solved(record: Mapping[str, Any]) -> bool:
    return record["correct"] / record["n"] >= SOLVED_AT


def _check_same(a: Evaluated, b: Evaluated, name: str, records: Sequence[Mapping[str, Any]]) -> None:
    answers = [{id: each["answer"] for id, each in of_side.items()} for of_side in records]
    if answers[0] != answers[1]:
        raise RunsError(
            f"got {name} with different questions for {a.entry.name} and {b.entry.name}; expected the same benchmark: "
            "evaluate one of them again"
        )


def _cells(counts: Sequence[Exclusive], known: Any, with_published: bool) -> list[str]:
    questions = {sum(each) for each in counts} or ({known.questions} if known else set())
    cells = ["/".join(map(str, sorted(questions))) or NONE]
    if counts:
        alone, other = _values(counts)
        cells.append(f"+{_number(alone)} / -{_number(other)}")
    else:
        cells.append(MISSING)
    if with_published:
        cells.append(f"+{known.only_hpt} / -{known.only_other}" if known else NONE)
        if known and counts:
            cells.append(f"{_short(alone.mean - known.only_hpt, '+')} / {_short(other.mean - known.only_other, '+')}")
        else:
            cells.append(NONE)
    return cells


def _values(counts: Sequence[Exclusive]) -> tuple[Value, Value]:
    return (
        value_of([float(each.only_a) for each in counts]),
        value_of([float(each.only_b) for each in counts]),
    )


def _short(value: float, sign: str = "") -> str:
    """Format 3.0 as ``3`` and 3.333 as ``3.3``."""
    return f"{value:{sign}.0f}" if value == round(value) else f"{value:{sign}.1f}"


def _number(value: Value) -> str:
    if value.error is None:
        return _short(value.mean)
    return f"{value.mean:.1f} ± {value.error:.1f}"


def _records(
    model: str, other: str, level: str, counts: Sequence[Exclusive], pairs: Pairs, known: Any
) -> list[dict[str, Any]]:
    values = _values(counts) if counts else (None, None)
    published = (known.only_hpt, known.only_other) if known else (None, None)
    seeds = [seed for seed, each in pairs.items() if level in each]
    return [
        {
            "model": model,
            "method": HERE,
            "compared_with": other,
            "column": level,
            "quantity": quantity,
            "measured": value and value.mean,
            "standard_error": value and value.error,
            "error_over": "seeds" if value and value.error is not None else None,
            "seeds": " ".join(map(str, seeds)) or None,
            "published": alone,
            "quoted": "false" if known else None,
            "difference": value.mean - alone if value and alone is not None else None,
            "status": "measured" if value else MISSING,
        }
        for quantity, value, alone in zip(("only_hpt", "only_other"), values, published, strict=True)
    ]
