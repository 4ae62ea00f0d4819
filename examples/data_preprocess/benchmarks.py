# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmark files, one per benchmark, from the hub or from local files.

    python examples/data_preprocess/benchmarks.py --out data/benchmarks aime24 math500
    python examples/data_preprocess/benchmarks.py --out data/benchmarks --local math500=MATH-500.json

Without names it makes those that --local names, or all nine. Files are JSON, JSONL or parquet in the hub's layout or
with prompt and answer. Choice questions get their choices as lines and a sentence that asks for the letter in
\\boxed{}. Questions of mathematics get nothing: the chat template of Qwen2.5-Math has a system message of its own that
asks for \\boxed{}; for other models see --instruction.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hpt.data.benchmark_files import UNVERIFIABLE_POLICIES, Settings, write_benchmark
from hpt.data.benchmarks import BENCHMARKS, benchmark_of
from hpt.data.command import OK, REFUSED, add_output_options, guarded, print_counts
from hpt.data.sources import open_source
from hpt.data.writing import check_free


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--out", type=Path, required=True, help="folder for NAME.parquet")
    parser.add_argument(
        "--local",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="read this benchmark from a file or folder; may be repeated",
    )
    parser.add_argument(
        "--revision",
        action="append",
        default=[],
        metavar="NAME=REVISION",
        help="of a benchmark on the hub (its newest commit); may be repeated",
    )
    parser.add_argument("--instruction", help="text to append to each question ('' for none at all)")
    parser.add_argument(
        "--unverifiable",
        choices=UNVERIFIABLE_POLICIES,
        default="error",
        help="what becomes of a question whose gold answer cannot be verified (error)",
    )
    add_output_options(parser)
    return parser.parse_args()


def by_name(option: str, pairs: Sequence[str]) -> dict[str, str]:
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


def run(options: argparse.Namespace) -> int:
    local, revisions = by_name("--local", options.local), by_name("--revision", options.revision)
    names = list(dict.fromkeys([*options.names, *local])) or list(BENCHMARKS)
    chosen = [benchmark_of(name) for name in names]
    settings = Settings(options.instruction, options.unverifiable)
    files = {name: options.out / f"{name}.parquet" for name in names}
    for file in files.values():
        check_free(file, options.overwrite)
    failed = []
    for benchmark in chosen:
        file = files[benchmark.name]
        try:
            source = open_source(
                local.get(benchmark.name, benchmark.hub_id),
                config=None if benchmark.name in local else benchmark.config,
                split=benchmark.split,
                revision=revisions.get(benchmark.name),
            )
            counts = write_benchmark(
                benchmark,
                source,
                file,
                settings,
                overwrite=options.overwrite,
                workers=options.workers,
                progress=not options.no_progress,
            )
        except ValueError as error:
            # One gated or broken benchmark does not keep the others from being made.
            print(f"error: {benchmark.name}: {error}", file=sys.stderr)
            failed.append(benchmark.name)
        else:
            print_counts(counts, benchmark.title, file)
    if failed:
        print(f"error: not made: {', '.join(failed)}", file=sys.stderr)
    return REFUSED if failed else OK


if __name__ == "__main__":
    sys.exit(guarded(run, parse_arguments()))
