# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``hpt verify``: check one answer, or what a data set's gold answers allow."""

import typer
from rich.table import Table

from hpt.cli.options import FAILED, MARKDOWN, NO_PROGRESS, OK, PLUGIN, WORKERS, epilog, group, load_plugins
from hpt.common.terminal import print_table
from hpt.data.gold_answers import DEFAULT_KIND, by_comparison, iter_gold_answers, shortened
from hpt.verifier import verify
from hpt.verifier.mutate import try_mutations

CHECK = r"hpt verify check '<think>...</think> \boxed{\frac{1}{2}}' 0.5"
FILES = typer.Argument(help="question files, or JSON, JSONL or parquet files with a column of answers")
COLUMN = typer.Option("answer", help="the column of answers in files that are no question files")
commands = group("Check one answer as training and evaluation do, or what a data set's gold answers allow.", CHECK)


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
    compared = "" if verdict.gold is None else f", gold answer {verdict.gold}"
    print(f"score {verdict.score:g}, {verdict.reason}, extracted {verdict.extracted!r}{compared}")
    return OK


@commands.command(epilog=epilog("hpt verify gold data/math500.parquet --show 10"))
def gold(
    files: list[str] = FILES,
    column: str = COLUMN,
    show: int = typer.Option(5, min=0, help="answers to show of each way but exact"),
    plugin: list[str] = PLUGIN,
    markdown: bool = MARKDOWN,
) -> int:
    """Count gold answers by how they are compared: by what they say, as texts, or not at all (status 1)."""
    load_plugins(plugin)
    found = by_comparison(answer for file in files for answer in iter_gold_answers(file, column))
    table = Table("compared", "questions", "distinct answers", "examples")
    for way, counts in found.items():
        examples = [shortened(answer) for (answer, _), _ in counts.most_common(show)]
        table.add_row(way, f"{counts.total():,}", f"{len(counts):,}", ", ".join(examples) if way != "exact" else "")
    print_table(table, [], markdown)
    return FAILED if "unverifiable" in found else OK


@commands.command(epilog=epilog("hpt verify mutate data/math500.parquet"))
def mutate(
    files: list[str] = FILES,
    column: str = COLUMN,
    per_kind: int = typer.Option(3, min=1, help="changes of a kind per gold answer"),
    seed: int = typer.Option(0, help="chooses the changes"),
    workers: int = WORKERS,
    no_progress: bool = NO_PROGRESS,
    markdown: bool = MARKDOWN,
) -> int:
    """Change gold answers of kind math in one place each, and list the changes that are accepted (status 1).

    Digits, signs, relations, brackets and variables are changed and parts dropped. A gold answer itself must be right.
    """
    answers = {answer for file in files for answer, kind in iter_gold_answers(file, column) if kind == DEFAULT_KIND}
    found = try_mutations(sorted(answers), per_kind=per_kind, seed=seed, workers=workers, progress=not no_progress)
    table = Table("change", "tried", "accepted", "rate")
    for change, tried in found.tried.items():
        accepted = len(found.accepted[change])
        table.add_row(change, f"{tried:,}", f"{accepted:,}", f"{accepted / tried:.2%}")
    notes = [
        f"{change}: {shortened(changed)} for {shortened(answer)}"
        for change, pairs in found.accepted.items()
        for changed, answer in pairs
    ]
    notes += [f"not right for itself: {shortened(answer)}" for answer in found.refused]
    print_table(table, notes, markdown)
    return FAILED if notes else OK
