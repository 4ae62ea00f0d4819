# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Every setting of the section ``hpt``, typed and validated at construction. Imports no torch."""

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hpt.common.errors import ConfigError
from hpt.method import gate
from hpt.method.normalization import (
    NORMALIZATIONS,
    Normalization,
    PromptNormalization,
    ReleasedNormalization,
)
from hpt.method.strategies import STRATEGIES, Strategy, import_plugins, is_number, plain, schedule_of

TRAINER_MODES = ("hpt_sync",)
OLD_LOG_PROBS = ("always", "when_off_policy")
RENAMED = {"offline_algorithm": "demonstration_algorithm"}
"""Former names of settings, and today's."""


def one_of(name: str, value: Any, options) -> None:
    """Raise ConfigError unless ``value`` is one of ``options``."""
    if not isinstance(value, str) or value not in options:
        raise ConfigError(f"Unknown {name} '{value}'. Available: {', '.join(sorted(options))}.")


@dataclass(frozen=True)
class HPTConfig:
    """The section ``hpt`` of a run's configuration.

    Attributes:
        strategy: how a question's score becomes loss coefficients; one of ``STRATEGIES``.
        gamma: mean rollout accuracy at or below which a question is gated, in [0, 1].
        gamma_off: upper end of the middle band gamma < P <= gamma_off, in which off-policy RL on the
            demonstration takes the rollouts' place, in [gamma, 1]; None: no band.
        sft_coef: lambda, weight of the SFT term, >= 0.
        off_coef: weight of the off-policy RL term, >= 0.
        schedule: of ``strategy=soft``; see :func:`hpt.method.strategies.schedule_of`.
        rollout_algorithm: entry of ``hpt.upge.ALGORITHMS`` for rollouts; None: the strategy's.
        demonstration_algorithm: the same for reinforced demonstrations; None: the strategy's.
        clip_ratio: PPO's clip on rollouts, a number >= 0 or (low, high); None: no clip (paper).
        shaping: LUFFY's, > 0.
        plugins: modules to import in every process, which may register algorithms and kinds of answers.
        normalization: ``prompt`` (a mean over questions, whatever the packing) or ``released`` (the
            released code's arithmetic, which depends on the packing).
        skip_grad_norm: gradient norm above which an optimizer step is skipped, > 0; None: never.
        old_log_probs: ``always`` recomputes log pi_old of the rollouts in a pass of its own;
            ``when_off_policy`` leaves the pass out where a batch makes a single optimizer step, so
            that pi_old is pi_theta itself.
        poll_interval: seconds between two looks for finished rollouts, > 0.
        fork_workers: make worker processes by fork from one that has everything imported
            (:mod:`hpt.verl_ext.cpu.forkserver`); on the CPU platform only.
    """

    strategy: str = "switch"
    gamma: float = 0.0
    gamma_off: float | None = None
    sft_coef: float = 1.0
    off_coef: float = 1.0
    schedule: Any = "type_0"
    rollout_algorithm: str | None = None
    demonstration_algorithm: str | None = None
    clip_ratio: float | tuple[float, float] | None = None
    shaping: float = 0.1
    plugins: tuple[str, ...] = ()
    normalization: str = "prompt"
    skip_grad_norm: float | None = None
    old_log_probs: str = "always"
    poll_interval: float = 0.1
    fork_workers: bool = False

    def __post_init__(self):
        one_of("hpt.strategy", self.strategy, STRATEGIES)
        one_of("hpt.normalization", self.normalization, NORMALIZATIONS)
        one_of("hpt.old_log_probs", self.old_log_probs, OLD_LOG_PROBS)
        self._number("gamma", "a mean rollout accuracy in [0, 1]", lambda x: 0.0 <= x <= 1.0)
        gamma = self.gamma
        if self.gamma_off is not None:
            band = f"null or a mean rollout accuracy in [hpt.gamma, 1] = [{self.gamma}, 1]"
            self._number("gamma_off", band, lambda x: gamma <= x <= 1.0)
        self._number("sft_coef", "a number >= 0", lambda x: x >= 0.0)
        self._number("off_coef", "a number >= 0", lambda x: x >= 0.0)
        self._number("shaping", "a number > 0", lambda x: x > 0.0)
        if self.skip_grad_norm is not None:
            self._number("skip_grad_norm", "null or a gradient norm > 0", lambda x: x > 0.0)
        self._check_clip_ratio()
        if not isinstance(self.fork_workers, bool):
            raise ConfigError(f"got hpt.fork_workers={self.fork_workers!r}; expected true or false")
        self._number("poll_interval", "seconds > 0", lambda x: x > 0.0)
        if self.strategy == "soft":
            try:
                schedule_of(self.schedule)
            except ValueError as error:
                raise ConfigError(f"hpt.schedule: {error}") from error

    def _number(self, name: str, expected: str, accept: Callable[[Any], bool]) -> None:
        value = getattr(self, name)
        if not is_number(value) or not accept(value):
            raise ConfigError(f"got hpt.{name}={value!r}; expected {expected}")

    def _check_clip_ratio(self) -> None:
        value = self.clip_ratio
        sides: tuple[Any, ...] = value if isinstance(value, tuple) else (value, value)
        fits = len(sides) == 2 and all(is_number(side) and side >= 0 for side in sides)
        if value is not None and not fits:
            raise ConfigError(f"got hpt.clip_ratio={value!r}; expected null, a number >= 0, or two of them [low, high]")

    @classmethod
    def from_mapping(cls, section: Mapping[str, Any]) -> "HPTConfig":
        """Build from a plain mapping or a composed configuration's section.

        Raises:
            ConfigError: unknown keys (with the nearest known ones), former names, plugins that cannot be imported,
                or bad values.
        """
        for name in RENAMED.keys() & section.keys():
            raise ConfigError(f"got hpt.{name}, which is now hpt.{RENAMED[name]}; use the new name")
        check_keys("hpt", section, [field.name for field in dataclasses.fields(cls)])
        values = plain(section)
        _import_plugins(values.get("plugins"))  # they may register the strategy
        for name in ("clip_ratio", "plugins"):
            if isinstance(values.get(name), list):
                values[name] = tuple(values[name])
        return cls(**values)

    @property
    def method(self) -> Strategy:
        """The strategy's entry."""
        return STRATEGIES[self.strategy]

    @property
    def feedback(self) -> gate.Feedback:
        """The strategy's map from P to coefficients."""
        return self.method.feedback(self)

    @property
    def rollout_entry(self) -> str:
        """Name of the algorithm that reinforces rollouts."""
        return self.rollout_algorithm or self.method.rollouts

    @property
    def normalization_class(self) -> type[Normalization]:
        """What the terms of the loss are means over."""
        return NORMALIZATIONS[self.normalization]

    def normalization_with(self, questions_per_step: int, max_response_length: int, ranks: int) -> Normalization:
        """The normalization for a training of these sizes; see :mod:`hpt.method.normalization`."""
        if self.normalization == "released":
            return ReleasedNormalization(questions_per_step, max_response_length, ranks)
        return PromptNormalization(questions_per_step, max_response_length, pooled_sft=not self.method.generates)

    @property
    def demonstration_entry(self) -> str:
        """Name of the algorithm that reinforces demonstrations."""
        default = self.normalization_class.demonstration_entry or self.method.demonstrations
        return self.demonstration_algorithm or default


def _import_plugins(plugins: Any) -> None:
    """Import the modules that ``hpt.plugins`` lists, before what they register is looked up."""
    if not isinstance(plugins, list | None) or not all(isinstance(name, str) for name in plugins or []):
        raise ConfigError(f"got hpt.plugins={plugins!r}; expected a list of modules to import")
    try:
        import_plugins(plugins or [])
    except ValueError as error:
        raise ConfigError(str(error)) from error


def check_keys(section: str, got: Mapping[str, Any], known: list[str]) -> None:
    """Raise ConfigError for keys that nobody reads."""
    for key in got:
        if key not in known:
            prefix = f"{section}." if section else ""
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"Did you mean {prefix}{near[0]}? " if near else ""
            raise ConfigError(f"Unknown setting '{prefix}{key}'. {hint}Available: {', '.join(sorted(known))}.")
