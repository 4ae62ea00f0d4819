# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Files that are either as before or complete."""

import os
from pathlib import Path

TRACKER = "latest_checkpointed_iteration.txt"
"""verl's mark of its last complete checkpoint, in a run's folder."""


def write_whole(path: Path, text: str) -> None:
    """Write the text so that ``path`` is either as before or complete, also after a power failure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
