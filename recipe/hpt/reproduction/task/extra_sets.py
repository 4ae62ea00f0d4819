# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Held-out sets of the built-in task beside its validation: out of distribution, and forgetting.

    ood_level.parquet      levels 8 and 9: longer than any level of training and validation
    ood_notation.parquet   the training levels, written `37+(8x3)=`, which no training question is
    forgetting.parquet     levels 1 and 2, which the base model solves before the training

All questions are from the half `test` of the held-out ones, so they are disjoint from every training and development
set of any seed. A set's rows have a `data_source` of their own, such as `builtin/ood_level/level_8`.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpt.common.errors import ConfigError
from hpt.common.settings import one_of
from recipe.hpt.reproduction.task.questions import (
    MAX_LEVEL,
    TRAIN_LEVELS,
    VAL_LEVELS,
    make_split,
    write_parquet,
)

BASE_LEVELS = (1, 2)
"""The levels that the base model is trained on."""
LEVELS = {
    "ood_level": tuple(range(max(VAL_LEVELS) + 1, MAX_LEVEL + 1)),
    "ood_notation": TRAIN_LEVELS,
    "forgetting": BASE_LEVELS,
}
"""Set -> its levels."""
NAMES = tuple(LEVELS)


def in_parentheses(question: str) -> str:
    """The question in a notation that training does not show: `37+(8x3)=` for `37+8x3=`."""
    start, _, rest = question.partition("+")
    return f"{start}+({rest.removesuffix('=')})="


def make_extra_set(name: str, per_level: int, seed: int) -> list[dict[str, Any]]:
    """The rows of a set, in the order of the levels.

    Args:
        name: one of `NAMES`.
        per_level: questions per level. There are about 85 at most.
        seed: seed of the draw.

    Raises:
        ConfigError: an unknown set, or a number that is not positive.
    """
    one_of("extra set", name, NAMES)
    if per_level < 1:
        raise ConfigError(f"got {per_level} questions per level; expected a whole number >= 1")
    rows = make_split("test", dict.fromkeys(LEVELS[name], per_level), seed, shuffle=False)
    for row in rows:
        row["data_source"] = f"builtin/{name}/level_{row['extra_info']['level']}"
        row["extra_info"]["split"] = name
        if name == "ood_notation":
            row["prompt"][0]["content"] = in_parentheses(row["prompt"][0]["content"])
    return rows


def write_extra_sets(
    folder: str | os.PathLike[str], seed: int = 0, per_level: int = 64, names: Sequence[str] = NAMES
) -> list[Path]:
    """Write the sets into the folder, and return their paths. The same arguments give the same bytes."""
    paths = []
    for name in names:
        paths.append(Path(folder) / f"{name}.parquet")
        write_parquet(make_extra_set(name, per_level, seed), paths[-1])
    return paths
