# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Seconds of a training step of each method, relative to GRPO's, on the built-in task and the CPU.

Model, questions, n and tokens per rollout are the same for all, and a batch makes one optimizer step. Rewards are
random, but all rollouts of a share of the questions fail (--share), those of further rounds, too: these questions train
on their demonstration, or are drawn again as often as the method does.

One training takes the steps of all methods in turn, two of each, --repeat times over, so all share a stack. GRPO's
steps come again after every few methods, and a step is compared with the nearest of them, before and after it: a busy
spell of the machine meets both. sft_only has a trainer of its own; its ratio is that of two further trainings.

    python -m benchmarks.methods --methods chord,ghpo          # some
    python -m benchmarks.methods --out hpt/method/costs.json   # all, for the table of `hpt algorithms methods`

Further arguments override config/quickstart.yaml.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import (
    SIZES,
    Size,
    Values,
    after_warm_up,
    finish,
    make_task,
    new_folder,
    overrides_of,
    parser,
    random_rewards,
    train,
)
from hpt.method.catalogue import methods
from hpt.method.strategies import STRATEGIES

BASELINE = "grpo"
EVERY = 6
"""GRPO's steps come again after as many methods."""
HINT_SHARES = (0.25, 0.5, 0.75)
STEP, TOKENS = "timing_s/step", "hpt/tokens_sampled"
STEPS = 8
"""Steps of each of the two trainings for sft_only."""


def add_hints(file: Path) -> None:
    """Give each question hints: the beginnings of its demonstration."""
    rows = pq.read_table(file).to_pylist()
    for row in rows:
        hints = [row["target"][: round(share * len(row["target"]))] for share in HINT_SHARES]
        row["extra_info"] = {**row["extra_info"], "hints": hints}
    pq.write_table(pa.Table.from_pylist(rows), file)


def settings_of(key: str, selected: str, size: Size, share: float) -> dict[str, Any]:
    """The settings of ``hpt`` that a row of the table of methods names, with what makes each of its steps usual."""
    settings: dict[str, Any] = dict(each.removeprefix("hpt.").split("=") for each in selected.split())
    params = {
        "scaf_grpo": {"warmup_steps": 0},
        "relift": {"sft_data_size": max(round(share * size.questions), 1)},  # an SFT step per batch
    }
    return {**settings, "params": params.get(key, {})}


def selected(names: Sequence[str]) -> dict[str, str]:
    """Overrides by the key of a row of the table of methods; all without names.

    Raises:
        SystemExit: an unknown name.
    """
    every = {row.key: row.selected for row in methods()}
    if unknown := sorted(set(names) - set(every)):
        raise SystemExit(f"error: unknown methods {', '.join(unknown)}; expected some of {', '.join(every)}")
    return {key: every[key] for key in dict.fromkeys((BASELINE, *(names or every)))}


def order_of(keys: Sequence[str], repeat: int) -> list[str]:
    """Which method each step is of: two steps of each, and GRPO's again after every few methods."""
    others = [key for key in keys if key != BASELINE]
    parts = [others[first : first + EVERY] for first in range(0, len(others), EVERY)] or [[]]
    once = [key for part in parts for key in (BASELINE, *part) for _ in range(2)]
    return once * repeat + [BASELINE] * 2


def to_the_nearest(seconds: Sequence[float], order: Sequence[str]) -> list[float]:
    """Each step's seconds relative to the mean of GRPO's nearest two steps before it and two after it."""
    baseline = [place for place, key in enumerate(order) if key == BASELINE and place]
    found = []
    for place, took in enumerate(seconds):
        before = [each for each in baseline if each < place][-2:]
        after = [each for each in baseline if each > place][:2]
        found.append(took / fmean(seconds[each] for each in (*before, *after)))
    return found


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--size", choices=SIZES, default="small")
    options.add_argument("--share", type=float, default=0.5, help="share of the questions whose rollouts fail (0.5)")
    options.add_argument("--methods", default="", help="some, by the keys of their strategies or entries; default: all")
    given, further = options.parse_known_args()
    chosen = selected([name for name in given.methods.split(",") if name])
    size, folder = SIZES[given.size], new_folder(f"methods-{given.size}")
    task = folder / "task"
    make_task(task, size)
    add_hints(task / "train.parquet")
    # Not those that sample nothing: they have another trainer.
    sampling = [key for key in chosen if key not in STRATEGIES or STRATEGIES[key].generates]
    order = order_of(sampling, given.repeat)
    tour = folder / "tour.json"
    tour.write_text(json.dumps([settings_of(key, chosen[key], size, given.share) for key in order]))
    os.environ["TOUR"] = str(tour)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    base = [*overrides_of(task, size, len(order)), *random_rewards(given.share), "trainer.total_epochs=1000"]
    reference = ["actor_rollout_ref.actor.use_kl_loss=true", "actor_rollout_ref.actor.kl_loss_coef=0"]  # for log pi_0
    run = train(folder / "run", [*base, *reference, "hpt.plugins=[tour]", "hpt.strategy=rl_only", *further])
    steps = [run.steps[step] for step in sorted(run.steps)]
    ratios = to_the_nearest([step[STEP] for step in steps], order)
    rows: dict[str, Values] = {}
    for key in sampling:
        places = [place for place in range(1, len(order)) if order[place] == key]  # the first step compiles
        rows[key] = {
            "s per step": median(steps[place][STEP] for place in places),
            "ratio": median(ratios[place] for place in places),
            "sampled tokens": median(steps[place][TOKENS] for place in places),
        }
    for key in chosen.keys() - set(sampling):
        rows[key] = alone(folder, task, size, chosen, key, further)
    finish("methods", given.out, rows, size=given.size, share=given.share, repeat=given.repeat)


def alone(folder: Path, task: Path, size: Size, chosen: dict[str, str], key: str, further: Sequence[str]) -> Values:
    """A method that has a trainer of its own, beside a training by GRPO."""
    base = [*overrides_of(task, size, STEPS), *random_rewards(), *further]
    took = [after_warm_up(train(folder / name, [*base, *chosen[name].split()]), STEP) for name in (BASELINE, key)]
    return {"s per step": took[1], "ratio": took[1] / took[0], "sampled tokens": 0}


if __name__ == "__main__":
    main()
