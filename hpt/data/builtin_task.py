# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The built-in task: chained addition modulo 100, generated offline from a seed.

A question is `37+5+8+2=`, its gold solution `37+5:42,42+8:50,50+2:52 \\boxed{52}`: every partial
sum spelled out, then the answer. The level of a question is its number of terms; the first term is
in 0..99, the others in 0..9. The first term and all sums are written with two digits (`97+5:02`):
fixed positions make the demonstrations several times faster to learn. A level-1 question is a
single number, and its solution is the box alone.

A model that knows levels 1 and 2 knows every step of a longer chain, but not that steps follow one
another: it scores zero on the higher levels, so RL alone has no signal there, while demonstrations
teach them within about a hundred optimizer steps. Level 8 is never trained on.

One fifth of all questions is held out. A hash of the question decides which, not the seed: the
training data and the base model's data of any seed are therefore disjoint from the validation data
of any other. Level 1 has only 100 questions, 22 of them held out, and level 2 has 1000, 194 of
them held out: a validation split that asks for more gets those, and a training split that asks for
more than the rest repeats them. No other level repeats a question within a split. Only whole
questions are held out: their single steps, such as `42+8:50`, do occur in training.
"""

import hashlib
import os
import random
import re
import tempfile
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

MODULUS = 100
"""The first term and all sums are in [0, MODULUS)."""
STEP_TERMS = 10
"""All terms after the first are in [0, STEP_TERMS)."""
TRAIN_LEVELS = (1, 2, 3, 4, 5, 6)
VAL_LEVELS = (*TRAIN_LEVELS, 8)
"""The training levels and one that is harder than any of them."""
HELD_OUT_ONE_IN = 5
MAX_SOLUTION_TOKENS = 64
"""Bound on a gold solution of level 8 in tokens of `hpt.data.builtin_model`, end token included."""

_ENUMERABLE_LEVEL = 2
"""Up to this level (1000 questions) all questions are listed; beyond it they are drawn."""
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")

Terms = tuple[int, ...]


def question_text(terms: Sequence[int]) -> str:
    """`(37, 5)` -> `37+5=`."""
    return "+".join((_two_digits(terms[0]), *map(str, terms[1:]))) + "="


def answer_text(terms: Sequence[int]) -> str:
    """The sum of the terms modulo 100, in two digits."""
    return _two_digits(sum(terms))


def solution_text(terms: Sequence[int]) -> str:
    """The gold solution: every partial sum, then the boxed answer."""
    sums = [_two_digits(total) for total in accumulate(terms)]
    steps = [
        f"{before}+{term}:{after}"
        for (before, after), term in zip(pairwise(sums), terms[1:], strict=True)
    ]
    boxed = f"\\boxed{{{sums[-1]}}}"
    return f"{','.join(steps)} {boxed}" if steps else boxed


def _two_digits(number: int) -> str:
    return f"{number % MODULUS:02d}"


def boxed_answer(text: str) -> str | None:
    """The content of the last `\\boxed{...}` in `text`, or None where there is none."""
    found = _BOXED.findall(text)
    return found[-1] if found else None


def is_held_out(terms: Sequence[int]) -> bool:
    """Whether the question belongs to the validation fifth. It depends on the question alone."""
    digest = hashlib.sha256(question_text(terms).encode()).digest()
    return int.from_bytes(digest[:8], "big") % HELD_OUT_ONE_IN == 0


def sample_terms(level: int, rng: random.Random, held_out: bool) -> Terms:
    """One question of `level`, uniform over the held-out questions or over all others."""
    while True:
        terms = (rng.randrange(MODULUS), *(rng.randrange(STEP_TERMS) for _ in range(level - 1)))
        if is_held_out(terms) == held_out:
            return terms


def all_terms(level: int, held_out: bool) -> list[Terms]:
    """Every held-out question of `level`, or every other, in a fixed order."""
    chains: Iterable[Terms] = ((first,) for first in range(MODULUS))
    for _ in range(level - 1):
        chains = [(*chain, term) for chain in chains for term in range(STEP_TERMS)]
    return [chain for chain in chains if is_held_out(chain) == held_out]


def level_questions(level: int, count: int, rng: random.Random, held_out: bool) -> list[Terms]:
    """`count` questions of `level`, distinct while there are enough of them.

    A training split that asks for more than there are repeats them, as evenly as possible; a
    held-out split holds each at most once, since a repetition would measure nothing new.
    """
    if level > _ENUMERABLE_LEVEL:
        return _distinct_questions(level, count, rng, held_out)
    pool = all_terms(level, held_out)
    drawn: list[Terms] = []
    while len(drawn) < count:
        drawn += rng.sample(pool, min(len(pool), count - len(drawn)))
        if held_out:
            break
    return drawn


def _distinct_questions(level: int, count: int, rng: random.Random, held_out: bool) -> list[Terms]:
    held_share = 1 / HELD_OUT_ONE_IN if held_out else 1 - 1 / HELD_OUT_ONE_IN
    limit = int(MODULUS * STEP_TERMS ** (level - 1) * held_share / 2)
    if count > limit:  # drawing the last few of a pool by rejection would take for ever
        raise ValueError(
            f"{count} distinct questions of level {level} were asked for, at most {limit} can be "
            "drawn: ask for fewer, or for more levels"
        )
    drawn: dict[Terms, None] = {}
    while len(drawn) < count:
        drawn[sample_terms(level, rng, held_out)] = None
    return list(drawn)


def example_row(terms: Terms, index: int, split: str) -> dict[str, Any]:
    """One row in verl's data format, with the gold solution in the column `target`.

    The level is part of `data_source`, by which verl groups its validation metrics.
    """
    level = len(terms)
    return {
        "data_source": f"builtin/level_{level}",
        "prompt": [{"role": "user", "content": question_text(terms)}],
        "ability": "arithmetic",
        "reward_model": {"style": "rule", "ground_truth": answer_text(terms)},
        "extra_info": {"index": index, "level": level, "split": split},
        "target": solution_text(terms),
    }


def make_split(
    split: str, counts: dict[int, int], seed: int, shuffle: bool = True
) -> list[dict[str, Any]]:
    """The rows of one split.

    Args:
        split: `train` or `val`; `val` consists of held-out questions and `train` of all others.
        counts: number of questions per level; fewer come only where a level of the `val` split
            has no more.
        seed: of the draw and the order. The levels draw independently of one another.
        shuffle: mix the levels; otherwise the rows are in the order of `counts`.
    """
    if split not in ("train", "val"):
        raise ValueError(f"Unknown split {split!r}. Available: train, val")
    if any(level < 1 for level in counts):
        raise ValueError(f"A level is a number of terms, at least 1; got {sorted(counts)}")
    chosen: list[Terms] = []
    for level, count in counts.items():
        # A string seeds random.Random through SHA-512: the same draw in every process.
        rng = random.Random(f"{seed}/{split}/{level}")
        chosen += level_questions(level, count, rng, held_out=split == "val")
    if shuffle:
        random.Random(f"{seed}/{split}/order").shuffle(chosen)
    return [example_row(terms, index, split) for index, terms in enumerate(chosen)]


def spread(total: int, levels: Sequence[int]) -> dict[int, int]:
    """`total` questions over `levels` as evenly as possible, the first levels taking the rest."""
    share, rest = divmod(total, len(levels))
    return {level: share + (i < rest) for i, level in enumerate(levels)}


def write_parquet(rows: list[dict[str, Any]], path: Path) -> None:
    """Write the rows so that `path` is either as before or complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        pq.write_table(pa.Table.from_pylist(rows), temporary)
        os.chmod(temporary, 0o644)  # mkstemp makes the file private to its owner
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def write_task(
    out_dir: str | os.PathLike[str],
    seed: int = 0,
    train_size: int = 9600,
    val_per_level: int = 64,
    train_levels: Sequence[int] = TRAIN_LEVELS,
    val_levels: Sequence[int] = VAL_LEVELS,
) -> tuple[Path, Path]:
    """Write `train.parquet` and `val.parquet` and return their paths.

    The same arguments give the same bytes, so a repeated call changes nothing.

    Args:
        out_dir: made where missing.
        train_size: questions in the training split, spread evenly over `train_levels`.
        val_per_level: questions per level in the validation split, which is ordered by level.
    """
    if train_size < 1 or val_per_level < 1:
        raise ValueError(
            f"train_size and val_per_level must be positive; got {train_size}, {val_per_level}"
        )
    train_path, val_path = Path(out_dir) / "train.parquet", Path(out_dir) / "val.parquet"
    write_parquet(make_split("train", spread(train_size, train_levels), seed), train_path)
    val_counts = dict.fromkeys(val_levels, val_per_level)
    write_parquet(make_split("val", val_counts, seed, shuffle=False), val_path)
    return train_path, val_path
