# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Show our log messages, whatever the libraries do to the root logger, and find the first error in a log."""

import logging
import os
import re

# How much of the server's own log is searched for the first error.
LOG_BYTES = 4 << 20
# The last line of a traceback: a (dotted) name of an exception and its message.
_EXCEPTION = re.compile(r"((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt)): (.+)$")
# What an engine's client raises about an engine that has died. The engine's own error says why.
_ECHOES = ("EngineDeadError", "EngineGenerateError", "RayTaskError", "CancelledError")


def show() -> None:
    """Print messages of ``hpt`` from INFO on, in this process (idempotent).

    In a training the root logger and its handlers end up at ERROR: a warning that an optimizer step
    was skipped would never be seen.
    """
    logger = logging.getLogger("hpt")
    if any(isinstance(handler, logging.StreamHandler) for handler in logger.handlers):
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("[%(asctime)s][%(name)s][%(levelname)s] - %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def own_error() -> str:
    """The first error in this process's log, and where the log is. The engine writes into its server's log."""
    try:
        path = os.readlink("/proc/self/fd/2")
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - LOG_BYTES))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return f"its log cannot be read: {error}"
    return f"{first_error(text) or 'its log names no error'}; its log: {path}"


def first_error(log: str) -> str | None:
    """The exception that came first in a log and is not about another one."""
    for line in log.splitlines():
        if (found := _EXCEPTION.search(line)) and found[1].rpartition(".")[2] not in _ECHOES:
            return f"{found[1]}: {found[2]}"
    return None
