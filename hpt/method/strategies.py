# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A strategy says what a question's score means for its rows. This module imports no torch.

A strategy is three coefficients as a function of P (:mod:`hpt.method.gate`) and the names of the entries of
``hpt.upge.ALGORITHMS`` by which rollouts and demonstrations are reinforced. Data, rollouts, verifier,
routing and loss are the same for all.
"""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpt.method import gate

if TYPE_CHECKING:
    from hpt.method.config import HPTConfig


@dataclass(frozen=True)
class Strategy:
    """One method.

    Attributes:
        summary: what the method does, in a line.
        feedback: the settings' map from P to coefficients.
        rollouts: entry that reinforces rollouts; ``hpt.rollout_algorithm`` overrides it.
        demonstrations: entry that reinforces demonstrations; ``hpt.demonstration_algorithm`` overrides it.
        sft: entry of the SFT term; ``hpt.sft_algorithm`` overrides it.
        clip_ratio: clip of the ratio on rollouts unless ``hpt.clip_ratio`` has one.
        generates: whether the questions are sampled from at all.
        in_group: the demonstration takes the place of one of the n rollouts.
        needs_demonstrations: every question must have one.
        reweighting: change of the rows' weights by the policy's entropy, one of
            ``hpt.method.estimator.rows.REWEIGHTINGS``; None: none.
        length: what rollouts and reinforced demonstrations are divided by; None: as their entries say.
    """

    summary: str
    feedback: Callable[["HPTConfig"], gate.Feedback]
    rollouts: str = "dr_grpo"
    demonstrations: str = "luffy_offline"
    sft: str = "sft"
    clip_ratio: float | tuple[float, float] | None = None
    generates: bool = True
    in_group: bool = False
    needs_demonstrations: bool = False
    reweighting: str | None = None
    length: str | None = None


def _switch(gated: gate.Coefficients) -> Callable[["HPTConfig"], gate.Feedback]:
    return lambda settings: gate.switch(settings.gamma, gated, settings.gamma_off)


def _always(on: float, off: float, sft: float) -> Callable[["HPTConfig"], gate.Feedback]:
    return lambda settings: gate.constant(gate.Coefficients(on, off, sft))


STRATEGIES: dict[str, Strategy] = {
    "switch": Strategy("HPT: SFT where P <= gamma, RL elsewhere", _switch(gate.SFT)),
    "soft": Strategy(
        "coefficients as a function of P, hpt.schedule",
        lambda settings: schedule_of(settings.schedule),
    ),
    "rl_only": Strategy("RL on the rollouts of every question", _always(1, 0, 0)),
    "sft_only": Strategy(
        "SFT on every demonstration; no rollouts are generated",
        _always(0, 0, 1),
        generates=False,
        needs_demonstrations=True,
    ),
    "luffy": Strategy(
        "LUFFY: n - 1 rollouts and the demonstration in one group",
        _always(1, 1, 0),
        rollouts="grpo",
        in_group=True,
        needs_demonstrations=True,
        length="constant",
    ),
    "srft": Strategy(
        "SRFT: n - 1 rollouts, SFT and RL on the demonstration, weighted by entropy",
        _always(1, 1, 1),
        rollouts="reinforce",
        demonstrations="srft_offline",
        in_group=True,
        needs_demonstrations=True,
        reweighting="srft",
        length="constant",
    ),
    "off_on": Strategy(
        "OFF/ON: off-policy RL on the demonstration where P <= gamma, RL elsewhere",
        _switch(gate.OFF_POLICY),
    ),
    "mix_on": Strategy(
        "Mix/ON: off-policy RL and SFT on the demonstration where P <= gamma, RL elsewhere",
        _switch(gate.Coefficients(0.0, 1.0, 1.0)),
    ),
}


def register_strategy(name: str, strategy: Strategy) -> None:
    """Add a strategy, so that ``hpt.strategy=NAME`` selects it; call it from a module of ``hpt.plugins``.

    Raises:
        ValueError: the name is taken.
    """
    if name in STRATEGIES:
        raise ValueError(f"Strategy '{name}' is registered already; choose another name.")
    STRATEGIES[name] = strategy


def schedule_of(value: Any) -> gate.Feedback:
    """Return the feedback function that ``hpt.schedule`` describes.

    Args:
        value: a name of ``hpt.method.gate.SCHEDULES``, rows [P, on, off, sft], or "package.module:function"
            of a function P -> (on, off, sft).

    Raises:
        ValueError: none of these; the message lists the names.
    """
    if isinstance(value, str):
        if value in gate.SCHEDULES:
            return gate.schedule(gate.SCHEDULES[value])
        if ":" in value:
            return _function_of(value)
    elif isinstance(value, Sequence):
        return gate.schedule(value)
    raise ValueError(
        f"Unknown schedule '{value}'. Available: {', '.join(sorted(gate.SCHEDULES))}, rows "
        "[[P, on, off, sft], ...] from P = 0 to 1, or package.module:function"
    )


def _function_of(path: str) -> gate.Feedback:
    module, _, name = path.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"got the schedule '{path}', which cannot be imported ({error}); expected "
            "package.module:function, with the module on PYTHONPATH"
        ) from error
    if not callable(function):
        raise ValueError(f"got the schedule '{path}', {function!r}; expected a function of P")

    def feedback(mean: float) -> gate.Coefficients:
        returned = function(mean)
        try:
            coefficients = [float(value) for value in returned]
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"got {returned!r} from the schedule '{path}' at P = {mean}; expected three finite numbers >= 0 "
                "(on, off, sft)"
            ) from error
        return gate.check_coefficients(coefficients, mean)

    return feedback


def check_feedback(feedback: gate.Feedback, rollouts: int) -> None:
    """Ask for the coefficients at every P that n rollouts can have; raises what ``feedback`` raises."""
    for solved in range(rollouts + 1):
        feedback(solved / rollouts)


def trains_on_demonstrations(feedback: gate.Feedback, rollouts: int) -> bool:
    """Whether a question with n rollouts has a term for its demonstration at some P."""
    every = [feedback(solved / rollouts) for solved in range(rollouts + 1)]
    return any(coefficients.off or coefficients.sft for coefficients in every)


def reinforces_demonstrations(feedback: gate.Feedback, rollouts: int) -> bool:
    """Whether a question with n rollouts has an RL term for its demonstration at some P."""
    return any(feedback(solved / rollouts).off for solved in range(rollouts + 1))


def import_plugins(plugins: Sequence[str], setting: str = "hpt.plugins") -> None:
    """Import the modules that register a user's own algorithms or kinds of answers.

    Args:
        plugins: names of modules.
        setting: by which the user named them, for the message.

    Raises:
        ValueError: one that cannot be imported.
    """
    for name in plugins:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ValueError(
                f"got {setting} with '{name}', which cannot be imported ({error}); expected a module on PYTHONPATH"
            ) from error
