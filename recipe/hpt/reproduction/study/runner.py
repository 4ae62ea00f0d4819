# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Run what a study's plan asks for and its folder does not have yet.

The functions that launch trainings and evaluations are given to it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from recipe.hpt.launch import LOG_FILE
from recipe.hpt.reproduction.errors import StudyError
from recipe.hpt.reproduction.methods import METHODS, swept_as
from recipe.hpt.reproduction.report.study import sweep_scores
from recipe.hpt.reproduction.study import data, plan, state
from recipe.hpt.reproduction.study.plan import Budget, Evaluation, Job, Places, Settings
from recipe.hpt.reproduction.sweep import Choice, choose
from recipe.hpt.reproduction.task.questions import TRAIN_LEVELS

Launch = Callable[[Path, Sequence[str], Callable[[int], None]], int]
"""(run's folder, overrides, called with the finished batches) -> exit status; its log is LOG_FILE there."""
Evaluate = Callable[[Path, Sequence[str]], int]
"""(folder, overrides of config/eval_cpu.yaml) -> exit status; its log is LOG_FILE there."""


@dataclass
class Study:
    """One launch of a study.

    Attributes:
        out: the study's folder.
        settings: the study's settings.
        budget: the size of a batch.
        methods: the methods asked for; reports show whatever the folder has.
        launch: runs a training.
        evaluate: samples from a model and verifies the samples; None: final models are not evaluated.
        make_task: (folder, seed) -> None, writes data and base model unless they are there.
        wait_for_earlier: waits for a training that an earlier launch left in the run's folder.
        made_with: versions that the results record.
        failed: run -> what happened, with its log.
        waiting: run -> what it waits for.
    """

    out: Path
    settings: Settings
    budget: Budget
    methods: tuple[str, ...]
    launch: Launch
    evaluate: Evaluate | None = None
    make_task: Callable[[Path, int], None] = data.make_task
    wait_for_earlier: Callable[[Path], None] = lambda folder: None
    made_with: Mapping[str, str | None] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)

    @property
    def jobs(self) -> list[Job]:
        return plan.all_jobs(self.settings, self.methods)

    @property
    def every_job(self) -> list[Job]:
        return plan.all_jobs(self.settings, tuple(METHODS))

    @property
    def evaluations(self) -> list[Evaluation]:
        return plan.evaluations(self.settings, self.methods) if self.evaluate else []

    def task(self, seed: int) -> Path:
        return self.out / f"task-seed{seed}"

    def choice(self, stage: str) -> Choice:
        """The learning rate that the finished runs of a stage's sweep choose."""
        swept = swept_as(stage)
        sweep = plan.sweep_jobs(self.settings, (swept,))
        found = [state.result_of(self.out, job) for job in sweep]
        scores = sweep_scores([line for line in found if line is not None], TRAIN_LEVELS)
        return choose(scores.get(swept, {}), self.settings.sweep_lrs)

    def run(self) -> None:
        """Do every run that is not finished; after a failure, note it and go on with the next run."""
        jobs, evaluations = self.jobs, self.evaluations
        total = len(jobs) + len(evaluations)
        bar = tqdm(total=total, desc="runs", unit="run", disable=None, position=0)
        with bar:
            for job in jobs:
                result = state.result_of(self.out, job)
                if result is None:
                    self._attempt(job)
                    state.rebuild_results(self.out, self.every_job)
                else:
                    self._check_same(job, result)
                bar.update(1)
            for evaluation in evaluations:
                self._attempt_evaluation(evaluation)
                bar.update(1)

    def _check_same(self, job: Job, result: dict[str, Any]) -> None:
        """Refuse a finished run whose overrides differ from those that this code gives it."""
        if self._blocked(job) is None and result["overrides"] != self._given(job):
            raise StudyError(
                f"got the finished run {state.folder_of(self.out, job)} with other overrides than this code gives it; "
                "the code has changed since: name a new study with --out, or remove the folder to repeat the run"
            )

    def _given(self, job: Job) -> list[str]:
        """A run's overrides without the name of the study's folder, and the same whether or not the run is resumed."""
        overrides = plan.overrides_of(job, self.settings, self.places(job), self.rate(job))
        return [item.replace(str(self.out), "OUT") for item in overrides]

    def _attempt(self, job: Job) -> None:
        reason = self._blocked(job)
        if reason:
            self.waiting[job.name] = reason
            return
        begun = time.monotonic()
        try:
            self._train(job)
        except state.Unfinished as error:
            self.failed[job.name] = str(error)
            tqdm.write(f"failed: {job.name}: {error}")
        else:
            tqdm.write(f"finished: {job.name}, {time.monotonic() - begun:.0f} s")

    def _blocked(self, job: Job) -> str | None:
        if job.before and state.result_of(self.out, job.before) is None:
            return f"its first stage, {job.before.name}, has not finished"
        if job.kind == "final" and job.stage_name:
            missing = self.choice(job.stage_name).missing
            if missing:
                rates = ", ".join(f"{rate:g}" for rate in missing)
                return f"the sweep of {swept_as(job.stage_name)} lacks the learning rates {rates}"
        return None

    def rate(self, job: Job) -> float | None:
        """The learning rate of a run that is not blocked; None for the base model."""
        if job.stage_name is None:
            return None
        return job.learning_rate or self.choice(job.stage_name).learning_rate

    def places(self, job: Job) -> Places:
        task = self.task(job.seed)
        before = job.before
        return Places(
            folder=state.folder_of(self.out, job),
            train=data.train_file_from(task, job.start * self.budget.questions),
            held_out=task / (data.DEV if job.kind == "sweep" else data.TEST),
            model=self.model_of(before) if before else task / data.MODEL,
        )

    def _train(self, job: Job) -> None:
        """Run one training, and write its result.

        Raises:
            recipe.hpt.reproduction.study.state.Unfinished: the training failed.
        """
        self.make_task(self.task(job.seed), job.seed)
        data.check_disjoint(sorted(self.out.glob("task-seed*")))
        data.write_train_file_from(self.task(job.seed), job.start * self.budget.questions)
        places, rate, given = self.places(job), self.rate(job), self._given(job)
        folder = places.folder
        self.wait_for_earlier(folder)
        resumed = state.begin(folder, {"overrides": given})
        overrides = plan.overrides_of(job, self.settings, places, rate, resumed)
        status = self._launched(job, folder, overrides)
        if status:
            raise state.Unfinished(f"exit status {status}; its log: {folder / LOG_FILE}")
        try:
            figures = state.measured(job, folder, self.budget)
        except state.Unfinished as error:
            raise state.Unfinished(f"{error}; its log: {folder / LOG_FILE}") from error
        state.finish(folder, {**self._identity(job, rate), **figures, "overrides": given})

    def _launched(self, job: Job, folder: Path, overrides: Sequence[str]) -> int:
        begun, status = time.monotonic(), None
        bar = tqdm(total=job.steps, desc=job.name, unit="step", disable=None, position=1, leave=False)
        try:
            with bar:
                status = self.launch(folder, overrides, lambda done: _advance(bar, done))
        finally:
            state.record_launch(folder, time.monotonic() - begun, status)
        return status

    # ---- evaluations ----

    def _attempt_evaluation(self, evaluation: Evaluation) -> None:
        folder, begun = state.evaluation_folder(self.out, evaluation), time.monotonic()
        job = evaluation.last_job(self.settings)
        if state.is_evaluated(folder):
            return
        if state.result_of(self.out, job) is None:
            self.waiting[f"evaluation of {evaluation.name}"] = f"{job.name} has not finished"
            return
        self.wait_for_earlier(folder)
        folder.mkdir(parents=True, exist_ok=True)
        assert self.evaluate is not None
        status = self.evaluate(folder, self._evaluation_overrides(evaluation))
        if status:
            reason = f"exit status {status}; its log: {folder / LOG_FILE}"
            self.failed[f"evaluation of {evaluation.name}"] = reason
            tqdm.write(f"failed: evaluation of {evaluation.name}: {reason}")
            return
        seconds = time.monotonic() - begun
        state.mark_evaluated(folder, {"seconds": round(seconds, 1), **self.made_with})
        tqdm.write(f"finished: evaluation of {evaluation.name}, {seconds:.0f} s")

    def _evaluation_overrides(self, evaluation: Evaluation) -> list[str]:
        job = evaluation.last_job(self.settings)
        own = {
            "model": self.model_of(job),
            "benchmarks": self.task(evaluation.seed) / data.TEST,
            "out": state.evaluation_results(state.evaluation_folder(self.out, evaluation)),
            "n": self.settings.samples,
            "seed": evaluation.seed,
        }
        return [f"{key}={value}" for key, value in own.items()]

    def model_of(self, job: Job) -> Path:
        """The model that a finished run left; after the validation of the base model, the base model."""
        if job.stage_name is None:
            return self.task(job.seed) / data.MODEL
        return state.exported_model(state.folder_of(self.out, job), job.steps)

    def _identity(self, job: Job, rate: float | None) -> dict[str, Any]:
        return {
            "name": job.name,
            "kind": job.kind,
            "method": job.method,
            "seed": job.seed,
            "stage": job.stage,
            "stage_name": job.stage_name,
            "learning_rate": rate,
            **self.made_with,
        }


def _advance(bar: tqdm, done: int) -> None:
    bar.update(max(0, done - bar.n))
    bar.refresh()
