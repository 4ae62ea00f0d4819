# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""One exclusive lock on a file, so that one process at a time works in a folder.

The lock is the kernel's (``flock``, through filelock). It ends with its process, however the process ends, and child
processes do not keep it. The file stays behind and names the process that took the lock last.
"""

import contextlib
import errno
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout, lock_descriptor

logger = logging.getLogger(__name__)

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""How a file system says that it has no locks."""


@contextlib.contextmanager
def locked(path: Path, error: Callable[[str], Exception]) -> Iterator[None]:
    """Hold the lock on ``path``; the file and its folder are made if they are missing.

    A file system without locks logs a warning and lets the process in.

    Args:
        path: the lock's file.
        error: makes the exception for a second process from a description of the first.

    Raises:
        OSError: the file cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A soft lock would outlive a process that is killed.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise error(_in_words(path.read_text())) from None
    except OSError as problem:
        if problem.errno not in _NO_LOCKS:
            raise
        logger.warning("%s: this file system has no locks, so nothing keeps a second process out", path)
    try:
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        path.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": started}))
        yield
    finally:
        lock.release()


def holder_of(path: Path) -> str | None:
    """Describe the process that holds the lock on ``path``; None if nobody holds it."""
    try:
        with open(path, "r+") as file:
            free = lock_descriptor(file.fileno(), blocking=False)  # closing the file gives the lock back
            return None if free else _in_words(file.read())
    except OSError as problem:
        if problem.errno in (*_NO_LOCKS, errno.ENOENT, errno.ENOTDIR, errno.EACCES):
            return None
        raise


def _in_words(content: str) -> str:
    try:
        found = json.loads(content)
        return f"process {found['pid']} on {found['host']} (since {found['started']})"
    except (ValueError, KeyError, TypeError):  # the other process has just begun
        return "another process"
