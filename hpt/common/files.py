# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Writing files in one step, and listing the files of a folder."""

import os
from pathlib import Path

TRACKER = "latest_checkpointed_iteration.txt"
"""verl writes the step of a run's last complete checkpoint into this file of the run's folder."""


def write_whole(path: Path, text: str) -> None:
    """Write the text in one step: after a power failure, too, ``path`` is either as before or complete."""
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


def visible_files(folder: Path) -> list[Path]:
    """The files below ``folder``, relative to it and sorted; hidden files and folders (.git, .cache) are left out."""
    files = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if not path.is_dir())
    return [file for file in files if not any(part.startswith(".") for part in file.parts)]
