# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The built-in task: repeated addition modulo 100, generated offline from a seed.

A question is `37+8x3=`: start at 37, add 8 three times. Its demonstration is
`3:37+8,2:45+8,1:53+8,0:61 \\boxed{61}`: a countdown with the running sum, then the answer. The level of a question is
its number of additions. The start is in 0..99 and the addend in 1..9. All sums are written with two digits, so that
every step looks at the previous step in the same places.

A model that knows levels 1 and 2 knows every addition of a longer countdown, but not how to count down from 3 or more.
It scores about zero on the higher levels, so RL alone has no signal there. Demonstrations teach these levels within a
few dozen optimizer steps. Level 7 is never trained on.

One fifth of all questions is held out. A hash of the question decides which ones, not the seed. The training data and
the base model's data of any seed are therefore disjoint from the validation data of any other seed. A level has 900
questions, and about 180 of them are held out. A validation split that asks for more gets those. A training split that
asks for more than the rest repeats questions. Only whole questions are held out: their single steps, such as `45+8` to
`53`, do occur in training.

Settings are chosen by held-out accuracy on split `dev` and reported on split `test`. These are halves of the held-out
fifth, again by the hash, and are disjoint for any two seeds. Split `val` draws from both halves.
"""

import hashlib
import os
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from hpt.common.errors import ConfigError
from hpt.common.files import replacing
from hpt.common.settings import one_of

MODULUS = 100
"""The start and all sums are in [0, MODULUS)."""
ADDENDS = range(1, 10)
TRAIN_LEVELS = (1, 2, 3, 4, 5, 6)
VAL_LEVELS = (*TRAIN_LEVELS, 7)
"""The training levels and one that is harder than any of them."""
MAX_LEVEL = 9
"""The countdown has one digit."""
HELD_OUT_ONE_IN = 5
SPLITS = ("train", "val", "dev", "test")
HALVES = ("dev", "test")
"""The halves of the held-out questions."""
MAX_SOLUTION_TOKENS = 64
"""Bound on a demonstration of level 7 in tokens of the built-in tokenizer, end token included."""

_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")


class Problem(NamedTuple):
    """Start at `start` and add `addend`, `level` times."""

    start: int
    addend: int
    level: int


class Demonstration(NamedTuple):
    """A question's demonstration.

    Attributes:
        text: None for a question without one.
        notes: what `extra_info` says of it.
    """

    text: str | None
    notes: Mapping[str, str]


class Demonstrator(Protocol):
    """What gives questions their demonstrations, such as `recipe.hpt.reproduction.task.demonstrations`'s settings."""

    def demonstrate(self, problems: Sequence[Problem], seed: int) -> list[Demonstration]:
        """One demonstration per question, in their order."""


def question_text(problem: Problem) -> str:
    """The question, such as `37+8x3=`."""
    return f"{two_digits(problem.start)}+{problem.addend}x{problem.level}="


def answer_text(problem: Problem) -> str:
    """The result modulo 100, in two digits."""
    return two_digits(problem.start + problem.addend * problem.level)


def running_sums(problem: Problem) -> list[int]:
    """The start and the sum after each addition, modulo 100: `level` + 1 numbers."""
    return [(problem.start + problem.addend * done) % MODULUS for done in range(problem.level + 1)]


def countdown(problem: Problem, sums: Sequence[int], answer: int) -> str:
    """The countdown with the given running sums, then the given answer in a box."""
    steps = [f"{problem.level - done}:{two_digits(total)}+{problem.addend}" for done, total in enumerate(sums[:-1])]
    return f"{','.join(steps)},0:{two_digits(sums[-1])} \\boxed{{{two_digits(answer)}}}"


def solution_text(problem: Problem) -> str:
    """The demonstration: the countdown with the running sums, then the boxed answer."""
    sums = running_sums(problem)
    return countdown(problem, sums, sums[-1])


def two_digits(number: int) -> str:
    """The number modulo 100 as it is written in all texts."""
    return f"{number % MODULUS:02d}"


def boxed_answer(text: str) -> str | None:
    """The content of the last `\\boxed{...}` in `text`, or None if there is none."""
    found = _BOXED.findall(text)
    return found[-1] if found else None


def is_held_out(problem: Problem) -> bool:
    """Whether the question belongs to the validation fifth. It depends on the question alone."""
    return int.from_bytes(_digest(problem)[:8], "big") % HELD_OUT_ONE_IN == 0


def half_of(problem: Problem) -> str:
    """The half of the held-out questions that the question belongs to, one of `HALVES`."""
    return HALVES[_digest(problem)[8] % len(HALVES)]  # a byte that is_held_out does not read


def _digest(problem: Problem) -> bytes:
    return hashlib.sha256(question_text(problem).encode()).digest()


def all_problems(level: int, held_out: bool) -> list[Problem]:
    """Every held-out question of `level`, or every other one, in a fixed order.

    Raises:
        ConfigError: a level outside 1..MAX_LEVEL.
    """
    if not 1 <= level <= MAX_LEVEL:
        raise ConfigError(f"got level {level}; expected a number of additions from 1 to {MAX_LEVEL}")
    problems = (Problem(start, addend, level) for start in range(MODULUS) for addend in ADDENDS)
    return [problem for problem in problems if is_held_out(problem) == held_out]


def level_problems(
    level: int, count: int, rng: random.Random, held_out: bool, half: str | None = None
) -> list[Problem]:
    """`count` questions of `level`, distinct while there are enough of them.

    A training split that asks for more than there are repeats them as evenly as possible. A held-out split holds each
    question at most once, because a repetition would measure nothing new.

    Args:
        half: one of `HALVES`, to draw from this half of the held-out questions only.
    """
    pool = [problem for problem in all_problems(level, held_out) if half is None or half_of(problem) == half]
    drawn: list[Problem] = []
    while len(drawn) < count:
        drawn += rng.sample(pool, min(len(pool), count - len(drawn)))
        if held_out:
            break
    return drawn


def example_row(problem: Problem, index: int, split: str, demonstration: Demonstration | None = None) -> dict[str, Any]:
    """One row in verl's data format, with the demonstration in the column `target`.

    Without a `demonstration` it is `solution_text`. The level is part of `data_source`, by which verl groups its
    validation metrics.
    """
    target, notes = demonstration or Demonstration(solution_text(problem), {})
    return {
        "data_source": f"builtin/level_{problem.level}",
        "prompt": [{"role": "user", "content": question_text(problem)}],
        "ability": "arithmetic",
        "reward_model": {"style": "rule", "ground_truth": answer_text(problem)},
        "extra_info": {"index": index, "level": problem.level, "split": split, **notes},
        "target": target,
    }


def make_split(
    split: str,
    counts: dict[int, int],
    seed: int,
    shuffle: bool = True,
    demonstrations: Demonstrator | None = None,
) -> list[dict[str, Any]]:
    """The rows of one split.

    Args:
        split: `train` takes the questions that are not held out, `val` all held-out ones, `dev` and `test` one half
            of these each.
        counts: number of questions per level. There are fewer only where a level of a held-out split has no more.
        seed: seed of the draw and of the order. The levels draw independently of one another.
        shuffle: mix the levels. Otherwise the rows are in the order of `counts`.
        demonstrations: what gives the questions their demonstrations. By default each has the right one.

    Raises:
        ConfigError: an unknown split, or a level that does not exist.
    """
    one_of("split", split, SPLITS)
    half = split if split in HALVES else None
    chosen: list[Problem] = []
    for level, count in counts.items():
        # A string seeds random.Random through SHA-512: the same draw in every process.
        rng = random.Random(f"{seed}/{split}/{level}")
        chosen += level_problems(level, count, rng, held_out=split != "train", half=half)
    if shuffle:
        random.Random(f"{seed}/{split}/order").shuffle(chosen)
    given = demonstrations.demonstrate(chosen, seed) if demonstrations else [None] * len(chosen)
    return [example_row(problem, i, split, each) for i, (problem, each) in enumerate(zip(chosen, given, strict=True))]


def spread(total: int, levels: Sequence[int]) -> dict[int, int]:
    """`total` questions over `levels` as evenly as possible; the first levels take the rest."""
    share, rest = divmod(total, len(levels))
    return {level: share + (i < rest) for i, level in enumerate(levels)}


def write_parquet(rows: list[dict[str, Any]], path: Path) -> None:
    """Write the rows so that `path` is either as before or complete."""
    table = pa.Table.from_pylist(rows)
    if pa.types.is_null(table.schema.field("target").type):  # no row has a demonstration; readers expect texts
        table = table.set_column(table.schema.get_field_index("target"), "target", table["target"].cast(pa.string()))
    with replacing(path) as file:
        pq.write_table(table, file)


def write_task(
    out_dir: str | os.PathLike[str],
    seed: int = 0,
    train_size: int = 9600,
    val_per_level: int = 64,
    train_levels: Sequence[int] = TRAIN_LEVELS,
    val_levels: Sequence[int] = VAL_LEVELS,
    demonstrations: Demonstrator | None = None,
) -> tuple[Path, Path]:
    """Write `train.parquet` and `val.parquet` and return their paths.

    The same arguments give the same bytes, so a repeated call changes nothing.

    Args:
        out_dir: folder to write into, made if missing.
        train_size: questions in the training split, spread evenly over `train_levels`.
        val_per_level: questions per level in the validation split, which is ordered by level.
        demonstrations: what gives the training questions their demonstrations. By default each has the right one.

    Raises:
        ConfigError: a size that is not positive, or a level that does not exist.
    """
    if train_size < 1 or val_per_level < 1:
        raise ConfigError(f"got train_size={train_size} and val_per_level={val_per_level}; both must be positive")
    train_path, val_path = Path(out_dir) / "train.parquet", Path(out_dir) / "val.parquet"
    train = make_split("train", spread(train_size, train_levels), seed, demonstrations=demonstrations)
    write_parquet(train, train_path)
    val_counts = dict.fromkeys(val_levels, val_per_level)
    write_parquet(make_split("val", val_counts, seed, shuffle=False), val_path)
    return train_path, val_path
