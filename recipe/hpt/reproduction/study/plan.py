# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Which trainings a study consists of, in which order, and what each is given. Imports no torch.

Every method gets the same questions in the same order: ``steps`` batches of the training file, read from
its first row on (``data.shuffle=false``; the file is shuffled). A method of two stages splits the batches
in halves, and its second stage reads on where the first stopped. Batch size, mini-batch size and epochs
come from one configuration, so equal batches are equal optimizer steps (:class:`Budget`).

The learning rate of a stage is chosen in a sweep of its own, on a task and a base model of a seed that is
not reported: else the best of the swept runs would come back as a result, its luck included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpt.common.errors import HPTError

SWEEP_SEED = 100
"""Of the task, base model and run of all sweeps."""
VALIDATIONS = 4
"""Validations of a whole final run, and checkpoints of any run; a two-stage run has half of them per stage."""
WARMUP_SHARE = 0.1
"""Of a stage's batches, as in quickstart (3 of 30)."""
TIE = 1e-9
"""Accuracies closer than this are the same fraction of the same questions."""
OWNED_KEYS = frozenset(
    {
        "hpt.strategy", "hpt.rollout_algorithm", "hpt.clip_ratio", "hpt.gamma",
        "hpt.sft_coef", "hpt.off_coef",
        "data.train_files", "data.val_files", "data.shuffle", "data.seed",
        "actor_rollout_ref.model.path", "actor_rollout_ref.rollout.seed",
        "actor_rollout_ref.actor.optim.lr", "actor_rollout_ref.actor.optim.lr_warmup_steps",
        "trainer.total_training_steps", "trainer.test_freq", "trainer.save_freq",
        "trainer.val_before_train", "trainer.val_only", "trainer.resume_mode",
        "trainer.default_local_dir", "trainer.experiment_name", "hydra.run.dir",
    }
)  # fmt: skip
"""What :func:`overrides_of` sets for each run; an override for all runs would not be what it says."""


class StudyError(HPTError):
    """Something the user has to change; the message says what it got, what was expected, what to do."""


@dataclass(frozen=True)
class Stage:
    """One training of a method.

    Attributes:
        overrides: of config/quickstart.yaml; what makes the method.
        generates: whether it samples from the model, which takes most of a batch's time.
        swept_as: the stage whose sweep chooses its learning rate; None: its own. An ablation takes that
            of what it is compared with, so that one thing differs.
    """

    overrides: tuple[str, ...]
    generates: bool = True
    swept_as: str | None = None


def _ablation(*overrides: str) -> Stage:
    return Stage(overrides, swept_as="hpt")


STAGES: dict[str, Stage] = {
    "sft": Stage(("hpt.strategy=sft_only",), generates=False),
    "grpo": Stage(("hpt.strategy=rl_only", "hpt.rollout_algorithm=grpo", "hpt.clip_ratio=0.2")),
    "luffy": Stage(("hpt.strategy=luffy",)),
    "srft": Stage(("hpt.strategy=srft",)),
    "hpt": Stage(("hpt.strategy=switch", "hpt.gamma=0")),
    "hpt_gamma_1_4": _ablation("hpt.strategy=switch", "hpt.gamma=0.25"),
    "hpt_gamma_2_4": _ablation("hpt.strategy=switch", "hpt.gamma=0.5"),
    "off_on": _ablation("hpt.strategy=off_on", "hpt.gamma=0"),
    "mix_on": _ablation("hpt.strategy=mix_on", "hpt.gamma=0", "hpt.sft_coef=0.1", "hpt.off_coef=1.0"),
}


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
        label: how reports call it.
        stages: names of ``STAGES``, one after the other; none: the base model as it is.
        is_ablation: of HPT (Tables 5 and 6 of arXiv 2509.04419); not part of the comparison of methods.
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


@dataclass(frozen=True)
class Settings:
    """What decides a study's figures; recorded in its folder.

    Attributes:
        steps: batches per method, an even number.
        seeds: of task, base model and run, one final run per method each.
        sweep_lrs: learning rates to choose from; a single one is taken without a sweep.
        overrides: of config/quickstart.yaml, for all runs alike.
        samples: per test question, where final models are evaluated.
    """

    steps: int = 40
    seeds: tuple[int, ...] = (0, 1, 2)
    sweep_lrs: tuple[float, ...] = (2e-4, 6e-4, 2e-3)
    overrides: tuple[str, ...] = ()
    samples: int = 16

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise StudyError(f"got --samples {self.samples}; expected a whole number >= 1")
        if self.steps < 2 or self.steps % 2:
            raise StudyError(
                f"got --steps {self.steps}; expected an even number >= 2, as SFT -> GRPO takes half of them each"
            )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise StudyError(f"got --seeds {_listed(self.seeds)}; expected different integers >= 0")
        if SWEEP_SEED in self.seeds:
            raise StudyError(
                f"got --seeds {_listed(self.seeds)}; {SWEEP_SEED} is the sweep's, which chooses learning rates and is "
                "not reported: leave it out"
            )
        rates = self.sweep_lrs
        if not rates or len(set(rates)) < len(rates) or not all(0 < rate < 1 for rate in rates):
            raise StudyError(f"got --sweep-lrs {_listed(rates)}; expected different numbers between 0 and 1")
        object.__setattr__(self, "sweep_lrs", tuple(sorted(rates)))
        owned = {key for key in map(_key, self.overrides) if key in OWNED_KEYS}
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
        return max(1, self.steps // VALIDATIONS)


def _listed(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values) or "''"


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


@dataclass(frozen=True)
class Budget:
    """What a batch is, the same for every method.

    Attributes:
        questions: per batch.
        mini_batch: questions per optimizer step.
        epochs: passes over a batch.
        rollouts: per question where there are any (LUFFY, SRFT: one of them is the gold solution).
    """

    questions: int
    mini_batch: int
    epochs: int
    rollouts: int

    def optimizer_steps(self, batches: int) -> int:
        return batches * self.epochs * -(-self.questions // self.mini_batch)

    def described(self, batches: int) -> str:
        """The budget of a method in a sentence."""
        return (
            f"{batches} batches x {self.questions} questions = {batches * self.questions} questions; "
            f"{batches} batches x {self.epochs} epochs x {-(-self.questions // self.mini_batch)} mini-batches of "
            f"{self.mini_batch} = {self.optimizer_steps(batches)} optimizer steps"
        )


@dataclass(frozen=True)
class Job:
    """One training, or the base model's validation.

    Attributes:
        kind: "sweep" or "final".
        method: name in ``METHODS``.
        seed: of task, base model and run.
        stage: index into the method's stages; 0 for the base model.
        start: batches that earlier stages have read.
        steps: batches of its own; 0: validation only.
        learning_rate: of a sweep; None: chosen by one.
    """

    kind: str
    method: str
    seed: int
    stage: int = 0
    start: int = 0
    steps: int = 0
    learning_rate: float | None = None

    @property
    def stages(self) -> tuple[str, ...]:
        return METHODS[self.method].stages

    @property
    def stage_name(self) -> str | None:
        """Name in ``STAGES``; None for the base model."""
        return self.stages[self.stage] if self.stages else None

    @property
    def is_last(self) -> bool:
        """Whether its model is the method's."""
        return self.stage >= len(self.stages) - 1

    @property
    def name(self) -> str:
        """Of its folder, too."""
        if self.kind == "sweep":
            return f"sweep-{self.method}-lr{self.learning_rate:g}"
        stage = f"-{self.stage + 1}-{self.stage_name}" if len(self.stages) > 1 else ""
        return f"{self.method}-seed{self.seed}{stage}"

    @property
    def before(self) -> "Job | None":
        """The stage that trains the model this one starts from; None: the base model."""
        if self.stage == 0:
            return None
        steps = self.start // self.stage  # stages have equal shares
        start = self.start - steps
        return Job(self.kind, self.method, self.seed, self.stage - 1, start, steps)


def check_methods(names: Sequence[str]) -> tuple[str, ...]:
    """The names in the order of ``METHODS``.

    Raises:
        StudyError: an unknown one.
    """
    for name in names:
        if name not in METHODS:
            raise StudyError(f"Unknown method '{name}'. Available: {', '.join(METHODS)}")
    return tuple(name for name in METHODS if name in names)


def sweep_jobs(settings: Settings, methods: Sequence[str]) -> list[Job]:
    """The sweeps that ``methods`` need: their stages' own, so SFT -> GRPO needs those of SFT and GRPO."""
    if not settings.is_swept:
        return []
    needed = {swept_as(stage) for name in methods for stage in METHODS[name].stages}
    return [
        Job("sweep", stage, SWEEP_SEED, steps=settings.steps, learning_rate=rate)
        for stage in STAGES
        if stage in needed
        for rate in settings.sweep_lrs
    ]


def final_jobs(settings: Settings, methods: Sequence[str]) -> list[Job]:
    """Every method on a seed before the next seed, so that an unfinished study compares like with like;
    ablations after the methods."""
    groups = [[name for name in methods if (name in ABLATIONS) is is_ablation] for is_ablation in (False, True)]
    return [
        job for group in groups for seed in settings.seeds for name in group for job in stages_of(settings, name, seed)
    ]


def stages_of(settings: Settings, method: str, seed: int) -> list[Job]:
    """The final runs of a method, one per stage; of the base model its validation."""
    stages = METHODS[method].stages
    if not stages:
        return [Job("final", method, seed)]
    share = settings.steps // len(stages)
    return [
        Job("final", method, seed, stage=number, start=number * share, steps=share) for number in range(len(stages))
    ]


def all_jobs(settings: Settings, methods: Sequence[str]) -> list[Job]:
    """The sweeps, then the final runs."""
    return sweep_jobs(settings, methods) + final_jobs(settings, methods)


@dataclass(frozen=True)
class Evaluation:
    """Sampling from a method's final model on the test questions of its seed.

    Attributes:
        method: name in ``METHODS``.
        seed: of the final run.
    """

    method: str
    seed: int

    @property
    def name(self) -> str:
        """Of its folder, too."""
        return f"{self.method}-seed{self.seed}"

    def last_job(self, settings: Settings) -> Job:
        """The run whose model it samples from."""
        return stages_of(settings, self.method, self.seed)[-1]


def evaluations(settings: Settings, methods: Sequence[str]) -> list[Evaluation]:
    """One per final model, in the order of the final runs."""
    jobs = final_jobs(settings, methods)
    return [Evaluation(job.method, job.seed) for job in jobs if job.is_last]


# ---- the choice of learning rates ----


@dataclass(frozen=True)
class Choice:
    """What a sweep decided.

    Attributes:
        learning_rate: the chosen one; None while runs are missing.
        missing: learning rates without a result.
        at_edge: the chosen one is the smallest or the largest of several, so a better one may lie outside.
    """

    learning_rate: float | None
    missing: tuple[float, ...] = ()
    at_edge: bool = False


def choose(scores: Mapping[float, float], rates: Sequence[float]) -> Choice:
    """The rate with the highest score; of equal scores the smallest rate. Nothing while a score is missing:
    a run that failed says nothing about its rate, and a choice that changes later would waste final runs.

    Args:
        scores: learning rate -> accuracy on the development set, mean over the training levels.
        rates: all that were to be tried.
    """
    if len(rates) == 1:
        return Choice(rates[0])
    missing = tuple(rate for rate in rates if rate not in scores)
    if missing:
        return Choice(None, missing)
    best = max(scores[rate] for rate in rates)
    chosen = min(rate for rate in rates if scores[rate] >= best - TIE)
    return Choice(chosen, at_edge=chosen in (min(rates), max(rates)))


# ---- what a run is given ----


@dataclass(frozen=True)
class Places:
    """Paths of a run: its folder, training file, held-out file and the model it starts from."""

    folder: Path
    train: Path
    held_out: Path
    model: Path


def overrides_of(
    job: Job,
    settings: Settings,
    places: Places,
    learning_rate: float | None,
    resumed: int | None = None,
) -> list[str]:
    """The overrides of config/quickstart.yaml for a run.

    Args:
        learning_rate: its own or the chosen one; None for the base model.
        resumed: batches in the checkpoint that verl will continue from. A checkpoint is written before
            the validation of the same batch, which an interruption may have lost: it is made up for.
    """
    stage = STAGES[job.stage_name].overrides if job.stage_name else ()
    only_validates = job.steps == 0 or resumed == job.steps
    steps = max(1, job.steps)
    every = settings.validate_every if job.kind == "final" else steps
    own = {
        "data.train_files": places.train,
        "data.val_files": places.held_out,
        "data.shuffle": "false",
        "data.seed": job.seed,
        "actor_rollout_ref.model.path": places.model,
        "actor_rollout_ref.rollout.seed": job.seed,
        "actor_rollout_ref.actor.optim.lr_warmup_steps": max(1, round(WARMUP_SHARE * steps)),
        "trainer.total_training_steps": steps,
        "trainer.test_freq": every,
        "trainer.save_freq": settings.validate_every,
        "trainer.val_before_train": str(only_validates or resumed is not None).lower(),
        "trainer.val_only": str(only_validates).lower(),
        "trainer.resume_mode": "auto",
        "trainer.default_local_dir": places.folder,
        "trainer.experiment_name": job.name,
        "hydra.run.dir": places.folder / "hydra",
    }
    if learning_rate is not None:
        own["actor_rollout_ref.actor.optim.lr"] = f"{learning_rate:g}"
    return [*settings.overrides, *stage, *(f"{key}={value}" for key, value in own.items())]


# ---- time ----

# Seconds on 2 cores, from runs of the quickstart on a machine that did other things besides.
LAUNCH_SECONDS = 40.0
BATCH_SECONDS = 8.0
"""Of 64 questions with 4 rollouts each."""
SFT_BATCH_SECONDS = 1.5
VALIDATION_SECONDS = 11.0
"""Of 448 questions."""
BASE_MODEL_SECONDS = 90.0
EVALUATION_LAUNCH_SECONDS = 25.0
SAMPLES_PER_SECOND = 300.0
"""Of an evaluation."""


def seconds_of(job: Job, settings: Settings) -> float:
    """What a run is expected to take, without the base model's training."""
    if job.stage_name is None:
        return LAUNCH_SECONDS + VALIDATION_SECONDS
    batch = BATCH_SECONDS if STAGES[job.stage_name].generates else SFT_BATCH_SECONDS
    validations = -(-job.steps // settings.validate_every) if job.kind == "final" else 1
    return LAUNCH_SECONDS + job.steps * batch + validations * VALIDATION_SECONDS


def seconds_of_evaluation(settings: Settings, questions: int) -> float:
    """What an evaluation on so many questions is expected to take."""
    return EVALUATION_LAUNCH_SECONDS + settings.samples * questions / SAMPLES_PER_SECOND
