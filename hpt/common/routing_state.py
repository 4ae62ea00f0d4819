# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What a strategy remembers, in a checkpoint: ``routing.json`` beside the weights."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpt.common.errors import ConfigError
from hpt.common.files import write_json

FILE = "routing.json"


def save(checkpoint: Path, strategy: str, state: Mapping[str, Any]) -> None:
    """Write a strategy's state into a checkpoint's folder; a strategy without one leaves no file."""
    if state:
        write_json(checkpoint / FILE, {"strategy": strategy, "state": dict(state)})


def load(checkpoint: Path, strategy: str, *, expected: bool) -> dict[str, Any]:
    """Read a strategy's state; empty where it has none.

    Args:
        expected: whether the strategy keeps one.

    Raises:
        ConfigError: the state is another strategy's, or there is none and one is expected.
    """
    path = checkpoint / FILE
    way_out = "set hpt.strategy to that of the checkpoint, or start from its weights with trainer.resume_mode=disable"
    if not path.exists():
        if expected:
            raise ConfigError(
                f"got the checkpoint {checkpoint} without {FILE}; hpt.strategy={strategy} goes on from a state that "
                f"this file holds: {way_out}"
            )
        return {}
    saved = json.loads(path.read_text())
    if saved["strategy"] != strategy:
        raise ConfigError(
            f"got hpt.strategy={strategy} and the checkpoint {checkpoint}, whose {FILE} holds the state of "
            f"{saved['strategy']}: {way_out}"
        )
    return saved["state"]
