# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The evaluated model: its folder, and a fingerprint of the files that decide its answers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpt.common.digests import MODEL_FILES, WEIGHTS, files_matching, model_fingerprint
from hpt.common.errors import ConfigError
from hpt.models.checkpoints import download, local_checkpoint
from hpt.models.weights import check_weights


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
        """Longest sequence that the model supports, in tokens; None if its configuration does not say."""
        config = json.loads((self.folder / "config.json").read_text())
        return config.get("max_position_embeddings")

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "fingerprint": self.fingerprint}


def find_model(name: str, progress: bool = True) -> Model:
    """Find a checkpoint, download it if it is a hub id, and take its fingerprint.

    Raises:
        ConfigError: it does not exist, has no configuration or no weights, or its weights are not those of the model.
    """
    given = f"model={name}"
    folder = local_checkpoint(name, given) or download(name, given, patterns=MODEL_FILES)
    if not files_matching(folder, WEIGHTS):
        raise ConfigError(
            f"got {given}, a folder without weights ({', '.join(WEIGHTS)}); expected a Hugging Face checkpoint. The "
            "trainer's own are under global_step_*/actor/huggingface"
        )
    check_weights(folder, given)
    return Model(name, folder, model_fingerprint(folder, progress))
