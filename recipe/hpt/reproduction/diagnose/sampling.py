# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Rollouts by plain Hugging Face generation, and the steps of SFT that move one policy away from another.

This is the only module of the diagnosis, besides the command, that needs transformers.
"""

from collections.abc import Sequence

import torch
from transformers import GenerationConfig

from hpt.common.errors import ConfigError
from recipe.hpt.reproduction.diagnose.gradients import evaluation_mode, response_log_probs
from recipe.hpt.reproduction.diagnose.questions import Question
from recipe.hpt.reproduction.diagnose.stream import Progress, no_progress

BATCH_ROWS = 512
"""Rows that are generated together. A wider batch waits longer for its longest row."""
BETAS = (0.9, 0.95)
"""AdamW's betas, as in the quickstart."""
MAX_GRADIENT_NORM = 1.0


def end_tokens(model) -> tuple[int, ...]:
    """Ids of the tokens that end a response.

    Raises:
        ConfigError: the model names none.
    """
    ids = model.generation_config.eos_token_id
    if ids is None:
        raise ConfigError(
            "got a model without an end-of-sequence token; set eos_token_id in its generation_config.json"
        )
    return tuple(ids) if isinstance(ids, list | tuple) else (ids,)


def _generation_config(model, max_new_tokens: int) -> GenerationConfig:
    """Plain sampling from the model's distribution, whatever the checkpoint recommends."""
    ends = end_tokens(model)
    pad = model.generation_config.pad_token_id
    return GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        repetition_penalty=1.0,
        max_new_tokens=max_new_tokens,
        eos_token_id=list(ends),
        pad_token_id=ends[0] if pad is None else pad,
    )


def cut(row: Sequence[int], ends: Sequence[int]) -> list[int]:
    """The row up to its first end token, that token included."""
    found = [i for i, token in enumerate(row) if token in ends]
    return list(row[: found[0] + 1]) if found else list(row)


@torch.no_grad()
def _generate(model, prompts: Sequence[Sequence[int]], config: GenerationConfig) -> list[list[int]]:
    longest = max(len(prompt) for prompt in prompts)
    ids = torch.full((len(prompts), longest), config.pad_token_id)
    mask = torch.zeros_like(ids)
    for i, prompt in enumerate(prompts):
        ids[i, longest - len(prompt) :] = torch.tensor(prompt)
        mask[i, longest - len(prompt) :] = 1
    generated = model.generate(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        generation_config=config,
    )
    return [cut(row, config.eos_token_id) for row in generated[:, longest:].tolist()]


def sample(
    model,
    prompts: Sequence[Sequence[int]],
    count: int,
    max_new_tokens: int,
    seed: int,
    *,
    progress: Progress = no_progress,
    label: str = "rollouts",
) -> list[list[list[int]]]:
    """``count`` independent responses to each prompt, at temperature 1 from the whole distribution.

    Args:
        model: a Hugging Face causal language model.
        prompts: token ids of each prompt.
        count: responses per prompt.
        max_new_tokens: longest response; one that has not ended by then stays without an end token.
        seed: seed of the sampling; the caller's random state is left as it was.
        progress: (items, label) -> items, a progress bar.
        label: label of the progress bar.

    Returns:
        Token ids by prompt and response, the end token included.
    """
    config = _generation_config(model, max_new_tokens)
    rows = [prompt for prompt in prompts for _ in range(count)]
    responses: list[list[int]] = []
    with torch.random.fork_rng(), evaluation_mode(model):
        torch.manual_seed(seed)
        for start in progress(range(0, len(rows), BATCH_ROWS), label):
            responses += _generate(model, rows[start : start + BATCH_ROWS], config)
    return [responses[start : start + count] for start in range(0, len(rows), count)]


@torch.no_grad()
def log_probs(model, prompt: Sequence[int], responses: Sequence[Sequence[int]]) -> list[list[float]]:
    """Log-probabilities of each response's tokens under the model, in nats, as plain lists."""
    with evaluation_mode(model):
        rows, _ = response_log_probs(model, prompt, responses)
    pairs = zip(rows.tolist(), responses, strict=True)
    return [row[: len(response)] for row, response in pairs]


def demonstration_loss(model, questions: Sequence[Question]) -> torch.Tensor:
    """Mean of -log pi over the tokens of the questions' demonstrations, in nats; one forward pass."""
    rows = [(list(each.prompt), list(each.demonstration or ())) for each in questions]
    longest = max(len(prompt) + len(solution) for prompt, solution in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    attended, scored = torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
    for i, (prompt, solution) in enumerate(rows):
        end = len(prompt) + len(solution)
        ids[i, :end] = torch.tensor(prompt + solution)
        attended[i, :end], scored[i, len(prompt) : end] = 1, True
    ids, attended, scored = (x.to(model.device) for x in (ids, attended, scored))
    logits = model(input_ids=ids, attention_mask=attended, use_cache=False).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits[scored[:, 1:]].float(), ids[:, 1:][scored[:, 1:]])


def supervised_step(model, optimizer, questions: Sequence[Question]) -> float:
    """One optimizer step of SFT on the questions' demonstrations; returns the loss in nats."""
    with evaluation_mode(model):
        loss = demonstration_loss(model, questions)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
        optimizer.step()
        optimizer.zero_grad()
    return loss.item()
