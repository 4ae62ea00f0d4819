# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Digests of files and of model folders; an equal digest means equal content."""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

WEIGHTS = ("*.safetensors", "*.bin")
MODEL_FILES = (
    "config.json", "generation_config.json", "tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json",
    "added_tokens.json", "chat_template*", *WEIGHTS,
)  # fmt: skip
"""The files of a checkpoint that decide its answers."""
# Libraries write these about themselves or about the file's place; they change while the model stays the same.
_VOLATILE_KEYS = ("transformers_version", "_name_or_path", "torch_dtype", "dtype", "use_cache")
# The keys of a configuration that decide the shapes of the weights.
_SHAPE_KEYS = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size", "vocab_size",
)  # fmt: skip
# Training changes every weight: a few blocks of each file tell two models apart without a read of 16 GB.
_SAMPLED_BLOCKS, _SAMPLE_BYTES = 16, 1 << 16
_READ_BYTES = 1 << 22
# Below this size, hashing takes a second or so.
_PROGRESS_BYTES = 1 << 30


def _blocks(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while block := file.read(_READ_BYTES):
            yield block


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    for block in _blocks(path):
        digest.update(block)
    return digest.hexdigest()


def files_matching(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """The files directly in ``folder`` that match one of the patterns, sorted by name."""
    return sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})


def model_fingerprint(folder: Path, progress: bool = True) -> str:
    """SHA-256 over the names and contents of all :data:`MODEL_FILES` in a folder; it reads the weights in full."""
    paths = files_matching(folder, MODEL_FILES)
    total = sum(path.stat().st_size for path in paths)
    hidden = not progress or total < _PROGRESS_BYTES
    digest = hashlib.sha256()
    with tqdm(total=total, desc="model fingerprint", unit="B", unit_scale=True, disable=hidden, file=sys.stderr) as bar:
        for path in paths:
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            for block in _blocks(path):
                digest.update(block)
                bar.update(len(block))
    return digest.hexdigest()


def model_parts(folder: Path) -> dict[str, Any]:
    """What tells one model from another, in parts that can be compared one by one; it takes milliseconds.

    Returns:
        ``architecture`` and ``shape`` in plain text; digests of ``config``, ``tokenizer`` (tokens and their ids) and
        ``weights`` (sizes and a few blocks of each file). A digest is empty where its files are missing.
    """
    config = json.loads((folder / "config.json").read_text())
    kept = {key: value for key, value in config.items() if key not in _VOLATILE_KEYS}
    return {
        "architecture": str((config.get("architectures") or [config.get("model_type")])[0]),
        "shape": {key: config[key] for key in _SHAPE_KEYS if key in config},
        "config": _short(json.dumps(kept, sort_keys=True)),
        "tokenizer": _tokenizer_digest(folder / "tokenizer.json"),
        "weights": _weights_digest(files_matching(folder, WEIGHTS)),
    }


def _tokenizer_digest(file: Path) -> str:
    if not file.exists():
        return ""
    content = json.loads(file.read_text())
    model = content.get("model") or {}
    added = [(token["id"], token["content"]) for token in content.get("added_tokens") or []]
    return _short(json.dumps([model.get("vocab"), sorted(added)], sort_keys=True))


def _weights_digest(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        digest.update(f"{size}\0".encode())
        with open(path, "rb") as file:
            for index in range(_SAMPLED_BLOCKS):
                file.seek(size * index // _SAMPLED_BLOCKS)
                digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()[:16] if files else ""


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
