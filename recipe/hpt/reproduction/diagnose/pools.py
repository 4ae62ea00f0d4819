# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Policies and their rollouts: the model, an older policy, and three pools of rollouts of the same questions.

The model itself samples two pools: one to diagnose, and one for the reference. The older policy samples the third; some
steps of SFT on other questions lead from it to the model. Transformers, the data and the verifier are imported inside
functions, because the estimator needs torch only.
"""

import argparse
import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hpt.common.errors import ConfigError

CACHE = Path("runs/quickstart")
"""The quickstart's default folder, whose task and base model are used here, too."""
TRAIN_FILE, MODEL_FOLDER = "train.parquet", "base_model"
SUPERVISED_QUESTIONS = 32
"""Questions per step of SFT."""
DEFAULT_WARMUP = 64
"""Steps from the built-in base model to mean scores all over [0, 1]. The base model itself solves two levels always and
the others never, and unanimous groups say nothing about estimators on rollouts."""


@dataclass(frozen=True)
class Pools:
    """The model, and its questions with each of the three pools of rollouts."""

    model: Any
    own: list
    reference: list
    older: list


def progress(items: Iterable, label: str) -> Iterable:
    """The items with a progress bar."""
    from tqdm import tqdm

    return tqdm(items, desc=f"{label:<22}", leave=False)


def _task_folder(options: argparse.Namespace) -> Path:
    """The folder that was named, or that of the built-in task, which is made unless it is there."""
    if options.task is not None:
        return options.task
    from recipe.hpt.reproduction.task.base_model import BaseModelSettings, train_base_model
    from recipe.hpt.reproduction.task.questions import write_task

    folder = CACHE / f"task-seed{options.seed}"
    write_task(folder, seed=options.seed)
    if options.model is None:
        train_base_model(folder / MODEL_FOLDER, BaseModelSettings(seed=options.seed))
    return folder


def _load(options: argparse.Namespace, folder: Path) -> tuple[Any, Any]:
    """Load the model in float32 and the tokenizer.

    Raises:
        ConfigError: there is no checkpoint.
    """
    path = options.model or folder / MODEL_FOLDER
    if not (path / "config.json").is_file():
        raise ConfigError(f"got {path}, which has no config.json; name a Hugging Face checkpoint with --model")
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(path, dtype="float32")
    return model.eval(), AutoTokenizer.from_pretrained(path)


def _train(model, optimizer, questions: Sequence, label: str) -> None:
    """Take one step of SFT per ``SUPERVISED_QUESTIONS`` questions."""
    from recipe.hpt.reproduction.diagnose.sampling import supervised_step

    starts = range(0, len(questions), SUPERVISED_QUESTIONS)
    for start in progress(starts, label):
        part = questions[start : start + SUPERVISED_QUESTIONS]
        supervised_step(model, optimizer, [each.question() for each in part])


def sample_pools(options: argparse.Namespace) -> Pools:
    """Make or load the policies, and sample their rollouts.

    Args:
        options: the command's options.

    Raises:
        HPTError: no checkpoint, or a file without enough questions.
    """
    import torch

    from recipe.hpt.reproduction.diagnose.sampling import BETAS, log_probs, sample
    from recipe.hpt.reproduction.diagnose.task import read_questions, scored

    folder = _task_folder(options)
    model, tokenizer = _load(options, folder)
    warmup = options.warmup_steps
    if warmup is None:
        warmup = DEFAULT_WARMUP if options.model is None else 0
    drift = options.drift_steps
    count, supervised = options.questions, SUPERVISED_QUESTIONS * (warmup + drift)
    drawn = read_questions(
        folder / TRAIN_FILE,
        tokenizer,
        count + supervised,
        options.max_response_length,
        options.seed,
    )
    questions, others = drawn[:count], drawn[count:]
    optimizer = torch.optim.AdamW(model.parameters(), options.learning_rate, betas=BETAS)
    _train(model, optimizer, others[: SUPERVISED_QUESTIONS * warmup], "SFT before sampling")
    older = copy.deepcopy(model)
    _train(model, optimizer, others[SUPERVISED_QUESTIONS * warmup :], "SFT after sampling")

    def pool(policy, number: int, rollouts: int, label: str) -> list:
        # Each pool has a random stream of its own, whatever the sizes of the others.
        seed = 3 * options.seed + number
        prompts = [each.prompt for each in questions]
        length = options.max_response_length
        responses = sample(policy, prompts, rollouts, length, seed, progress=progress, label=label)
        return scored(tokenizer, questions, responses)

    def with_pools(pools: list) -> list:
        return [each.question(its) for each, its in zip(questions, pools, strict=True)]

    from_older = [
        replace(each, log_probs=log_probs(older, question.prompt, each.responses))
        for question, each in zip(questions, pool(older, 0, options.rollouts, "rollouts of pi_old"), strict=True)
    ]
    own = pool(model, 1, options.rollouts, "rollouts of pi_theta")
    reference = pool(model, 2, options.reference_rollouts, "rollouts, reference")
    return Pools(model, with_pools(own), with_pools(reference), with_pools(from_older))
