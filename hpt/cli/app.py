# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The root of ``hpt``: it finds a command, starts it, and turns the user's mistakes into one message.

A group's module is imported when one of its commands is called, so that ``hpt --help`` starts fast.
"""

import importlib
import io
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from hpt.cli import recipe
from hpt.cli.options import INTERRUPTED, REFUSED, group

GROUPS = {
    "data": ("hpt.cli.data", "prepare, check and compare question files"),
    "model": ("hpt.cli.model", "prepare a checkpoint for training"),
    "verify": ("hpt.cli.verify", "check an answer; look into gold answers"),
    "algorithms": ("hpt.cli.algorithms", "show the table of algorithms; prove its entries"),
    "eval": ("hpt.cli.evaluation", "compare evaluations; write their tables again"),
}
"""Name -> (module with ``commands``, summary)."""


class Root(TyperGroup):
    """The groups, imported on first use, and the commands of the recipe."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*GROUPS, *recipe.COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in GROUPS:
            return None
        return typer.main.get_command(importlib.import_module(GROUPS[cmd_name][0]).commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in {**GROUPS, **recipe.COMMANDS}.items()])


commands = group(
    "The tools of Hybrid Post-Training. Training itself is python -m recipe.hpt.main_hpt.",
    "hpt data check data/train.parquet",
    cls=Root,
)


@commands.callback()
def root() -> None:
    """typer makes a group of an application that has a callback; the help text is given above."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after ``hpt``; None: those of this process.

    Returns:
        The exit status: 0 done, 1 a check failed, 2 a mistake of the user, 130 after Ctrl-C.
    """
    given = [_with_home(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal cannot show is no reason to lose the work
        if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            stream.reconfigure(errors="backslashreplace")
    try:
        if given and given[0] in recipe.COMMANDS:
            return recipe.run(*given)
        status = typer.main.get_command(commands).main(given, prog_name="hpt", standalone_mode=False)
    except typer.TyperException as error:
        print(f"error: {error.format_message()}\n{available(error)}", file=sys.stderr)
        return REFUSED
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        status = INTERRUPTED
    if status == INTERRUPTED:
        print("interrupted; no output is left half-written", file=sys.stderr)
    return status


def _with_home(word: str) -> str:
    """The word with the home folder for its ~; shells expand none behind ``--out=``."""
    return re.sub(r"^(--[\w-]+=)?~(?=/)", lambda found: (found[1] or "") + os.path.expanduser("~"), word)


def available(error: typer.TyperException) -> str:
    """The commands or options that there are where the mistake was made, and where to read on."""
    context = getattr(error, "ctx", None)  # a mistake in the arguments names its command
    if context is None:
        return "Try: hpt --help"
    command = context.command
    if isinstance(command, TyperGroup):
        found = {name: command.get_command(context, name) for name in command.list_commands(context)}
        what, names = "Commands", [name for name, each in found.items() if not (each and each.hidden)]
    else:
        what, names = "Options", [name for each in command.params for name in each.opts if name.startswith("-")]
    return f"{what} of {context.command_path}: {', '.join(names)}\nTry: {context.command_path} --help"
