# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""One process at a time in a training's folder: ``.run.lock``, which says which process that is.

The lock is POSIX's (``lockf``): the kernel releases it when the process ends, however that ends, child processes do not
inherit it, and NFS passes it on between machines. It is the driver's; Ray's workers end with that.
"""

import contextlib
import errno
import fcntl
import json
import logging
import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

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
# A file system that knows no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
# struct flock of Linux on 64 bits: type, whence, start, length, pid.
_FLOCK = "hhqqi"


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
    """Who holds the folder's lock, in words; None: nobody. Takes no lock itself."""
    try:
        with open(folder / LOCK) as file:
            question = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            answer = fcntl.fcntl(file, fcntl.F_GETLK, question)
            free = struct.unpack(_FLOCK, answer)[0] == fcntl.F_UNLCK
            return None if free else _in_words(file.read())
    except OSError as error:
        if error.errno in (*_NO_LOCKS, errno.ENOENT, errno.ENOTDIR):
            return None
        raise


def in_use(folder: Path, holder: str) -> str:
    """The message on a folder that ``holder`` trains in."""
    return (
        f"got trainer.default_local_dir={folder}, where {holder} is training; two runs in one folder would write over each "
        "other: wait for it or end it, or name another folder"
    )


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Not emptied before the lock is ours: it says who has it. Closing any copy of it would release the lock.
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise ConfigError(
            f"got trainer.default_local_dir={folder}, which cannot be written to ({error.strerror}); name another folder"
        ) from error
    with open(descriptor, "r+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise FolderInUse(in_use(folder, _in_words(file.read()))) from None
            if error.errno not in _NO_LOCKS:
                raise
            logger.warning("%s: this file system has no locks, nothing keeps others out", folder)
        file.truncate(0)
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        json.dump({"pid": os.getpid(), "host": socket.gethostname(), "started": started}, file)
        file.flush()
        yield


def _in_words(content: str) -> str:
    try:
        found = json.loads(content)
        return f"process {found['pid']} on {found['host']} (since {found['started']})"
    except (ValueError, KeyError, TypeError):  # it has just begun
        return "another process"
