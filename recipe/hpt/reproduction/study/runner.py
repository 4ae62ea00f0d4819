# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Run what a study's plan asks for and its folder does not have yet.

The functions that launch trainings and evaluations are given to it. Trainings may run several at once, each in a
thread that waits for its process; everything else happens in the main thread.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hpt.common.files import write_json_lines
from recipe.hpt.launch import LOG_FILE
from recipe.hpt.reproduction.errors import StudyError
from recipe.hpt.reproduction.methods import METHODS, STAGES, swept_as
from recipe.hpt.reproduction.report.study import sweep_scores
from recipe.hpt.reproduction.study import data, plan, state
from recipe.hpt.reproduction.study.plan import Evaluation, Job, Places
from recipe.hpt.reproduction.study.settings import Budget, Settings
from recipe.hpt.reproduction.sweep import Choice, Tried, choose
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
        make_task: (folder, seed, settings) -> None, writes data and base model unless they are there.
        at_once: trainings that run at the same time.
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
    make_task: Callable[[Path, int, Settings], None] = data.make_task
    at_once: int = 1
    wait_for_earlier: Callable[[Path], None] = lambda folder: None
    made_with: Mapping[str, str | None] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    _interrupted: threading.Event = field(default_factory=threading.Event, init=False)
    _scores: dict[str, dict[Tried, float]] | None = field(default=None, init=False)

    @property
    def jobs(self) -> list[Job]:
        """As far as they are known: a search goes on from the runs that have finished."""
        return plan.all_jobs(self.settings, self.methods, self.scores)

    @property
    def every_job(self) -> list[Job]:
        return plan.all_jobs(self.settings, tuple(METHODS), self.scores)

    @property
    def scores(self) -> dict[str, dict[Tried, float]]:
        """What the finished runs of the sweeps scored."""
        if self._scores is None:
            self._scores = sweep_scores(state.finished(self.out, "sweep-*"), TRAIN_LEVELS)
        return self._scores

    @property
    def evaluations(self) -> list[Evaluation]:
        return plan.evaluations(self.settings, self.methods) if self.evaluate else []

    def task(self, seed: int) -> Path:
        return self.out / f"task-seed{seed}"

    def choice(self, stage: str) -> Choice:
        """What the finished runs of a stage's sweep choose."""
        scores = self.scores.get(swept_as(stage), {})
        return choose(scores, plan.sweep_of(self.settings, swept_as(stage), scores))

    def run(self) -> None:
        """Do every run that is not finished, those that are evaluated first; after a failure, note it and go on."""
        done: set[str] = set()
        with tqdm(desc="runs", unit="run", disable=None, position=0) as bar:
            if self.evaluations:
                self._train_all(bar, done, lambda job: job.kind == "sweep" or job.cell in self.settings.evaluated)
            for evaluation in self.evaluations:
                self._attempt_evaluation(evaluation)
                done.add(f"evaluation of {evaluation.name}")
                self._count(bar, done)
            self._train_all(bar, done, lambda job: True)
        self.waiting |= {job.name: reason for job in self.jobs if (reason := self._blocked(job))}

    def _train_all(self, bar: tqdm, checked: set[str], wanted: Callable[[Job], bool]) -> None:
        """Do the wanted runs, and add the names of those that were tried or found finished to ``checked``."""
        running: dict[Future[None], Job] = {}
        with ThreadPoolExecutor(self.at_once, thread_name_prefix="run") as pool:
            try:
                while True:
                    self._count(bar, checked, len(running))
                    while len(running) < self.at_once and (job := self._next(checked, wanted)):
                        running[self._begun(pool, job)] = job
                    if not running:
                        break
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        self._ended(running.pop(future), future)
            except BaseException:
                self._interrupted.set()  # The threads end their processes; leaving the pool waits for them.
                raise

    def _count(self, bar: tqdm, done: set[str], running: int = 0) -> None:
        bar.total = len(self.jobs) + len(self.evaluations)
        bar.n = len(done) - running
        bar.refresh()

    def _next(self, checked: set[str], wanted: Callable[[Job], bool]) -> Job | None:
        """The first wanted run that is neither finished nor tried, and not blocked; checks finished ones on the way."""
        for job in self.jobs:
            if job.name in checked or not wanted(job) or self._blocked(job):
                continue
            result = state.result_of(self.out, job)
            checked.add(job.name)
            if result is None:
                return job
            self._check_same(job, result)
        return None

    def _check_same(self, job: Job, result: dict[str, Any]) -> None:
        """Refuse a finished run whose overrides differ from those that this code gives it."""
        if self._blocked(job) is None and result["overrides"] != self._given(job):
            raise StudyError(
                f"got the finished run {state.folder_of(self.out, job)} with other overrides than this code gives it; "
                "the code has changed since: name a new study with --out, or remove the folder to repeat the run"
            )

    def _given(self, job: Job) -> list[str]:
        """A run's overrides without the name of the study's folder, and the same whether or not the run is resumed."""
        overrides = plan.overrides_of(job, self.settings, self.places(job), self.choice_for(job))
        return [item.replace(str(self.out), "OUT") for item in overrides]

    def _begun(self, pool: ThreadPoolExecutor, job: Job) -> Future[None]:
        """Make what a run needs, and submit it."""
        task = self.task(job.seed)
        self.make_task(task, job.seed, self.settings)
        data.check_disjoint(sorted(self.out.glob("task-seed*")))
        data.write_part(*self._part(job))
        return pool.submit(self._train, job, self.places(job), self.choice_for(job), self._given(job))

    def _ended(self, job: Job, future: Future[None]) -> None:
        self._scores = None
        try:
            future.result()
        except state.Unfinished as error:
            self.failed[job.name] = str(error)
            tqdm.write(f"failed: {job.name}: {error}")
        else:
            seconds = sum(launch["seconds"] for launch in state.launches_of(state.folder_of(self.out, job)))
            tqdm.write(f"finished: {job.name}, {seconds:.0f} s")
        write_json_lines(self.out / state.RESULTS, state.results_of(self.out, self.every_job))

    def _blocked(self, job: Job) -> str | None:
        if job.before and state.result_of(self.out, job.before) is None:
            return f"its first stage, {job.before.name}, has not finished"
        if job.before and state.result_of(self.out, job) is None and (reason := self._without_model(job.before)):
            return reason
        if job.kind == "final" and job.stage_name:
            missing = self.choice(job.stage_name).missing
            if missing:
                rates = ", ".join(_tried(each) for each in missing)
                return f"the sweep of {swept_as(job.stage_name)} lacks the learning rates {rates}"
        return None

    def _without_model(self, job: Job) -> str | None:
        """Why nothing can start from a finished run's model; packed results have none."""
        if job.stage_name is None or self.model_of(job).exists():
            return None
        return f"{job.name} has no model any more; remove {state.folder_of(self.out, job)} to repeat it"

    def choice_for(self, job: Job) -> Tried | None:
        """The learning rate and the weight of a run that is not blocked; None for the base model."""
        if job.stage_name is None:
            return None
        if job.learning_rate is not None:
            return job.learning_rate, job.weight
        choice = self.choice(job.stage_name)
        assert choice.learning_rate is not None
        return choice.learning_rate, choice.weight if STAGES[job.stage_name].weight else None

    def _part(self, job: Job) -> tuple[Path, int, int | None]:
        """A run's training file, its first question, and its rows; None: all. A few covered questions are repeated."""
        start, task = job.start * self.budget.questions, self.task(job.seed)
        if job.stage_name and STAGES[job.stage_name].covered and (file := data.covered_file(task, job.cell)):
            return file, start, job.steps * self.budget.questions
        return data.train_file(task, job.cell), start, None

    def places(self, job: Job) -> Places:
        task = self.task(job.seed)
        before = job.before
        return Places(
            folder=state.folder_of(self.out, job),
            train=data.part_file(*self._part(job)),
            held_out=data.held_out_files(task, self.settings, job.kind == "sweep"),
            model=self.model_of(before) if before else task / data.MODEL,
        )

    def _train(self, job: Job, places: Places, chosen: Tried | None, given: list[str]) -> None:
        """Run one training, and write its result.

        Raises:
            recipe.hpt.reproduction.study.state.Unfinished: the training failed.
        """
        folder = places.folder
        self.wait_for_earlier(folder)
        resumed = state.begin(folder, {"overrides": given})
        overrides = plan.overrides_of(job, self.settings, places, chosen, resumed)
        status = self._launched(job, folder, overrides)
        if status:
            raise state.Unfinished(f"exit status {status}; its log: {folder / LOG_FILE}")
        try:
            figures = state.measured(job, folder, self._budget_of(job))
        except state.Unfinished as error:
            raise state.Unfinished(f"{error}; its log: {folder / LOG_FILE}") from error
        state.finish(folder, {**self._identity(job, chosen), **figures, "overrides": given})

    def _budget_of(self, job: Job) -> Budget:
        """The size of the run's batches; a faulty SFT has smaller ones."""
        scaled = STAGES[job.stage_name].scaled if job.stage_name else {}
        sizes = [scaled.get("data.train_batch_size"), scaled.get("actor_rollout_ref.actor.ppo_mini_batch_size")]
        if None in sizes:
            return self.budget
        return replace(self.budget, questions=sizes[0], mini_batch=sizes[1])

    def _launched(self, job: Job, folder: Path, overrides: Sequence[str]) -> int:
        begun, status = time.monotonic(), None
        line = 1 + int(threading.current_thread().name.rpartition("_")[2])  # of the terminal, below the bar of all runs
        bar = tqdm(total=job.steps, desc=job.name, unit="step", disable=None, position=line, leave=False)
        try:
            with bar:
                status = self.launch(folder, overrides, lambda done: self._advance(bar, done))
        finally:
            state.record_launch(folder, time.monotonic() - begun, status)
        return status

    def _advance(self, bar: tqdm, done: int) -> None:
        if self._interrupted.is_set():
            raise KeyboardInterrupt
        bar.update(max(0, done - bar.n))
        bar.refresh()

    # ---- evaluations ----

    def _attempt_evaluation(self, evaluation: Evaluation) -> None:
        folder, begun = state.evaluation_folder(self.out, evaluation), time.monotonic()
        job = evaluation.last_job(self.settings)
        if state.is_evaluated(folder):
            return
        if state.result_of(self.out, job) is None:
            self.waiting[f"evaluation of {evaluation.name}"] = f"{job.name} has not finished"
            return
        if reason := self._without_model(job):
            self.waiting[f"evaluation of {evaluation.name}"] = reason
            return
        self.make_task(self.task(evaluation.seed), evaluation.seed, self.settings)
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

    def _identity(self, job: Job, chosen: Tried | None) -> dict[str, Any]:
        rate, weight = chosen or (None, None)
        return {
            "name": job.name,
            "kind": job.kind,
            "method": job.method,
            "seed": job.seed,
            "stage": job.stage,
            "stage_name": job.stage_name,
            "learning_rate": rate,
            "weight": weight,
            "cell": job.cell,
            **self.made_with,
        }


def _tried(tried: Tried) -> str:
    rate, weight = tried
    return f"{rate:g}" if weight is None else f"{rate:g} with the weight {weight:g}"
