# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Where a Hugging Face checkpoint is: a folder on this machine, the hub's cache, or the hub."""

import os
from collections.abc import Sequence
from pathlib import Path

from hpt.common.errors import ConfigError, first_line
from hpt.common.tokenizers import is_local

CONFIG = "config.json"
_EXPECTED = "expected a Hugging Face checkpoint's folder or a hub id"


def local_checkpoint(name: str, given: str) -> Path | None:
    """The absolute folder of a checkpoint on this machine; None if the name is a hub id.

    Args:
        name: a path or a hub id.
        given: the setting and its value for messages, such as ``model=Qwen/Qwen2.5-Math-1.5B``.

    Raises:
        ConfigError: the path does not exist, or is no checkpoint's folder.
    """
    if not is_local(name):
        return None
    path = Path(os.path.abspath(Path(name).expanduser()))
    if path.is_dir():
        if not (path / CONFIG).is_file():
            raise ConfigError(f"got {given}, a folder without {CONFIG}; expected a Hugging Face checkpoint")
        return path
    found = "is a file" if path.exists() else "does not exist"
    raise ConfigError(f"got {given}, which {found}; {_EXPECTED}")


def cached_checkpoint(hub_id: str) -> Path | None:
    """The checkpoint's folder in the hub's cache on this machine; None if it is not there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(hub_id, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError):
        return None


def download(hub_id: str, given: str, *, revision: str | None = None, patterns: Sequence[str] | None = None) -> Path:
    """Download a checkpoint from the hub, unless the hub's cache has it; returns its folder.

    Args:
        given: the setting and its value, for messages.
        revision: a branch, tag or commit; None: the newest commit.
        patterns: names of the files that are needed; None: all files.

    Raises:
        ConfigError: there is no such checkpoint, no access, or no network.
    """
    import httpx
    from huggingface_hub import snapshot_download

    allowed = None if patterns is None else list(patterns)
    try:
        folder = Path(snapshot_download(hub_id, revision=revision, allow_patterns=allowed))
    except (OSError, ValueError, httpx.TransportError) as error:
        raise ConfigError(
            f"got {given}, which is no folder and cannot be downloaded ({first_line(error)}); {_EXPECTED}. Check the "
            "name, the network and, for a gated model, the login (hf auth login); or give a local folder"
        ) from error
    if not (folder / CONFIG).is_file():
        raise ConfigError(f"got {given}, a model without {CONFIG}; expected a Hugging Face checkpoint")
    return folder
