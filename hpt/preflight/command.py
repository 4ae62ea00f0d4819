# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""All checks of a launch: as a table (``python -m recipe.hpt.main_hpt --check``), or before a run. Writes nothing."""

import contextlib
import io
import sys
from collections.abc import Sequence

from omegaconf import DictConfig

from hpt.preflight import data_checks, engine_checks, machine_checks, settings_checks
from hpt.preflight.settings_checks import validated
from hpt.preflight.table import (
    Check,
    Context,
    Status,
    Step,
    exit_status,
    print_checks,
    require_steps,
    run_steps,
    sentence,
)
from hpt.verl_ext.validation import select_platform

SETTINGS = ("section hpt", "settings", "values", "trainer", "demonstrations", "batch", "rollouts")
# Lines that a run shows though all is well.
SHOWN = ("data", "gold answers", "system message", "resume")
# Every check of hpt.verl_ext.validation is one of these steps.
STEPS = (
    Step("versions", machine_checks.versions),
    Step("modules", validated("modules", "those of this version")),
    Step("settings", validated("settings", "every key is known")),
    Step("values", validated("values", "those of verl are in their ranges"), ("settings",)),
    Step("section hpt", validated("section hpt", settings_checks.section)),
    Step("trainer", validated("trainer", settings_checks.trainer), ("values", "section hpt")),
    Step("demonstrations", validated("demonstrations", settings_checks.demonstrations)),
    Step("batch", validated("batch", settings_checks.batch), ("values", "section hpt", "demonstrations")),
    Step("rollouts", validated("rollouts", settings_checks.rollouts), ("values", "section hpt")),
    Step("prompt template", validated("prompt template", "usable, or the tokenizer's")),
    Step("verl", validated("verl", "accepts the configuration"), SETTINGS),
    Step("GPUs", machine_checks.devices),
    Step("model", validated("model", data_checks.model), ("batch",)),
    Step("weights", validated("weights", "names and shapes are the model's"), ("model",)),
    Step("adapters", validated("adapters", settings_checks.adapters)),
    Step("tokenizer", data_checks.tokenizer, ("model", "prompt template")),
    Step("engine", data_checks.engine, ("model", "batch")),
    Step("context", engine_checks.context_length, ("model", "rollouts")),
    Step("weights to vLLM", engine_checks.weight_transfer, ("model",)),
    Step("memory per rank", machine_checks.rank_memory, ("model", "batch")),
    Step("output folder", machine_checks.output),
    Step("disk", machine_checks.disk, ("model", "output folder")),
    Step("other runs", data_checks.lock, ("output folder",)),
    Step("resume", data_checks.resume, ("section hpt", "model", "output folder")),
    Step("data", validated("data", data_checks.data), ("section hpt", "demonstrations")),
    Step("prompts", data_checks.prompts, ("data", "tokenizer")),
    Step("epochs", settings_checks.epochs, ("batch", "data")),
    Step("template", data_checks.examples, ("data", "tokenizer")),
)


def checks(config: DictConfig, steps: Sequence[Step] = STEPS) -> tuple[list[Check], list[str]]:
    """Run all checks; returns the table's lines and the notes under it."""
    context = Context(config)
    with contextlib.redirect_stdout(io.StringIO()):  # verl prints that all is well
        select_platform(config)
        lines = run_steps(steps, context)
    return lines, context.notes


def require(config: DictConfig) -> None:
    """Run all checks before a training, and say what it should know; completes the configuration in place.

    A run and a dry run begin with it, so that they refuse what ``--check`` shows as failed.

    Raises:
        hpt.common.errors.HPTError: the first check that fails.
    """
    select_platform(config)
    for line in require_steps(STEPS, Context(config)):
        if line.status in (Status.WARN, Status.NOT_CHECKED):
            print(f"{line.status.value}: {sentence(line)}", file=sys.stderr, flush=True)
        elif line.name in SHOWN:
            print(sentence(line), file=sys.stderr, flush=True)


def check(config: DictConfig) -> int:
    """Print the table; exit status 0 if nothing failed, else 2."""
    lines, notes = checks(config)
    print_checks(lines, notes)
    return exit_status(lines)
