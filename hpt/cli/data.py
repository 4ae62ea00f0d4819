# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``hpt data``: prepare question files, validate and degrade them, and compare training with benchmarks."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq
import typer
from rich.table import Table
from typer.core import TyperCommand

from hpt.cli import prepare
from hpt.cli.options import NO_PROGRESS, OK, OVERWRITE, PLUGIN, REFUSED, WORKERS, epilog, group, load_plugins
from hpt.common.digests import file_sha256
from hpt.common.errors import DataError
from hpt.common.files import write_json
from hpt.common.terminal import print_table
from hpt.data import contamination as overlapping
from hpt.data.checks import ADVICE, check_files, iter_rows
from hpt.data.contamination import BenchmarkIndex, Overlap, Settings
from hpt.data.counts import Counts, Rejected
from hpt.data.degradation import Degradation, Degraded, degrade_file
from hpt.data.demonstrations import Refused, Verified, check_outputs, verify_demonstrations, write_accepted
from hpt.data.inspection import Inspection, inspect_file, most_common
from hpt.data.writing import QuestionWriter, check_free

SHOWN = 20
OVERLAPS = "overlaps with a benchmark"
OVERLAP = (
    "hpt data contamination data/train.parquet --against data/aime24.parquet data/math500.parquet",
    "--report overlaps.json --write data/clean.parquet",
)
DEGRADE = (
    "hpt data degrade data/train.parquet --out data/worse.parquet",
    "--wrong-step 0.3 --coverage 0.25",
)
DEGRADED = {
    "refused": "of the right ones: refused by the verifier as they are",
    "unchangeable": "of the right ones: no number that changes the answer",
}
VERIFY = "hpt data verify data/openr1_math_46k.parquet --write data/verified.parquet"
CHECK = "hpt data check data/openr1_math_46k.parquet data/benchmarks/aime24.parquet"
commands = group("Prepare question files, validate and degrade them, compare training with benchmarks.", CHECK)
commands.add_typer(prepare.commands, name="prepare")


@commands.command(epilog=epilog(CHECK))
def check(
    files: list[str] = typer.Argument(metavar="FILE...", help="parquet files"),
    kind: Literal["auto", "train", "eval"] = typer.Option(
        "auto", help="train needs demonstrations (auto: train where there is a column target)"
    ),
    no_gold: bool = typer.Option(False, "--no-gold", help="do not ask the verifier about the gold answers"),
    workers: int = WORKERS,
    plugin: list[str] = PLUGIN,
    no_progress: bool = NO_PROGRESS,
) -> int:
    """Validate training and evaluation files.

    It prints a table of the files, and what is wrong with each: columns, rows, ids, kinds of answers, and gold answers
    that cannot be verified. The exit status is 2 if anything is.
    """
    load_plugins(plugin)
    inspections = [
        inspect_file(file, kind, gold=not no_gold, workers=workers, progress=not no_progress) for file in files
    ]
    print_table(_file_table(inspections), ["Lengths are in characters: smallest / median / largest."], False)
    bad = [inspection for inspection in inspections if inspection.problems]
    for inspection in bad:
        print(f"error: {DataError(inspection.problems, ADVICE)}", file=sys.stderr)
    return REFUSED if bad else OK


def _file_table(inspections: Sequence[Inspection]) -> Table:
    """One row per file."""
    result = Table()
    for name in ("file", "kind", "data_source", "verifier_kind", "question", "answer", "demonstration"):
        result.add_column(name, overflow="fold")
    for name in ("rows", "with demonstration", "problems"):
        result.add_column(name, justify="right")
    for found in inspections:
        result.add_row(
            found.path,
            found.kind,
            most_common(found.sources),
            most_common(found.verifier_kinds),
            *(str(lengths) for lengths in (found.questions, found.answers, found.targets)),
            *(f"{count:,}" for count in (found.rows, found.with_target, len(found.problems))),
        )
    return result


@commands.command(epilog=epilog(VERIFY))
def verify(
    file: Path = typer.Argument(metavar="FILE", help="training file, parquet"),
    write: Path | None = typer.Option(None, metavar="FILE", help="parquet file without the refused demonstrations"),
    overwrite: bool = OVERWRITE,
    workers: int = WORKERS,
    plugin: list[str] = PLUGIN,
    no_progress: bool = NO_PROGRESS,
) -> int:
    """Verify the demonstrations against the gold answers of their questions.

    It counts those that the verifier refuses, and shows the first ones. With --write, a copy of the file lacks them;
    their questions stay. If some questions have no demonstration, FILE_covered.parquet has the others.
    """
    if overwrite and not write:
        raise ValueError("got --overwrite without --write; name the file to write")
    load_plugins(plugin)
    if write:
        check_outputs(file, write, overwrite)
    verified = verify_demonstrations(file, workers=workers, progress=not no_progress)
    print_table(_verified_table(verified), [], False)
    if verified.refused:
        print_table(_refused_table(verified.refused[:SHOWN]), [], False)
    if len(verified.refused) > SHOWN:
        print(f"... and {len(verified.refused) - SHOWN:,} more")
    if write:
        for path in write_accepted(file, write, verified, overwrite=overwrite):
            print(f"wrote {path}")
    return OK


def _verified_table(verified: Verified) -> Table:
    """Questions by what the verifier says of their demonstration."""
    table = Table("demonstration")
    table.add_column("questions", justify="right")
    accepted = verified.demonstrations - len(verified.refused)
    reasons = Counter(each.verdict.reason for each in verified.refused)
    for name, count in (("accepted", accepted), *reasons.items(), ("none", verified.rows - verified.demonstrations)):
        table.add_row(name, f"{count:,}")
    return table


def _refused_table(refused: Sequence[Refused]) -> Table:
    """One row per refused demonstration."""
    table = Table()
    for name in ("row", "id", "gold answer", "answer found", "reason"):
        table.add_column(name, overflow="fold")
    for each in refused:
        table.add_row(str(each.row), each.id, each.gold, each.verdict.extracted or "-", each.verdict.reason)
    return table


@commands.command(epilog=epilog(*DEGRADE))
def degrade(
    file: Path = typer.Argument(metavar="FILE", help="training file, parquet"),
    out: Path = typer.Option(metavar="FILE", help="parquet file to write"),
    wrong_step: float = typer.Option(0.0, metavar="SHARE", help="share of the demonstrations whose last step is wrong"),
    coverage: float = typer.Option(1.0, metavar="SHARE", help="share of the demonstrations that are kept"),
    seed: int = typer.Option(0, help="decides which ones, and the mistakes"),
    overwrite: bool = OVERWRITE,
    workers: int = WORKERS,
    plugin: list[str] = PLUGIN,
    no_progress: bool = NO_PROGRESS,
) -> int:
    """Make demonstrations wrong, or take them away.

    Questions, their order and gold answers stay. In a wrong demonstration one number of the boxed answer is off, so
    that the verifier refuses it; extra_info.demonstration says so. If some questions have no demonstration,
    OUT_covered.parquet has the others. A larger share affects the same demonstrations and more.
    """
    load_plugins(plugin)
    settings = Degradation(wrong_step=wrong_step, coverage=coverage, seed=seed)
    done = degrade_file(file, out, settings, overwrite=overwrite, workers=workers, progress=not no_progress)
    notes = [f"wrote {path}" for path in done.written]
    print_table(_degraded_table(done), notes, False)
    return OK


def _degraded_table(done: Degraded) -> Table:
    """One row per kind of demonstration, and what could not be made wrong."""
    table = Table("demonstration")
    table.add_column("questions", justify="right")
    for name, count in done.as_record().items():
        if count is not None:
            table.add_row(DEGRADED.get(name, name), f"{count:,}")
    return table


class Against(TyperCommand):
    """``--against A B`` stands for ``--against A --against B``, so that the shell can expand a pattern after it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        words: list[str] = []
        inside = False
        for word in args:
            if word.startswith("-"):
                inside = word == "--against"
            elif inside and words[-1] != "--against":
                words.append("--against")
            words.append(word)
        return super().parse_args(ctx, words)


@commands.command(cls=Against, epilog=epilog(*OVERLAP))
def contamination(
    train: Path = typer.Argument(metavar="TRAIN", help="training file, parquet"),
    against: list[Path] = typer.Option(metavar="BENCH...", help="benchmark files, parquet"),
    report: Path | None = typer.Option(None, help="JSON file for all overlaps"),
    write: Path | None = typer.Option(None, help="parquet file for the other training questions"),
    n: int = typer.Option(Settings.n, "--n", min=1, help="words of a run"),
    min_share: float = typer.Option(
        Settings.min_share, help="share of a benchmark question's words that shared runs must cover"
    ),
    common_benchmark: int = typer.Option(
        Settings.common_benchmark, min=2, help="a run that this many benchmark questions have is a phrase"
    ),
    common_train: int = typer.Option(
        Settings.common_train, min=1, help="a run that more training questions have is a phrase"
    ),
    overwrite: bool = OVERWRITE,
    no_progress: bool = NO_PROGRESS,
) -> int:
    """Find training questions that overlap with benchmarks.

    Questions overlap if they share runs of n words. --report lists all overlaps; --write leaves these questions out.
    """
    settings = Settings(n, min_share, common_benchmark, common_train)
    _check_outputs(train, against, report, write, overwrite)
    (checked,) = check_files(str(train), require_answer=False)
    check_files([str(file) for file in against], require_answer=False)
    questions = [question for file in against for question in overlapping.load_questions(str(file), file.stem)]
    index = BenchmarkIndex(questions, settings)
    overlaps = overlapping.find_overlaps(str(train), index, checked.rows, not no_progress)
    print_table(_summary_table(index, overlaps), [], False)
    if overlaps:
        print_table(_overlap_table(overlaps[:SHOWN]), [], False)
    if len(overlaps) > SHOWN:
        print(f"... and {len(overlaps) - SHOWN:,} more; --report has all of them")
    rows = {overlap.row for overlap in overlaps}
    print(f"{len(rows):,} of {checked.rows:,} training questions overlap")
    if report:
        write_json(report, overlapping.report_record(train, checked.rows, index, overlaps))
        print(f"wrote {report}")
    if write:
        counts = _write_clean(train, against, write, overwrite, rows, settings)
        print(f"wrote {write}: {counts.kept:,} questions")
    return OK


def _check_outputs(
    train: Path, against: Sequence[Path], report: Path | None, write: Path | None, overwrite: bool
) -> None:
    """Refuse outputs that exist or are an input, before minutes are spent."""
    inputs = {file.resolve() for file in (train, *against)}
    for option, path in (("--write", write), ("--report", report)):
        if path and path.resolve() in inputs:
            raise ValueError(f"got {option} {path}, which is an input; name another file")
    if write:
        check_free(write, overwrite)
    if report and (report.is_dir() or (write and report.resolve() == write.resolve())):
        what = "a folder" if report.is_dir() else "--write, too"
        raise ValueError(f"got --report {report}, which is {what}; name another file")
    if report and report.exists() and not overwrite:
        raise ValueError(f"{report} exists; name another file, or use --overwrite")
    stems = [file.stem for file in against]
    if len(set(stems)) < len(stems):
        raise ValueError(f"got --against {', '.join(stems)}; expected files of different names")


def _write_clean(
    train: Path, against: Sequence[Path], write: Path, overwrite: bool, left_out: set[int], settings: Settings
) -> Counts:
    """The training file less the overlapping rows, all columns as they were, with a manifest."""
    schema = pq.read_schema(train)
    counts = Counts()
    with QuestionWriter(write, schema, overwrite) as writer:
        for row, values in iter_rows(str(train), schema.names):
            counts.read += 1
            if row in left_out:
                counts.drop(row, Rejected(OVERLAPS))
                continue
            writer.add(values)
            counts.kept += 1
        if not counts.kept:
            raise ValueError(f"every question of {train} overlaps; nothing was written")
        benchmarks = {file.name: file_sha256(file) for file in against}
        writer.finish(
            {
                "source": {"file": train.name, "sha256": file_sha256(train)},
                "settings": {**asdict(settings), "against": benchmarks},
                "counts": counts.as_record(),
            }
        )
    return counts


def _summary_table(index: BenchmarkIndex, overlaps: Sequence[Overlap]) -> Table:
    """Per benchmark: questions, those that training questions overlap with, and how many these are."""
    table = Table("benchmark")
    for name in ("questions", "overlapped", "training questions"):
        table.add_column(name, justify="right")
    for name, counts in overlapping.per_benchmark(index, overlaps).items():
        table.add_row(name, *(f"{counts[each]:,}" for each in ("questions", "met", "by")))
    return table


def _overlap_table(overlaps: Sequence[Overlap]) -> Table:
    """One row per pair of questions."""
    table = Table()
    for name in ("training row", "id", "benchmark", "question", "share", "shared words"):
        table.add_column(name, overflow="fold")
    for each in overlaps:
        question = each.question
        table.add_row(str(each.row), each.id, question.benchmark, question.id, f"{each.share:.2f}", each.run)
    return table
