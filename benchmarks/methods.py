# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Seconds of a training step of each method, relative to GRPO's, on the built-in task and the CPU.

Model, questions, n and tokens per rollout are the same for all, and a batch makes one optimizer step. Rewards are
random, but all rollouts of a share of the questions fail (--share), those of further rounds, too: these questions train
on their demonstration, or are drawn again as often as the method does. A measurement is the median over the steps
after the first two; "tokens" is the mean length of a rollout.

    python -m benchmarks.methods --methods chord,ghpo          # some
    python -m benchmarks.methods --out hpt/method/costs.json   # all, for the table of `hpt algorithms methods`

Further arguments override config/quickstart.yaml.
"""

import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import (
    SIZES,
    Size,
    finish,
    make_task,
    measure,
    new_folder,
    overrides_of,
    parser,
    random_rewards,
    summary,
)
from benchmarks.step import ours
from hpt.method.catalogue import methods

BASELINE = "grpo"
HINT_SHARES = (0.25, 0.5, 0.75)


def add_hints(file: Path) -> None:
    """Give each question hints: the beginnings of its demonstration."""
    rows = pq.read_table(file).to_pylist()
    for row in rows:
        hints = [row["target"][: round(share * len(row["target"]))] for share in HINT_SHARES]
        row["extra_info"] = {**row["extra_info"], "hints": hints}
    pq.write_table(pa.Table.from_pylist(rows), file)


def parameters(key: str, size: Size, share: float) -> list[str]:
    """What makes a method's steps alike from the first on, where it begins with others."""
    chosen = {
        "sasr": {"warmup_steps": 1},
        "scaf_grpo": {"warmup_steps": 0},
        "relift": {"sft_data_size": max(round(share * size.questions), 1)},  # an SFT step per batch
    }
    return [f"+hpt.params.{name}={value}" for name, value in chosen.get(key, {}).items()]


def selected(names: Sequence[str]) -> dict[str, list[str]]:
    """Overrides by the key of a row of the table of methods, the baseline first; all without names.

    Raises:
        SystemExit: an unknown name.
    """
    every = {row.key: row.selected.split() for row in methods()}
    if unknown := sorted(set(names) - set(every)):
        raise SystemExit(f"error: unknown methods {', '.join(unknown)}; expected some of {', '.join(every)}")
    return {key: every[key] for key in dict.fromkeys((BASELINE, *(names or every)))}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--size", choices=SIZES, default="small")
    options.add_argument("--steps", type=int, default=8, help="steps of a training, the first two included (8)")
    options.add_argument("--share", type=float, default=0.5, help="share of the questions whose rollouts fail (0.5)")
    options.add_argument("--methods", default="", help="some, by the keys of their strategies or entries; default: all")
    given, further = options.parse_known_args()
    arms = selected([name for name in given.methods.split(",") if name])
    size, folder = SIZES[given.size], new_folder(f"methods-{given.size}")
    task, folders = folder / "task", (folder / f"run{number}" for number in itertools.count())
    make_task(task, size)
    add_hints(task / "train.parquet")
    base = [*overrides_of(task, size, given.steps), *random_rewards(given.share)]
    results = measure(
        {
            key: partial(ours, folders, [*base, *overrides, *parameters(key, size, given.share), *further])
            for key, overrides in arms.items()
        },
        given.repeat,
    )
    finish("methods", given.out, summary(results), size=given.size, steps=given.steps, share=given.share)


if __name__ == "__main__":
    main()
