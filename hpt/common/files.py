# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Writing files in one step, JSON and JSON lines, complete checkpoints, and listing the files of a folder."""

import json
import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

TRACKER = "latest_checkpointed_iteration.txt"
"""verl writes the step of a run's last complete checkpoint into this file of the run's folder."""
DATA_STATE = "data.pt"
"""The position in the training data: the last file of a checkpoint that verl writes."""
UNLOGGED = "unlogged"
"""A file in a checkpoint until it is whole and the metrics of its step are in the log."""


def is_complete(checkpoint: Path) -> bool:
    """Whether a folder ``global_step_N`` has all that a run resumes from; a kill may have left half of it."""
    if (checkpoint / UNLOGGED).exists():
        return False
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


def what_is_kept(folder: Path) -> str:
    """What a run that has ended early leaves in its folder ``folder``, and what to do, in words."""
    steps = complete_checkpoints(folder)
    if not steps:
        return "there is no complete checkpoint, so the same command begins anew"
    return f"the last complete checkpoint is kept (global_step_{steps[-1]}), and the same command continues from it"


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that becomes ``path`` in one step, at the end of the block.

    After an exception or a power failure, too, ``path`` is either as before or complete.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write the text in one step, see :func:`replacing`."""
    with replacing(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write plain JSON in one step, for people to read."""
    write_whole(path, json.dumps(value, indent=2) + "\n")


def write_json_lines(path: Path, records: Iterable[Any]) -> None:
    """Write one line of JSON per record, all in one step."""
    write_whole(path, "".join(json.dumps(record) + "\n" for record in records))


def read_json_object(path: Path, advice: str) -> dict[str, Any] | None:
    """Read a JSON object; None if there is no file.

    Raises:
        ValueError: the file holds something else; the message ends with ``advice``.
    """
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); {advice}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is not a JSON object; {advice}")
    return content


def complete_json_lines(path: Path) -> Iterator[Any]:
    """The lines of a log that a process may still write, or was killed at: half a line is skipped."""
    with open(path) as file:
        for line in file:
            with suppress(json.JSONDecodeError):
                yield json.loads(line)


def end_of_last_line(file: BinaryIO, size: int, block: int = 1 << 16) -> int:
    """Bytes up to and including the last newline in the first ``size`` bytes; 0 without one."""
    position = size
    while position > 0:
        start = max(0, position - block)
        file.seek(start)
        found = file.read(position - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        position = start
    return 0


def visible_files(folder: Path) -> list[Path]:
    """The files below ``folder``, relative to it and sorted; hidden files and folders (.git, .cache) are left out."""
    files = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if not path.is_dir())
    return [file for file in files if not any(part.startswith(".") for part in file.parts)]
