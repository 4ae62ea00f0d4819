# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Every setting of the section ``hpt``, typed and validated at construction. Imports no torch."""

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hpt import gate

STRATEGIES: dict[str, Callable[["HPTConfig"], gate.Feedback]] = {
    "switch": lambda config: gate.switch(config.gamma),
}
NORMALIZATIONS = ("prompt",)
TRAINER_MODES = ("hpt_sync",)
OLD_LOG_PROBS = ("always", "when_off_policy")


class ConfigError(ValueError):
    """A setting the user has to change; the message says what it got, what was expected, what to do."""


def one_of(name: str, value: Any, options) -> None:
    """Raise ConfigError unless ``value`` is one of ``options``."""
    if not isinstance(value, str) or value not in options:
        raise ConfigError(f"Unknown {name} '{value}'. Available: {', '.join(sorted(options))}.")


@dataclass(frozen=True)
class HPTConfig:
    """The section ``hpt`` of a run's configuration.

    Attributes:
        strategy: how a question's score becomes loss weights; one of ``STRATEGIES``.
        gamma: mean rollout accuracy at or below which a question goes to SFT, in [0, 1].
        sft_coef: lambda, weight of the SFT term, >= 0.
        normalization: ``prompt`` (a mean over questions, whatever the packing).
        old_log_probs: ``always`` recomputes log pi_old of the rollouts in a pass of its own;
            ``when_off_policy`` leaves the pass out where a batch makes a single optimizer step, so
            that pi_old is pi_theta itself.
        poll_interval: seconds between two looks for finished rollouts, > 0.
        fork_workers: make worker processes by fork from one that has everything imported
            (:mod:`hpt.verl_ext.forkserver`); on the CPU platform only.
    """

    strategy: str = "switch"
    gamma: float = 0.0
    sft_coef: float = 1.0
    normalization: str = "prompt"
    old_log_probs: str = "always"
    poll_interval: float = 0.1
    fork_workers: bool = False

    def __post_init__(self):
        one_of("hpt.strategy", self.strategy, STRATEGIES)
        one_of("hpt.normalization", self.normalization, NORMALIZATIONS)
        one_of("hpt.old_log_probs", self.old_log_probs, OLD_LOG_PROBS)
        self._number("gamma", "a mean rollout accuracy in [0, 1]", lambda x: 0.0 <= x <= 1.0)
        self._number("sft_coef", "a number >= 0", lambda x: 0.0 <= x < float("inf"))
        if not isinstance(self.fork_workers, bool):
            raise ConfigError(f"got hpt.fork_workers={self.fork_workers!r}; expected true or false")
        self._number("poll_interval", "seconds > 0", lambda x: 0.0 < x < float("inf"))

    def _number(self, name: str, expected: str, accept: Callable[[float], bool]) -> None:
        value = getattr(self, name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not accept(value):
            raise ConfigError(f"got hpt.{name}={value!r}; expected {expected}")

    @classmethod
    def from_mapping(cls, section: Mapping[str, Any]) -> "HPTConfig":
        """Build from a plain mapping.

        Raises:
            ConfigError: unknown keys (with the nearest known ones) or bad values.
        """
        check_keys("hpt", section, [field.name for field in dataclasses.fields(cls)])
        return cls(**section)

    @property
    def feedback(self) -> gate.Feedback:
        """The strategy's map from P to (alpha, beta)."""
        return STRATEGIES[self.strategy](self)


def check_keys(section: str, got: Mapping[str, Any], known: list[str]) -> None:
    """Raise ConfigError for keys that nobody reads."""
    for key in got:
        if key not in known:
            prefix = f"{section}." if section else ""
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"Did you mean {prefix}{near[0]}? " if near else ""
            raise ConfigError(
                f"Unknown setting '{prefix}{key}'. {hint}Available: {', '.join(sorted(known))}."
            )
