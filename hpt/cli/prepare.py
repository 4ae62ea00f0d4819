# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``hpt data prepare``: training and benchmark files from the hub or from local files."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from hpt.cli.options import NO_PROGRESS, OK, OVERWRITE, REFUSED, WORKERS, epilog, group
from hpt.common.terminal import print_table
from hpt.common.tokenizers import load_tokenizer
from hpt.data import benchmark_files, candidates
from hpt.data.benchmarks import BENCHMARKS, benchmark_of
from hpt.data.candidates import Overlong, Think, Unverifiable
from hpt.data.counts import Counts
from hpt.data.openr1 import COMPLETE, SUBSET, complement_layout, subset_keys, subset_layout
from hpt.data.preparation import Preparation
from hpt.data.sources import open_source
from hpt.data.writing import check_free

LENGTH = "--tokenizer Qwen/Qwen2.5-Math-1.5B --max-target-length 8192"
OPENR1 = ("hpt data prepare openr1 --out data/openr1_math_46k.parquet", LENGTH)
COMPLEMENT = ("hpt data prepare openr1-complement --out data/openr1_complement.parquet", LENGTH)
commands = group("Make training and benchmark files from the hub or from local files.", " ".join(OPENR1))

OUT = typer.Option(metavar="FILE", help="parquet file to write")
REVISION = typer.Option(None, help="revision of the hub dataset (its newest commit)")
SPLIT = typer.Option("train", help="split of a hub dataset or folder")
THINK = typer.Option("keep", help="keep the <think> tags at a demonstration's beginning, or take both out")
LONGEST = typer.Option(None, min=1, help="longest demonstration in tokens, EOS included; needs --tokenizer")
TOKENIZER = typer.Option(None, help="folder or hub id of the policy's tokenizer")
OVERLONG = typer.Option("drop", help="what to do with a question whose demonstration is longer")
NAMES = f"{', '.join(BENCHMARKS)} (all)"
UNVERIFIABLE = "what to do with a question whose gold answer cannot be verified"


@commands.command(epilog=epilog(*OPENR1))
def openr1(
    out: Path = OUT,
    source: str = typer.Option(SUBSET, help="hub id, file or folder"),
    revision: str | None = REVISION,
    split: str = SPLIT,
    think: Think = THINK,
    max_target_length: int | None = LONGEST,
    tokenizer: str | None = TOKENIZER,
    overlong: Overlong = OVERLONG,
    unverifiable: Unverifiable = typer.Option("drop", help=UNVERIFIABLE),
    overwrite: bool = OVERWRITE,
    workers: int = WORKERS,
    no_progress: bool = NO_PROGRESS,
) -> int:
    """Make the training file from OpenR1-Math-46k-8192.

    System messages are left out. A demonstration has no <think> tag, or one pair at its beginning, whose opening tag is
    put back where it is missing; other questions are dropped. Of questions that are equal but for case, white space and
    LaTeX spacing, the first usable one is kept.
    """
    check_free(out, overwrite)
    settings = candidates.Settings(
        think=think, max_target_length=max_target_length, overlong=overlong, unverifiable=unverifiable
    )
    loaded = _tokenizer(tokenizer)
    opened = open_source(source, split=split, revision=revision)
    layout = subset_layout(think)
    preparation = Preparation(opened, layout, settings, tokenizer=loaded, workers=workers, progress=not no_progress)
    _print_counts(preparation.write(out, overwrite=overwrite), f"Training set from {source}", out)
    return OK


@commands.command(epilog=epilog(*COMPLEMENT))
def openr1_complement(
    out: Path = OUT,
    source: str = typer.Option(COMPLETE, help="hub id, file or folder"),
    config: str | None = typer.Option(None, help="configuration of the hub dataset (default)"),
    revision: str | None = REVISION,
    split: str = SPLIT,
    subset: str = typer.Option(SUBSET, help="dataset whose questions are left out: hub id, file or folder"),
    subset_revision: str | None = REVISION,
    think: Think = THINK,
    max_target_length: int | None = LONGEST,
    tokenizer: str | None = TOKENIZER,
    overlong: Overlong = OVERLONG,
    unverifiable: Unverifiable = typer.Option("drop", help=UNVERIFIABLE),
    overwrite: bool = OVERWRITE,
    workers: int = WORKERS,
    no_progress: bool = NO_PROGRESS,
) -> int:
    """Make one from the rest of OpenR1-Math-220k.

    These are the questions that are not in OpenR1-Math-46k-8192. The demonstration is the shortest, in characters, of
    the generations that math-verify found correct and whose reasoning is complete. Questions are the same if they are
    equal but for case, white space and LaTeX spacing.
    """
    check_free(out, overwrite)
    settings = candidates.Settings(
        think=think, max_target_length=max_target_length, overlong=overlong, unverifiable=unverifiable
    )
    loaded = _tokenizer(tokenizer)
    left_out = open_source(subset, revision=subset_revision)
    opened = open_source(source, config=config, split=split, revision=revision)
    layout = complement_layout(subset_keys(left_out, not no_progress), think)
    preparation = Preparation(opened, layout, settings, tokenizer=loaded, workers=workers, progress=not no_progress)
    counts = preparation.write(out, overwrite=overwrite, record={"subset": left_out.description})
    _print_counts(counts, f"Questions of {source} beyond {subset}", out)
    return OK


@commands.command(epilog=epilog("hpt data prepare benchmarks --out data/benchmarks aime24 math500"))
def benchmarks(
    out: Path = typer.Option(metavar="DIR", help="folder for NAME.parquet"),
    names: list[str] = typer.Argument(None, metavar="[NAME]...", help=NAMES),
    local: list[str] = typer.Option([], metavar="NAME=PATH", help="read it from a file or folder; may be repeated"),
    revision: list[str] = typer.Option([], metavar="NAME=REVISION", help="its revision on the hub; may be repeated"),
    instruction: str | None = typer.Option(None, help="text to append to each question ('' for none at all)"),
    unverifiable: benchmark_files.Unverifiable = typer.Option("error", help=UNVERIFIABLE),
    overwrite: bool = OVERWRITE,
    workers: int = WORKERS,
    no_progress: bool = NO_PROGRESS,
) -> int:
    """Make benchmark files, one per benchmark.

    Without names it makes those that --local names, or all. Files are JSON, JSONL or parquet in the hub's layout, or
    with the columns prompt and answer. Choice questions get their choices as lines and a sentence that asks for the
    letter in a box. Questions of mathematics get nothing, because the chat template of Qwen2.5-Math asks for a box; for
    other models see --instruction.
    """
    files, revisions = _by_name("--local", local), _by_name("--revision", revision)
    wanted = list(dict.fromkeys([*(names or ()), *files])) or list(BENCHMARKS)
    chosen = [benchmark_of(name) for name in wanted]
    if unused := sorted(revisions.keys() - set(wanted)):
        raise ValueError(f"got --revision for {', '.join(unused)}; it makes only {', '.join(wanted)}")
    settings = benchmark_files.Settings(instruction=instruction, unverifiable=unverifiable)
    for name in wanted:
        check_free(out / f"{name}.parquet", overwrite)
    failed = []
    for name, benchmark in zip(wanted, chosen, strict=True):
        file = out / f"{name}.parquet"
        try:
            source = open_source(
                files.get(name, benchmark.hub_id),
                config=None if name in files else benchmark.config,
                split=benchmark.split,
                revision=revisions.get(name),
            )
            counts = benchmark_files.write_benchmark(
                benchmark, source, file, settings, overwrite=overwrite, workers=workers, progress=not no_progress
            )
        except ValueError as error:
            # One gated or broken benchmark does not keep the others from being made.
            print(f"error: {name}: {error}", file=sys.stderr)
            failed.append(name)
        else:
            _print_counts(counts, benchmark.title, file)
    if failed:
        print(f"error: not made: {', '.join(failed)}", file=sys.stderr)
    return REFUSED if failed else OK


def _by_name(option: str, pairs: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE pairs; raises ValueError for another form, an unknown name or one that comes twice."""
    values: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if not value:
            raise ValueError(f"got {option} {pair}; expected NAME=VALUE, such as math500=...")
        benchmark_of(name)
        if name in values:
            raise ValueError(f"got {option} twice for {name}; expected it once")
        values[name] = value
    return values


def _tokenizer(name: str | None) -> Any:
    """The tokenizer that --tokenizer names; None for None."""
    return None if name is None else load_tokenizer(name, f"--tokenizer {name}")


def _print_counts(counts: Counts, title: str, written: Path) -> None:
    """What was read, dropped and kept, and the first examples of rows with a reason of their own."""
    print_table(counts.table(title), (*counts.examples, *counts.remarks, f"wrote {written}"), markdown=False)
