# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Supervised training of the built-in base model, and its greedy accuracy.

Shapes: (b, T) is a batch of rows by the tokens of its longest row.
"""

import contextlib
import random
from collections.abc import Iterator, Sequence

import torch
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from recipe.hpt.reproduction.task.model import BaseModelSettings
from recipe.hpt.reproduction.task.questions import (
    MAX_SOLUTION_TOKENS,
    TRAIN_LEVELS,
    VAL_LEVELS,
    Problem,
    all_problems,
    answer_text,
    boxed_answer,
    level_problems,
    question_text,
    solution_text,
)

_IGNORED_LABEL = -100


def supervised_batch(
    questions: Sequence[Problem], tokenizer: PreTrainedTokenizerBase
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids (b, T) and labels (b, T), padded on the right to the longest row.

    Labels are the ids of the solution and the end token. They are -100 on the question and on padding.
    """
    rows = []
    for problem in questions:
        prompt = tokenizer.encode(question_text(problem), add_special_tokens=False)
        solution = tokenizer.encode(solution_text(problem), add_special_tokens=False)
        rows.append((prompt, [*solution, tokenizer.eos_token_id]))
    longest = max(len(prompt) + len(solution) for prompt, solution in rows)
    ids = torch.full((len(rows), longest), tokenizer.pad_token_id)
    labels = torch.full((len(rows), longest), _IGNORED_LABEL)
    for i, (prompt, solution) in enumerate(rows):
        end = len(prompt) + len(solution)
        ids[i, :end] = torch.tensor(prompt + solution)
        labels[i, len(prompt) : end] = torch.tensor(solution)
    return ids, labels


def _learning_rate_factor(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / max(1, steps // 20))


def fit(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: BaseModelSettings,
    progress: bool = True,
) -> float:
    """Train `model` in place and return the mean loss of the last tenth of the steps, in nats.

    The loss is the mean over the solution tokens of a batch. Held-out questions are never drawn.
    """
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _learning_rate_factor(step, settings.steps))
    rng = random.Random(f"{settings.seed}/base")
    pools = [all_problems(level, held_out=False) for level in settings.levels]
    hard = [all_problems(level, held_out=False) for level in TRAIN_LEVELS]

    def draw() -> Problem:
        is_hard = settings.hard_share and rng.random() < settings.hard_share
        return rng.choice(rng.choice(hard if is_hard else pools))

    losses: list[float] = []
    model.train()
    bar = tqdm(range(settings.steps), desc="base model", unit="step", disable=not progress)
    for _ in bar:
        questions = [draw() for _ in range(settings.batch_size)]
        ids, labels = supervised_batch(questions, tokenizer)
        # Right padding needs no attention mask: no scored position attends to it.
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=_IGNORED_LABEL
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
    model.eval()
    last = losses[-max(1, settings.steps // 10) :]
    return sum(last) / len(last)


@torch.no_grad()
def greedy_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    max_new_tokens: int = MAX_SOLUTION_TOKENS,
) -> list[str]:
    """The greedy continuation of each prompt, in one batch, without special tokens."""
    encoded = tokenizer(list(prompts), return_tensors="pt", padding=True, padding_side="left")
    generated = model.generate(
        input_ids=encoded["input_ids"],
        attention_mask=encoded["attention_mask"],
        do_sample=False,
        max_new_tokens=max_new_tokens,
    )
    continuations = generated[:, encoded["input_ids"].shape[1] :]
    return tokenizer.batch_decode(continuations, skip_special_tokens=True)


def accuracy_per_level(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    per_level: int,
    seed: int = 0,
    levels: Sequence[int] = VAL_LEVELS,
) -> dict[int, float]:
    """Greedy accuracy on up to `per_level` held-out questions of each level, in [0, 1]."""
    questions: list[Problem] = []
    for level in levels:
        rng = random.Random(f"{seed}/accuracy/{level}")
        questions += level_problems(level, per_level, rng, held_out=True)
    texts = greedy_texts(model, tokenizer, [question_text(problem) for problem in questions])
    right: dict[int, list[bool]] = {level: [] for level in levels}
    for text, problem in zip(texts, questions, strict=True):
        right[problem.level].append(boxed_answer(text) == answer_text(problem))
    return {level: sum(hits) / len(hits) for level, hits in right.items()}


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads within the context."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
