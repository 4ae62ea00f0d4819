# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``hpt algorithms``: Table 1 of the paper as the code has it, the methods of the field, and the proof of the entries.

Imports of the estimator stay inside functions, because it needs torch.
"""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from hpt.cli.options import FAILED, MARKDOWN, OK, epilog, group, load_plugins
from hpt.common.errors import HPTError
from hpt.common.terminal import print_table

if TYPE_CHECKING:
    from hpt.method.proof.check import Result, Witness

VERL = "verl"
LEGEND = (
    "Gradient per token: 1_stable * A / pi_ref * factor * grad pi_theta.",
    "w = pi_theta / pi_ref; r = pi_theta / pi_old; s = geometric mean of r over the row; sg stops the gradient;",
    "f(x) = x / (x + shaping); mean, std over a question's rollouts; mean_G, std_G over rollouts and demonstrations.",
    "H = entropy; P = mean score of the question's rollouts; s_0 = geometric mean of pi_theta / pi_0 over the row;",
    "pi_0 = the policy before the training; pi_T = a teacher; d = log(pi_T / pi_old); q = (1 - P r) / (1 - P).",
    "reads: what a token needs beside log-probabilities of pi_theta and pi_old and its advantage.",
)
METHODS_LEGEND = (
    "(on, off, sft): coefficients of RL on the rollouts, of RL on the demonstration, and of SFT; P = mean score of the",
    "question's rollouts. extra passes: what is computed beside the update's own log-probabilities; the entropy comes",
    "with the update. log pi_old of rollouts has a pass in any method where they are not the current policy's.",
    "cost: seconds of a step relative to GRPO's (python -m benchmarks.methods).",
)
commands = group(
    "Show the table of algorithms or that of methods, or prove entries. Without a command it shows the first.",
    "hpt algorithms table --markdown",
    invoke_without_command=True,
)


@commands.callback()
def root(context: typer.Context, markdown: bool = MARKDOWN) -> int:
    """``hpt algorithms`` alone shows the table; --markdown may stand before the command, too."""
    context.obj = markdown
    return OK if context.invoked_subcommand else table(context, markdown)


@commands.command(epilog=epilog("hpt algorithms table --markdown"))
def table(context: typer.Context, markdown: bool = MARKDOWN) -> int:
    """Show the parts of every algorithm's gradient (Table 1)."""
    from hpt.method.estimator.algorithms import ALGORITHMS
    from hpt.method.estimator.tokens import INPUTS

    rows = Table("algorithm", "pi_ref", "A", "1_stable", "likelihood", "factor", "reads", "source")
    for name, entry in ALGORITHMS.items():
        parts = (entry.reference, entry.advantage, entry.stabilisation, entry.likelihood, entry.factor)
        reads = ", ".join(each for each in INPUTS if each in entry.inputs) or "-"
        rows.add_row(name, *(each.text for each in parts), reads, entry.source)
    print_table(rows, LEGEND, markdown or context.obj)
    return OK


@commands.command(epilog=epilog("hpt algorithms methods --markdown"))
def methods(context: typer.Context, markdown: bool = MARKDOWN) -> int:
    """Show the published methods: settings, terms, cost; and those that are not supported."""
    from hpt.method import catalogue

    costs = catalogue.costs()
    columns = ("method", "reference", "settings", "rollouts / demonstrations / SFT", "on, off, sft", "rollouts")
    rows = Table(*columns, "extra passes", "departures", "cost")
    for each in catalogue.methods():
        cost = f"{costs[each.key]:.2f}" if each.key in costs else catalogue.NOT_MEASURED
        cells = (each.name, each.source, each.selected, each.terms, each.when, each.generated, each.passes)
        rows.add_row(*cells, each.departs, cost)
    print_table(rows, METHODS_LEGEND, markdown or context.obj)
    others = Table("not supported", "reference", "reason")
    for other in catalogue.UNSUPPORTED:
        others.add_row(other.name, other.source, other.reason)
    print()
    print_table(others, (), markdown or context.obj)
    return OK


@commands.command(epilog=epilog("hpt algorithms check --seed 1 --rows 16 --tokens 24"))
def check(
    context: typer.Context,
    seed: int = typer.Option(0, min=0, help="seed of the random batches"),
    rows: int = typer.Option(16, min=1, help="rows of a batch"),
    tokens: int = typer.Option(24, min=1, help="tokens of a full row"),
    plugin: list[str] = typer.Option([], metavar="MODULE", help="module that registers algorithms; may be repeated"),
    markdown: bool = MARKDOWN,
) -> int:
    """Compare every entry with published losses and verl's, and one of your own with its coefficients.

    The exit status is 1 if an entry deviates.
    """
    from hpt.method.proof import check as proof

    load_plugins(plugin)
    extra = verl_witness()
    results = proof.check(seed, rows, tokens, extra)
    notes = [
        f"Largest deviations in float64, seed {seed}; tolerances {proof.TOLERANCE:.0e} (relative per token) "
        f"and {proof.ADVANTAGE_TOLERANCE:.0e} (advantages)."
    ]
    if not extra:
        notes.append("verl is not installed, so nothing was compared with it.")
    columns = (proof.COEFFICIENT, proof.PUBLISHED, VERL)
    print_table(check_table(results, columns, [] if extra else [VERL]), notes, markdown or context.obj)
    broken = [result.name for result in results if result.largest > result.tolerance]
    if broken:
        print(f"error: above the tolerance: {', '.join(broken)}", file=sys.stderr)
    return FAILED if broken else OK


@commands.command(hidden=True, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def diagnose() -> int:
    """Say where ``python -m hpt.upge diagnose`` is now."""
    raise HPTError("'diagnose' has moved: run hpt diagnose")


def verl_witness() -> dict[str, "Witness"]:
    """verl as a further witness, if it is installed."""
    if importlib.util.find_spec(VERL) is None:
        return {}
    # By name: the estimator runs without verl, and so does this command.
    return {VERL: importlib.import_module("hpt.verl_ext.witnesses").VERL_WITNESS}


def check_table(results: Sequence["Result"], columns: Sequence[str], missing: Sequence[str]) -> Table:
    """Deviations by entry and witness. ``missing`` witnesses are not installed."""
    rows = Table("entry", "settings", "tokens", "1_stable != 1", *columns)
    for result in results:
        found = {column: f"{value:.1e}" for column, value in result.deviations.items()}
        cells = ("not installed" if column in missing else found.get(column, "none") for column in columns)
        stabilised = "-" if result.stabilised is None else str(result.stabilised)
        rows.add_row(result.name, str(result.settings), str(result.tokens), stabilised, *cells)
    return rows
