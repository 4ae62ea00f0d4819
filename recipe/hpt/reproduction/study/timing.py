# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""How long a study is expected to take on 2 cores, from runs of the quickstart on a busy machine. Imports no torch."""

from recipe.hpt.reproduction.methods import STAGES
from recipe.hpt.reproduction.study.plan import Job
from recipe.hpt.reproduction.study.settings import Settings

LAUNCH_SECONDS = 40.0
BATCH_SECONDS = 8.0
"""A batch of 64 questions with 4 rollouts each."""
SFT_BATCH_SECONDS = 1.5
"""The same batch without rollouts."""
VALIDATION_SECONDS = 11.0
"""A validation on 448 questions."""
BASE_MODEL_SECONDS = 90.0
EVALUATION_LAUNCH_SECONDS = 25.0
SAMPLES_PER_SECOND = 300.0
"""Samples that an evaluation generates and verifies."""


def gain(at_once: int) -> float:
    """How much sooner trainings end on 2 cores where several run at once (docs/results/study.md)."""
    return 1.4 if at_once > 1 else 1.0


def seconds_of(job: Job, settings: Settings) -> float:
    """The expected time of a run, without the training of its base model."""
    if job.stage_name is None:
        return LAUNCH_SECONDS + VALIDATION_SECONDS
    batch = BATCH_SECONDS if STAGES[job.stage_name].generates else SFT_BATCH_SECONDS
    validations = -(-job.steps // settings.validate_every) if job.kind == "final" else 1
    return LAUNCH_SECONDS + job.steps * batch + validations * VALIDATION_SECONDS


def seconds_of_evaluation(settings: Settings, questions: int) -> float:
    """The expected time of an evaluation on ``questions`` questions."""
    return EVALUATION_LAUNCH_SECONDS + settings.samples * questions / SAMPLES_PER_SECOND
