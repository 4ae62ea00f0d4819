# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m hpt.upge`` prints Table 1 of the code; ``check`` proves its entries."""

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Sequence

from rich.table import Table

from hpt.common.terminal import print_table
from hpt.method.estimator.algorithms import ALGORITHMS
from hpt.method.proof.check import (
    ADVANTAGE_TOLERANCE,
    COEFFICIENT,
    PUBLISHED,
    TOLERANCE,
    Result,
    Witness,
    check,
)

VERL = "verl"
DIAGNOSE = "recipe.hpt.reproduction.diagnose"
LEGEND = (
    "Gradient per token: 1_stable * A / pi_ref * factor * grad pi_theta.",
    "w = pi_theta / pi_ref; r = pi_theta / pi_old; s = geometric mean of r over the row; sg stops the gradient;",
    "f(x) = x / (x + shaping); mean, std over a question's rollouts; mean_G, std_G over rollouts and demonstrations.",
)


def algorithm_table() -> Table:
    """Table 1 of the paper, read off ``ALGORITHMS``."""
    table = Table("algorithm", "pi_ref", "A", "1_stable", "likelihood", "factor", "source")
    for name, entry in ALGORITHMS.items():
        first = (entry.reference, entry.advantage, entry.stabilisation)
        chosen = (*first, entry.likelihood, entry.factor)
        table.add_row(name, *(each.text for each in chosen), entry.source)
    return table


def check_table(results: Sequence[Result], missing: Sequence[str]) -> Table:
    """Deviations by entry and witness. ``missing`` witnesses are not installed."""
    columns = (COEFFICIENT, PUBLISHED, VERL)
    table = Table("entry", "settings", "tokens", "1_stable != 1", *columns)
    for result in results:
        cells = ("not installed" if column in missing else _deviation(result, column) for column in columns)
        stabilised = "-" if result.stabilised is None else str(result.stabilised)
        table.add_row(result.name, str(result.settings), str(result.tokens), stabilised, *cells)
    return table


def _deviation(result: Result, column: str) -> str:
    return f"{result.deviations[column]:.1e}" if column in result.deviations else "none"


def verl_witness() -> dict[str, Witness]:
    """verl as a further witness, if it is installed."""
    if importlib.util.find_spec("verl") is None:
        return {}
    # By name: the estimator runs without verl, and nothing else in it depends on hpt.verl_ext.
    return {VERL: importlib.import_module("hpt.verl_ext.witnesses").VERL_WITNESS}


def _at_least(smallest: int):
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < smallest:
            raise argparse.ArgumentTypeError(f"got {text!r}; expected an integer >= {smallest}")
        return int(text)

    return parse


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hpt.upge", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="{check}")
    checks = commands.add_parser(
        "check",
        help="compare every entry with its witnesses; exit code 1 if one deviates",
    )
    checks.add_argument("--seed", type=_at_least(0), default=0, help="of the random batches (0)")
    checks.add_argument("--rows", type=_at_least(1), default=16, help="rows of a batch (16)")
    checks.add_argument("--tokens", type=_at_least(1), default=24, help="tokens of a full row (24)")
    # Before or after the command; there it must not reset what stands before it.
    for each, default in ((parser, False), (checks, argparse.SUPPRESS)):
        each.add_argument("--markdown", action="store_true", default=default, help="print the table as Markdown")
    return parser.parse_args(arguments)


def run_check(seed: int, rows: int, tokens: int, markdown: bool) -> int:
    """Print the deviations; 0 if all are within their tolerance, else 1."""
    extra = verl_witness()
    results = check(seed, rows, tokens, extra)
    missing = [] if extra else [VERL]
    notes = [
        f"Largest deviations in float64, seed {seed}; tolerances {TOLERANCE:.0e} (relative per token) "
        f"and {ADVANTAGE_TOLERANCE:.0e} (advantages)."
    ]
    if missing:
        notes.append("verl is not installed: it was not compared with.")
    print_table(check_table(results, missing), notes, markdown)
    broken = [result.name for result in results if result.largest > result.tolerance]
    if broken:
        print(f"error: above the tolerance: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


def main(arguments: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    if "diagnose" in given:
        print(f"error: 'diagnose' has moved: run python -m {DIAGNOSE}", file=sys.stderr)
        return 2
    options = parse_arguments(arguments)
    if options.command == "check":
        return run_check(options.seed, options.rows, options.tokens, options.markdown)
    print_table(algorithm_table(), LEGEND, options.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
