# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m recipe.hpt.reproduction.diagnose``: policies, rollouts, diagnosis, report.

Three pools of rollouts of the same questions: the model's own twice (to diagnose, and for the reference)
and those of an older policy, which the model has left behind by some steps of SFT on other questions.
Imports of transformers, the data and the verifier stay inside functions: the estimator needs torch only.
"""

import argparse
import copy
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

CACHE = Path("runs/quickstart")
"""The quickstart's default folder: its task and base model serve here too."""
OUT = Path("runs/diagnose")
TRAIN_FILE, MODEL_FOLDER = "train.parquet", "base_model"
SUPERVISED_QUESTIONS = 32
"""Questions in a step of SFT."""
DEFAULT_WARMUP = 64
"""Steps from the built-in base model to mean scores all over [0, 1]; the base itself solves two levels
always and the others never, and unanimous groups tell nothing about estimators on rollouts."""


@dataclass(frozen=True)
class Pools:
    """The model and its questions with three pools of rollouts; see the module."""

    model: Any
    own: list
    reference: list
    older: list


def at_least(smallest: int) -> Callable[[str], int]:
    """A parser of integers >= ``smallest``."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < smallest:
            raise argparse.ArgumentTypeError(f"got {text!r}; expected an integer >= {smallest}")
        return int(text)

    return parse


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="hpt diagnose",
        description="Norm, variance, bias and effective sample size of every entry on a model and its rollouts.",
        epilog="Example: hpt diagnose --questions 8 --rollouts 16 --reference-rollouts 32",
    )

    def number(name: str, smallest: int, default: int, text: str) -> None:
        parser.add_argument(name, type=at_least(smallest), default=default, help=f"{text} ({default})")

    parser.add_argument(
        "--task",
        type=Path,
        help="folder with train.parquet (default: the built-in task, made on first use)",
    )
    parser.add_argument("--model", type=Path, help="Hugging Face checkpoint (default: the task's base_model)")
    number("--seed", 0, 0, "of task, base model and sampling")
    number("--questions", 2, 24, "Q")
    number("--rollouts", 4, 64, "M, rollouts per question and pool")
    number("--group", 2, 8, "n, rollouts in a group")
    number("--reference-rollouts", 4, 128, "rollouts per question for the reference gradient")
    number("--max-response-length", 1, 64, "L_max in tokens")
    parser.add_argument(
        "--warmup-steps",
        type=at_least(0),
        help=f"steps of SFT before anything is sampled ({DEFAULT_WARMUP}; 0 with --model)",
    )
    number("--drift-steps", 0, 2, "steps of SFT from the older policy to the model")
    parser.add_argument("--learning-rate", type=float, default=6e-4, help="of the SFT (6e-4)")
    parser.add_argument("--algorithms", help="comma-separated entries (default: all that apply)")
    parser.add_argument("--out", type=Path, help=f"folder to write into (default: {OUT}/seed<seed>)")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    return run(parse_arguments(arguments))


def run(options: argparse.Namespace) -> int:
    """Diagnose and report; 0 done, 2 wrong settings or files, 130 interrupted."""
    try:
        check(options)
        _diagnose_and_report(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def check(options: argparse.Namespace) -> None:
    """Refuse what can be known to fail, before minutes are spent.

    Raises:
        ValueError: what was wrong, and what was expected.
    """
    for name in ("rollouts", "reference_rollouts"):
        got, least = getattr(options, name), 2 * options.group
        if got < least:
            raise ValueError(
                f"got --{name.replace('_', '-')} {got} with --group {options.group}; a variance needs "
                f"two groups: expected at least {least}"
            )
    if not 0 < options.learning_rate < 1:
        raise ValueError(f"got --learning-rate {options.learning_rate}; expected a number between 0 and 1")
    if options.task is not None and not options.task.is_dir():
        raise ValueError(
            f"--task {options.task} is no folder; expected one with {TRAIN_FILE}, as "
            "python -m recipe.hpt.reproduction.task.base_model --out writes it"
        )
    if options.model is not None and not (options.model / "config.json").is_file():
        raise ValueError(
            f"--model {options.model} has no config.json; expected a folder with a Hugging Face checkpoint"
        )
    if options.out is not None and options.out.exists() and not options.out.is_dir():
        raise ValueError(f"--out {options.out} is a file; expected a folder")
    _chosen(options)


def _chosen(options: argparse.Namespace) -> list | None:
    """The entries asked for and the contrasts, or None for all."""
    from recipe.hpt.reproduction.diagnose.variants import choose

    if options.algorithms is None:
        return None
    return choose([name.strip() for name in options.algorithms.split(",") if name.strip()])


def _progress(items: Iterable, label: str) -> Iterable:
    from tqdm import tqdm

    return tqdm(items, desc=f"{label:<22}", leave=False)


def _task_folder(options: argparse.Namespace) -> Path:
    """The folder given, or that of the built-in task, made unless it is there."""
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
    """(model in float32, tokenizer).

    Raises:
        ValueError: no checkpoint there.
    """
    path = options.model or folder / MODEL_FOLDER
    if not (path / "config.json").is_file():
        raise ValueError(f"{path} has no config.json; name a Hugging Face checkpoint with --model")
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(path, dtype="float32")
    return model.eval(), AutoTokenizer.from_pretrained(path)


def _train(model, optimizer, questions: Sequence, label: str) -> None:
    """One step of SFT per ``SUPERVISED_QUESTIONS`` questions."""
    from recipe.hpt.reproduction.diagnose.sampling import supervised_step

    starts = range(0, len(questions), SUPERVISED_QUESTIONS)
    for start in _progress(starts, label):
        part = questions[start : start + SUPERVISED_QUESTIONS]
        supervised_step(model, optimizer, [each.question() for each in part])


def _pools(options: argparse.Namespace) -> Pools:
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
        # Each pool has a stream of its own, whatever the sizes of the others.
        seed = 3 * options.seed + number
        prompts = [each.prompt for each in questions]
        length = options.max_response_length
        responses = sample(policy, prompts, rollouts, length, seed, progress=_progress, label=label)
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


def _diagnose_and_report(options: argparse.Namespace) -> None:
    from recipe.hpt.reproduction.diagnose import tables as report
    from recipe.hpt.reproduction.diagnose.claims import claims
    from recipe.hpt.reproduction.diagnose.estimate import diagnose, reference_gradient
    from recipe.hpt.reproduction.diagnose.variants import CONTRASTS

    begun = time.monotonic()
    pools = _pools(options)
    sampled = time.monotonic()
    reference = reference_gradient(pools.model, pools.reference, options.group, progress=_progress)

    def diagnosed(questions: list, label: str):
        return diagnose(
            pools.model,
            questions,
            group_size=options.group,
            max_response_length=options.max_response_length,
            algorithms=_chosen(options),
            contrasts=CONTRASTS,
            reference=reference,
            progress=_progress,
            label=label,
        )

    own, older = diagnosed(pools.own, "on-policy"), diagnosed(pools.older, "off-policy")
    found = report.Report(
        settings={name: str(value) for name, value in vars(options).items()},
        seconds={
            "policies and rollouts": sampled - begun,
            "diagnosis": time.monotonic() - sampled,
        },
        on_policy=own,
        off_policy=older,
        claims=claims(own, older),
    )
    report.show(found, options.markdown)
    out = options.out or OUT / f"seed{options.seed}"
    for path in report.write(found, out):
        print(path)
