# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Results of checks and the table that shows them."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 160
"""Columns where the output is no terminal."""


class Status(Enum):
    """What came out of a check."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    NOT_CHECKED = "not checked"


_STYLES = {
    Status.PASS: "green",
    Status.WARN: "yellow",
    Status.FAIL: "bold red",
    Status.NOT_CHECKED: "dim",
}


@dataclass(frozen=True)
class Check:
    """A line of the table.

    Attributes:
        name: what was looked at.
        status: what came out.
        found: what is there.
        advice: what to do; empty where there is nothing to do.
    """

    name: str
    status: Status
    found: str
    advice: str = ""


def passed(name: str, found: str) -> Check:
    return Check(name, Status.PASS, found)


def warned(name: str, found: str, advice: str = "") -> Check:
    return Check(name, Status.WARN, found, advice)


def failed(name: str, found: str, advice: str = "") -> Check:
    return Check(name, Status.FAIL, found, advice)


def not_checked(name: str, missing: Iterable[str]) -> Check:
    """A check whose ground is missing: the names of the checks that failed before it."""
    return Check(name, Status.NOT_CHECKED, f"needs: {', '.join(missing)}")


def exit_status(checks: Sequence[Check]) -> int:
    """0 if nothing failed, else 2."""
    return 2 if any(check.status is Status.FAIL for check in checks) else 0


def summary(checks: Sequence[Check]) -> str:
    """How many of each status, in a line."""
    counts = {status: sum(check.status is status for check in checks) for status in Status}
    return ", ".join(f"{count} {status.value}" for status, count in counts.items() if count)


def print_checks(checks: Sequence[Check], notes: Sequence[str]) -> None:
    """Print the table, the notes under it and a last line with the counts."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for column in ("check", "", "found", "what to do"):
        table.add_column(column, overflow="fold")
    for check in checks:
        status = Text(check.status.value, style=_STYLES[check.status])
        table.add_row(check.name, status, check.found, check.advice)
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    # Templates and answers are full of brackets: nothing in a cell is markup.
    console = Console(width=width, markup=False, emoji=False, highlight=False)
    console.print(table)
    for note in notes:
        console.print(f"\n{note}", soft_wrap=True)
    console.print(f"\npre-flight: {summary(checks)}")
