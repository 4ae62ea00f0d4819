# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Which model is evaluated: its folder, and a fingerprint of what decides its answers."""

import fnmatch
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hpt.common.errors import ConfigError

# Configuration, tokenizer, chat template and weights. Other files in a checkpoint's folder do not change an answer.
FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "*.safetensors",
    "*.bin",
)
WEIGHTS = ("*.safetensors", "*.bin")
_BLOCK = 1 << 22
# Below this, hashing takes a second or so.
_PROGRESS_BYTES = 1 << 30


@dataclass(frozen=True)
class Model:
    """A checkpoint on this machine.

    Attributes:
        name: as the user named it.
        folder: where it is.
        fingerprint: sha256 over the names and contents of its files.
    """

    name: str
    folder: Path
    fingerprint: str

    @property
    def positions(self) -> int | None:
        """Longest sequence in tokens that the model was made for; None where its configuration does not say."""
        config = json.loads((self.folder / "config.json").read_text())
        return config.get("max_position_embeddings")

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "fingerprint": self.fingerprint}


def find_model(name: str, progress: bool = True) -> Model:
    """Locate a checkpoint, downloading it if it is a hub id, and take its fingerprint.

    Raises:
        ConfigError: it does not exist, or has no configuration or no weights.
    """
    folder = _locate(name)
    names = {path.name for path in folder.iterdir()}
    if "config.json" not in names:
        raise ConfigError(f"got model={name}, a folder without config.json; expected a Hugging Face checkpoint")
    if not any(fnmatch.filter(names, pattern) for pattern in WEIGHTS):
        raise ConfigError(
            f"got model={name}, a folder without weights ({', '.join(WEIGHTS)}); expected a Hugging Face checkpoint. The "
            "trainer's own are under global_step_*/actor/huggingface"
        )
    return Model(name, folder, fingerprint(folder, progress))


def _locate(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve()
    if name.startswith(("/", ".", "~")) or name.count("/") > 1:
        raise ConfigError(
            f"got model={name}, which does not exist; expected a Hugging Face checkpoint's folder or a hub id"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(FILES)))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise ConfigError(
            f"got model={name}, neither a folder nor a model that could be downloaded ({reason}); expected a Hugging Face "
            "checkpoint's folder or a hub id"
        ) from error


def fingerprint(folder: Path, progress: bool = True) -> str:
    """sha256 over name and contents of every file that decides an answer, in the order of names."""
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and any(fnmatch.fnmatch(path.name, pattern) for pattern in FILES)
    )
    total = sum(path.stat().st_size for path in paths)
    digest = hashlib.sha256()
    with tqdm(
        total=total,
        desc="model fingerprint",
        unit="B",
        unit_scale=True,
        disable=not progress or total < _PROGRESS_BYTES,
        file=sys.stderr,
    ) as bar:
        for path in paths:
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            with open(path, "rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
                    bar.update(len(block))
    return digest.hexdigest()
