# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Writing files in one step, and listing the files of a folder."""

import json
import os
import zipfile
from contextlib import suppress
from pathlib import Path

TRACKER = "latest_checkpointed_iteration.txt"
"""verl writes the step of a run's last complete checkpoint into this file of the run's folder."""
DATA_STATE = "data.pt"
"""The position in the training data: the last file of a checkpoint that verl writes."""
UNLOGGED = "data.pt.unlogged"
"""Its name until the metrics of the checkpoint's step are in the log."""


def is_complete(checkpoint: Path) -> bool:
    """Whether a folder ``global_step_N`` has all that a run resumes from; a kill may have left half of it."""
    actor = checkpoint / "actor"
    try:
        ranks = int(json.loads((actor / "fsdp_config.json").read_text())["world_size"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    shards = [actor / f"model_world_size_{ranks}_rank_{rank}.pt" for rank in range(ranks)]
    return all(shard.exists() for shard in shards) and zipfile.is_zipfile(checkpoint / DATA_STATE)


def complete_checkpoints(folder: Path) -> list[int]:
    """The steps of a run's complete checkpoints, in the order in which they were written."""
    written = []
    for path in folder.glob("global_step_*"):
        step = path.name.removeprefix("global_step_")
        with suppress(FileNotFoundError):  # verl may remove an old checkpoint between two looks
            if step.isdigit() and is_complete(path):
                written.append(((path / DATA_STATE).stat().st_mtime_ns, int(step)))
    return [step for _, step in sorted(written)]


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
