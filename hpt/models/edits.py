# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Edits of a checkpoint's small files: configuration, chat template, EOS and padding token."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpt.common.errors import first_line
from hpt.common.files import read_json_object
from hpt.common.tokenizers import load_tokenizer
from hpt.models.checkpoints import CONFIG
from hpt.models.endings import GENERATION, TOKENIZER, TRUNCATED
from hpt.models.rope import set_max_positions, set_rope_theta
from hpt.models.templates import template_of

SPECIAL_TOKENS, TEMPLATE = "special_tokens_map.json", "chat_template.jinja"
JSON_FILES = (CONFIG, GENERATION, TOKENIZER, SPECIAL_TOKENS)
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
        eos_token: a token of the vocabulary that ends responses. A configuration that lists several gets it as the
            first and keeps the others.
    """

    rope_theta: float | None = None
    max_position_embeddings: int | None = None
    chat_template: str | None = None
    pad_token: str | None = None
    model_type: str | None = None
    eos_token: str | None = None


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
        ValueError: it has no config.json or no tokenizer.
    """

    def __init__(self, source: Path):
        if not (source / CONFIG).is_file():
            raise ValueError(f"{source} has no {CONFIG}; expected a Hugging Face checkpoint")
        self._texts: dict[str, str] = {}
        self._before = {name: read_json_object(source / name, TRUNCATED) or {} for name in JSON_FILES}
        self._after = copy.deepcopy(self._before)
        self.tokenizer = load_tokenizer(source, f"the checkpoint {source}")
        self._template: str | None = None  # name of the new one

    @property
    def changes(self) -> list[str]:
        """Each change as ``file: key: before -> after``."""
        texts = [
            f"{name}: {'replaced by' if self.tokenizer.chat_template else 'none ->'} {self._template}"
            for name in self._texts
        ]
        return texts + [
            f"{name}: {change}"
            for name in JSON_FILES
            for change in self._differences(self._before[name], self._after[name])
        ]

    def _differences(self, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
        for key, value in after.items():
            old = before.get(key)
            if isinstance(old, dict) and isinstance(value, dict):
                yield from (f"{key}.{change}" for change in self._differences(old, value))
            elif key == "chat_template" and old != value:
                yield f"{key}: {'replaced by' if old else 'none ->'} {self._template}"
            elif old != value:
                yield f"{key}: {'none' if old is None else old} -> {value}"

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
            set_rope_theta(config, settings.rope_theta)
        if settings.max_position_embeddings is not None:
            set_max_positions(config, settings.max_position_embeddings)
            self._allow_length(settings.max_position_embeddings)
        if settings.chat_template is not None:
            self._set_template(settings.chat_template)
        if settings.eos_token is not None:
            self._set_eos(settings.eos_token)
        elif self.tokenizer.eos_token_id is None:
            raise ValueError("the tokenizer has no EOS token, with which responses end: name one with --eos-token")
        self._set_pad(settings.pad_token, settings.eos_token or self.tokenizer.eos_token)

    def _allow_length(self, positions: int) -> None:
        """Raise the tokenizer's limit, because it would warn about every longer text."""
        before = self._after[TOKENIZER].get("model_max_length")
        if before is not None and before < positions:
            self._after[TOKENIZER]["model_max_length"] = positions

    def _set_template(self, name: str) -> None:
        text = template_of(name)
        if self.tokenizer.chat_template == text:
            return
        # Transformers 4 reads the key, transformers 5 the file.
        self._after[TOKENIZER]["chat_template"] = text
        self._texts[TEMPLATE], self._template = text, name

    def _set_eos(self, token: str) -> None:
        number = self._number_of(token, "EOS token", "--eos-token")
        self._set_special("eos_token", token)
        for file in self._configurations():
            ids = self._after[file].get("eos_token_id")
            others = [each for each in ids if each != number] if isinstance(ids, list) else None
            self._after[file]["eos_token_id"] = number if others is None else [number, *others]

    def _set_pad(self, token: str | None, eos: str) -> None:
        before = self.tokenizer.pad_token
        if token is None and before is not None:
            return
        if token is None:
            token = next((t for t in PAD_TOKENS if t in self.tokenizer.get_vocab() and t != eos), None)
        number = self._number_of(token, "padding token", "--pad-token")
        if token == before:
            return
        self._set_special("pad_token", token)
        for file in self._configurations():
            self._after[file]["pad_token_id"] = number

    def _number_of(self, token: str | None, what: str, option: str) -> int:
        vocabulary = self.tokenizer.get_vocab()
        if token in vocabulary:
            return int(vocabulary[token])
        got = f"no {what}" if token is None else f"{what} {token!r}"
        raise ValueError(
            f"got {got} that the tokenizer knows; expected a token of its vocabulary, because a new token has no "
            f"embedding: name one with {option}. Its special tokens: {', '.join(self._special_tokens())}"
        )

    def _set_special(self, name: str, token: str | None) -> None:
        # Transformers 5 reads the second file only where the first lists no added tokens, and then prefers it.
        for file in (TOKENIZER, SPECIAL_TOKENS):
            there = self._after[file].get(name)
            text = there.get("content") if isinstance(there, dict) else there
            if text != token and (file == TOKENIZER or self._before[file]):
                self._after[file][name] = token

    def _configurations(self) -> list[str]:
        """The configurations that name tokens by their ids; without the second, programs read the first."""
        return [CONFIG, *([GENERATION] if self._before[GENERATION] else [])]

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
