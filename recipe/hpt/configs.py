# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The configurations in config/, and what to say about one that is not there."""

import re
from collections.abc import Sequence
from pathlib import Path

from hydra.errors import MissingConfigException
from omegaconf import DictConfig

FOLDER = Path(__file__).resolve().parent / "config"
VERLS = "ppo_trainer"
VERLS_FOLDER = "pkg://verl.trainer.config"
"""Hydra reads it from the primary configuration or the command line."""


def compose(overrides: Sequence[str], name: str = "quickstart") -> DictConfig:
    """Compose a configuration, so that a wrong override is refused before anything starts.

    Settings of Hydra's own, such as ``hydra.run.dir``, are left out.

    Raises:
        hydra.errors.HydraException: an override that does not fit.
    """
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(FOLDER), version_base=None):
        return compose(name, overrides=[item for item in overrides if not item.startswith("hydra.")])


def training_names() -> list[str]:
    """What ``--config-name`` accepts for a training: the files that name the folder of verl's own configuration."""
    files = sorted(FOLDER.rglob("*.yaml"))
    return [str(file.relative_to(FOLDER).with_suffix("")) for file in files if VERLS_FOLDER in file.read_text()]


def choices(group: str) -> list[str]:
    """What a group in config/ has, such as ``MODEL/METHOD`` of ``experiment``; empty if there is no such group."""
    folder = FOLDER / group
    return sorted(str(file.relative_to(folder).with_suffix("")) for file in folder.rglob("*.yaml"))


def explain_missing(error: MissingConfigException, names: Sequence[str]) -> str:
    """One line on a configuration that does not exist, with the names that do.

    Args:
        error: what Hydra raised.
        names: what ``--config-name`` accepts.
    """
    missing = str(error.missing_cfg_file)
    group, separator, name = missing.partition("/")
    if separator and (options := choices(group)):
        return f"got {group}={name}, which does not exist; expected one of: {', '.join(options)}"
    if missing == VERLS:
        return f"got a search path without verl's configurations; add {VERLS_FOLDER} to hydra.searchpath"
    if error.options is not None:  # one of a group of verl's
        return f"got {missing}, which does not exist; expected one of: {', '.join(error.options)}"
    return f"got --config-name {missing}, which does not exist; expected one of: {', '.join(names)}"


def explain_group(message: str) -> str | None:
    """One line on ``experiment=NAME``, which Hydra accepts as ``+experiment=NAME`` only; None on other messages.

    Args:
        message: what Hydra says.
    """
    found = re.match(r"Could not override '(\w+)'", message)
    options = choices(found[1]) if found else []
    if not found or not options:
        return None
    return f"got {found[1]}=...; expected +{found[1]}=NAME, where NAME is one of: {', '.join(options)}"
