# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Tables on standard output, for a terminal, a pipe, or Markdown."""

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table


def rendered(table: Table, markdown: bool) -> str:
    """The table as text: of the terminal's width, or Markdown."""
    table.box = box.MARKDOWN if markdown else box.SIMPLE_HEAD
    # In a pipe there is no width to keep to, and a wrapped cell is no Markdown.
    wide = markdown or not sys.stdout.isatty()
    console = Console(width=1000 if wide else None, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(table)
    lines = [line.rstrip() for line in capture.get().splitlines()]
    return "\n".join(line for line in lines if line)


def print_table(table: Table, notes: Sequence[str], markdown: bool) -> None:
    """Print the table and the notes under it."""
    print(rendered(table, markdown), *notes, sep="\n" if not markdown else "\n\n")
