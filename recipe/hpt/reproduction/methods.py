# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The methods that the study compares, and the trainings that each consists of. Imports no torch.

What makes a method is in ``config/method``, the same files that the rows of the paper's tables are composed from. Only
the gate is at the study's own scale: a question has 4 rollouts here, not 8.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from omegaconf import OmegaConf

from recipe.hpt.configs import FOLDER
from recipe.hpt.reproduction.errors import StudyError


@functools.cache
def settings_of(method: str) -> dict[str, str | float]:
    """Dotted key -> value of ``config/method/METHOD.yaml``."""
    section = OmegaConf.to_container(OmegaConf.load(FOLDER / "method" / f"{method}.yaml").hpt)
    assert isinstance(section, dict)
    return {f"hpt.{key}": value for key, value in section.items()}


@dataclass(frozen=True)
class Stage:
    """One training of a method.

    Attributes:
        method: a file in ``config/method``.
        gamma: the gate, where it differs from that file.
        generates: whether it samples from the model, which takes most of a batch's time.
        swept_as: the stage whose sweep chooses its learning rate; None: its own. An ablation takes the learning rate
            of the method that it is compared with, so that one thing differs.
    """

    method: str
    gamma: float | None = None
    generates: bool = True
    swept_as: str | None = None

    @property
    def overrides(self) -> tuple[str, ...]:
        """The overrides of config/quickstart.yaml that make the method."""
        settings = dict(settings_of(self.method))
        if self.gamma is not None:
            settings["hpt.gamma"] = self.gamma
        return tuple(f"{key}={value}" for key, value in settings.items())


STAGES: dict[str, Stage] = {
    "sft": Stage("sft", generates=False),
    "grpo": Stage("grpo"),
    "luffy": Stage("luffy"),
    "srft": Stage("srft"),
    "hpt": Stage("hpt"),
    "hpt_gamma_1_4": Stage("hpt", gamma=0.25, swept_as="hpt"),
    "hpt_gamma_2_4": Stage("hpt", gamma=0.5, swept_as="hpt"),
    "off_on": Stage("off_on", swept_as="hpt"),
    "mix_on": Stage("mix_on", swept_as="hpt"),
}


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
        label: its name in reports.
        stages: names of ``STAGES``, in their order; none: the base model as it is.
        is_ablation: whether it is an ablation of HPT (Tables 5 and 6 of arXiv 2509.04419), which the comparison of
            methods leaves out.
    """

    label: str
    stages: tuple[str, ...]
    is_ablation: bool = False


METHODS: dict[str, Method] = {
    "base": Method("base model", ()),
    "sft": Method("SFT", ("sft",)),
    "grpo": Method("GRPO", ("grpo",)),
    "sft_grpo": Method("SFT -> GRPO", ("sft", "grpo")),
    "luffy": Method("LUFFY", ("luffy",)),
    "srft": Method("SRFT", ("srft",)),
    "hpt": Method("HPT", ("hpt",)),
    "hpt_gamma_1_4": Method("HPT, gamma 1/4", ("hpt_gamma_1_4",), is_ablation=True),
    "hpt_gamma_2_4": Method("HPT, gamma 2/4", ("hpt_gamma_2_4",), is_ablation=True),
    "off_on": Method("OFF/ON", ("off_on",), is_ablation=True),
    "mix_on": Method("Mix/ON", ("mix_on",), is_ablation=True),
}
BASE = "base"
COMPARED = tuple(name for name, method in METHODS.items() if not method.is_ablation)
ABLATIONS = tuple(name for name, method in METHODS.items() if method.is_ablation)


def swept_as(stage: str) -> str:
    """The stage whose sweep chooses the learning rate of ``stage``."""
    return STAGES[stage].swept_as or stage


def check_methods(names: Sequence[str]) -> tuple[str, ...]:
    """The names in the order of ``METHODS``.

    Raises:
        StudyError: a name is unknown.
    """
    for name in names:
        if name not in METHODS:
            raise StudyError(f"Unknown method '{name}'. Available: {', '.join(METHODS)}")
    return tuple(name for name in METHODS if name in names)
