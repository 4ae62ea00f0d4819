# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The study's data: the built-in task with a development and a test set, and its base model.

The development set chooses learning rates, the test set is reported. They are halves of the held-out
questions by a hash of the question: no seed's development or training question is in any seed's test.
"""

import os
from pathlib import Path

import pyarrow.parquet as pq

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
) -> None:
    """Write the three files; the same seed gives the same bytes.

    Args:
        train_size: questions of the training levels, evenly spread; a larger share repeats them.
        per_level: development and test questions per level, each.
    """
    counts = dict.fromkeys(VAL_LEVELS, per_level)
    write_parquet(make_split("train", spread(train_size, TRAIN_LEVELS), seed), folder / TRAIN)
    write_parquet(make_split("dev", counts, seed, shuffle=False), folder / DEV)
    write_parquet(make_split("test", counts, seed, shuffle=False), folder / TEST)


def make_task(folder: Path, seed: int) -> None:
    """The three files and the base model of a seed in ``folder``, unless they are there."""
    from recipe.hpt.reproduction.task.base_model import BaseModelSettings, train_base_model

    write_splits(folder, seed)
    train_base_model(folder / MODEL, BaseModelSettings(seed=seed))


def questions_of(file: Path) -> set[str]:
    """The distinct questions of a file."""
    return {messages[-1]["content"] for messages in pq.read_table(file)["prompt"].to_pylist()}


def check_disjoint(folders: list[Path]) -> None:
    """No question of any development or training set in any test set, nor of training in development.

    Args:
        folders: of all seeds whose data is there.

    Raises:
        ValueError: two files that share questions, with one of these.
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
    """The training file with its first ``start`` questions moved to its end (see ``write_train_file_from``)."""
    return folder / (f"train_from_{start}.parquet" if start else TRAIN)


def write_train_file_from(folder: Path, start: int) -> None:
    """Write :func:`train_file_from`: a later stage of a method reads on where the earlier one stopped."""
    file = train_file_from(folder, start)
    if not file.exists():
        rows = pq.read_table(folder / TRAIN).to_pylist()
        start %= len(rows)
        write_parquet(rows[start:] + rows[:start], file)


def is_there(folder: Path) -> bool:
    """Whether the task was made before (so that a plan needs no time for it)."""
    return os.path.exists(folder / MODEL / "manifest.json")
