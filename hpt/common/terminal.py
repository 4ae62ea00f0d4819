# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Tables on standard output, for a terminal, a pipe, or Markdown."""

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

UNLIMITED = 1000
"""Columns of a table in a pipe, where there is no width to keep to, and in Markdown, which has no wrapped cells."""


def rendered(table: Table, markdown: bool, pipe_width: int = UNLIMITED) -> str:
    """The table as text: of the terminal's width, or ``pipe_width`` columns in a pipe; or Markdown.

    Templates and answers are full of brackets, so cells hold no markup.
    """
    table.box = box.MARKDOWN if markdown else box.SIMPLE_HEAD
    width = UNLIMITED if markdown else None if sys.stdout.isatty() else pipe_width
    console = Console(width=width, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(table)
    lines = [line.rstrip() for line in capture.get().splitlines()]
    return "\n".join(line for line in lines if line)


def print_table(table: Table, notes: Sequence[str], markdown: bool) -> None:
    """Print the table and the notes under it."""
    print(rendered(table, markdown), *notes, sep="\n" if not markdown else "\n\n")
