# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""python -m hpt.verifier: check one answer, or measure the pool's speed."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence

from hpt.method.strategies import import_plugins
from hpt.verifier import KINDS, verify
from hpt.verifier.bench import described, measure


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0; 2 for a mistake in the arguments."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _check(options: argparse.Namespace) -> int:
    import_plugins(options.plugin, "--plugin")
    verdict = verify(options.response, options.answer, options.kind)
    print(f"score {verdict.score:g}, {verdict.reason}, extracted {verdict.extracted!r}")
    return 0


def _bench(options: argparse.Namespace) -> int:
    figures = measure(
        options.workers,
        options.pairs,
        options.hostile,
        options.timeout,
        options.seed,
        options.rounds,
    )
    print(json.dumps(dataclasses.asdict(figures)) if options.json else described(figures))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hpt.verifier", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="verify one response")
    check.add_argument("response")
    check.add_argument("answer", help="the gold answer")
    check.add_argument("--kind", default="math", help=f"{' or '.join(KINDS)} (math)")
    check.add_argument("--plugin", action="append", default=[], metavar="MODULE", help="that registers a kind")
    check.set_defaults(run=_check)
    bench = commands.add_parser("bench", help="speed of the pool against a plain math-verify loop")
    bench.add_argument("--workers", type=int, default=2, help="processes (2)")
    bench.add_argument("--pairs", type=int, default=1000, help="pairs of answers (1000)")
    bench.add_argument("--hostile", type=float, default=0.01, help="share of endless ones (0.01)")
    bench.add_argument("--timeout", type=float, default=1.0, help="seconds per comparison (1)")
    bench.add_argument("--seed", type=int, default=0, help="of the pairs (0)")
    bench.add_argument("--rounds", type=int, default=3, help="medians are over these (3)")
    bench.add_argument("--json", action="store_true", help="print the figures as JSON")
    bench.set_defaults(run=_bench)
    return parser


if __name__ == "__main__":
    sys.exit(main())
