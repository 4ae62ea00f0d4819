# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The settings of a study, and the size of a batch. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from recipe.hpt.reproduction.cells import demonstrations_of
from recipe.hpt.reproduction.errors import StudyError
from recipe.hpt.reproduction.sweep import SWEEP_SEED

OWNED_KEYS = frozenset(
    {
        "experiment", "method",
        "hpt.strategy", "hpt.rollout_algorithm", "hpt.clip_ratio", "hpt.gamma", "hpt.sft_coef", "hpt.off_coef",
        "data.train_files", "data.val_files", "data.shuffle", "data.seed",
        "actor_rollout_ref.model.path", "actor_rollout_ref.rollout.seed",
        "actor_rollout_ref.actor.optim.lr", "actor_rollout_ref.actor.optim.lr_warmup_steps",
        "trainer.total_training_steps", "trainer.test_freq", "trainer.save_freq",
        "trainer.val_before_train", "trainer.val_only", "trainer.resume_mode",
        "trainer.default_local_dir", "trainer.experiment_name", "hydra.run.dir",
    }
)  # fmt: skip
"""What the study sets for each run. An override of one of them for all runs would not do what it says."""


@dataclass(frozen=True)
class Settings:
    """What decides a study's figures; its folder records them.

    Attributes:
        steps: batches per method, an even number.
        seeds: seeds of task, base model and run; each method has one final run per seed and cell.
        sweep_lrs: learning rates to choose from; a single one is taken without a sweep.
        overrides: overrides of config/quickstart.yaml, for all runs alike.
        samples: samples per test question in the evaluation of a final model.
        cells: what the demonstrations are like, in the order of their importance; "" is the task as it is.
        sweep_cell: the cell of the sweeps.
        searches: whether a sweep goes on beyond the rates while the best one is at an edge, and then chooses the
            weight of the demonstrations' term in the same way.
        hard_share: share of the base model's training questions from all training levels, not from levels 1 and 2.
        train_size: questions in a training file.
        validations: validations of a whole final run, and checkpoints of any run; a stage of two has half of them.
        evaluated: the cells whose final models are evaluated.

    Raises:
        StudyError: a value that a study cannot have.
    """

    steps: int = 40
    seeds: tuple[int, ...] = (0, 1, 2)
    sweep_lrs: tuple[float, ...] = (2e-4, 6e-4, 2e-3)
    overrides: tuple[str, ...] = ()
    samples: int = 16
    cells: tuple[str, ...] = ("",)
    sweep_cell: str = ""
    searches: bool = False
    hard_share: float = 0.0
    train_size: int = 9600
    validations: int = 4
    evaluated: tuple[str, ...] = ("",)

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise StudyError(f"got --samples {self.samples}; expected a whole number >= 1")
        if self.steps < 2 or self.steps % 2:
            raise StudyError(
                f"got --steps {self.steps}; expected an even number >= 2, as SFT -> GRPO takes half of them each"
            )
        for cell in (*self.cells, self.sweep_cell, *self.evaluated):
            demonstrations_of(cell)
        if not self.cells or len(set(self.cells)) < len(self.cells):
            raise StudyError(f"got the cells {', '.join(map(repr, self.cells)) or 'none'}; expected different ones")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise StudyError(f"got --seeds {_listed(self.seeds)}; expected different integers >= 0")
        if SWEEP_SEED in self.seeds:
            raise StudyError(
                f"got --seeds {_listed(self.seeds)}; {SWEEP_SEED} is the seed of the sweeps, which choose learning "
                "rates and are not reported: leave it out"
            )
        rates = self.sweep_lrs
        if not rates or len(set(rates)) < len(rates) or not all(0 < rate < 1 for rate in rates):
            raise StudyError(f"got --sweep-lrs {_listed(rates)}; expected different numbers between 0 and 1")
        object.__setattr__(self, "sweep_lrs", tuple(sorted(rates)))
        owned = {key for key in map(key_of, self.overrides) if key in OWNED_KEYS}
        if owned:
            raise StudyError(
                f"got the override {sorted(owned)[0]}=...; the study sets it for each run itself: leave it out"
            )

    @property
    def is_swept(self) -> bool:
        return len(self.sweep_lrs) > 1

    @property
    def validate_every(self) -> int:
        """Batches between two validations of a final run, and between two checkpoints."""
        return max(1, self.steps // self.validations)

    @property
    def is_map(self) -> bool:
        """Whether there are several cells."""
        return len(self.cells) > 1


def _listed(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values) or "''"


def key_of(override: str) -> str:
    """The setting that an override sets."""
    return override.partition("=")[0].lstrip("+~").partition("@")[0]


@dataclass(frozen=True)
class Budget:
    """The size of a batch, the same for every method.

    Attributes:
        questions: questions per batch.
        mini_batch: questions per optimizer step.
        epochs: passes over a batch.
        rollouts: rollouts per question where there are any; in LUFFY and SRFT the demonstration is one of them.
    """

    questions: int
    mini_batch: int
    epochs: int
    rollouts: int

    def optimizer_steps(self, batches: int) -> int:
        """Optimizer steps of a training on ``batches`` batches."""
        return batches * self.epochs * -(-self.questions // self.mini_batch)

    def described(self, batches: int) -> str:
        """The budget of a method in a sentence."""
        return (
            f"{batches} batches x {self.questions} questions = {batches * self.questions} questions; "
            f"{batches} batches x {self.epochs} epochs x {-(-self.questions // self.mini_batch)} mini-batches of "
            f"{self.mini_batch} = {self.optimizer_steps(batches)} optimizer steps"
        )
