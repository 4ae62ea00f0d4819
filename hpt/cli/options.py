# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What the commands share: exit statuses, how a group is made, the example in each help text, common options."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

OK, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses: done; a check failed; a mistake of the user; stopped by Ctrl-C."""


def epilog(*lines: str) -> str:
    """The end of a help text: an example that works, on one line or continued on further ones."""
    return "\b\nExample: " + " \\\n    ".join(lines)


def group(description: str, example: str, **settings: Any) -> typer.Typer:
    """A group of commands. Help is plain text: rich's boxes start slower and break when they are copied."""
    return typer.Typer(
        help=description,
        epilog=epilog(example),
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        **settings,
    )


def load_plugins(modules: Sequence[str]) -> None:
    """Import the modules of --plugin. They may be in the current folder, as with ``python -m``."""
    from hpt.method.strategies import import_plugins

    if modules and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    import_plugins(modules, "--plugin")


MARKDOWN = typer.Option(False, "--markdown", help="print tables as Markdown")
NO_PROGRESS = typer.Option(False, "--no-progress", help="show no progress bars")
OVERWRITE = typer.Option(False, "--overwrite", help="replace an existing output")
PLUGIN = typer.Option([], metavar="MODULE", help="module that registers a verifier kind; may be repeated")
WORKERS = typer.Option(2, min=1, help="verifier processes")
