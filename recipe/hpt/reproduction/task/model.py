# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Settings, tokenizer and architecture of the built-in base model.

The tokenizer is Qwen2's byte-level BPE with a vocabulary of 36 pieces: the task's characters and `boxed`. The model
is a Qwen2 of 0.65 M parameters. `recipe.hpt.reproduction.task.training` trains it.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

import torch
from transformers import GenerationConfig, PreTrainedTokenizerBase, Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from hpt.common.errors import ConfigError

# The names are Qwen's: for every model of a Qwen type, verl's agent loop looks up "<|im_end|>" and demands that "\n"
# is one token. AutoTokenizer gives a Qwen2 checkpoint Qwen2's own pre-tokenizer, whatever was saved. The pieces
# therefore come from its byte-level alphabet: a space is "Ġ", a newline is "Ċ".
PAD, EOS = "<|endoftext|>", "<|im_end|>"
_CHARACTERS = (*"0123456789", *"+-*/=:,.x(){}\\", *"boed", "Ġ", "Ċ")
_MERGES = (("b", "o"), ("bo", "x"), ("box", "e"), ("boxe", "d"))
_CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
MAX_LENGTH = 256
"""Longest sequence in tokens."""
PARAMETERS = 645_632
"""Number of them in the base model with the default settings."""

FORMAT_VERSION = 3
"""Part of the fingerprint. Raise it when the same settings would give another model."""


@dataclass(frozen=True)
class BaseModelSettings:
    """Everything the base model depends on.

    Attributes:
        seed: seed of the initial weights and of the training questions.
        levels: levels to train on, drawn with equal probability.
        hard_share: share of the questions that are drawn from all training levels of the task instead. With a few of
            them the base model solves some questions of each, so that RL alone has a signal.
        steps: optimizer steps.
        batch_size: questions per step.
        learning_rate: AdamW's rate. It is constant after a warm-up over the first 5 % of the steps.
        hidden_size, num_layers, num_heads: size of the transformer. The default head size, 128 / 4 = 32, is the
            smallest one that vLLM's CPU attention supports.
        eval_per_level: held-out questions per level for the accuracies in the manifest.

    Raises:
        ConfigError: a count or a rate that is not positive, or no level.
    """

    seed: int = 0
    levels: tuple[int, ...] = (1, 2)
    steps: int = 400
    batch_size: int = 64
    learning_rate: float = 2e-3
    hidden_size: int = 128
    num_layers: int = 3
    num_heads: int = 4
    eval_per_level: int = 64
    hard_share: float = 0.0

    def __post_init__(self) -> None:
        if min(self.steps, self.batch_size, self.eval_per_level) < 1 or self.learning_rate <= 0:
            raise ConfigError(f"got {self}; steps, batch_size, eval_per_level and learning_rate must be positive")
        if not 0 <= self.hard_share <= 1:
            raise ConfigError(f"got hard_share={self.hard_share}; expected a share, 0 to 1")
        if not self.levels or min(self.levels) < 1:
            raise ConfigError(f"got levels={self.levels}; expected at least one level, from 1 up")

    def fingerprint(self) -> str:
        """A hash of the settings and of the format they were written in."""
        settings = asdict(self)
        if not self.hard_share:  # models from before it was a setting are the same
            del settings["hard_share"]
        text = json.dumps({"format_version": FORMAT_VERSION, **settings}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def build_tokenizer() -> Qwen2Tokenizer:
    """A Qwen2 tokenizer with one token per character of the task, and one for `boxed`.

    Its chat template renders the contents of the messages and nothing else. It pads on the left, as generation needs.
    """
    pieces = (PAD, EOS, *_CHARACTERS, *("".join(pair) for pair in _MERGES))
    tokenizer = Qwen2Tokenizer(
        vocab={piece: i for i, piece in enumerate(pieces)},
        merges=list(_MERGES),
        pad_token=PAD,
        eos_token=EOS,
        unk_token=PAD,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=MAX_LENGTH,
    )
    tokenizer.chat_template = _CHAT_TEMPLATE
    return tokenizer


def build_model(settings: BaseModelSettings, tokenizer: PreTrainedTokenizerBase) -> Qwen2ForCausalLM:
    """A Qwen2 with random float32 weights that depend on `settings.seed` alone."""
    config = Qwen2Config(
        # The vocabulary is not rounded up. vLLM never samples an id that the tokenizer lacks, while the actor would
        # give such ids probability, and the two log-probabilities would drift apart.
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        intermediate_size=3 * settings.hidden_size,
        num_hidden_layers=settings.num_layers,
        num_attention_heads=settings.num_heads,
        num_key_value_heads=settings.num_heads,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = Qwen2ForCausalLM(config).float()
    model.generation_config = GenerationConfig(pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id)
    return model
