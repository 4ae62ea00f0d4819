# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``hpt model``: a checkpoint made ready for training."""

import dataclasses
from pathlib import Path
from typing import Any

import typer

from hpt.cli.options import NO_PROGRESS, OK, epilog, group
from hpt.common.settings import one_of
from hpt.models.edits import Settings
from hpt.models.prepare import PRESETS, fetch
from hpt.models.prepare import prepare as prepare_checkpoint
from hpt.models.templates import TEMPLATES

PREPARE = "hpt model prepare Qwen/Qwen2.5-Math-1.5B models/Qwen2.5-Math-1.5B-16k --preset qwen2.5-math"
commands = group("Make a checkpoint ready for training.", PREPARE)


@commands.callback()
def root() -> None:
    """typer makes a group of an application that has a callback, even with a single command."""


@commands.command(epilog=epilog(PREPARE))
def prepare(
    source: str = typer.Argument(help="the checkpoint's folder or hub id"),
    out: Path = typer.Argument(help="folder to make"),
    revision: str | None = typer.Option(None, help="revision of the hub's checkpoint (its newest commit)"),
    preset: str | None = typer.Option(None, help=f"settings of a model: {', '.join(PRESETS)}; options change them"),
    rope_theta: float | None = typer.Option(None, help="base of the rotary embeddings"),
    max_position_embeddings: int | None = typer.Option(None, min=1, help="longest sequence in tokens"),
    chat_template: str | None = typer.Option(None, help=f"a file, or one of {', '.join(TEMPLATES)}"),
    eos_token: str | None = typer.Option(None, help="token of the vocabulary with which the model ends its answers"),
    pad_token: str | None = typer.Option(None, help="a token of the vocabulary that ends nothing"),
    link: bool = typer.Option(False, "--link", help="make hard links to the weights instead of copies"),
    no_progress: bool = NO_PROGRESS,
) -> int:
    """Copy a checkpoint with other positions, chat template, EOS or padding token.

    The source is never written to, an existing folder is not touched, and weights are copied byte for byte. A tokenizer
    without a padding token gets a known one of its vocabulary, never EOS. A tokenizer whose EOS neither config.json nor
    generation_config.json names is refused; --eos-token sets it in all of them.
    """
    if preset is not None:
        one_of("--preset", preset, PRESETS)
    given: dict[str, Any] = {
        "rope_theta": rope_theta,
        "max_position_embeddings": max_position_embeddings,
        "chat_template": chat_template,
        "eos_token": eos_token,
        "pad_token": pad_token,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    settings = dataclasses.replace(PRESETS[preset] if preset else Settings(), **chosen)
    folder = fetch(source, revision)
    done = prepare_checkpoint(folder, out, settings, link=link, progress=not no_progress)
    for change in done.changes or ["nothing: it was as asked for"]:
        print(f"changed {change}")
    for note in done.notes:
        print(f"note: {note}")
    for number, example in enumerate(done.examples, start=1):
        print(f"chat template, example {number}: {example!r}")
    print(f"wrote {out}; files that did not change are {'hard links to' if link else 'copies of'} those of {folder}")
    return OK
