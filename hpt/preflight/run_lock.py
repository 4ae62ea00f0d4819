# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""One process at a time in a training's folder: the driver holds ``.run.lock``, which names its process."""

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from hpt.common import lock
from hpt.common.errors import ConfigError
from hpt.common.files import write_whole
from hpt.preflight.run_record import (
    RECORD,
    Comparison,
    compare,
    folder_of,
    refusal,
    without_record,
)

logger = logging.getLogger(__name__)

LOCK = ".run.lock"


class FolderInUse(ConfigError):
    """Another process trains in the folder."""


@contextlib.contextmanager
def claimed(config: DictConfig, now: Mapping[str, Any]) -> Iterator[Comparison]:
    """Lock the run's folder, compare it with the launch, and write the record; before metrics, Ray and all else.

    Args:
        now: of :func:`hpt.preflight.run_record.describe`.

    Raises:
        ConfigError: it is another run's folder, cannot be written to, or another process trains there; nothing in it
            was changed.
    """
    folder = folder_of(config)
    with _locked(folder):
        found = compare(config, now)
        if found.problems:
            raise ConfigError(refusal(folder, found))
        if found.checkpoint is not None and not found.recorded:
            logger.warning(without_record(found.checkpoint))
        for change in found.changes:
            logger.warning("continues a run with another setting: %s", change)
        write_whole(folder / RECORD, json.dumps(now, indent=1) + "\n")
        yield found


def holder_of(folder: Path) -> str | None:
    """Describe the process that trains in the folder; None: nobody. It takes no lock."""
    return lock.holder_of(folder / LOCK)


def in_use(folder: Path, holder: str) -> str:
    """The message on a folder that ``holder`` trains in."""
    return (
        f"got trainer.default_local_dir={folder}, where {holder} is training; two runs in one folder would write over each "
        "other: wait for it or end it, or name another folder"
    )


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock.locked(folder / LOCK, lambda holder: FolderInUse(in_use(folder, holder))))
        except OSError as error:
            raise ConfigError(
                f"got trainer.default_local_dir={folder}, which cannot be written to ({error.strerror}); name another "
                "folder"
            ) from error
        yield
