# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The trainings of a study, their order, and what each of them is given. Imports no torch.

A study compares methods in one or several cells; a cell is what the training questions' demonstrations are like
(:mod:`recipe.hpt.reproduction.cells`). A study of many cells is a map.

Every method gets the same questions in the same order: ``steps`` batches of the training file, read from its first row
on. The file is shuffled already, so ``data.shuffle=false``. A method of two stages splits the batches in halves, and
its second stage reads on where the first stopped. Batch size, mini-batch size and epochs come from one configuration,
so equal batches are equal optimizer steps (:class:`recipe.hpt.reproduction.study.settings.Budget`).

:mod:`recipe.hpt.reproduction.methods` has the methods, :mod:`recipe.hpt.reproduction.sweep` the choice of
learning rates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from recipe.hpt.reproduction.cells import named
from recipe.hpt.reproduction.errors import StudyError
from recipe.hpt.reproduction.methods import ABLATIONS, EVERYWHERE, LEADERBOARD, METHODS, STAGES, swept_as
from recipe.hpt.reproduction.study.settings import Settings, key_of
from recipe.hpt.reproduction.sweep import SWEEP_SEED, Tried, best_of, extended

WEIGHT_RATIO = 4
"""Between neighbouring weights of a search."""
WARMUP_SHARE = 0.1
"""Share of a stage's batches, as in the quickstart (3 of 30)."""


@dataclass(frozen=True)
class Job:
    """One training, or the validation of the base model.

    Attributes:
        kind: "sweep" or "final".
        method: name in ``METHODS``.
        seed: seed of task, base model and run.
        stage: index into the method's stages; 0 for the base model.
        start: batches that earlier stages have read.
        steps: batches of its own; 0: validation only.
        learning_rate: the learning rate of a run in a sweep; None: a sweep chooses it.
        weight: the weight of the demonstrations' term of a run in a search; None: as it is before, or the chosen one.
        cell: what the demonstrations are like.
    """

    kind: str
    method: str
    seed: int
    stage: int = 0
    start: int = 0
    steps: int = 0
    learning_rate: float | None = None
    weight: float | None = None
    cell: str = ""

    @property
    def stages(self) -> tuple[str, ...]:
        return METHODS[self.method].stages

    @property
    def stage_name(self) -> str | None:
        """Name in ``STAGES``; None for the base model."""
        return self.stages[self.stage] if self.stages else None

    @property
    def is_last(self) -> bool:
        """Whether it trains the final model of its method."""
        return self.stage >= len(self.stages) - 1

    @property
    def name(self) -> str:
        """The name of the run and of its folder."""
        if self.kind == "sweep":
            weight = "" if self.weight is None else f"-weight{self.weight:g}"
            return f"sweep-{self.method}-lr{self.learning_rate:g}{weight}"
        stage = f"-{self.stage + 1}-{self.stage_name}" if len(self.stages) > 1 else ""
        return f"{named(self.method, self.cell)}-seed{self.seed}{stage}"

    @property
    def before(self) -> "Job | None":
        """The stage that trains the model this one starts from; None: the base model."""
        if self.stage == 0:
            return None
        assert self.stage_name is not None
        share = round(self.steps / STAGES[self.stage_name].length)
        name = self.stages[self.stage - 1]
        steps = batches_of(name, share)
        return replace(self, stage=self.stage - 1, start=self.start - steps, steps=steps)


def batches_of(stage: str, share: int) -> int:
    """Batches of a stage whose even share of the method's is ``share``."""
    return max(1, round(share * STAGES[stage].length))


Scores = Mapping[str, Mapping[Tried, float]]
"""Stage -> what was tried -> score of a finished run of its sweep."""


def sweep_jobs(settings: Settings, methods: Sequence[str], scores: Scores = MappingProxyType({})) -> list[Job]:
    """The sweeps that ``methods`` need, one per stage: SFT -> GRPO needs the sweeps of SFT and of GRPO.

    Args:
        scores: of the runs that have finished; a search goes on from them.
    """
    if not settings.is_swept:
        return []
    needed = {swept_as(stage) for name in methods for stage in METHODS[name].stages}
    return [
        Job("sweep", stage, SWEEP_SEED, 0, 0, batches_of(stage, settings.steps), rate, weight, settings.sweep_cell)
        for stage in STAGES
        if stage in needed
        for rate, weight in sweep_of(settings, stage, scores.get(stage, {}))
    ]


def check_overrides(settings: Settings, methods: Sequence[str]) -> None:
    """See that no override for all runs undoes what makes one of ``methods``.

    Raises:
        StudyError: one does.
    """
    given = {key_of(override) for override in settings.overrides}
    for method in methods:
        for stage in (STAGES[name] for name in METHODS[method].stages):
            own = [*stage.scaled, *([stage.weight.key] if stage.weight else [])]
            if undone := sorted(given.intersection(map(key_of, own))):
                raise StudyError(
                    f"got the override {undone[0]}=...; {METHODS[method].label} sets it itself: leave it out"
                )


def sweep_of(settings: Settings, stage: str, scores: Mapping[Tried, float]) -> list[Tried]:
    """What a stage's sweep tries as far as it is known: learning rates, then weights at the best of them."""
    by_rate = {rate: score for (rate, weight), score in scores.items() if weight is None}
    if not settings.searches:
        return [(rate, None) for rate in settings.sweep_lrs]
    rates = extended(settings.sweep_lrs, by_rate)
    tried: list[Tried] = [(rate, None) for rate in rates]
    if (term := STAGES[stage].weight) is None or any(rate not in by_rate for rate in rates):
        return tried
    chosen = best_of({rate: by_rate[rate] for rate in rates})
    by_weight = {
        term.value if weight is None else weight: score for (rate, weight), score in scores.items() if rate == chosen
    }
    start = [term.value / WEIGHT_RATIO, term.value, term.value * WEIGHT_RATIO]
    weights = extended([value for value in start if value <= term.largest], by_weight, term.largest, term.smallest)
    return tried + [(chosen, weight) for weight in weights if weight != term.value]


def final_jobs(settings: Settings, methods: Sequence[str]) -> list[Job]:
    """The final runs: all methods on one seed, then the next seed, then the next cell, and so on; the ablations last.

    So an unfinished study compares like with like. A method that reads no demonstration has its runs in the first cell
    only, and those of ``LEADERBOARD`` in the cells that are evaluated.
    """
    groups = [[name for name in methods if (name in ABLATIONS) is is_ablation] for is_ablation in (False, True)]
    jobs = [
        job
        for group in groups
        for cell in settings.cells
        for seed in settings.seeds
        for name in group
        if cell == settings.cells[0] or METHODS[name].reads_demonstrations
        if cell in settings.evaluated or not (settings.is_map and name in LEADERBOARD)
        for job in stages_of(settings, name, seed, cell)
    ]
    return sorted(jobs, key=lambda job: _turn(job, settings))


def _turn(job: Job, settings: Settings) -> int:
    """A map has its methods in the cells that are evaluated first, then those of ``LEADERBOARD`` there. Those of
    ``EVERYWHERE`` in the other cells follow, and the rest."""
    if not settings.is_map:
        return 0
    if job.method in LEADERBOARD:
        return 1
    if job.kind == "sweep" or job.cell in settings.evaluated:
        return 0
    return 2 if job.method in EVERYWHERE else 3


def stages_of(settings: Settings, method: str, seed: int, cell: str = "") -> list[Job]:
    """The final runs of a method, one per stage; the base model has its validation only."""
    stages = METHODS[method].stages
    if not stages:
        return [Job("final", method, seed, cell=cell)]
    batches = [batches_of(stage, settings.steps // len(stages)) for stage in stages]
    return [
        Job("final", method, seed, stage=number, start=sum(batches[:number]), steps=steps, cell=cell)
        for number, steps in enumerate(batches)
    ]


def all_jobs(settings: Settings, methods: Sequence[str], scores: Scores = MappingProxyType({})) -> list[Job]:
    """The sweeps, then the final runs; those of a map's leaderboards follow the other methods of these cells."""
    jobs = sweep_jobs(settings, methods, scores) + final_jobs(settings, methods)
    return sorted(jobs, key=lambda job: _turn(job, settings))


@dataclass(frozen=True)
class Evaluation:
    """Sampling from a method's final model on the test questions of its seed.

    Attributes:
        method: name in ``METHODS``.
        seed: seed of the final run.
        cell: its cell.
    """

    method: str
    seed: int
    cell: str = ""

    @property
    def name(self) -> str:
        """The name of the evaluation and of its folder."""
        return f"{named(self.method, self.cell)}-seed{self.seed}"

    def last_job(self, settings: Settings) -> Job:
        """The run whose model it samples from."""
        return stages_of(settings, self.method, self.seed, self.cell)[-1]


def evaluations(settings: Settings, methods: Sequence[str]) -> list[Evaluation]:
    """One per final model, in the order of the final runs."""
    jobs = final_jobs(settings, methods)
    return [
        Evaluation(job.method, job.seed, job.cell) for job in jobs if job.is_last and job.cell in settings.evaluated
    ]


# ---- what a run is given ----


@dataclass(frozen=True)
class Places:
    """Paths of a run: its folder, training file, held-out files and the model it starts from."""

    folder: Path
    train: Path
    held_out: tuple[Path, ...]
    model: Path


def overrides_of(
    job: Job,
    settings: Settings,
    places: Places,
    chosen: Tried | None,
    resumed: int | None = None,
) -> list[str]:
    """The overrides of config/quickstart.yaml for a run.

    Args:
        chosen: its own learning rate and weight, or those that a sweep chose; None for the base model.
        resumed: batches in the checkpoint that verl will continue from. verl writes a checkpoint before it validates,
            and an interruption may have lost that validation. So a resumed run validates before it trains.
    """
    learning_rate, weight = chosen or (None, None)
    stage = STAGES[job.stage_name].overrides(job.steps, weight) if job.stage_name else ()
    only_validates = job.steps == 0 or resumed == job.steps
    steps = max(1, job.steps)
    every = settings.validate_every if job.kind == "final" and settings.validations > 1 else steps
    held_out = places.held_out[0] if len(places.held_out) == 1 else f"[{','.join(map(str, places.held_out))}]"
    own = {
        "data.train_files": places.train,
        "data.val_files": held_out,
        "data.shuffle": "false",
        "data.seed": job.seed,
        "actor_rollout_ref.model.path": places.model,
        "actor_rollout_ref.rollout.seed": job.seed,
        "actor_rollout_ref.actor.optim.lr_warmup_steps": max(1, round(WARMUP_SHARE * steps)),
        "trainer.total_training_steps": steps,
        "trainer.test_freq": every,
        "trainer.save_freq": min(settings.validate_every, steps),
        "trainer.val_before_train": str(only_validates or resumed is not None).lower(),
        "trainer.val_only": str(only_validates).lower(),
        "trainer.resume_mode": "auto",
        "trainer.default_local_dir": places.folder,
        "trainer.experiment_name": job.name,
        "hydra.run.dir": places.folder / "hydra",
    }
    if learning_rate is not None:
        own["actor_rollout_ref.actor.optim.lr"] = f"{learning_rate:g}"
    # An override for all runs wins over a method's file: OWNED_KEYS has what makes the methods differ.
    return [*stage, *settings.overrides, *(f"{key}={value}" for key, value in own.items())]
