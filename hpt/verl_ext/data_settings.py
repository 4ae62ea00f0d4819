# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The settings of the section ``data`` on demonstrations. Imports no verl, so that a launch checks them in no time."""

from typing import NamedTuple

from omegaconf import DictConfig

from hpt.common.errors import ConfigError
from hpt.common.settings import one_of

OVERLONG_POLICIES = ("drop", "error")


class DemonstrationSettings(NamedTuple):
    """Where demonstrations are and how long they may be.

    Attributes:
        target_key: the column.
        max_target_length: tokens of the longest one, EOS included.
        target_overlong: what becomes of a longer one, one of ``OVERLONG_POLICIES``.
    """

    target_key: str
    max_target_length: int
    target_overlong: str


def demonstration_settings(data: DictConfig) -> DemonstrationSettings:
    """Read the settings from verl's section ``data``.

    Raises:
        ConfigError: one of them cannot work.
    """
    target_key = data.get("target_key") or "target"
    if target_key == data.get("prompt_key", "prompt"):
        raise ConfigError(f"data.target_key and data.prompt_key are both {target_key!r}: name two columns.")
    max_target_length = data.get("max_target_length")
    if max_target_length is None:
        max_target_length = data.get("max_response_length")
    if not isinstance(max_target_length, int) or max_target_length < 1:
        raise ConfigError(
            "data.max_target_length, or data.max_response_length in its place, is "
            f"{max_target_length!r}: set it to a positive number of tokens."
        )
    overlong = data.get("target_overlong") or "drop"
    one_of("data.target_overlong", overlong, OVERLONG_POLICIES)
    return DemonstrationSettings(target_key, max_target_length, overlong)


def check_choice_of_rows(data: DictConfig, max_samples: int) -> None:
    """Refuse to choose training rows at random without a seed.

    The ids in a checkpoint would mean other questions after a restart.

    Raises:
        ConfigError: the choice has no seed.
    """
    if max_samples > 0 and data.get("shuffle") and data.get("seed") is None:
        raise ConfigError(
            f"data.train_max_samples={max_samples} with data.shuffle chooses rows at random, and without a seed other "
            "rows when a run is resumed: set data.seed."
        )
