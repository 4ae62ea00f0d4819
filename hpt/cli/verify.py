# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``hpt verify``: check one answer, or measure the pool's speed."""

import dataclasses
import json

import typer

from hpt.cli.options import OK, PLUGIN, epilog, group, load_plugins
from hpt.verifier import verify
from hpt.verifier.bench import described, measure

CHECK = r"hpt verify check '<think>...</think> \boxed{\frac{1}{2}}' 0.5"
commands = group("Check one answer as training and evaluation do, or measure the verifier's speed.", CHECK)


@commands.command(epilog=epilog(f"{CHECK} --kind math"))
def check(
    response: str = typer.Argument(help="the model's whole response"),
    answer: str = typer.Argument(help="the gold answer"),
    kind: str = typer.Option("math", help="math, choice, or a kind that a plug-in registers"),
    plugin: list[str] = PLUGIN,
) -> int:
    """Print score and reason of one response, and its extracted answer."""
    load_plugins(plugin)
    verdict = verify(response, answer, kind)
    print(f"score {verdict.score:g}, {verdict.reason}, extracted {verdict.extracted!r}")
    return OK


@commands.command(epilog=epilog("hpt verify bench --workers 2 --pairs 2000 --json"))
def bench(
    workers: int = typer.Option(2, help="processes"),
    pairs: int = typer.Option(1000, help="pairs of answers"),
    hostile: float = typer.Option(0.01, help="share of answers whose comparison never ends"),
    timeout: float = typer.Option(1.0, help="seconds per comparison"),
    seed: int = typer.Option(0, help="seed of the pairs"),
    rounds: int = typer.Option(3, help="rounds that the medians are taken over"),
    as_json: bool = typer.Option(False, "--json", help="print the figures as JSON"),
) -> int:
    """Compare the pool's speed with a loop over math-verify."""
    figures = measure(workers, pairs, hostile, timeout, seed, rounds)
    print(json.dumps(dataclasses.asdict(figures)) if as_json else described(figures))
    return OK
