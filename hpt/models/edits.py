# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Edits of a checkpoint's small files: configuration, chat template and padding token."""

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpt.common.errors import first_line
from hpt.common.files import read_json_object
from hpt.common.tokenizers import load_tokenizer
from hpt.models.checkpoints import CONFIG
from hpt.models.rope import set_max_positions, set_rope_theta
from hpt.models.templates import template_of

GENERATION, TOKENIZER = "generation_config.json", "tokenizer_config.json"
SPECIAL_TOKENS, TEMPLATE = "special_tokens_map.json", "chat_template.jinja"
JSON_FILES = (CONFIG, GENERATION, TOKENIZER, SPECIAL_TOKENS)
TRUNCATED = "it may be truncated: copy or download it again"
SHOWN_TOKENS = 20

PAD_TOKENS = ("<|finetune_right_pad_id|>", "<|endoftext|>", "<|pad|>", "<pad>", "[PAD]")
"""Tried in this order for a tokenizer without a padding token: LLaMA-3.1's, Qwen2.5's, and the usual names."""


@dataclass(frozen=True)
class Settings:
    """What to change; None changes nothing.

    Attributes:
        rope_theta: base of the rotary embeddings' frequencies, > 0.
        max_position_embeddings: longest sequence in tokens.
        chat_template: a name from `hpt.models.templates`, or a file.
        pad_token: a token of the vocabulary; None: one of `PAD_TOKENS` if the tokenizer has no padding token.
        model_type: the type that the checkpoint must have.
    """

    rope_theta: float | None = None
    max_position_embeddings: int | None = None
    chat_template: str | None = None
    pad_token: str | None = None
    model_type: str | None = None


def load_config(folder: Path) -> Any:
    """The configuration of a checkpoint, as transformers reads it.

    Raises:
        ValueError: transformers cannot load it.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"transformers cannot load {folder}: {first_line(error)}") from error


class Edits:
    """A checkpoint's small files, edited in memory.

    Args:
        source: the checkpoint's folder.

    Raises:
        ValueError: it has no config.json, no tokenizer, or a tokenizer without EOS.
    """

    def __init__(self, source: Path):
        if not (source / CONFIG).is_file():
            raise ValueError(f"{source} has no {CONFIG}; expected a Hugging Face checkpoint")
        self._texts: dict[str, str] = {}
        self._before = {name: read_json_object(source / name, TRUNCATED) or {} for name in JSON_FILES}
        self._after = copy.deepcopy(self._before)
        self.tokenizer = load_tokenizer(source, f"the checkpoint {source}")
        if self.tokenizer.eos_token_id is None:
            raise ValueError(f"the tokenizer in {source} has no EOS token, with which responses end: set one")
        self.changes: list[str] = []

    def apply(self, settings: Settings) -> None:
        """Apply the settings.

        Raises:
            ValueError: a change that cannot work.
        """
        config = self._after[CONFIG]
        kind = config.get("model_type")
        if settings.model_type not in (None, kind):
            raise ValueError(f"got a checkpoint of type {kind}; expected {settings.model_type}")
        if settings.rope_theta is not None:
            self.changes += set_rope_theta(config, settings.rope_theta)
        if settings.max_position_embeddings is not None:
            self.changes += set_max_positions(config, settings.max_position_embeddings)
            self._allow_length(settings.max_position_embeddings)
        if settings.chat_template is not None:
            self._set_template(settings.chat_template)
        self._set_pad(settings.pad_token)

    def _allow_length(self, positions: int) -> None:
        """Raise the tokenizer's limit, because it would warn about every longer text."""
        before = self._after[TOKENIZER].get("model_max_length")
        if before is not None and before < positions:
            self._after[TOKENIZER]["model_max_length"] = positions
            self.changes.append(f"model_max_length of the tokenizer: {before} -> {positions}")

    def _set_template(self, name: str) -> None:
        text = template_of(name)
        if self.tokenizer.chat_template == text:
            return
        # Transformers 4 reads the key, transformers 5 the file.
        self._after[TOKENIZER]["chat_template"] = text
        self._texts[TEMPLATE] = text
        had = "replaced by" if self.tokenizer.chat_template else "none ->"
        self.changes.append(f"chat template: {had} {name}")

    def _set_pad(self, token: str | None) -> None:
        before = self.tokenizer.pad_token
        if token is None and before is not None:
            return
        vocabulary = self.tokenizer.get_vocab()
        if token is None:
            usable = (t for t in PAD_TOKENS if t in vocabulary and t != self.tokenizer.eos_token)
            token = next(usable, None)
        if token is None or token not in vocabulary:
            got = "no padding token" if token is None else f"padding token {token!r}"
            raise ValueError(
                f"got {got} that the tokenizer knows; expected a token of its vocabulary, because a new token has no "
                f"embedding: name one with --pad-token. Its special tokens: {', '.join(self._special_tokens())}"
            )
        if token == before:
            return
        self._after[TOKENIZER]["pad_token"] = token
        if self._before[SPECIAL_TOKENS]:
            self._after[SPECIAL_TOKENS]["pad_token"] = token
        for name in (CONFIG, GENERATION):
            if name == CONFIG or self._before[name]:
                self._after[name]["pad_token_id"] = vocabulary[token]
        self.changes.append(f"padding token: {before or 'none'} -> {token} ({vocabulary[token]})")

    def _special_tokens(self) -> list[str]:
        known = [str(token) for token in self.tokenizer.added_tokens_decoder.values()]
        return known[:SHOWN_TOKENS] + (["..."] if len(known) > SHOWN_TOKENS else [])

    def write(self, folder: Path) -> None:
        """Write the changed files into the new folder ``folder``."""
        folder.mkdir()
        changed = {name: content for name, content in self._after.items() if content != self._before[name]}
        texts = {name: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for name, content in changed.items()}
        for name, text in {**self._texts, **texts}.items():
            (folder / name).write_text(text, encoding="utf-8")
