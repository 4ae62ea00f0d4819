# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The study's data: the built-in task with a development and a test set, and its base model.

The development set chooses learning rates, the test set is reported. A hash of the question splits the held-out
questions into these two halves. So no development or training question of any seed is in the test set of any seed.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from recipe.hpt.reproduction.cells import demonstrations_of
from recipe.hpt.reproduction.study.settings import Settings
from recipe.hpt.reproduction.task.extra_sets import write_extra_sets
from recipe.hpt.reproduction.task.options import COVERED, write_notes
from recipe.hpt.reproduction.task.questions import (
    TRAIN_LEVELS,
    VAL_LEVELS,
    make_split,
    spread,
    write_parquet,
)

TRAIN, DEV, TEST, MODEL = "train.parquet", "dev.parquet", "test.parquet", "base_model"
TRAIN_SIZE, HELD_OUT_PER_LEVEL = 9600, 64  # as in quickstart
EXTRA, EXTRA_PER_LEVEL = ("ood_level", "ood_notation"), 32
"""The out-of-distribution sets of a map. Forgetting shows on levels 1 and 2, which the base model solves."""


def write_splits(
    folder: Path,
    seed: int,
    train_size: int = TRAIN_SIZE,
    per_level: int = HELD_OUT_PER_LEVEL,
    cells: Sequence[str] = ("",),
    extra_sets: bool = False,
) -> None:
    """Write the held-out files, and a training file per cell; the same seed and settings give the same bytes.

    Args:
        folder: the folder to write into.
        seed: the seed of the task.
        train_size: questions spread evenly over the training levels; a level with fewer repeats them.
        per_level: questions per level, of the development set and of the test set.
        cells: what the training questions' demonstrations are like.
        extra_sets: write the out-of-distribution sets, too.
    """
    counts = dict.fromkeys(VAL_LEVELS, per_level)
    for cell in cells:
        demonstrations = demonstrations_of(cell)
        train = make_split("train", spread(train_size, TRAIN_LEVELS), seed, demonstrations=demonstrations)
        file = train_file(folder, cell)
        write_parquet(train, file)
        write_notes(file, demonstrations, seed)
    write_parquet(make_split("dev", counts, seed, shuffle=False), folder / DEV)
    write_parquet(make_split("test", counts, seed, shuffle=False), folder / TEST)
    if extra_sets:
        write_extra_sets(folder, seed, EXTRA_PER_LEVEL, EXTRA)


def make_task(folder: Path, seed: int, settings: Settings) -> None:
    """Make the files and the base model of a seed in ``folder``, unless they are there."""
    from recipe.hpt.reproduction.task.base_model import BaseModelSettings, train_base_model

    cells = dict.fromkeys((*settings.cells, settings.sweep_cell))
    held_out = (folder / DEV, *held_out_files(folder, settings, sweep=False))
    if not all(file.exists() for file in (*(train_file(folder, cell) for cell in cells), *held_out)):
        write_splits(folder, seed, settings.train_size, cells=list(cells), extra_sets=settings.is_map)
    train_base_model(folder / MODEL, BaseModelSettings(seed=seed, hard_share=settings.hard_share))


def train_file(folder: Path, cell: str = "") -> Path:
    """The training file of a cell."""
    return folder / demonstrations_of(cell).label / TRAIN


def covered_file(folder: Path, cell: str) -> Path | None:
    """The training questions of a cell that have a demonstration; None: all have."""
    return train_file(folder, cell).with_name(COVERED) if demonstrations_of(cell).coverage < 1 else None


def held_out_files(folder: Path, settings: Settings, sweep: bool) -> tuple[Path, ...]:
    """What a run is validated on: a sweep on development questions, a map's final run also out of distribution."""
    if sweep:
        return (folder / DEV,)
    return (folder / TEST, *(folder / f"{name}.parquet" for name in EXTRA if settings.is_map))


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


def part_file(file: Path, start: int, rows: int | None = None) -> Path:
    """The file of :func:`write_part`; the training file itself if it is all of it from its first question on."""
    name = file.stem + (f"_from_{start}" if start else "") + (f"_{rows}_rows" if rows else "")
    return file.with_name(f"{name}.parquet")


def write_part(file: Path, start: int, rows: int | None = None) -> None:
    """Write a training file that begins with question ``start`` of ``file``; those before it follow at the end.

    Args:
        rows: how many it has, with repetitions if ``file`` has fewer; None: as many as ``file``.
    """
    to = part_file(file, start, rows)
    if not to.exists():
        given = pq.read_table(file).to_pylist()
        write_parquet([given[(start + number) % len(given)] for number in range(rows or len(given))], to)


def is_there(folder: Path) -> bool:
    """Whether the task was made before, so that the plan needs no time for it."""
    return os.path.exists(folder / MODEL / "manifest.json")
