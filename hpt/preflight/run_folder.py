# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A training's folder: one process and one run at a time, and the files that its logs go to.

The driver holds ``.run.lock``, which names its process.
"""

import contextlib
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from hpt.common import lock
from hpt.common.errors import ConfigError
from hpt.common.files import write_json
from hpt.common.training_log import METRICS_FILE
from hpt.preflight.model import locate
from hpt.preflight.run_record import (
    RECORD,
    Comparison,
    compare,
    describe,
    finished,
    folder_of,
    refusal,
    track,
    without_record,
)

logger = logging.getLogger(__name__)

LOCK = ".run.lock"


class FolderInUse(ConfigError):
    """Another process trains in the folder."""


@contextlib.contextmanager
def claimed(config: DictConfig, now: Mapping[str, Any]) -> Iterator[Comparison]:
    """Lock the run's folder, compare it with the launch, and write the record; comes before metrics and Ray.

    Args:
        now: the launch, as :func:`hpt.preflight.run_record.describe` gives it.

    Raises:
        ConfigError: the folder is another run's or cannot be written to, or another process trains there. Nothing in
            it was changed.
    """
    folder = folder_of(config)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock.locked(folder / LOCK, lambda holder: FolderInUse(in_use(folder, holder))))
        except OSError as error:
            raise ConfigError(
                f"got trainer.default_local_dir={folder}, which cannot be written to ({error.strerror}); name another "
                "folder"
            ) from error
        found = compare(config, now)
        if found.problems:
            raise ConfigError(refusal(folder, found))
        if found.checkpoint is not None and not found.recorded:
            logger.warning(without_record(found.checkpoint))
        if finished(config, found.checkpoint) is None:
            if config.trainer.resume_mode == "auto":
                track(folder, found.checkpoint)
            for change in found.changes:
                logger.warning("continues a run with another setting: %s", change)
            write_json(folder / RECORD, now)
        yield found


@contextlib.contextmanager
def admitted(config: DictConfig) -> Iterator[str | None]:
    """What a run does after its checks and before Ray: lock its folder, write its record, direct its logs there.

    Args:
        config: as :func:`hpt.preflight.command.require` leaves it.

    Yields:
        None, or why there is nothing to do: the run is finished.

    Raises:
        ConfigError: the folder belongs to another run or process. Nothing in it was changed.
    """
    with claimed(config, describe(config, locate(config))) as found:
        nothing_to_do = finished(config, found.checkpoint)
        if nothing_to_do is None:
            direct_logs(config)
        yield nothing_to_do


def holder_of(folder: Path) -> str | None:
    """Describe the process that trains in the folder; None: nobody. It takes no lock."""
    return lock.holder_of(folder / LOCK)


def in_use(folder: Path, holder: str) -> str:
    """The message on a folder that ``holder`` trains in."""
    return (
        f"got trainer.default_local_dir={folder}, where {holder} is training; two runs in one folder would write over "
        "each other: wait for it or end it, or name another folder"
    )


def direct_logs(config: DictConfig) -> None:
    """Let verl's file loggers write into the run's folder, and keep what an earlier launch wrote.

    verl opens its metrics file anew on each launch. A resumed run's earlier metrics move aside to ``metrics.1.jsonl``,
    ``metrics.2.jsonl``, ...
    """
    folder = folder_of(config)
    os.environ.setdefault("TENSORBOARD_DIR", str(folder / "tensorboard"))
    metrics = Path(os.environ.setdefault("VERL_FILE_LOGGER_PATH", str(folder / METRICS_FILE)))
    if metrics.exists() and metrics.stat().st_size:
        stem = metrics.name.removesuffix(".jsonl")
        pattern = re.compile(re.escape(stem) + r"\.(\d+)\.jsonl")
        kept = [int(found[1]) for path in metrics.parent.iterdir() if (found := pattern.fullmatch(path.name))]
        metrics.rename(metrics.with_name(f"{stem}.{1 + max(kept, default=0)}.jsonl"))
