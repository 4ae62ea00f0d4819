# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Report, and leave out, training questions that overlap with benchmark questions (n-grams of words)."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
from rich.table import Table

from hpt.common.digests import file_sha256
from hpt.common.files import write_whole
from hpt.common.terminal import print_table
from hpt.data.checks import check_files, iter_rows
from hpt.data.command import OK, at_least
from hpt.data.contamination import (
    BenchmarkIndex,
    Overlap,
    Settings,
    find_overlaps,
    load_questions,
    per_benchmark,
    report_record,
)
from hpt.data.counts import Counts, Rejected
from hpt.data.writing import QuestionWriter, check_free

HELP = "overlap of training questions with benchmarks"
SHOWN = 20
OVERLAPS = "overlaps with a benchmark"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    defaults = Settings()
    parser.add_argument("train", metavar="TRAIN", help="training file, parquet")
    parser.add_argument("--against", nargs="+", required=True, metavar="BENCH", help="benchmark files, parquet")
    parser.add_argument("--report", type=Path, help="JSON file for all overlaps")
    parser.add_argument("--write", type=Path, help="parquet file for the other training questions")
    parser.add_argument("--n", type=at_least(1), default=defaults.n, help=f"words of a run ({defaults.n})")
    parser.add_argument(
        "--min-share",
        type=float,
        default=defaults.min_share,
        help=f"share of a benchmark question's words that shared runs must cover ({defaults.min_share})",
    )
    parser.add_argument(
        "--common-benchmark",
        type=at_least(2),
        default=defaults.common_benchmark,
        help=f"a run that this many benchmark questions have is a phrase ({defaults.common_benchmark})",
    )
    parser.add_argument(
        "--common-train",
        type=at_least(1),
        default=defaults.common_train,
        help=f"a run that more training questions have is a phrase ({defaults.common_train})",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    parser.add_argument("--no-progress", action="store_true", help="no progress bars")


def run(options: argparse.Namespace) -> int:
    """Print the overlaps per benchmark and the largest of them; write report and clean file where asked for."""
    settings = Settings(options.n, options.min_share, options.common_benchmark, options.common_train)
    _check_outputs(options)
    (train,) = check_files(options.train, require_answer=False)
    check_files(options.against, require_answer=False)
    index = BenchmarkIndex(
        [question for file in options.against for question in load_questions(file, Path(file).stem)],
        settings,
    )
    overlaps = find_overlaps(options.train, index, train.rows, not options.no_progress)
    print_table(summary_table(index, overlaps), [], False)
    if overlaps:
        print_table(overlap_table(overlaps[:SHOWN]), [], False)
    if len(overlaps) > SHOWN:
        print(f"... and {len(overlaps) - SHOWN:,} more; --report has all of them")
    rows = {overlap.row for overlap in overlaps}
    print(f"{len(rows):,} of {train.rows:,} training questions overlap")
    if options.report:
        record = report_record(Path(options.train), train.rows, index, overlaps)
        write_whole(options.report, json.dumps(record, indent=2) + "\n")
        print(f"wrote {options.report}")
    if options.write:
        counts = write_clean(options, rows, settings)
        print(f"wrote {options.write}: {counts.kept:,} questions")
    return OK


def _check_outputs(options: argparse.Namespace) -> None:
    if options.write:
        check_free(options.write, options.overwrite)
        same = Path(options.train).expanduser().resolve() == options.write.resolve()
        if same:
            raise ValueError(f"got --write {options.write}, the training file itself; name another")
    if options.report and options.report.exists() and not options.overwrite:
        raise ValueError(f"{options.report} exists; name another file, or use --overwrite")
    stems = [Path(file).stem for file in options.against]
    if len(set(stems)) < len(stems):
        raise ValueError(f"got --against {', '.join(stems)}; expected files of different names")


def write_clean(options: argparse.Namespace, overlapping: set[int], settings: Settings) -> Counts:
    """The training file less the overlapping rows, all columns as they were, with a manifest."""
    source = Path(options.train).expanduser()
    with pq.ParquetFile(source) as file:
        schema = file.schema_arrow
    counts = Counts()
    with QuestionWriter(options.write, schema, options.overwrite) as writer:
        for row, values in iter_rows(str(source), schema.names):
            counts.read += 1
            if row in overlapping:
                counts.drop(row, Rejected(OVERLAPS))
                continue
            writer.add(values)
            counts.kept += 1
        if not counts.kept:
            raise ValueError(f"every question of {options.train} overlaps; nothing was written")
        against = {Path(file).name: file_sha256(Path(file).expanduser()) for file in options.against}
        writer.finish(
            {
                "source": {"file": source.name, "sha256": file_sha256(source)},
                "settings": {**vars(settings), "against": against},
                "counts": counts.as_record(),
            }
        )
    return counts


def summary_table(index: BenchmarkIndex, overlaps: Sequence[Overlap]) -> Table:
    """Per benchmark: questions, those that training questions overlap with, and how many these are."""
    table = Table()
    table.add_column("benchmark")
    for name in ("questions", "overlapped", "training questions"):
        table.add_column(name, justify="right")
    for name, counts in per_benchmark(index, overlaps).items():
        table.add_row(name, *(f"{counts[each]:,}" for each in ("questions", "met", "by")))
    return table


def overlap_table(overlaps: Sequence[Overlap]) -> Table:
    """One row per pair of questions."""
    table = Table()
    for name in ("training row", "id", "benchmark", "question", "share", "shared words"):
        table.add_column(name, overflow="fold")
    for each in overlaps:
        question = each.question
        share = f"{each.share:.2f}"
        table.add_row(str(each.row), each.id, question.benchmark, question.id, share, each.run)
    return table
