# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The methods that the studies compare, and the trainings that each consists of. Imports no torch.

What makes a method is in ``config/method``, the same files that the rows of the paper's tables are composed from. Only
what counts rollouts, rows or steps is at a study's own scale: a question has 4 rollouts here, not 8.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from omegaconf import OmegaConf

from recipe.hpt.configs import FOLDER
from recipe.hpt.reproduction.errors import StudyError


@functools.cache
def settings_of(method: str) -> dict[str, str | float]:
    """Dotted key -> value of ``config/method/METHOD.yaml``."""
    section = OmegaConf.to_container(OmegaConf.load(FOLDER / "method" / f"{method}.yaml").hpt)
    assert isinstance(section, dict)
    params = section.pop("params", {})
    return {f"hpt.{key}": value for key, value in section.items()} | {
        f"++hpt.params.{key}": value for key, value in params.items()
    }


@dataclass(frozen=True)
class Weight:
    """The weight of the demonstrations' term, which a map chooses together with the learning rate.

    Attributes:
        key: the setting.
        value: what it is before the search.
        largest, smallest: the range of values that mean something.
    """

    key: str
    value: float
    largest: float = float("inf")
    smallest: float = 0.0


@dataclass(frozen=True)
class Stage:
    """One training of a method.

    Attributes:
        method: a file in ``config/method``.
        scaled: settings that differ from that file, as they count rollouts, rows or steps, or make a fault: setting ->
            value, or the function of the training's batches that gives it.
        generates: whether it samples from the model, which takes most of a batch's time.
        demonstrations: whether it depends on demonstrations.
        covered: whether it reads only questions that have a demonstration; its strategy refuses others.
        swept_as: the stage whose sweep chooses its learning rate; None: its own. An ablation takes the learning rate
            of the method that it is compared with, so that one thing differs.
        weight: the weight of the demonstrations' term; None: there is none.
        length: its batches, as a multiple of an even share of the method's. More than 1 brings a cheap method to about
            the FLOPs of those that generate.
    """

    method: str
    scaled: Mapping[str, str | float | Callable[[int], float]] = field(default_factory=dict)
    generates: bool = True
    demonstrations: bool = True
    covered: bool = False
    swept_as: str | None = None
    weight: Weight | None = None
    length: float = 1.0

    def overrides(self, batches: int, weight: float | None = None) -> tuple[str, ...]:
        """The overrides of config/quickstart.yaml that make the method.

        Args:
            batches: of the training.
            weight: of the demonstrations' term; None: as it is before the search.
        """
        settings = dict(settings_of(self.method))
        settings |= {key: value(batches) if callable(value) else value for key, value in self.scaled.items()}
        if weight is not None:
            assert self.weight is not None
            settings[self.weight.key] = weight
        return tuple(f"{key}={value}" for key, value in settings.items())


SFT_COEF = Weight("hpt.sft_coef", 1.0)
EQUAL_FLOPS = 2.5
"""Batches of SFT that have about the FLOPs of one batch of HPT with 4 rollouts, where every question of the built-in
task has a demonstration. Where few have one, HPT has fewer."""
MEAN_OF_MEANS = {"hpt.plugins": "[recipe.hpt.reproduction.faulty_sft]", "hpt.strategy": "sft_mean_of_means"}
MICRO_BATCHES = 4
DROPPED = {
    "data.train_batch_size": 64 // MICRO_BATCHES,
    "actor_rollout_ref.actor.ppo_mini_batch_size": 16 // MICRO_BATCHES,
    "hpt.sft_coef": 1 / MICRO_BATCHES,
}
"""An optimizer step of 16 questions in 4 micro-batches, of which accumulation keeps one: the step has 4 questions and a
quarter of their gradient. It makes no difference whether the questions of the other three are read."""
STAGES: dict[str, Stage] = {
    "sft": Stage("sft", generates=False, covered=True),
    "grpo": Stage("grpo", demonstrations=False),
    "luffy": Stage("luffy", covered=True, weight=Weight("hpt.off_coef", 1.0)),
    "srft": Stage("srft", covered=True, weight=SFT_COEF),
    "hpt": Stage("hpt", weight=SFT_COEF),
    "hpt_gamma_1_4": Stage("hpt", {"hpt.gamma": 0.25}, swept_as="hpt", weight=SFT_COEF),
    "hpt_gamma_2_4": Stage("hpt", {"hpt.gamma": 0.5}, swept_as="hpt", weight=SFT_COEF),
    "off_on": Stage("off_on", swept_as="hpt"),
    "mix_on": Stage("mix_on", swept_as="hpt"),
    "chord": Stage(
        "chord",
        {"++hpt.params.mu_decay_steps": lambda batches: batches},
        weight=Weight("++hpt.params.mu_peak", 0.9, largest=1.0, smallest=0.05),
    ),
    "relift": Stage("relift", {"++hpt.params.sft_data_size": 16}, weight=SFT_COEF),
    "self_distill": Stage("self_distill", weight=SFT_COEF),
    "prefix_rft": Stage("prefix_rft", {"++hpt.params.decay_steps": lambda batches: batches}),
    "superrl": Stage("superrl", weight=SFT_COEF),
    "mix": Stage("mix", weight=Weight("++hpt.params.mu", 0.1, largest=1.0)),
    "sasr": Stage("sasr", {"++hpt.params.warmup_steps": lambda batches: max(1, batches // 4)}, covered=True),
    "rl_plus": Stage("rl_plus", covered=True, weight=Weight("hpt.off_coef", 1.0)),
    "uft": Stage(
        "uft",
        {"++hpt.params.hint_steps": lambda batches: batches},
        weight=Weight("++hpt.params.sft_loss_coef", 0.001),
    ),
    "trapo": Stage("trapo", {"++hpt.params.sizes": "[1,1,1,1]"}, weight=SFT_COEF),
    "bread": Stage("bread"),
    "ghpo": Stage("ghpo"),
    "sft_flops": Stage("sft", generates=False, covered=True, length=EQUAL_FLOPS),
    "sft_mean_of_means": Stage("sft", MEAN_OF_MEANS, generates=False, covered=True, swept_as="sft"),
    "sft_dropped": Stage("sft", DROPPED, generates=False, covered=True, swept_as="sft"),
    "sft_both_faults": Stage("sft", DROPPED | MEAN_OF_MEANS, generates=False, covered=True, swept_as="sft"),
}


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
        label: its name in reports.
        stages: names of ``STAGES``, in their order; none: the base model as it is.
        group: "compared" (in Table 2 of arXiv 2509.04419), "ablation" (of HPT, Tables 5 and 6), "further" (not in the
            paper), "listed" (as further, for the leaderboards of a map alone) or "faulty" (SFT with the faults of arXiv
            2604.23747).
        sound: the method that has the same settings without the faults; only of group "faulty".
    """

    label: str
    stages: tuple[str, ...]
    group: Literal["compared", "ablation", "further", "listed", "faulty"] = "compared"
    sound: str | None = None

    @property
    def reads_demonstrations(self) -> bool:
        """Whether it depends on the demonstrations, and so on the cell."""
        return any(STAGES[stage].demonstrations for stage in self.stages)

    @property
    def has_equal_questions(self) -> bool:
        """Whether it trains on as many questions as HPT."""
        return all(STAGES[stage].length == 1 for stage in self.stages)

    @property
    def mixes(self) -> bool:
        """Whether one of its trainings has rollouts and demonstrations."""
        return any(STAGES[stage].demonstrations and STAGES[stage].generates for stage in self.stages)


METHODS: dict[str, Method] = {
    "base": Method("base model", ()),
    "sft": Method("SFT", ("sft",)),
    "grpo": Method("GRPO", ("grpo",)),
    "sft_grpo": Method("SFT -> GRPO", ("sft", "grpo")),
    "luffy": Method("LUFFY", ("luffy",)),
    "srft": Method("SRFT", ("srft",)),
    "hpt": Method("HPT", ("hpt",)),
    "hpt_gamma_1_4": Method("HPT, gamma 1/4", ("hpt_gamma_1_4",), "ablation"),
    "hpt_gamma_2_4": Method("HPT, gamma 2/4", ("hpt_gamma_2_4",), "ablation"),
    "off_on": Method("OFF/ON", ("off_on",), "ablation"),
    "mix_on": Method("Mix/ON", ("mix_on",), "ablation"),
    "chord": Method("CHORD", ("chord",), "further"),
    "relift": Method("ReLIFT", ("relift",), "further"),
    "self_distill": Method("self-distillation", ("self_distill",), "further"),
    "prefix_rft": Method("Prefix-RFT", ("prefix_rft",), "further"),
    "sft_flops": Method("SFT, 2.5 x batches", ("sft_flops",), "further"),
    "sft_grpo_flops": Method("SFT, 2.5 x batches -> GRPO", ("sft_flops", "grpo"), "further"),
    "superrl": Method("SuperRL", ("superrl",), "listed"),
    "mix": Method("MIX", ("mix",), "listed"),
    "sasr": Method("SASR", ("sasr",), "listed"),
    "rl_plus": Method("RL-PLUS", ("rl_plus",), "listed"),
    "uft": Method("UFT", ("uft",), "listed"),
    "trapo": Method("TRAPO", ("trapo",), "listed"),
    "bread": Method("BREAD", ("bread",), "listed"),
    "ghpo": Method("GHPO", ("ghpo",), "listed"),
    "sft_mean_of_means": Method("SFT, mean of means", ("sft_mean_of_means",), "faulty", "sft"),
    "sft_dropped": Method("SFT, micro-batches dropped", ("sft_dropped",), "faulty", "sft"),
    "sft_both_faults": Method("SFT, both faults", ("sft_both_faults",), "faulty", "sft"),
    "sft_grpo_both_faults": Method("SFT with both faults -> GRPO", ("sft_both_faults", "grpo"), "faulty", "sft_grpo"),
}
BASE = "base"
COMPARED, ABLATIONS, FURTHER, LISTED, FAULTY = (
    tuple(name for name, method in METHODS.items() if method.group == group)
    for group in ("compared", "ablation", "further", "listed", "faulty")
)
MAPPED = (*COMPARED, "hpt_gamma_1_4", *FURTHER)
"""The methods of a map."""
EVERYWHERE = (BASE, "sft", "grpo", "sft_grpo", "hpt")
"""Those that a map runs in all its cells before it runs the others there."""
LEADERBOARD = ("off_on", "mix_on", *LISTED)
"""The strategies that a map leaves to its leaderboards. ``curriculum`` would be HPT there, as a map asks each question
once; ``soft`` is HPT with schedules of one's own; ``scaf_grpo`` needs hints, which the built-in task does not have."""


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
