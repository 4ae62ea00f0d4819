# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Show our log messages, whatever the libraries do to the root logger."""

import logging


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
