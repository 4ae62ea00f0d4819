# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
from omegaconf import DictConfig

from hpt.verl_ext import validation


def prepare(config: DictConfig) -> None:
    """Make the checks of a configuration alone, without those of the machine and of the model's files."""
    validation.select_platform(config)
    for check in validation.CHECKS.values():
        check(config)
