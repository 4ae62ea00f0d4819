# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Generate and verify the samples that a plan lacks. Every result goes to disk as soon as it exists."""

import contextlib
import sys
import time
from typing import Any

import ray
from tqdm import tqdm

from hpt.common.seeds import sample_seed
from hpt.evaluation import cluster
from hpt.evaluation.generate import Dispatch, Engine
from hpt.evaluation.manifest import read_manifest
from hpt.evaluation.plan import Part, Plan
from hpt.evaluation.store import Key, Sample
from hpt.evaluation.verification import Verification
from hpt.evaluation.worker import Completion, Request

# Seconds between two lines of progress without a terminal.
_LOG_INTERVAL_S = 30.0
_WAIT_S = 0.2


class Progress(tqdm):
    """A bar over samples with their verdicts: samples per second, tokens per second, time left."""

    def __init__(self, total: int, done: int) -> None:
        interval = 0.5 if sys.stderr.isatty() else _LOG_INTERVAL_S
        super().__init__(total=total, initial=done, unit="sample", desc="starting vLLM", mininterval=interval)
        self.tokens, self.since = 0, 0.0

    def started(self) -> None:
        """The first engine is ready: throughput counts from here."""
        if not self.since:
            self.set_description("sampling", refresh=False)
            self.unpause()
            self.since = time.monotonic()

    def generated(self, tokens: int) -> None:
        self.tokens += tokens
        rate = self.tokens / max(1e-9, time.monotonic() - self.since)
        self.set_postfix_str(f"{rate:.0f} tokens/s", refresh=False)


class Launch:
    """What happens to requests, completions and verdicts, all in one thread."""

    def __init__(self, plan: Plan, verification: Verification[tuple[Part, Key]], progress: Progress) -> None:
        self.plan, self.verification, self.progress = plan, verification, progress
        self.requests: list[Request] = []
        self.origin: list[tuple[Part, Key]] = []
        self.questions: dict[tuple[str, str], Any] = {}
        for part in plan.parts:
            self._add_requests(part)

    def _add_requests(self, part: Part) -> None:
        name = part.benchmark.name
        prompts = {}
        for question, prompt, opening in zip(part.benchmark.questions, part.prompts, part.openings, strict=True):
            self.questions[name, question.id], prompts[question.id] = (question, opening), prompt
        for key in part.store.missing(part.n):
            seed = sample_seed(self.plan.settings.seed, name, *key)
            self.requests.append(Request(len(self.origin), prompts[key.question], seed))
            self.origin.append((part, key))

    def resume_verification(self) -> None:
        """Submit the samples that an earlier launch generated but did not verify."""
        for part in self.plan.parts:
            for sample in part.store.unjudged(part.n):
                self._submit(part, sample)

    def completed(self, completion: Completion) -> None:
        part, key = self.origin[completion.number]
        seed = self.requests[completion.number].seed
        sample = Sample(*key, seed, completion.text, completion.tokens, completion.finish_reason)
        part.store.add(sample)
        self.progress.generated(sample.tokens)
        self._submit(part, sample)

    def _submit(self, part: Part, sample: Sample) -> None:
        question, opening = self.questions[part.benchmark.name, sample.question]
        self.verification.submit((part, sample.key), opening + sample.text, question.answer, question.kind)

    def take_verdicts(self, wait_s: float = 0.0) -> None:
        for (part, key), verdict in self.verification.verdicts(wait_s):
            part.store.judge(key, verdict.score, verdict.extracted, verdict.reason)
            self.progress.update()
            if part.store.complete_count == part.total:
                part.store.finish(part.n)

    def started(self, engine: dict[str, Any]) -> None:
        record_engine(self.plan, engine)
        self.progress.started()

    def dispatch(self) -> None:
        """Start the engines and generate every request."""
        settings, model = self.plan.settings, self.plan.model
        workers = min(cluster.number_of_workers(settings), len(self.requests))
        engines = [Engine(*cluster.start_worker(settings, number, self.plan.out)) for number in range(workers)]
        arguments = (
            cluster.engine_arguments(settings, model.folder, self.plan.max_model_len),
            cluster.sampling_arguments(settings),
        )
        calls = self.started, self.completed, self.take_verdicts
        try:
            Dispatch(engines, self.requests, settings.max_num_seqs, arguments, *calls).run()
        finally:
            for engine in engines:
                ray.kill(engine.actor)


def generate(plan: Plan) -> None:
    """Work until every sample of the plan exists and has its verdict.

    Raises:
        hpt.evaluation.worker.GenerationError, ConfigError, KeyboardInterrupt: finished samples are kept.
    """
    done = sum(part.store.complete_count for part in plan.parts)
    with contextlib.ExitStack() as stack:
        for part in plan.parts:
            stack.enter_context(part.store)
        progress = stack.enter_context(Progress(sum(part.total for part in plan.parts), done))
        verification: Verification[tuple[Part, Key]] = Verification(plan.settings.verifier)
        launch = Launch(plan, stack.enter_context(verification), progress)
        launch.resume_verification()
        if launch.requests:
            stack.enter_context(cluster.cluster(plan.settings))
            launch.dispatch()
        while verification.pending:
            launch.take_verdicts(_WAIT_S)


def record_engine(plan: Plan, engine: dict[str, Any]) -> None:
    """Add an engine's description of itself to the manifest, unless it is there."""
    settings = plan.settings
    engine = {**engine, "tensor_parallel": settings.tensor_parallel, "batch_invariant": settings.batch_invariant}
    manifest = read_manifest(plan.out)
    if engine in manifest.engines:
        return
    if manifest.engines:
        print(
            f"warning: {manifest.engines[-1]} made earlier samples in {plan.out}, {engine} makes these. All follow the "
            "same distribution, but neither engine alone would have given the same set",
            file=sys.stderr,
        )
    plan.manifest.engines = [*manifest.engines, engine]
    plan.manifest.save(plan.out)
