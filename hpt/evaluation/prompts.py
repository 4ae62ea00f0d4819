# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Questions as the model sees them: token ids, by the chat template or by the prompt template of training."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from hpt.common import tokenizers
from hpt.common.errors import ConfigError
from hpt.common.prompts import as_chat_template
from hpt.evaluation.model import Model
from hpt.evaluation.questions import Benchmark


def load_tokenizer(model: Model, prompt_template: str | None) -> Any:
    """Load the model's tokenizer; ``prompt_template``, if given, replaces its chat template.

    Raises:
        ConfigError: the tokenizer cannot be loaded, or there is neither a chat template nor a prompt template.
    """
    tokenizer = tokenizers.load_tokenizer(model.folder, f"model={model.name}")
    if prompt_template is not None:
        tokenizer.chat_template = as_chat_template(prompt_template)
    if not tokenizer.chat_template:
        raise ConfigError(
            f"got model={model.name}, whose tokenizer has no chat template, and prompt_template=null; expected one of "
            "the two: set prompt_template to a text with {prompt}"
        )
    return tokenizer


def render(benchmark: Benchmark, tokenizer: Any) -> list[list[int]]:
    """Token ids of every question, as in verl's agent loop: the messages, then the beginning of an answer."""
    return [
        tokenizer.apply_chat_template(
            list(question.messages), add_generation_prompt=True, tokenize=True, return_dict=False
        )
        for question in benchmark.questions
    ]


def digest(prompts: Sequence[Sequence[int]]) -> str:
    """SHA-256 of token ids."""
    return hashlib.sha256(json.dumps([list(ids) for ids in prompts]).encode()).hexdigest()


def context_length(longest_prompt: int, max_tokens: int, max_model_len: int | None, model: Model) -> int:
    """Length in tokens of the longest sequence that the engines must hold.

    Raises:
        ConfigError: it exceeds ``max_model_len``, or what the model supports.
    """
    needed = longest_prompt + max_tokens
    length = needed if max_model_len is None else max_model_len
    what = f"a prompt of {longest_prompt} tokens and max_tokens={max_tokens}"
    if length < needed:
        raise ConfigError(f"got max_model_len={max_model_len} for {what}; expected at least {needed}")
    positions = model.positions
    if positions is not None and length > positions:
        raise ConfigError(
            f"got {what}, {length} tokens, for a model of {positions} positions (max_position_embeddings); expected no "
            "more: lower max_tokens, or prepare the model for longer sequences"
        )
    return length
