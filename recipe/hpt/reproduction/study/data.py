# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The study's data: the built-in task with a development and a test set, and its base model.

The development set chooses learning rates, the test set is reported. A hash of the question splits the held-out
questions into these two halves. So no development or training question of any seed is in the test set of any seed.
"""

import os
from pathlib import Path

import pyarrow.parquet as pq

from recipe.hpt.reproduction.task.demonstrations import Demonstrations
from recipe.hpt.reproduction.task.options import write_notes
from recipe.hpt.reproduction.task.questions import (
    TRAIN_LEVELS,
    VAL_LEVELS,
    make_split,
    spread,
    write_parquet,
)

TRAIN, DEV, TEST, MODEL = "train.parquet", "dev.parquet", "test.parquet", "base_model"
TRAIN_SIZE, HELD_OUT_PER_LEVEL = 9600, 64  # as in quickstart


def write_splits(
    folder: Path,
    seed: int,
    train_size: int = TRAIN_SIZE,
    per_level: int = HELD_OUT_PER_LEVEL,
    demonstrations: Demonstrations | None = None,
) -> None:
    """Write the three files; the same seed and settings give the same bytes.

    Args:
        folder: the folder to write into.
        seed: the seed of the task.
        train_size: questions spread evenly over the training levels; a level with fewer repeats them.
        per_level: questions per level, of the development set and of the test set.
        demonstrations: what the training questions' demonstrations are like; None: all of them are right.
    """
    counts = dict.fromkeys(VAL_LEVELS, per_level)
    demonstrations = demonstrations or Demonstrations()
    train = make_split("train", spread(train_size, TRAIN_LEVELS), seed, demonstrations=demonstrations)
    write_parquet(train, folder / TRAIN)
    write_notes(folder / TRAIN, demonstrations, seed)
    write_parquet(make_split("dev", counts, seed, shuffle=False), folder / DEV)
    write_parquet(make_split("test", counts, seed, shuffle=False), folder / TEST)


def make_task(folder: Path, seed: int, demonstrations: Demonstrations | None = None) -> None:
    """Make the three files and the base model of a seed in ``folder``, unless they are there."""
    from recipe.hpt.reproduction.task.base_model import BaseModelSettings, train_base_model

    write_splits(folder, seed, demonstrations=demonstrations)
    train_base_model(folder / MODEL, BaseModelSettings(seed=seed))


def questions_of(file: Path) -> set[str]:
    """The distinct questions of a file."""
    return {messages[-1]["content"] for messages in pq.read_table(file)["prompt"].to_pylist()}


def check_disjoint(folders: list[Path]) -> None:
    """See that no two of the training, development and test sets share a question, whatever their seeds.

    Args:
        folders: the folders of all seeds whose data is there.

    Raises:
        ValueError: two files share questions; the message has one of them.
    """
    files = {name: [(folder / name, questions_of(folder / name)) for folder in folders] for name in (TRAIN, DEV, TEST)}
    for one, other in ((TRAIN, DEV), (TRAIN, TEST), (DEV, TEST)):
        for file, questions in files[one]:
            for held_out, measured in files[other]:
                if shared := questions & measured:
                    raise ValueError(
                        f"got {len(shared)} questions both in {file} and in {held_out}, {min(shared)!r} among them; "
                        "expected none: remove the two folders to have them written again"
                    )


def train_file_from(folder: Path, start: int) -> Path:
    """The training file whose first ``start`` questions stand at its end."""
    return folder / (f"train_from_{start}.parquet" if start else TRAIN)


def write_train_file_from(folder: Path, start: int) -> None:
    """Write :func:`train_file_from`, with which a later stage reads on where the earlier one stopped."""
    file = train_file_from(folder, start)
    if not file.exists():
        rows = pq.read_table(folder / TRAIN).to_pylist()
        start %= len(rows)
        write_parquet(rows[start:] + rows[:start], file)


def is_there(folder: Path) -> bool:
    """Whether the task was made before, so that the plan needs no time for it."""
    return os.path.exists(folder / MODEL / "manifest.json")
