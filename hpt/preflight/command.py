# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""All checks of a configuration as a table: ``python -m recipe.hpt.main_hpt --check``. Writes nothing."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from hpt.preflight import data_checks, machine_checks, settings_checks
from hpt.preflight.context import Context, Step, run_steps
from hpt.preflight.settings_checks import validated
from hpt.preflight.table import Check, exit_status, print_checks
from hpt.verl_ext import validation as preflight

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
SETTINGS = ("section hpt", "settings", "trainer", "batch")
STEPS = (
    Step("versions", machine_checks.versions),
    Step("section hpt", settings_checks.section),
    Step("settings", validated("settings", preflight.check_verl_keys, "every key is known")),
    Step("trainer", validated("trainer", preflight.check_pairing, "settings fit together")),
    Step("batch", settings_checks.batch, ("section hpt",)),
    Step(
        "prompt template",
        validated("prompt template", preflight.apply_prompt_template, "usable, or the tokenizer's"),
    ),
    Step("verl", settings_checks.verl, SETTINGS),
    Step("GPUs", machine_checks.devices),
    Step("model", data_checks.model, ("batch",)),
    Step("tokenizer", data_checks.tokenizer, ("model", "prompt template")),
    Step("memory per rank", machine_checks.device_memory, ("model", "batch")),
    Step("main memory", machine_checks.host, ("model", "batch")),
    Step("output folder", machine_checks.output),
    Step("disk", machine_checks.disk, ("model", "output folder")),
    Step("other runs", data_checks.lock, ("output folder",)),
    Step("resume", data_checks.resume, ("section hpt", "model", "output folder")),
    Step("data", data_checks.data, ("section hpt",)),
    Step("epochs", settings_checks.epochs, ("batch", "data")),
    Step("template", data_checks.examples, ("data", "tokenizer")),
)


def checks(config: DictConfig, steps: Sequence[Step] = STEPS) -> tuple[list[Check], list[str]]:
    """Run all checks; returns the table's lines and the notes under it."""
    context = Context(config, REQUIREMENTS)
    lines = run_steps(steps, context)
    return lines, context.notes


def check(config: DictConfig) -> int:
    """Print the table; exit status 0 if nothing failed, else 2."""
    lines, notes = checks(config)
    print_checks(lines, notes)
    return exit_status(lines)
