# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What the commands that write the built-in task share: options for its demonstrations, and the files they give."""

import argparse
from pathlib import Path

import pyarrow.parquet as pq

from hpt.common.errors import ConfigError
from hpt.common.settings import expected
from recipe.hpt.reproduction.task.demonstrations import NONE, STYLES, SUMMARY, Demonstrations, longest, write_summary
from recipe.hpt.reproduction.task.extra_sets import write_extra_sets
from recipe.hpt.reproduction.task.questions import TRAIN_LEVELS, VAL_LEVELS, write_parquet, write_task

COVERED = "train_covered.parquet"
"""The training questions that have a demonstration, for strategies that refuse others."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for demonstrations and for further held-out sets."""
    fields = Demonstrations.model_fields
    group = parser.add_argument_group("demonstrations of the training questions")
    for name in ("wrong_step", "right_after_wrong", "coverage"):
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=float,
            default=fields[name].default,
            metavar="SHARE",
            help=f"{_meaning(name)} ({expected(float, fields[name].metadata)}; default: %(default)s)",
        )
    for name in ("mistake", "style"):
        group.add_argument(
            f"--{name}",
            default=fields[name].default,
            metavar=name.upper(),
            help=f"{_meaning(name)} (default: %(default)s)",
        )
    group.add_argument(
        "--extra-sets", action="store_true", help="write the out-of-distribution sets and the forgetting set, too"
    )


def _meaning(name: str) -> str:
    words = " ".join((Demonstrations.model_fields[name].description or "").replace("``", "").split())
    return words.rstrip(".").replace("%", "%%")


def demonstrations_of(options: argparse.Namespace) -> Demonstrations:
    """The settings that the options of `add_options` name.

    Raises:
        ConfigError: one of them is out of range.
    """
    return Demonstrations(**{name: getattr(options, name) for name in Demonstrations.known()})


def write_files(
    folder: Path,
    seed: int,
    demonstrations: Demonstrations,
    extra_sets: bool = False,
    train_size: int = 9600,
    val_per_level: int = 64,
) -> list[Path]:
    """Write the task, and print what was done to its demonstrations if anything was.

    Args:
        folder: folder to write into, made if missing.
        seed: seed of the task.
        demonstrations: what the training questions' demonstrations are like.
        extra_sets: write the sets of `recipe.hpt.reproduction.task.extra_sets`, too.
        train_size: questions in the training split.
        val_per_level: questions per level of each held-out set.

    Returns:
        The paths of the question files.
    """
    train_path, val_path = write_task(folder, seed, train_size, val_per_level, demonstrations=demonstrations)
    made, text = write_notes(train_path, demonstrations, seed)
    if text:
        print(text)
    further = write_extra_sets(folder, seed, val_per_level) if extra_sets else []
    return [train_path, val_path, *made, *further]


def write_notes(train_path: Path, demonstrations: Demonstrations, seed: int) -> tuple[list[Path], str]:
    """Write what belongs beside a training file: its summary, and its questions with a demonstration.

    `SUMMARY` is written where the settings are not the defaults, and `COVERED` where some questions have a
    demonstration and others have none. What an earlier call left of these two is removed.

    Returns:
        The further question files, and the summary in words.
    """
    folder = train_path.parent
    for name in (SUMMARY, COVERED):
        (folder / name).unlink(missing_ok=True)
    if not demonstrations.label:
        return [], ""
    rows = pq.read_table(train_path).to_pylist()
    text = write_summary(folder, demonstrations, seed, rows)
    covered = [row for row in rows if row["extra_info"]["demonstration"] != NONE]
    if not 0 < len(covered) < len(rows):
        return [], text
    write_parquet(covered, folder / COVERED)
    return [folder / COVERED], text


def check_length(style: str, max_response_length: int, max_target_length: int | None) -> None:
    """Refuse limits that a style does not fit: its demonstrations would be dropped, and its rollouts cut off.

    Raises:
        ConfigError: a limit is too small.
    """
    limits = {"data.max_response_length": (max_response_length, max(VAL_LEVELS))}
    if max_target_length is not None:
        limits["data.max_target_length"] = (max_target_length, max(TRAIN_LEVELS))
    for name, (limit, level) in limits.items():
        if limit < (needed := longest(style, level)):
            fitting = [each for each in STYLES if longest(each, level) <= limit]
            raise ConfigError(
                f"got style={style} and {name}={limit}; its demonstrations of level {level} have {needed} tokens: set "
                f"{name}={needed} or more" + f", or choose one of the styles {', '.join(fitting)}" * bool(fitting)
            )
