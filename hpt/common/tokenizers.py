# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Names of models and data sets, and the one way to load a tokenizer and to tokenise demonstrations."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpt.common.errors import ConfigError, first_line


def is_local(name: str) -> bool:
    """Whether a name means a path on this machine: one that exists, or one that no hub id looks like.

    A hub id is ``name`` or ``owner/name``; a path begins with ``/``, ``.`` or ``~`` or has more than one slash.
    """
    return Path(name).expanduser().exists() or name.startswith(("/", ".", "~")) or name.count("/") > 1


def load_tokenizer(location: str | Path, given: str, *, trust_remote_code: bool = False) -> Any:
    """Load a Hugging Face tokenizer.

    Args:
        location: a checkpoint's folder, or a hub id.
        given: the setting and its value for the message, such as ``model=Qwen/Qwen2.5-Math-1.5B``.
        trust_remote_code: run code that comes with the tokenizer.

    Raises:
        ConfigError: there is none that can be loaded.
    """
    from transformers import AutoTokenizer

    name = os.path.expanduser(location)
    if is_local(name) and not os.path.exists(name):
        raise ConfigError(f"got {given}, which does not exist; expected a folder with a tokenizer, or a hub id")
    try:
        return AutoTokenizer.from_pretrained(name, trust_remote_code=trust_remote_code)
    except (ValueError, OSError, KeyError, AttributeError, TypeError, ImportError) as error:
        raise ConfigError(
            f"got {given}, whose tokenizer cannot be loaded ({first_line(error)}); expected a tokenizer's files beside "
            "config.json, or a hub id"
        ) from error


def with_eos(texts: Sequence[str], tokenizer: Any) -> list[list[int]]:
    """The token ids of demonstrations as they are trained on: each ends in exactly one EOS, also if its text does."""
    # Not verbose: no warning about model_max_length, as demonstrations have a limit of their own.
    encoded = tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False)
    for ids in encoded["input_ids"]:
        while ids and ids[-1] == tokenizer.eos_token_id:
            ids.pop()
        ids.append(tokenizer.eos_token_id)
    return encoded["input_ids"]
