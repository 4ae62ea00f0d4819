# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Gates that look at more than P: schedules over the training, a coin, a memory of each question.

Their parameters are the settings ``hpt.params``, under their papers' names.
"""

import math
import random
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from hpt.common.errors import ConfigError
from hpt.common.settings import Settings
from hpt.method.gate import RL, SFT, TOLERANCE, Coefficients, Context, Gate

Share = Annotated[float, Field(ge=0, le=1)]
Steps = Annotated[int, Field(ge=0)]


class Parameters(Settings):
    """Parameters of a strategy."""

    section: ClassVar[str] = "hpt.params"


# ---- schedules ----


def cosine(high: float, low: float, step: int, steps: int) -> float:
    """From ``high`` to ``low`` in ``steps`` >= 1 steps, as a half cosine; ``low`` after them."""
    return low + (high - low) * (1 + math.cos(math.pi * min(step / steps, 1.0))) / 2


class MixParameters(Parameters):
    """MIX of Trinity-RFT."""

    mu: Share = 0.1
    """Weight of SFT; RL has 1 - mu."""


class ChordParameters(Parameters):
    """CHORD-mu (arXiv 2508.11408); the defaults are the paper's."""

    mu_warmup_steps: Steps = 0
    """Training steps in which mu rises from 0 to mu_peak in a straight line."""
    mu_decay_steps: Steps = 200
    """Training steps after that in which mu falls to mu_valley as a half cosine."""
    mu_peak: Share = 0.9
    """Largest weight of SFT; RL has 1 - mu."""
    mu_valley: Share = 0.05
    """Weight of SFT at the end."""

    @model_validator(mode="after")
    def _falls(self) -> "ChordParameters":
        if self.mu_valley > self.mu_peak:
            raise ConfigError(
                f"got hpt.params.mu_valley={self.mu_valley} and mu_peak={self.mu_peak}; expected mu_valley <= mu_peak"
            )
        return self


class Chord(Gate):
    """Every question has both terms, RL under 1 - mu and SFT under mu; mu follows the training steps."""

    terms = ("on", "sft")
    when = "(1 - mu, 0, mu), mu by the step"

    def __init__(self, parameters: ChordParameters):
        self.parameters = parameters

    def mu(self, step: int) -> float:
        """Weight of SFT at a training step, from 1."""
        chosen = self.parameters
        if step < chosen.mu_warmup_steps:
            return chosen.mu_peak * step / chosen.mu_warmup_steps
        into_decay = step - chosen.mu_warmup_steps
        if into_decay >= chosen.mu_decay_steps:
            return chosen.mu_valley
        return cosine(chosen.mu_peak, chosen.mu_valley, into_decay, chosen.mu_decay_steps)

    def __call__(self, context: Context) -> Coefficients:
        mu = self.mu(context.step)
        return Coefficients(1.0 - mu, 0.0, mu)


# ---- a coin ----


class CoinParameters(Parameters):
    """SASR (arXiv 2505.13026). The values of its runs are not public; these are ours."""

    warmup_steps: Annotated[int, Field(ge=1)] = 10
    """Training steps of SFT alone at the start."""
    gamma: Annotated[float, Field(ge=0)] = 1.0
    """The larger it is, the rarer SFT; the first step after the warm-up is SFT with probability 1 / (1 + gamma)."""
    seed: int = 0
    """Seed of the coin, which falls alike whenever a step is repeated."""


class Coin(Gate):
    """A whole step is SFT with probability g / (g + gamma g_0), else RL.

    g is the gradient norm of the last SFT step, before clipping, g_0 that of the last step of the warm-up. Both are a
    mean over the step's optimizer steps.
    """

    terms = ("on", "sft")
    when = "a step is (0, 0, 1) or (1, 0, 0), by a coin"

    def __init__(self, parameters: CoinParameters):
        self.parameters = parameters
        self.first_norm = self.last_norm = 1.0
        self.step = 0

    def is_sft(self, step: int) -> bool:
        """Whether a training step, from 1, is SFT."""
        chosen = self.parameters
        if step <= chosen.warmup_steps:
            return True
        total = self.last_norm + chosen.gamma * self.first_norm
        share = self.last_norm / total if total else 1.0
        return random.Random(f"{chosen.seed}/{step}").random() < share

    def __call__(self, context: Context) -> Coefficients:
        self.step = context.step
        return SFT if self.is_sft(context.step) else RL

    def observe(self, metrics: Mapping[str, float]) -> None:
        norm = metrics.get("hpt/grad_norm", math.nan)
        if not self.is_sft(self.step) or not math.isfinite(norm):
            return
        self.last_norm = float(norm)
        if self.step <= self.parameters.warmup_steps:
            self.first_norm = self.last_norm

    def state_dict(self) -> dict[str, Any]:
        return {"first_norm": self.first_norm, "last_norm": self.last_norm}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.first_norm, self.last_norm = float(state["first_norm"]), float(state["last_norm"])


# ---- a queue ----


class ReliftParameters(Parameters):
    """ReLIFT (arXiv 2506.07527)."""

    sft_data_size: Annotated[int, Field(ge=1)] = 128
    """Demonstrations of an SFT step; until there are as many, they wait."""


# ---- a memory ----


class CurriculumParameters(Parameters):
    """A curriculum by each question's history."""

    memory: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Weight of the past in the running mean of P; 0: the last visit alone, as HPT."""


class Curriculum(Gate):
    """HPT's switch on a running mean of P over a question's visits, so one lucky group does not end its SFT.

    Args:
        gamma: mean rollout accuracy at or below which a question is gated.
    """

    terms = ("on", "sft")
    when = "running mean of P <= gamma: (0, 0, 1); else (1, 0, 0)"

    def __init__(self, parameters: CurriculumParameters, gamma: float):
        self.parameters, self.gamma = parameters, gamma
        self.means: dict[str, float] = {}

    def __call__(self, context: Context) -> Coefficients:
        before = self.means.get(context.question, context.mean)
        mean = self.parameters.memory * before + (1 - self.parameters.memory) * context.mean
        self.means[context.question] = mean
        return SFT if mean <= self.gamma + TOLERANCE else RL

    def state_dict(self) -> dict[str, Any]:
        return {"means": dict(self.means)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.means = {str(name): float(mean) for name, mean in state["means"].items()}
